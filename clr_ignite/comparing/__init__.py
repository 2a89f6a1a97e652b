"""Settings beyond the rate, compared by range tests: arXiv:1803.09820, sections 4.1 to 4.4."""

from clr_ignite.comparing.compare import compare_range_tests
from clr_ignite.comparing.compared import ComparedResult

__all__ = ["ComparedResult", "compare_range_tests"]
