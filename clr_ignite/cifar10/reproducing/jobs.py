"""A job: one experiment, one seed, one run folder; the same function wherever it runs."""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from clr_ignite.cifar10.data import DataSet, load
from clr_ignite.cifar10.experiments import Experiment
from clr_ignite.cifar10.runs.records import Result
from clr_ignite.cifar10.runs.run_folder import InUse
from clr_ignite.cifar10.training import train


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

    def run(self, *, patience: float = 60.0) -> Result:
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
            except InUse:
                if time.monotonic() > until:
                    raise
                time.sleep(0.5)


@functools.lru_cache(maxsize=1)
def loaded(data: str, folder: Path | None) -> DataSet:
    """``load``, once for the jobs that a process runs one after the other."""
    return load(data, folder)
