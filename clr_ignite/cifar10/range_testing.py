"""``range_test``: the learning-rate range test of an experiment, into a folder."""

from __future__ import annotations

import contextlib
import csv
import errno
import math
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import torch

from clr_ignite._checks import count, whole
from clr_ignite._files import read_text
from clr_ignite.cifar10.data import DataSet
from clr_ignite.cifar10.experiments import Experiment
from clr_ignite.cifar10.parts import Parts, build
from clr_ignite.cifar10.parts.repeatable import repeatable as repeatably
from clr_ignite.cifar10.runs.provenance import Config, check_claim, claim
from clr_ignite.cifar10.runs.run_folder import RunFolder, unreadable
from clr_ignite.range_test import LRRangeTest
from clr_ignite.range_test.arguments import threshold
from clr_ignite.result import RangeTestResult
from clr_ignite.schedules import Linear

_READ_ONLY = (errno.EACCES, errno.EPERM, errno.EROFS)


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
    again: bool = False,
    repeatable: bool = True,
    name: str | None = None,
    on_row: Callable[[RangeTestResult], None] = lambda result: None,
) -> RangeTestResult:
    """Sweep along the experiment's schedule and write range_test.json, .csv and .png.

    Accuracy is measured on its ``held_out`` training images, never on the test set. A finished
    test in ``out`` is read and, where that can be, drawn again, not run; a cut-off one goes on from
    its checkpoint. Its rows are in the CSV after each evaluation, and after an exception.

    Args:
        experiment: its schedule a ``Linear`` or ``Geometric``, with ``held_out`` above 0 and
            without averaged weights, which lag behind the rate.
        again: forget what the folder holds and start anew.
        repeatable: as for ``train``.
        name: what the experiment is called.

    Raises:
        ValueError: ``ema_decay`` is not 0.
        RunError: ``out`` belongs to something else, or is in use.
    """
    if experiment.ema_decay:
        raise ValueError(f"ema_decay must be 0 in a range test, got {experiment.ema_decay}")
    seed, every, diverge_th = whole("seed", seed), count("every", every), threshold(diverge_th)
    config = Config.of(experiment, data, name=name, seed=seed, every=every, diverge_th=diverge_th)
    folder = RunFolder(out)
    if not again:
        check_claim(folder, config)
    place = torch.device(device)
    if again or not folder.range_test.exists():
        with repeatably(place, repeatable), folder.locked() as held:
            if again:
                held.clear()
            claim(held, config, place)
            if not held.range_test.exists():
                parts = build(experiment, data, seed=seed, device=device)
                options = {"every": every, "diverge_th": diverge_th, "progress": progress}
                _run(experiment, parts, held, on_row=on_row, **options)
    result = RangeTestResult.from_json(folder.range_test)
    _finish(folder, result)
    return result


def _finish(folder: RunFolder, result: RangeTestResult) -> None:
    """Write the views of a result, again where that was cut off."""
    with views():
        folder.checkpoint.unlink(missing_ok=True)
        result.to_csv(folder.range_test.with_suffix(".csv"))
        result.plot(folder.range_test.with_suffix(".png"))


@contextlib.contextmanager
def views() -> Iterator[None]:
    """Views of what was measured: none in a read-only folder, no picture without matplotlib."""
    try:
        yield
    except ImportError as error:
        warnings.warn(f"no picture is drawn: {error}", stacklevel=1)  # once in a process
    except OSError as error:
        if error.errno not in _READ_ONLY:
            raise


def _run(
    experiment: Experiment,
    parts: Parts,
    folder: RunFolder,
    *,
    on_row: Callable[[RangeTestResult], None],
    **options: Any,
) -> None:
    def write(result: RangeTestResult) -> None:
        folder.check_held()
        on_row(result)
        if any(not math.isnan(column[-1]) for column in result.evaluation.values()):
            result.to_csv(folder.range_test.with_suffix(".csv"))
        # Before the test removes its checkpoint: killed in between, it would begin anew.
        if result.stop_reason is not None:
            result.to_json(folder.range_test)

    test = _test(experiment, parts, on_row=write, checkpoint=folder.checkpoint, **options)
    try:
        test.run(parts.trainer, parts.batches)
    except BaseException:
        if test.result is not None:
            test.result.to_csv(folder.range_test.with_suffix(".csv"))
        raise


def so_far(experiment: Experiment, folder: RunFolder) -> RangeTestResult:
    """The rows of a range test that is over, under way or cut off; none where none are written.

    Raises:
        RunError: a file that no range test wrote.
    """
    path, result = folder.range_test, _unmeasured(experiment)
    try:
        if path.exists():
            return RangeTestResult.from_json(path)
        if (path := path.with_suffix(".csv")).exists():
            _add_rows(result, path)
    except (KeyError, ValueError) as error:
        raise unreadable(path, error) from error
    return result


def _unmeasured(experiment: Experiment) -> RangeTestResult:
    return RangeTestResult(
        start_lr=experiment.schedule(0),
        end_lr=experiment.schedule(experiment.iterations - 1),
        num_iter=experiment.iterations,
        step_mode=_step_mode(experiment),
    )


def _add_rows(result: RangeTestResult, path: Path) -> None:
    for row in csv.DictReader(read_text(path).splitlines()):
        cells = {name: float(cell) for name, cell in row.items() if cell}
        result.add_row(
            iteration=int(row["iteration"]),
            lr=cells.get("lr"),
            loss=cells.get("loss"),
            evaluation={n.removeprefix("eval_"): v for n, v in cells.items() if "eval_" in n},
        )


def _step_mode(experiment: Experiment) -> Literal["linear", "exponential"]:
    return "linear" if isinstance(experiment.schedule, Linear) else "exponential"


def _test(experiment: Experiment, parts: Parts, **options: Any) -> LRRangeTest:
    return LRRangeTest(
        parts.optimizer,
        experiment.schedule(0),
        experiment.schedule(experiment.iterations - 1),
        experiment.iterations,
        _step_mode(experiment),
        to_save={"model": parts.model, "optimizer": parts.optimizer},
        evaluator=parts.evaluator,
        eval_data=parts.eval_batches,
        **options,
    )
