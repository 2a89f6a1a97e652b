"""Cyclical learning rates and the learning-rate range test as PyTorch-Ignite handlers.

Importing this package loads nothing else: ``clr_ignite.schedules`` needs the standard library
only, ``clr_ignite.result`` NumPy.
"""

from typing import TYPE_CHECKING

from clr_ignite._lazy import lazily

if TYPE_CHECKING:
    from clr_ignite.comparing import ComparedResult, compare_range_tests
    from clr_ignite.handlers import ScheduleHandler, cycle_end
    from clr_ignite.range_test.lr_range_test import LRRangeTest
    from clr_ignite.range_test.repeated import RepeatedResult, repeat_range_test
    from clr_ignite.result import RangeTestResult
else:
    __getattr__, __dir__ = lazily(
        __name__,
        {
            "ComparedResult": "clr_ignite.comparing",
            "LRRangeTest": "clr_ignite.range_test.lr_range_test",
            "RangeTestResult": "clr_ignite.result",
            "RepeatedResult": "clr_ignite.range_test.repeated",
            "ScheduleHandler": "clr_ignite.handlers",
            "compare_range_tests": "clr_ignite.comparing",
            "cycle_end": "clr_ignite.handlers",
            "repeat_range_test": "clr_ignite.range_test.repeated",
        },
        (
            "comparing",
            "handlers",
            "live",
            "plots",
            "range_test",
            "result",
            "schedules",
            "suggestions",
        ),
    )

__all__ = [
    "ComparedResult",
    "LRRangeTest",
    "RangeTestResult",
    "RepeatedResult",
    "ScheduleHandler",
    "compare_range_tests",
    "cycle_end",
    "repeat_range_test",
]
__version__ = "0.2.0"
