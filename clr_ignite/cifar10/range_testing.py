"""``range_test``: the learning-rate range test of an experiment, into a folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from clr_ignite.cifar10._claim import claim
from clr_ignite.cifar10._run_folder import RunFolder
from clr_ignite.cifar10.data import DataSet
from clr_ignite.cifar10.experiments import Experiment
from clr_ignite.cifar10.parts import Parts, build
from clr_ignite.range_test import LRRangeTest
from clr_ignite.result import RangeTestResult
from clr_ignite.schedules import Linear

_FILES = tuple(f"range_test.{ending}" for ending in ("json", "csv", "png"))


def range_test(
    experiment: Experiment,
    data: DataSet,
    out: Path,
    *,
    seed: int,
    device: torch.device | str = "cpu",
    every: int = 100,
    diverge_th: float | None = 4.0,
    progress: bool = False,
    on_row: Callable[[RangeTestResult], None] | None = None,
) -> RangeTestResult:
    """Sweep along the experiment's schedule and write range_test.json, .csv and .png.

    Accuracy is measured on its ``held_out`` training images, never on the test set. A finished
    test in ``out`` is read and drawn again, not run; a cut-off one
    leaves its rows in the CSV and goes on from them.

    Args:
        experiment: its schedule a ``Linear`` or ``Geometric``, with ``held_out`` above 0 and
            without averaged weights, which lag behind the rate.

    Raises:
        ValueError: ``ema_decay`` is not 0.
        RunError: ``out`` belongs to something else, or is in use.
    """
    if experiment.ema_decay:
        raise ValueError(f"ema_decay must be 0 in a range test, got {experiment.ema_decay}")
    folder = RunFolder(out)
    settings = {"seed": seed, "every": every, "diverge_th": diverge_th}
    with folder.locked():
        claim(folder, experiment, data, torch.device(device), settings)
        if (out / "range_test.json").exists():
            result = RangeTestResult.from_json(out / "range_test.json")
            result.plot(out / "range_test.png")
            return result
        parts = build(experiment, data, seed=seed, device=device)
        test = _test(
            experiment,
            parts,
            every=every,
            diverge_th=diverge_th,
            progress=progress,
            on_row=on_row,
            checkpoint=out / "checkpoint.pt",
        )
        try:
            result = test.run(parts.trainer, parts.batches)
        finally:
            if test.result is not None:
                test.result.to_csv(out / "range_test.csv")
        result.plot(out / "range_test.png")
        result.to_json(out / "range_test.json")
    return result


def _test(experiment: Experiment, parts: Parts, **options: Any) -> LRRangeTest:
    return LRRangeTest(
        parts.optimizer,
        experiment.schedule(0),
        experiment.schedule(experiment.iterations - 1),
        experiment.iterations,
        "linear" if isinstance(experiment.schedule, Linear) else "exponential",
        to_save={"model": parts.model, "optimizer": parts.optimizer},
        evaluator=parts.evaluator,
        eval_data=parts.eval_batches,
        **options,
    )


def clear(out: Path) -> None:
    """Forget an earlier test in this folder."""
    for name in (*_FILES, "config.json", "checkpoint.pt"):
        (out / name).unlink(missing_ok=True)
