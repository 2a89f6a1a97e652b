"""The learning-rate range test: ``LRRangeTest``, once or over several seeds."""

from clr_ignite.optimizers.wrapped import RateChanged
from clr_ignite.range_test.lr_range_test import LRRangeTest
from clr_ignite.range_test.repeated import RepeatedResult, repeat_range_test

__all__ = ["LRRangeTest", "RateChanged", "RepeatedResult", "repeat_range_test"]
