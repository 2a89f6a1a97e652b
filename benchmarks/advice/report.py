"""From the CSVs of results/advice to its page and picture."""

from __future__ import annotations

import importlib.metadata
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.advice.tasks import RULE, SHOW
from benchmarks.bars import Bar, draw_bars
from benchmarks.page import conditions
from clr_ignite._files import write_text

Row = Mapping[str, Any]
OURS = ("clr_ignite, held-out loss", "clr_ignite, training loss")
# For the tasks that only show, by curve and length: mean of tasks and worst.
GOALS = {
    (OURS[0], "300"): (0.025, 0.15),
    (OURS[0], "100"): (0.05, 0.3),
    (OURS[1], "300"): (0.03, 0.2),
    (OURS[1], "100"): (0.06, 0.3),
}
PEERS = ("fastai", "lightning", "pytorch-ignite", "torch", "torch-lr-finder")
HEAD = """# What a finder's answer is worth

`make advice` trains with what each learning-rate finder answers, on small real tasks, and beside
it along a grid of constant and triangular rates. *Gain lost* = (loss - least loss of the grid) /
(loss of the untrained net - least loss of the grid), on held-out data: 0 is the best of {grid}
trainings, 1 is no training; no answer and a training that diverged count as 1. *Failed*: half of
the gain or more is lost. Of each task {seeds} seeds; a range test is an exponential sweep, from
1e-6 to 10 where a tool's own page says nothing else, with an evaluation every fiftieth of it.

A pair is trained as two triangular cycles between its rates; one rate as a constant one, and as
the peak of two such cycles from a tenth of it (of ours, along a cosine). `held-out loss` is
`result.suggest()` of a test with an evaluator, `training loss` that of a test without one, `three
seeds` that of `repeat_range_test`. fastai's functions are given what its `lr_find` gives them. The
row of accuracy has the tasks with classes alone. The picture shows each tool in the way of training
in which it loses least there, which favors those that have several.

On half of the tasks the rule was made; they are named in `benchmarks/advice/tasks.py`. The other
half only shows what it is worth. `pairs-resnet` went over from the second to the first: the
first measurement showed that the held-out loss misleads there, and the rule now reads the training
loss where the two disagree so; `frames-resnet` and `normed-noise` came in its place.
"""


@dataclass
class Place:
    """A tool at one length, trained one way: gains lost by task, and answers missing."""

    lost: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    none: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def over(self, tasks: Iterable[str]) -> Summary | None:
        """Of those tasks; None where there is none of them."""
        chosen = [task for task in self.lost if task in tasks]
        if not chosen:
            return None
        values = [lost for task in chosen for lost in self.lost[task]]
        return Summary(
            sum(self.none[task] for task in chosen),
            float(np.mean([lost >= 0.5 for lost in values])),
            float(np.median(values)),
            float(np.mean([np.mean(self.lost[task]) for task in chosen])),
            max(values),
        )


@dataclass(frozen=True)
class Summary:
    none: int
    failed: float
    median: float
    mean: float
    worst: float

    def __str__(self) -> str:
        numbers = f"{self.median:.3f} | {self.mean:.3f} | {self.worst:.2f}"
        return f"{self.none} | {self.failed:.0%} | {numbers}"


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


def places(tables: Mapping[str, Sequence[Row]]) -> dict[tuple[str, str, str], Place]:
    """By tool, way of training and length of the range test."""
    references = best_and_untrained(tables["grid.csv"])
    answers = [row for row in tables["answers.csv"] if (row["task"], row["seed"]) in references]
    ways: dict[str, set[str]] = defaultdict(set)
    for row in answers:
        if row["way"] != "none":
            ways[row["tool"]].add(row["way"])
    found: dict[tuple[str, str, str], Place] = defaultdict(Place)
    for row in answers:
        lost = gain_lost(float(row["loss"]), *references[row["task"], row["seed"]])
        missing = row["way"] == "none"
        for way in ways[row["tool"]] if missing else [row["way"]]:
            place = found[row["tool"], way, row["test_steps"]]
            place.lost[row["task"]].append(lost)
            place.none[row["task"]] += missing
    return found


