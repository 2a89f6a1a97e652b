"""How far each run is, read from the run folders: it works wherever the runs are."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any

from tqdm import tqdm

from clr_ignite.cifar10.reproducing.jobs import Job
from clr_ignite.cifar10.runs.run_folder import RunError, RunFolder


class RunLines:
    """A context in which a bar of each job moves with its evaluations and shows the time left.

    Args:
        jobs: one line each, in this order.
        every: seconds between two looks.
        bars: draw them; else print a line at the start of a run and one at each evaluation.
    """

    def __init__(self, jobs: Sequence[Job], *, every: float = 1.0, bars: bool = True) -> None:
        kind = _Line if bars else _Text
        self._lines = [kind(job, position) for position, job in enumerate(jobs)]
        self._every = every
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

    def _watch(self) -> None:
        while not self._over.wait(self._every):
            self.look()


class _Line:
    def __init__(self, job: Job, position: int) -> None:
        self.folder = RunFolder(job.out)
        done = self.folder.last_iteration()
        self.bar: Any = tqdm(
            desc=f"{job.name}, seed {job.seed}",
            total=job.experiment.iterations,
            initial=done,
            position=position,
            unit="it",
        )
        self.started = False
        self.looked = time.time()

    def look(self) -> None:
        try:
            rows = self.folder.rows()
        except (OSError, RunError):
            return  # being replaced, or on a file system that stumbles: the next look will see
        done = int(rows[-1]["iteration"]) if rows else 0
        if done > self.bar.n:
            if not self.started:  # the time in the queue is not the run's
                self.started = True
                self.bar.start_t = self.bar.last_print_t = self.looked
            self.bar.set_postfix(accuracy=f"{100 * rows[-1]['eval_accuracy']:.2f} %", refresh=False)
            self.bar.update(done - self.bar.n)
        self.looked = self.looked if self.started else time.time()

    def close(self) -> None:
        self.bar.close()


class _Text:
    def __init__(self, job: Job, position: int) -> None:
        self.job, self.folder = job, RunFolder(job.out)
        self.done = self.folder.last_iteration()
        self.said = self.done >= job.experiment.iterations  # nothing is left to say

    def look(self) -> None:
        try:
            rows = self.folder.rows()
        except (OSError, RunError):
            return  # as above
        if not self.said and self.folder.config.exists():
            self.said = True
            self._say(f"{self.job.experiment.schedule}")
        for row in rows:
            if row["iteration"] > self.done:
                self.done = int(row["iteration"])
                accuracy = f"{100 * row['eval_accuracy']:.2f} %, rate {row['lr']:.3g}"
                total = self.job.experiment.iterations
                self._say(f"iteration {self.done:,} of {total:,}: {accuracy}")

    def _say(self, text: str) -> None:
        print(f"{self.job.name}, seed {self.job.seed}: {text}", flush=True)

    def close(self) -> None:
        """Nothing is held."""
