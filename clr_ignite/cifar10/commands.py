"""The public path of :mod:`clr_ignite.cifar10.cli.commands`."""

from clr_ignite.cifar10.cli.commands import (
    describe,
    preview,
    range_test,
    replay,
    report,
    reproduce,
    train,
)

__all__ = ["describe", "preview", "range_test", "replay", "report", "reproduce", "train"]
