"""The public path of :mod:`clr_ignite.cifar10.reproducing.jobs`."""

from clr_ignite.cifar10.reproducing.jobs import Job, loaded

__all__ = ["Job", "loaded"]
