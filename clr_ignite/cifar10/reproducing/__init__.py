"""``reproduce``: rows of the table and seeds into run folders, wherever there is room."""

from clr_ignite.cifar10.reproducing.reproduction import jobs_of, reproduce

__all__ = ["jobs_of", "reproduce"]
