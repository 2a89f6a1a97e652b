"""Training data for a run that ends by its own count."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any


class Endless:
    """``data`` again and again; refuses data that gives nothing.

    Attributes:
        given: batches given so far.
        taken: of the pass under way, those skipped among them.
        skip: batches to leave out of the first pass, which had been broken off.
        at_start: called before each pass.
        after_skip: called once the batches of ``skip`` are behind.
    """

    def __init__(self, data: Iterable[Any]) -> None:
        self.data = data
        self.given = self.taken = self.skip = 0
        self.at_start: Callable[[], object] = lambda: None
        self.after_skip: Callable[[], object] = lambda: None

    def __iter__(self) -> Iterator[Any]:
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
            if self.taken == 0:
                raise ValueError("data must not be empty: it gave no batch")
            self.skip = 0


def length(data: Iterable[Any]) -> int | None:
    """Batches in an epoch where the data says so."""
    try:
        return len(data)  # type: ignore[arg-type]
    except TypeError:
        return None
