"""What a range test measured: the record, its files and its views."""

from clr_ignite.result.range_test_result import RangeTestResult

__all__ = ["RangeTestResult"]
