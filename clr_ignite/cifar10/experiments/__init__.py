"""The table of experiments, and what an experiment is."""

from clr_ignite.cifar10.experiments.entry import Entry
from clr_ignite.cifar10.experiments.experiment import Experiment
from clr_ignite.cifar10.experiments.own import is_own, own
from clr_ignite.cifar10.experiments.table import CAFFE_FIXED, EXPERIMENTS, FAMILIES, TABLE2

Row = Entry  # its first name

__all__ = [
    "CAFFE_FIXED",
    "EXPERIMENTS",
    "FAMILIES",
    "TABLE2",
    "Entry",
    "Experiment",
    "Row",
    "is_own",
    "own",
]
