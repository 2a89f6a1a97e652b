"""Data sets in memory, as uint8: digits, CIFAR-10 or a folder of class folders."""

from clr_ignite.cifar10.data.data_set import DataSet, Images, load
from clr_ignite.cifar10.data.pictures import DataError

__all__ = ["DataError", "DataSet", "Images", "load"]
