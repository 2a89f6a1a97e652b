"""What a run measured: evaluations, lines of ``metrics.csv``, and the outcome, ``result.json``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypedDict


class Evaluation(TypedDict):
    """A row of ``metrics.csv``, whose columns are these fields.

    ``lr`` is the rate of the optimizer's last step, before ``lr_mult``; ``train_loss`` the mean
    since the evaluation before; ``eval_accuracy`` 0..1; ``cycle_end`` 1 where a cycle ends, else 0.
    """

    iteration: int
    lr: float
    train_loss: float
    eval_loss: float
    eval_accuracy: float
    cycle_end: int


class Outcome(TypedDict):
    """How a run ended: accuracy at the last iteration and at the last cycle end, where the paper
    reads it.

    ``ended_at_cycle_end`` is False where the run stops in mid-cycle; ``diverged`` is True where
    the training loss was no longer finite and the run stopped early.
    """

    iterations: int
    accuracy: float
    cycle_end_iteration: int | None
    cycle_end_accuracy: float | None
    ended_at_cycle_end: bool
    diverged: bool


class Result(Outcome):
    """What ``result.json`` holds.

    Beside the outcome: the images evaluated on, a fingerprint of the rows, seconds of training.
    """

    evaluated_on: str
    rows: str
    seconds: float


COLUMNS = tuple(Evaluation.__annotations__)
HEADER = ",".join(COLUMNS)


def line_of(row: Evaluation) -> str:
    """A line of the CSV with its end; every float is read back as it was."""
    return ",".join(repr(value) for value in row.values()) + "\n"


def read_line(line: str, *, after: int) -> Evaluation:
    """The reverse of :func:`line_of`, of a row behind iteration ``after``.

    Raises:
        ValueError: saying what is wrong.
    """
    cells = line.split(",")
    if len(cells) != len(COLUMNS):
        raise ValueError(f"{len(cells)} cells instead of {len(COLUMNS)}")
    iteration, *numbers, cycle_end = map(float, cells)
    if not (iteration.is_integer() and iteration > after):
        raise ValueError(f"iteration {cells[0]} after {after}")
    if cycle_end not in (0, 1):
        raise ValueError(f"cycle_end is neither 0 nor 1 but {cells[-1]}")
    lr, train_loss, eval_loss, eval_accuracy = numbers
    return {
        "iteration": int(iteration),
        "lr": lr,
        "train_loss": train_loss,
        "eval_loss": eval_loss,
        "eval_accuracy": eval_accuracy,
        "cycle_end": int(cycle_end),
    }


def diverged(row: Evaluation) -> bool:
    """Whether the run has diverged by this row: its training loss is not finite."""
    return not math.isfinite(row["train_loss"])


def over(row: Evaluation, iterations: int) -> bool:
    """Whether ``row`` is a run's last: at its last iteration, or diverged."""
    return row["iteration"] >= iterations or diverged(row)


def summary(rows: Sequence[Evaluation], iterations: int) -> Outcome:
    """The outcome of a run that was to take so many iterations."""
    last = rows[-1]
    at_end = next((row for row in reversed(rows) if row["cycle_end"]), None)
    return {
        "iterations": last["iteration"],
        "accuracy": last["eval_accuracy"],
        "cycle_end_iteration": at_end["iteration"] if at_end else None,
        "cycle_end_accuracy": at_end["eval_accuracy"] if at_end else None,
        "ended_at_cycle_end": bool(last["cycle_end"]),
        "diverged": last["iteration"] < iterations or diverged(last),
    }
