"""The public path of :mod:`clr_ignite.range_test.repeated`."""

from clr_ignite.range_test.repeated import RepeatedResult, repeat_range_test

__all__ = ["RepeatedResult", "repeat_range_test"]
