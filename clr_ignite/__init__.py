"""Cyclical learning rates and the learning-rate range test as PyTorch-Ignite handlers."""

from clr_ignite.handlers import ScheduleHandler, cycle_end
from clr_ignite.range_test import LRRangeTest
from clr_ignite.range_test.repeated import RepeatedResult, repeat_range_test
from clr_ignite.result import RangeTestResult

__all__ = [
    "LRRangeTest",
    "RangeTestResult",
    "RepeatedResult",
    "ScheduleHandler",
    "cycle_end",
    "repeat_range_test",
]
__version__ = "0.1.0"
