"""Measure what choosing the weight decay by range tests is worth, and write results/settings.

    python -m benchmarks.settings [--seeds 3] [--workers 2] [--out results/settings]

Each decay is trained with at the pair of rates that its range tests suggest, and so is a grid of
rates and decays. What is in the CSVs already is not run again.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import torch

from benchmarks.advice.tasks import Task, problem
from benchmarks.advice.tools import SEEDS
from benchmarks.advice.training import after, finite, loss_on, range_test, triangle
from benchmarks.settings.curves import END, LENGTH, LOSSES, START, cells
from benchmarks.settings.report import write_report
from benchmarks.settings.tasks import DECAYS, DEFAULT, RULE, SHOW, decayed, kind, peaks
from benchmarks.tables import Row, Tables, fill, read
from clr_ignite import RangeTestResult, RepeatedResult
from clr_ignite.schedules import Fixed, Schedule
from clr_ignite.suggestions import Bounds

StepMode = Literal["linear", "exponential"]
Tests = Mapping[int, RangeTestResult]
FIELDS = {
    "grid.csv": ("task", "seed", "weight_decay", "lr", "held_out", "test"),  # lr 0 is untrained
    "curves.csv": ("task", "seed", "sweep", "end_lr", "weight_decay", "weights", *LOSSES),
    "answers.csv": (
        "task", "seed", "rates", "weight_decay", "base_lr", "max_lr", "held_out", "test",
    ),
}  # fmt: skip


class Unit:
    """A task and a seed: what is trained and tested of it, and the rows that come of that."""

    def __init__(self, task: Task, name: str, seed: int) -> None:
        self.task, self.seed = task, seed
        self.key: Row = {"task": name, "seed": seed}
        self.start = problem(task, seed)
        self.decays, self.default = DECAYS[kind(self.start)], DEFAULT[kind(self.start)]
        self.known: dict[tuple[float, Schedule], Row] = {}

    def losses(self, weight_decay: float, schedule: Schedule, steps: int) -> Row:
        """After a training: the loss to choose by and the one to report."""
        assert self.start.test is not None
        if (weight_decay, schedule) not in self.known:
            trained = after(decayed(self.start, weight_decay), schedule, steps, self.seed)
            splits = {"held_out": self.start.held_out, "test": self.start.test}
            self.known[weight_decay, schedule] = {
                name: finite(partial(loss_on, split=split), trained)
                for name, split in splits.items()
            }
        return self.known[weight_decay, schedule]

    def grid(self) -> Iterator[Row]:
        yield self.key | {"weight_decay": "", "lr": 0} | self.losses(0.0, Fixed(0.0), 0)
        for weight_decay in self.decays:
            for lr in peaks(self.start):
                found = self.losses(weight_decay, triangle(lr, self.task.steps), self.task.steps)
                yield self.key | {"weight_decay": weight_decay, "lr": lr} | found

    def tests(self, weight_decay: float, start_lr: float, end_lr: float, mode: StepMode) -> Tests:
        """Range tests of a decay, by the seed of their weights; the data is that of the unit."""
        return {
            weights: range_test(
                decayed(problem(self.task, self.seed, weights), weight_decay),
                start_lr, end_lr, LENGTH, weights, mode,
            )
            for weights in (self.seed + other for other in SEEDS)
        }  # fmt: skip

    def curves(self, weight_decay: float, tests: Tests) -> Iterator[Row]:
        for weights, result in tests.items():
            row = {"weight_decay": weight_decay, "weights": weights}
            yield self.key | row | cells(result)

    def rows(self) -> Tables:
        """Everything but the grid."""
        found: Tables = {"curves.csv": [], "answers.csv": []}
        bounds: dict[float, Bounds] = {}
        for weight_decay in self.decays:
            tests = self.tests(weight_decay, START, END, "exponential")
            bounds[weight_decay] = RepeatedResult(list(tests), list(tests.values())).suggest()
            found["curves.csv"] += self.curves(weight_decay, tests)
        kept = bounds[self.default]
        for weight_decay in self.decays:
            if kept.max_lr is not None:
                tests = self.tests(weight_decay, 0.0, 3 * kept.max_lr, "linear")
                found["curves.csv"] += self.curves(weight_decay, tests)
            for rates, pair in (("own", bounds[weight_decay]), ("default's", kept)):
                row = self.key | {"rates": rates, "weight_decay": weight_decay}
                row |= {"base_lr": pair.base_lr, "max_lr": pair.max_lr}
                if pair.base_lr is not None and pair.max_lr is not None:
                    cycles = triangle(pair.max_lr, self.task.steps, pair.base_lr)
                    row |= self.losses(weight_decay, cycles, self.task.steps)
                found["answers.csv"].append(row)
        return found


def unit(task: Task, name: str, seed: int, have: Sequence[Row]) -> Tables:
    """The rows of one task and seed that are still missing."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    this, rows = Unit(task, name, seed), dict[str, list[Row]]()
    if not any("lr" in row for row in have):
        rows["grid.csv"] = list(this.grid())
    if not any("sweep" in row for row in have):
        rows |= this.rows()
    return rows


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.settings", description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--tasks", nargs="*", help="only these")
    parser.add_argument("--out", type=Path, default=Path("results/settings"))
    options = parser.parse_args(arguments)
    chosen = {**RULE, **SHOW}
    if options.tasks:
        chosen = {name: chosen[name] for name in options.tasks}
    tables = read(options.out, FIELDS)
    fill(options.out, FIELDS, tables, unit, chosen, options.seeds, options.workers)
    print(write_report(options.out, read(options.out, FIELDS)))


if __name__ == "__main__":
    main()
