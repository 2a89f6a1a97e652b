"""An entry of the table of experiments, and what those of several sources share."""

from __future__ import annotations

from dataclasses import dataclass

from clr_ignite.cifar10.experiments.experiment import Experiment
from clr_ignite.schedules import Linear, MultiStep

CAFFE_FIXED = MultiStep(0.001, (60_000, 65_000), 0.1)
PAPERS_DECAY = Linear(0.007, 0.001, 4_000)
OURS = "a row of our own"  # the source of an entry that nobody else has


@dataclass(frozen=True)
class Entry:
    """An experiment of somebody's table, with what is printed there.

    Args:
        experiment: what is trained.
        published: the accuracy printed there, in percent; None for one of our own.
        source: where.
        against: the entry whose final accuracy this one's is held against.
        title: what is special about it, in words, as pictures of its net call it.
    """

    experiment: Experiment
    published: float | None
    source: str
    against: str
    title: str = ""
