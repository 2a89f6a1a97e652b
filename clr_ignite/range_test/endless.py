"""Training data for a run that ends by its own count."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ignite.engine import Engine

from clr_ignite.result import RangeTestResult


class Endless:
    """``data`` again and again; refuses data that gives nothing.

    Attributes:
        epoch_length: batches in an epoch, where that is known.
        limit: batches after which a test is over, done or not; None: it ends by itself.
        limited_by: the argument that says so.
        ended_by: who ended a test before its last step, in words.
        given: batches given so far.
        taken: of the pass under way, those skipped among them.
        skip: batches to leave out of the first pass, which had been broken off.
        at_start: called before each pass.
        after_skip: called once the batches of ``skip`` are behind.
    """

    def __init__(self, data: Iterable[Any]) -> None:
        self.data, self.epoch_length = data, length(data)
        self.limit: int | None = None
        self.limited_by, self.ended_by = "", "the trainer was terminated"
        self.given = self.taken = self.skip = 0
        self.at_start: Callable[[], object] = lambda: None
        self.after_skip: Callable[[], object] = lambda: None

    def __iter__(self) -> Iterator[Any]:
        full = True
        while True:
            self.at_start()
            self.taken = 0
            for batch in self.data:
                self.taken += 1
                if self.taken > self.skip:
                    self.given += 1
                    yield batch
                elif self.taken == self.skip:
                    self.after_skip()
            # One may be what is left of a pass that somebody broke off after its last batch.
            if self.taken == 0 and not full:
                raise ValueError(self._nothing())
            if self.taken < self.skip:
                raise ValueError(
                    f"data gave {self.taken} batches, where the checkpoint is {self.skip} into a "
                    "pass: remove it, or give the data that it was made with"
                )
            full = self.taken > 0
            self.skip = 0

    def _nothing(self) -> str:
        if not self.given:
            return "data must not be empty: it gave no batch"
        return (
            "data must be iterable again and again, such as a DataLoader or a list; after "
            f"{self.given} batches this {type(self.data).__name__} gave no more: begin anew in its "
            "__iter__, or give a smaller num_iter"
        )

    def stop(self, engine: Engine) -> None:
        """End the run where the limit is reached."""
        if self.limit is not None and self.given >= self.limit:
            self.ended_by = f"{self.limited_by} ended the test"
            engine.terminate()


def count_steps(result: RangeTestResult, batches: Endless, before: int) -> None:
    """Where gradients are accumulated an epoch has fewer steps than batches; ``before``: rows of
    an earlier process."""
    rows = len(result) - before
    if result.epoch_length is not None and rows:
        result.epoch_length = max(1, result.epoch_length // max(1, round(batches.given / rows)))


def length(data: Iterable[Any]) -> int | None:
    """Batches in an epoch where the data says so."""
    try:
        return len(data)  # type: ignore[arg-type]
    except TypeError:
        return None
