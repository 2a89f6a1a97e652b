"""The public path of :mod:`clr_ignite.cifar10.cli.commands`."""

from clr_ignite.cifar10.cli.commands import (
    compare,
    experiments,
    preview,
    range_test,
    replay,
    report,
    reproduce,
    train,
)
from clr_ignite.cifar10.cli.speaking import describe

__all__ = [
    "compare",
    "describe",
    "experiments",
    "preview",
    "range_test",
    "replay",
    "report",
    "reproduce",
    "train",
]
