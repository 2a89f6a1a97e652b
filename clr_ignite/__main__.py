"""``clr-ignite``, or ``python -m clr_ignite``: the reproduction's commands, or what there is."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import clr_ignite

_WHAT_THERE_IS = """\
clr_ignite {version}: cyclical learning rates and the learning-rate range test for PyTorch-Ignite

in Python:
  from clr_ignite import LRRangeTest, ScheduleHandler   bounds for your trainer, rates between them
  from clr_ignite.schedules import Triangular           schedules, plain functions of the iteration
  from clr_ignite.live import VisdomPlotter             curves while they grow

on the command line:
  clr-ignite --help                       nets on CIFAR-10 or pictures of your own: range test,
                                          training, the table of experiments, reports
  python -m clr_ignite.visdom_assets      the files that Visdom's page takes from the network
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Without arguments say what there is, else run a command of the reproduction."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    if not words:
        print(_WHAT_THERE_IS.format(version=clr_ignite.__version__), end="")
        return 0
    from clr_ignite.cifar10.__main__ import main as run

    return run(words, prog="clr-ignite")


if __name__ == "__main__":
    sys.exit(main())
