"""From the CSVs of results/advice to its page and picture."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.advice.tasks import RULE

Row = Mapping[str, Any]


def best_and_untrained(grid: Iterable[Row]) -> dict[tuple[str, str], tuple[float, float]]:
    """By task and seed: the grid's lowest held-out loss, and the loss without training."""
    found: dict[tuple[str, str], tuple[float, float]] = {}
    for row in grid:
        key = row["task"], row["seed"]
        best, _ = found.get(key, (math.inf, 0.0))
        found[key] = min(best, float(row["loss"])), float(row["untrained"])
    return found


def gain_lost(loss: float, best: float, untrained: float) -> float:
    """0 at the grid's best, 1 untrained; no more than 1, which no answer counts as too."""
    if not math.isfinite(loss):
        return 1.0
    return min(1.0, (loss - best) / (untrained - best))


def lost_by(tables: Mapping[str, Sequence[Row]]) -> dict[tuple[str, str, str], dict[str, Any]]:
    """By tool, way and length: the gain lost, by task a list over seeds, and answers missing."""
    references = best_and_untrained(tables["grid.csv"])
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    ways: dict[str, set[str]] = defaultdict(set)
    for row in tables["answers.csv"]:
        if row["way"] != "none":
            ways[row["tool"]].add(row["way"])
    for row in tables["answers.csv"]:
        reference = references.get((row["task"], row["seed"]))
        if reference is None:
            continue
        lost = gain_lost(float(row["loss"]), *reference)
        for way in ways[row["tool"]] if row["way"] == "none" else [row["way"]]:
            place = found.setdefault(
                (row["tool"], way, row["test_steps"]), {"none": 0, "lost": defaultdict(list)}
            )
            place["lost"][row["task"]].append(lost)
            place["none"] += row["way"] == "none"
    return found


def table(tables: Mapping[str, Sequence[Row]], length: str, rule: bool) -> str:
    """A Markdown table over the tasks of one half, the least mean first."""
    lines = []
    for (tool, way, steps), place in lost_by(tables).items():
        by_task = {t: v for t, v in place["lost"].items() if (t in RULE) == rule}
        if steps != length or not by_task:
            continue
        values = [one for lost in by_task.values() for one in lost]
        mean = float(np.mean([np.mean(lost) for lost in by_task.values()]))
        failed = np.mean([one >= 0.5 for one in values])
        cells = [f"{tool}, {way}", f"{place['none']}", f"{failed:.0%}"]
        cells += [f"{np.median(values):.3f}", f"{mean:.3f}", f"{max(values):.2f}"]
        lines.append((mean, f"| {' | '.join(cells)} |"))
    head = "| tool, trained as | no answer | failed | median | mean of tasks | worst |\n"
    return head + "|---|" + "---|" * 5 + "\n" + "\n".join(line for _, line in sorted(lines)) + "\n"


def write_report(out: Path, tables: Mapping[str, Sequence[Row]]) -> str:
    text = ""
    for rule in (False, True):
        for length in ("300", "100"):
            half = "on which the rule was made" if rule else "that only show it"
            text += f"\n## {length} steps, tasks {half}\n\n{table(tables, length, rule)}"
    (out / "advice.md").write_text(text)
    return text