def table(tables: Mapping[str, Sequence[Row]], length: str, tasks: Iterable[str]) -> str:
    """A Markdown table over some tasks, the least mean first."""
    lines = []
    for (tool, way, steps), place in places(tables).items():
        summary = place.over(tasks)
        if steps == length and summary is not None:
            lines.append((summary.mean, f"| {tool}, {way} | {summary} |"))
    head = "| tool, trained as | no answer | failed | median | mean of tasks | worst |\n"
    return head + "|---|" + "---|" * 5 + "\n" + "\n".join(line for _, line in sorted(lines)) + "\n"


def goals(tables: Mapping[str, Sequence[Row]]) -> str:
    """Our pairs on the tasks that only show, beside what was aimed at."""
    text = "| read, steps | mean of tasks | aim | worst | aim | least mean of all tools |\n"
    text += "|---|" + "---|" * 5 + "\n"
    all_places = places(tables)
    for (tool, length), (mean, worst) in GOALS.items():
        found = all_places[tool, "pair", length].over(SHOW)
        others = [
            (summary.mean, f"{other}, {way}")
            for (other, way, steps), place in all_places.items()
            if steps == length and (summary := place.over(SHOW)) is not None
        ]
        if found is not None:
            least = min(others)
            text += f"| {tool.partition(', ')[2]}, {length} | {found.mean:.3f} | {mean} | "
            text += f"{found.worst:.2f} | {worst} | {least[0]:.3f} ({least[1]}) |\n"
    return text


def by_task(tables: Mapping[str, Sequence[Row]]) -> str:
    """Each task in words, with the mean over seeds of what our pair loses."""
    all_places = places(tables)
    text = "| task | | " + " | ".join(f"{t.partition(', ')[2]}, {n}" for t, n in GOALS) + " |\n"
    text += "|---|---|" + "---|" * len(GOALS) + "\n"
    for tasks, half in ((SHOW, ""), (RULE, " (rule)")):
        for name, task in tasks.items():
            cells = [
                f"{np.mean(all_places[tool, 'pair', length].lost[name]):.3f}"
                for tool, length in GOALS
                if all_places[tool, "pair", length].lost.get(name)
            ]
            text += f"| {name}{half} | {task.words} | {' | '.join(cells)} |\n"
    return text


def draw(tables: Mapping[str, Sequence[Row]], path: Path, length: str = "300") -> None:
    """The gain lost by each tool, trained the way that loses less: a dot a task, a bar the mean."""
    best: dict[str, tuple[float, list[float], str]] = {}
    for (tool, way, steps), place in places(tables).items():
        summary = place.over(SHOW)
        if steps != length or summary is None or "three seeds" in tool:
            continue
        dots = [float(np.mean(lost)) for task, lost in place.lost.items() if task in SHOW]
        if tool not in best or summary.mean < best[tool][0]:
            best[tool] = summary.mean, dots, way
    bars = [
        Bar(f"{tool}, {way}", mean, dots, tool.startswith("clr_ignite"))
        for tool, (mean, dots, way) in best.items()
    ]
    draw_bars(bars, f"Nine tasks that only show, range tests of {length} steps", path)


def versions() -> str:
    found = []
    for name in PEERS:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            found.append(f"{name} not installed")
    return ", ".join(found)


def write_report(out: Path, tables: Mapping[str, Sequence[Row]]) -> str:
    """Write ``advice.md`` and its picture, and return the page."""
    grid = tables["grid.csv"]
    seeds = len({row["seed"] for row in grid})
    trainings = len(grid) // len({(row["task"], row["seed"]) for row in grid})
    text = HEAD.format(grid=trainings, seeds=seeds)
    text += f"\n## What was aimed at, and what came out\n\n{goals(tables)}"
    text += "\n![The gain lost by each tool](advice.png)\n"
    for tasks, half in ((SHOW, "tasks that only show"), (RULE, "tasks on which the rule was made")):
        for length in ("300", "100"):
            text += f"\n## {length} steps, {half}\n\n{table(tables, length, tasks)}"
    text += f"\n## Tasks, and the gain that our pair loses\n\n{by_task(tables)}"
    text += f"\n{versions()}.\n\n{conditions()}\n"
    write_text(out / "advice.md", text)
    draw(tables, out / "advice.png")
    return text
