"""Writes what the runs in ``results/`` came to into the tables of the pages.

A table is known by its header; what its rows are called and which they are stays as it is written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from clr_ignite._files import write_text
from clr_ignite.cifar10.report.groups import Group, grouped, read_run
from clr_ignite.cifar10.report.intervals import Interval, of_difference, of_mean
from clr_ignite.cifar10.report.tables import interval_text, mean_and_spread

ROOT = Path(__file__).parent.parent
PAGES = ("README.md", "docs/reproduction.md", "results/README.md")
FIRST = ("experiment", "run of")  # of a table whose rows are rows of the table of experiments


@cache
def rows() -> dict[str, Group]:
    """The rows of the table of experiments that are in results/, by name."""
    runs = sorted(path.parent for path in (ROOT / "results").glob("*/result.json"))
    return {group.name: group for group in grouped([read_run(path) for path in runs])}


def percent(row: str) -> list[float]:
    return [100 * accuracy for accuracy in rows()[row].accuracies]


def less(interval: Interval | None) -> str:
    """``-1.41 (-1.68 to -1.14)``."""
    return "-" if interval is None else f"{interval.center:+.2f} ({interval_text(interval, True)})"


def published(row: str) -> float | None:
    entry = rows()[row].entry
    return entry.published if entry else None


def less_published(row: str) -> str:
    mean, figure = of_mean(percent(row)), published(row)
    return "-" if mean is None or figure is None else less(mean.less(figure))


def less_fixed(row: str) -> str:
    return "-" if row == "full-fixed" else less(of_difference(percent(row), percent("full-fixed")))


COLUMNS: Mapping[str, Callable[[str], str]] = {
    "iterations": lambda row: f"{rows()[row].runs[0].experiment.iterations:,}",
    "accuracy, %": lambda row: mean_and_spread(rows()[row].accuracies),
    "interval of the mean": lambda row: interval_text(of_mean(percent(row))),
    "published, %": lambda row: f"{published(row) or '-'}",
    "less the published": less_published,
    "less the fixed rate": less_fixed,
}


def row_of(cell: str) -> str:
    """The row that a first cell is of: its name, or a number of iterations with Muon."""
    if number := re.fullmatch(r"([\d,]+) iterations", cell):
        return f"full-muon-{number[1].replace(',', '')}"
    return cell.removesuffix(", ours")


def written(text: str) -> str:
    """A page with the cells of its tables as the runs have them."""
    lines, header = [], []
    for line in text.split("\n"):
        cells = line.strip("| ").split(" | ")
        if not line.startswith("|"):
            header = []
        elif cells[0] in FIRST:
            header = cells
        elif header and not line.startswith("|---"):
            found = zip(header[1:], cells[1:], strict=True)
            values = [
                COLUMNS[name](row_of(cells[0])) if name in COLUMNS else v for name, v in found
            ]
            line = f"| {' | '.join([cells[0], *values])} |"
        lines.append(line)
    return "\n".join(lines)


if __name__ == "__main__":
    for page in PAGES:
        write_text(ROOT / page, written((ROOT / page).read_text()))
