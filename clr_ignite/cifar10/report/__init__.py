"""From run folders and range tests to a Markdown table and pictures."""

from clr_ignite.cifar10.report.tables import mean_and_spread
from clr_ignite.cifar10.report.write import write_report

__all__ = ["mean_and_spread", "write_report"]
