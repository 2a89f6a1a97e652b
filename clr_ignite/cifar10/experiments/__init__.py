"""The table of experiments, and what an experiment is."""

from clr_ignite.cifar10.experiments.entry import Row
from clr_ignite.cifar10.experiments.experiment import Experiment
from clr_ignite.cifar10.experiments.own import is_own, own
from clr_ignite.cifar10.experiments.table import CAFFE_FIXED, EXPERIMENTS, FAMILIES, TABLE2

__all__ = ["CAFFE_FIXED", "EXPERIMENTS", "FAMILIES", "TABLE2", "Experiment", "Row", "is_own", "own"]
