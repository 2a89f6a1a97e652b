"""A row of the table of experiments, and what rows of several sources share."""

from __future__ import annotations

from dataclasses import dataclass

from clr_ignite.cifar10.experiments.experiment import Experiment
from clr_ignite.schedules import Linear, MultiStep

CAFFE_FIXED = MultiStep(0.001, (60_000, 65_000), 0.1)
PAPERS_DECAY = Linear(0.007, 0.001, 4_000)
OURS = "a row of our own"  # the source of a row that nobody else has


@dataclass(frozen=True)
class Row:
    """A row of somebody's table.

    Args:
        experiment: what is trained.
        published: the accuracy printed there, in percent; None for a row of our own.
        source: where.
        against: the row whose final accuracy this one's iterations are held against.
    """

    experiment: Experiment
    published: float | None
    source: str
    against: str
