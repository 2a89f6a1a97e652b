"""The table of a comparison: a row for each setting, as numbers and as text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from clr_ignite._files import one_line, printable
from clr_ignite.suggestions import Choice, Standing

Row = dict[str, Any]


def rows(choice: Choice, batch_sizes: Mapping[str, int | None]) -> list[Row]:
    """See :meth:`clr_ignite.ComparedResult.rows`."""
    sizes = [batch_sizes.get(standing.name) for standing in choice.standings]
    first = choice.standings[0].bounds.max_lr if sizes else None
    found = []
    for standing, size in zip(choice.standings, sizes, strict=True):
        row = _row(standing)
        if len(set(sizes)) > 1:
            top = standing.bounds.max_lr
            row["batch_size"] = size
            row["max_lr_ratio"] = top / first if top is not None and first else None
        row["note"] = _note(standing, choice.name)
        found.append(row)
    return found


def text(choice: Choice, metric: str, batch_sizes: Mapping[str, int | None]) -> str:
    """The rows under their heads, in columns."""
    heads = {
        "best": f"best {metric}",
        "rate": "at lr",
        "batch_size": "batch",
        "max_lr_ratio": "max_lr x",
    }
    if not (table := rows(choice, batch_sizes)):
        return ""
    shown = [[heads.get(name, name) for name in table[0] if name != "spread"]]
    for row, label in zip(table, labels([row["setting"] for row in table]), strict=True):
        best = _number(row["best"], 4)
        if row["seeds"] > 1:
            best += f" ± {row['spread']:.2g}"
        cells = row | {"setting": label, "best": best, "mean": _number(row["mean"], 4)}
        shown.append([_cell(cells[name]) for name in row if name != "spread"])
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in shown
    ]
    return "\n".join(lines)


def labels(names: Sequence[str]) -> list[str]:
    """Names in a line each, long ones shortened where that leaves them different."""
    short = [one_line(name) for name in names]
    different = len(set(short)) == len(short)
    return short if different else [printable(name, keep="") for name in names]


def _row(standing: Standing) -> Row:
    return {
        "setting": standing.name,
        "base_lr": standing.bounds.base_lr,
        "max_lr": standing.bounds.max_lr,
        "best": standing.best,
        "spread": standing.spread,
        "rate": standing.rate,
        "mean": standing.mean,
        "seeds": standing.seeds,
    }


def _note(standing: Standing, chosen: str | None) -> str:
    if standing.name == chosen:
        return "chosen"
    return "" if standing.bounds.max_lr is not None else standing.bounds.reason


def _cell(value: Any) -> str:
    return printable(str(value), keep="") if isinstance(value, str | int) else _number(value, 3)


def _number(value: float | None, digits: int) -> str:
    return "none" if value is None or math.isnan(value) else f"{value:.{digits}g}"
