"""Run folders and range tests as if they had been measured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from clr_ignite import RangeTestResult
from clr_ignite.cifar10.experiments import EXPERIMENTS, Experiment
from clr_ignite.cifar10.runs.records import Evaluation
from clr_ignite.cifar10.runs.result import result_of
from clr_ignite.cifar10.runs.run_folder import RunFolder


def swept(path: Path, **changes: Any) -> Path:
    """A range test's file whose bounds are about 0.002 and 0.008."""
    result = RangeTestResult(start_lr=0.0, end_lr=0.02, num_iter=80, step_mode="linear")
    for row in range(80):
        lr = 0.02 * row / 79
        height = min(1.0, max(0.0, (lr - 0.002) / 0.006))
        result.add_row(iteration=row + 1, lr=lr, loss=2.3 - height, evaluation={"accuracy": height})
    result.stop_reason = "completed"
    result.to_json(path)
    return path


def evaluated(iteration: int, accuracy: float) -> Evaluation:
    return {
        "iteration": iteration,
        "lr": 0.1,
        "train_loss": 1.0,
        "eval_loss": 1.0,
        "eval_accuracy": accuracy,
        "cycle_end": 0,
    }


def finished_run(
    path: Path,
    name: str,
    seed: int,
    accuracies: Sequence[float],
    *,
    experiment: Experiment | None = None,
    diverged: bool = False,
    cycle_ends: Sequence[int] = (),
) -> Path:
    """A run folder of a row of the table, as if it had been trained on CIFAR-10.

    Args:
        accuracies: of evaluations as far apart as the run's length allows.
        experiment: another one than the row's; it is called ``name`` all the same.
        diverged: it stopped at the last evaluation, half an interval early.
        cycle_ends: evaluations, the first is 1, at which a cycle ends.
    """
    folder = RunFolder(path)
    path.mkdir(parents=True)
    place = {"device": "cpu, X", "threads": 1, "torch": "2", "commit": "0123456789"}
    classes = "airplane automobile bird cat deer dog frog horse ship truck".split()
    config = {"seed": seed, "data": {"classes": classes}, "environments": [place]}
    if experiment is not None:
        config["name"] = name
    experiment = experiment or EXPERIMENTS[name].experiment
    folder.write_json(folder.config, {"experiment": experiment.to_dict(), **config})
    step = experiment.iterations // len(accuracies)
    for number, accuracy in enumerate(accuracies, start=1):
        last = number == len(accuracies)
        row = evaluated(experiment.iterations if last else number * step, accuracy)
        row["cycle_end"] = int(number in cycle_ends)
        if last and diverged:
            row |= {"train_loss": math.nan, "iteration": number * step - step // 2}
        folder.append_row(row)
    folder.write_json(folder.result, result_of(folder, experiment, 1.0))
    return path
