"""Measure what finders' answers are worth, and write results/advice.

    python -m benchmarks.advice [--cifar10 FOLDER] [--seeds 3] [--workers 2] [--out results/advice]

Each answer is trained with, and so is a grid of constant and triangular rates that needs no finder.
What is in the CSVs already is not run again; ``--again TOOL`` measures a tool anew.
"""

from __future__ import annotations

import argparse
import math
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from benchmarks.advice import tasks
from benchmarks.advice.report import write_report
from benchmarks.advice.tools import TOOLS, Answer, missing
from benchmarks.advice.training import fresh, held_out_loss, trained, triangle
from benchmarks.tables import Row, Tables, fill, read
from clr_ignite.schedules import Fixed, Schedule

LENGTHS = (100, 300)  # steps of a range test
GRID = [10 ** (third / 3) for third in range(-12, 3)]  # 0.0001 to 4.6
FIELDS = {
    "grid.csv": ("task", "seed", "untrained", "way", "lr", "loss"),
    "answers.csv": (
        "task", "seed", "test_steps", "source", "tool", "way", "lr", "base_lr", "max_lr", "loss",
        "reason",
    ),
}  # fmt: skip


def cosine(lr: float, steps: int) -> Schedule:
    return lambda step: lr / 2 * (1 + math.cos(math.pi * step / steps))


def ways(answer: Answer, steps: int) -> Iterator[tuple[str, Schedule]]:
    """How an answer is trained with."""
    if answer.base_lr is not None and answer.max_lr is not None:
        yield "pair", triangle(answer.max_lr, steps, answer.base_lr)
    if answer.lr is not None:
        yield "constant", Fixed(answer.lr)
        if answer.max_lr is None:
            yield "peak", triangle(answer.lr, steps)
        else:
            yield "cosine", cosine(answer.lr, steps)


def unit(task: tasks.Task, name: str, seed: int, have: Sequence[Row]) -> Tables:
    """The rows of one task and seed that are still missing."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    start = tasks.problem(task, seed)
    losses: dict[str, float] = {}
    key = {"task": name, "seed": seed}

    def loss(schedule: Schedule, label: str) -> float:
        if label not in losses:
            losses[label] = trained(start, schedule, task.steps, seed)
        return losses[label]

    rows: Tables = {file: [] for file in FIELDS}
    if not any("untrained" in row for row in have):
        untrained = held_out_loss(fresh(start))
        for lr in GRID:
            for way, schedule in (("constant", Fixed(lr)), ("peak", triangle(lr, task.steps))):
                found = key | {"untrained": untrained, "way": way, "lr": lr}
                rows["grid.csv"].append(found | {"loss": loss(schedule, repr(schedule))})
    done = {(row["source"], int(row["test_steps"])) for row in have if "source" in row}
    for length in LENGTHS:
        for source, answers in TOOLS.items():
            if (source, length) in done or missing(source):
                continue
            for tool, answer in answers(lambda s: tasks.problem(task, s), seed, length):
                row = key | {"test_steps": length, "source": source, "tool": tool}
                row |= vars(answer)
                found = False
                for way, schedule in ways(answer, task.steps):
                    label = repr(schedule) if way != "cosine" else f"cosine {answer.lr}"
                    rows["answers.csv"].append(row | {"way": way, "loss": loss(schedule, label)})
                    found = True
                if not found:
                    rows["answers.csv"].append(row | {"way": "none", "loss": math.nan})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.advice", description=__doc__)
    parser.add_argument("--cifar10", type=Path, help="its folder of class folders, if at hand")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--tasks", nargs="*", help="only these")
    parser.add_argument("--again", nargs="*", default=[], choices=list(TOOLS))
    parser.add_argument("--out", type=Path, default=Path("results/advice"))
    options = parser.parse_args()
    chosen = {**tasks.RULE, **tasks.SHOW}
    if options.cifar10 is not None:
        chosen["cifar10"] = tasks.cifar10(options.cifar10)
    if options.tasks:
        chosen = {name: chosen[name] for name in options.tasks}
    tables = read(options.out, FIELDS)
    tables["answers.csv"] = [
        row for row in tables["answers.csv"] if row["source"] not in options.again
    ]
    absent = [tool for tool in TOOLS if missing(tool)]
    if absent:
        print(f"not installed, left out: {', '.join(absent)}", file=sys.stderr)
    fill(options.out, FIELDS, tables, unit, chosen, options.seeds, options.workers)
    print(write_report(options.out, read(options.out, FIELDS)))


if __name__ == "__main__":
    main()
