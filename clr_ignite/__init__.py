"""Cyclical learning rates and the learning-rate range test as PyTorch-Ignite handlers."""

from clr_ignite.handlers import ScheduleHandler, cycle_end
from clr_ignite.range_test import LRRangeTest
from clr_ignite.result import RangeTestResult

__all__ = ["LRRangeTest", "RangeTestResult", "ScheduleHandler", "cycle_end"]
__version__ = "0.1.0"
