"""How far each run is, read from the run folders: it works wherever the runs are."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

from tqdm import tqdm

from clr_ignite.cifar10.reproducing.jobs import Job, Seen
from clr_ignite.cifar10.runs.run_folder import RunError, RunFolder


class RunLines:
    """A context in which a bar of each job moves with its evaluations and shows the time left.

    Args:
        jobs: one line each, in this order.
        every: seconds between two looks.
        bars: draw them; else print a line at the start of a run and one at each evaluation.
        on_look: called after each look.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        *,
        every: float = 1.0,
        bars: bool = True,
        on_look: Callable[[], object] = lambda: None,
    ) -> None:
        kind = _Line if bars else _Text
        self._lines = [kind(job, position) for position, job in enumerate(jobs)]
        self._every, self._on_look = every, on_look
        self._over, self._looking = threading.Event(), threading.Lock()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> RunLines:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()
        self.look()
        for line in self._lines:
            line.close()

    def look(self) -> None:
        """Say what is new in the folders."""
        with self._looking:
            for line in self._lines:
                line.look()
            self._on_look()

    def _watch(self) -> None:
        while not self._over.wait(self._every):
            self.look()


class _Line:
    def __init__(self, job: Job, position: int) -> None:
        self.news = _News(job)
        self.bar: Any = tqdm(
            desc=f"{job.name}, seed {job.seed}",
            total=job.experiment.iterations,
            initial=self.news.done,
            position=position,
            unit="it",
        )
        self.started = False
        self.looked = time.time()

    def look(self) -> None:
        for iteration, _, accuracy in self.news.read()[-1:]:
            if not self.started:  # the time in the queue is not the run's
                self.started = True
                self.bar.start_t = self.bar.last_print_t = self.looked
            self.bar.set_postfix(accuracy=f"{100 * accuracy:.2f} %", refresh=False)
            self.bar.update(iteration - self.bar.n)
        self.looked = self.looked if self.started else time.time()

    def close(self) -> None:
        self.bar.close()


class _Text:
    def __init__(self, job: Job, position: int) -> None:
        self.job, self.news = job, _News(job)
        self.said = self.news.over  # nothing is left to say

    def look(self) -> None:
        news = self.news.read()
        if not self.said and RunFolder(self.job.out).config.exists():
            self.said = True
            self._say(f"{self.job.experiment.schedule}")
        for iteration, rate, accuracy in news:
            total = self.job.experiment.iterations
            shown = f"{100 * accuracy:.2f} %, rate {rate:.3g}"
            self._say(f"iteration {iteration:,} of {total:,}: {shown}")

    def _say(self, text: str) -> None:
        print(f"{self.job.name}, seed {self.job.seed}: {text}", flush=True)

    def close(self) -> None:
        """Nothing is held."""


class _News:
    """What a job's folder holds that was not there before."""

    def __init__(self, job: Job) -> None:
        self.job, self.done, self.over = job, 0, False
        self.read()

    def read(self) -> Sequence[Seen]:
        if self.over:
            return []
        over = RunFolder(self.job.out).finished
        try:
            news = [one for one in self.job.seen() if one[0] > self.done]
        except (OSError, RunError):
            return []  # being replaced, or on a file system that stumbles: the next look will see
        self.done, self.over = news[-1][0] if news else self.done, over
        return news
