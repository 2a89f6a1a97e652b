"""A job: one experiment, one seed, one run folder; the same function wherever it runs."""

from __future__ import annotations

import functools
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from clr_ignite.cifar10.data import DataSet, load
from clr_ignite.cifar10.experiments import Experiment
from clr_ignite.cifar10.range_testing import range_test, so_far
from clr_ignite.cifar10.runs.run_folder import InUse, RunFolder
from clr_ignite.cifar10.training import train
from clr_ignite.result import RangeTestResult

#: What a job says of an evaluation: iteration, rate and accuracy.
Seen = tuple[int, float, float]


@dataclass(frozen=True, kw_only=True)
class Job:
    """What turns into a run folder; it can be pickled and sent to another process or machine.

    Args:
        name: what the experiment is called.
        cut: whether this one is only the beginning of it, which has no name in reports.
        experiment, seed, device, eval_every, repeatable: as for ``train``.
        out: the run folder, absolute, on a file system that every worker sees.
        data, folder: as ``load`` takes them.
        threads: of torch, on the CPU, at least 1.
    """

    name: str
    experiment: Experiment
    seed: int
    out: Path
    data: str
    folder: Path | None
    device: str
    eval_every: int
    threads: int
    cut: bool = False
    repeatable: bool = True

    def run(self, *, patience: float = 60.0) -> Any:
        """Train, or go on, or return at once what is finished.

        Args:
            patience: seconds to wait for a folder in use; the process that held it may be one
                of a machine that has just died.
        """
        torch.set_num_threads(self.threads)
        data = loaded(self.data, self.folder)
        until = time.monotonic() + patience
        while True:
            try:
                return self.outcome(data)
            except InUse:
                if time.monotonic() > until:
                    raise
                time.sleep(0.5)

    def outcome(self, data: DataSet) -> Any:
        """The result of the run, trained where it is not there yet."""
        return train(
            self.experiment,
            data,
            self.out,
            seed=self.seed,
            device=self.device,
            eval_every=self.eval_every,
            repeatable=self.repeatable,
            name=None if self.cut else self.name,
        )

    def seen(self) -> Sequence[Seen]:
        """The evaluations so far, as the run folder has them."""
        rows = RunFolder(self.out).rows()
        return [(int(row["iteration"]), row["lr"], row["eval_accuracy"]) for row in rows]


@dataclass(frozen=True, kw_only=True)
class SweepJob(Job):
    """A job that is a range test.

    Args:
        diverge_th: as for ``range_test``.
    """

    diverge_th: float | None = 4.0

    def outcome(self, data: DataSet) -> RangeTestResult:
        """The range test, run where it is not there yet."""
        return range_test(
            self.experiment,
            data,
            self.out,
            seed=self.seed,
            device=self.device,
            every=self.eval_every,
            diverge_th=self.diverge_th,
            repeatable=self.repeatable,
        )

    def so_far(self) -> RangeTestResult:
        """Its rows, as the run folder has them."""
        return so_far(self.experiment, RunFolder(self.out))

    def seen(self) -> Sequence[Seen]:
        """The evaluations so far."""
        result = self.so_far()
        accuracies = result.evaluation.get("accuracy", ())
        rows = zip(result.iteration, result.lr, accuracies, strict=False)
        return [row for row in rows if row[2] == row[2]]


@functools.lru_cache(maxsize=1)
def loaded(data: str, folder: Path | None) -> DataSet:
    """``load``, once for the jobs that a process runs one after the other."""
    return load(data, folder)
