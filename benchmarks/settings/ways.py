"""Ways to choose a rate and a weight decay: what each loses on a task and seed, and its steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.advice.report import gain_lost
from benchmarks.advice.tasks import problem
from benchmarks.advice.tools import SEEDS
from benchmarks.settings.curves import LENGTH, curve
from benchmarks.settings.tasks import COMMON, DEFAULT, RATES, RULE, SHOW, kind
from clr_ignite.suggestions import Choice, choose_setting

Row = Mapping[str, Any]
TASKS = {**RULE, **SHOW}


class Unit:
    """The rows of a task and a seed, read.

    Attributes:
        training: its steps.
        tests: steps of the range tests of one decay, over all their seeds.
        grid: its trainings, the one to choose by the held-out loss first.
        decays: those compared; ``default`` and ``common`` are among them.
    """

    def __init__(self, tables: Mapping[str, Sequence[Row]], task: str, seed: str) -> None:
        def of(file: str) -> list[Row]:
            return [row for row in tables[file] if (row["task"], row["seed"]) == (task, seed)]

        self.training, self.tests = TASKS[task].steps, len(SEEDS) * LENGTH
        optimizer = kind(problem(TASKS[task], int(seed)))
        self.default, self.common = str(DEFAULT[optimizer]), str(COMMON[optimizer])
        trainings = of("grid.csv")
        (untrained,) = (row for row in trainings if not row["weight_decay"])
        trained = [row for row in trainings if row["weight_decay"]]
        self.grid = sorted(trained, key=lambda row: float(row["held_out"]))
        self.curves = of("curves.csv")
        self.answers = {(row["rates"], row["weight_decay"]): row for row in of("answers.csv")}
        self.decays = list(dict.fromkeys(decay for _, decay in self.answers))
        self.best, self.untrained = float(self.grid[0]["test"]), float(untrained["test"])

    def lost(self, row: Row) -> float:
        """The gain that a training loses on the part to report; all where there was no pair."""
        return gain_lost(float(row["test"] or "nan"), self.best, self.untrained)

    def choice(self, sweep: str = "exponential", current: str | None = None) -> Choice:
        """A decay by the range tests of all of them."""
        curves: dict[str, list[tuple[list[float], list[float]]]] = {}
        for row in self.curves:
            if row["sweep"] == sweep:
                curves.setdefault(row["weight_decay"], []).append(curve(row))
        return choose_setting(curves, metric="held-out loss", current=current)

    def chosen(self) -> str:
        """The decay that comparing range tests leads to, where the default is at hand."""
        return self.choice(current=self.default).name or self.default

    def by_training(self) -> str:
        """The decay with the lowest held-out loss after a training at the suggested pair."""
        pairs = {decay: self.answers["own", decay]["held_out"] for decay in self.decays}
        return min(pairs, key=lambda decay: float(pairs[decay] or "inf"))

    def searched(self, trainings: int) -> float:
        """What random search over the grid loses on average over all its draws.

        It picks the training with the lowest held-out loss of as many different ones of the grid.
        """
        count = len(self.grid)
        draws = min(trainings, count)
        # The training at ``place`` is picked when the others come from behind it.
        return sum(
            math.comb(count - place - 1, draws - 1) / math.comb(count, draws) * self.lost(row)
            for place, row in enumerate(self.grid)
        )


@dataclass(frozen=True)
class Outcome:
    """Gain lost, and all optimizer steps that led there, the last training's among them."""

    lost: float
    steps: float


def rate_alone(unit: Unit) -> Outcome:
    return Outcome(unit.lost(unit.answers["own", unit.default]), unit.tests + unit.training)


def common_decay(unit: Unit) -> Outcome:
    return Outcome(unit.lost(unit.answers["own", unit.common]), unit.tests + unit.training)


def compared(unit: Unit) -> Outcome:
    steps = len(unit.decays) * unit.tests + unit.training
    return Outcome(unit.lost(unit.answers["own", unit.chosen()]), steps)


def lowest_mean(unit: Unit) -> Outcome:
    """Without regard to the seeds' spread."""
    chosen = unit.choice().name or unit.default
    return Outcome(unit.lost(unit.answers["own", chosen]), compared(unit).steps)


def lowest_loss(unit: Unit) -> Outcome:
    """By the lowest point of the curves instead of their mean."""
    known = [one for one in unit.choice().standings if one.seeds]
    chosen = min(known, key=lambda one: one.best).name
    return Outcome(unit.lost(unit.answers["own", chosen]), compared(unit).steps)


def linear_tests(unit: Unit) -> Outcome:
    """At the default decay's pair; the tests from 0 to where its loss is lowest come on top."""
    chosen = unit.choice("linear", unit.default).name or unit.default
    steps = (1 + len(unit.decays)) * unit.tests + unit.training
    return Outcome(unit.lost(unit.answers["default's", chosen]), steps)


def trainings(unit: Unit) -> Outcome:
    """Tests and a training with each decay."""
    steps = len(unit.decays) * (unit.tests + unit.training)
    return Outcome(unit.lost(unit.answers["own", unit.by_training()]), steps)


def search(unit: Unit) -> Outcome:
    """At the cost of comparing, as many whole trainings as go into it."""
    draws = int(compared(unit).steps // unit.training)
    return Outcome(unit.searched(draws), draws * unit.training)


def best_at_default(unit: Unit) -> Outcome:
    row = next(row for row in unit.grid if row["weight_decay"] == unit.default)
    return Outcome(unit.lost(row), RATES * unit.training)


COMPARED, LINEAR = "comparing range tests", "comparing linear range tests"
ALONE, SEARCH = "rate alone", "random search"
WAYS: Mapping[str, Callable[[Unit], Outcome]] = {
    COMPARED: compared,
    "comparing, the lowest mean whatever the spread": lowest_mean,
    "comparing, the lowest loss instead of the mean": lowest_loss,
    LINEAR: linear_tests,
    ALONE: rate_alone,
    "rate alone, a common decay": common_decay,
    "a training with each decay": trainings,
    SEARCH: search,
    "best of the grid's rates at the default decay": best_at_default,
}
