"""From the command line's options to data and experiments."""

from __future__ import annotations

import argparse
import functools
import itertools
import os
from dataclasses import replace
from typing import Any

import torch

from clr_ignite.cifar10.cli.measured import read_bounds
from clr_ignite.cifar10.cli.values import named, share
from clr_ignite.cifar10.data import DataSet, load
from clr_ignite.cifar10.experiments import EXPERIMENTS, Experiment
from clr_ignite.cifar10.experiments.experiment import CHOICES
from clr_ignite.cifar10.reproducing import jobs_of
from clr_ignite.cifar10.reproducing.executors import Place, here, in_processes, on_ray
from clr_ignite.cifar10.reproducing.jobs import Job
from clr_ignite.result import RangeTestResult
from clr_ignite.schedules import (
    ExpRange,
    Geometric,
    Linear,
    Schedule,
    Triangular,
    Triangular2,
    ends_cycle,
    length,
    step_size_from_epochs,
)
from clr_ignite.schedules.text import parse_schedule

PASSED_ON = (
    *CHOICES,
    *("multipliers", "batch_size", "momentum", "nesterov", "weight_decay", "ema_decay"),
)
_CYCLES = 5  # of a run whose length is not given
_COUNTED = 1_000_000  # iterations among which they are looked for


def prepared_data(options: argparse.Namespace) -> DataSet:
    """The data set asked for; refuses a device that is not there and sets torch's CPU threads."""
    try:
        torch.zeros(1, device=options.device).item()  # "meta" can be named but holds nothing
    except (AssertionError, ImportError, NotImplementedError, RuntimeError) as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(f"--device {options.device!r} cannot be used here: {reason}") from error
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    _check_folder(options)
    data = load(options.data, options.folder)
    held = getattr(options, "hold_out", None)
    if held is not None and held >= len(data.train):
        raise ValueError(f"--hold-out must be below the {len(data.train)} images, got {held}")
    return data


def _check_folder(options: argparse.Namespace) -> None:
    if options.data != "digits" and options.folder is None:
        raise ValueError(f"--data {options.data} needs a folder: say with --folder where it lies")


def training_experiment(
    options: argparse.Namespace, data: DataSet
) -> tuple[Experiment, str | None]:
    """The experiment named with --experiment, with every option given put in, and its name.

    There is no name where an option makes it another experiment.
    """
    given, (name, base) = _given(options), _named(options)
    if options.hold_out is not None:
        given["held_out"] = options.hold_out
    if options.schedule is not None or options.bounds is not None:
        given["schedule"] = schedule = requested_schedule(
            options, _per_epoch(base, given, data, given.get("held_out", 0))
        )
        if options.iterations is None and not options.experiment:
            given["iterations"] = _length(schedule)
    elif options.experiment:
        _refuse_shapes(options, "--experiment")
    else:
        raise ValueError("one of --schedule, --bounds and --experiment is needed")
    if options.iterations is not None:
        given["iterations"] = options.iterations
    experiment = _with(base, given)
    return experiment, name if experiment == base else None


def range_experiment(options: argparse.Namespace, data: DataSet) -> Experiment:
    """The sweep as an experiment whose schedule runs from --start-lr to --end-lr."""
    given, (_, base) = _given(options), _named(options)
    held = len(data.train) // 25 if options.hold_out is None else options.hold_out
    if held < 1:
        raise ValueError(f"--hold-out must be at least 1, got {held}: accuracy is measured there")
    iterations = options.iterations
    if iterations is None:
        epochs = getattr(options, "epochs", None) or 8
        iterations = round(epochs * _per_epoch(base, given, data, held))
    sweep = {
        "schedule": _sweep(options, iterations),
        "iterations": iterations,
        "held_out": held,
        "ema_decay": 0.0,  # the rate just used shows in the weights themselves
    }
    experiment = _with(base, given | sweep)
    if callable(experiment.momentum):
        raise ValueError(
            f"--momentum must be a number in a range test, got {experiment.momentum!r}: only the "
            "rate is swept"
        )
    return experiment


def _sweep(options: argparse.Namespace, iterations: int) -> Schedule:
    """From --start-lr to --end-lr in so many steps."""
    if iterations < 2:
        raise ValueError(f"--iterations must be at least 2 in a range test, got {iterations}")
    if options.eval_every is not None and options.eval_every > iterations:
        raise ValueError(
            f"--eval-every must be at most the {iterations} iterations, got {options.eval_every}"
        )
    linear, start = options.step_mode == "linear", options.start_lr
    if start is None:
        start = 0.0 if linear else 1e-6
    if not linear and start == 0:
        raise ValueError("--start-lr must be above 0 with exponential spacing, got 0: try 1e-6")
    if start >= options.end_lr:
        raise ValueError(f"--start-lr must be below --end-lr ({options.end_lr}), got {start}")
    return (Linear if linear else Geometric)(start, options.end_lr, iterations - 1)


def requested_jobs(options: argparse.Namespace) -> list[Job]:
    """What ``reproduce`` is asked for; looks at names, numbers, device and data beforehand."""
    chosen: dict[str, Experiment] = {}
    for name, experiment in named(*(options.rows or EXPERIMENTS)):
        if chosen.setdefault(name, experiment) != experiment:
            raise ValueError(
                f"two experiments are called {name}: their runs need names of their own"
            )
    _check_folder(options)
    if options.ray is None:  # else they may lie on other machines
        prepared_data(options)
    return jobs_of(
        chosen,
        options.seeds,
        options.out,
        iterations=options.iterations,
        data=options.data,
        folder=options.folder and options.folder.absolute(),
        device=options.device,
        eval_every=options.eval_every,
        repeatable=options.repeatable,
        threads=threads_of(options),
    )


def threads_of(options: argparse.Namespace) -> int:
    """torch's CPU threads in a job."""
    cores = _cores() if options.ray is None else 1
    return int(options.threads or max(1, cores // options.workers))


def _cores() -> int:
    """Those that this process may use, where the system says so, or all."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def requested_place(options: argparse.Namespace) -> Place:
    """Where ``reproduce`` and ``compare`` run their jobs."""
    if options.ray is not None:
        return functools.partial(on_ray, address=options.ray or None)
    if options.workers > 1:
        return functools.partial(in_processes, workers=options.workers)
    return here


def requested_schedule(options: argparse.Namespace, per_epoch: int | None = None) -> Schedule:
    """What --schedule writes, or --bounds, --policy and --step-size ask for."""
    if options.schedule is not None:
        _refuse_shapes(options, "--schedule")
        return parse_schedule(options.schedule)
    result = read_bounds(options.bounds)
    step_size = options.step_size
    known = per_epoch or not isinstance(result, RangeTestResult) or result.epoch_length
    if step_size is None and not known:
        raise ValueError("--bounds needs a --step-size here: how long an epoch is, is not known")
    if step_size is None and per_epoch is not None:
        step_size = step_size_from_epochs(4, per_epoch)
    schedule = result.schedule(step_size, options.policy or "triangular")
    if isinstance(schedule, list):
        raise ValueError(
            f"--bounds must be of a test with one range for all groups, got {options.bounds}"
        )
    return schedule


def _given(options: argparse.Namespace) -> dict[str, Any]:
    found = {name: getattr(options, name, None) for name in PASSED_ON}
    given = {name: value for name, value in found.items() if value is not None}
    if "momentum" in given:
        given["momentum"] = _momentum(given["momentum"])
    return given


def _named(options: argparse.Namespace) -> tuple[str | None, Experiment | None]:
    if options.experiment is None:
        return None, None
    ((name, experiment),) = named(options.experiment)
    return name, experiment


def _with(base: Experiment | None, given: dict[str, Any]) -> Experiment:
    return Experiment(**given) if base is None else replace(base, **given)


def _refuse_shapes(options: argparse.Namespace, given: str) -> None:
    if options.policy or options.step_size is not None:
        raise ValueError(f"--policy and --step-size belong to --bounds, not to {given}")


def _per_epoch(base: Experiment | None, given: dict[str, Any], data: DataSet, held: int) -> int:
    default = Experiment.batch_size if base is None else base.batch_size
    return max(1, (len(data.train) - held) // int(given.get("batch_size", default)))


def _length(schedule: Schedule) -> int:
    """The schedule's own length, or five cycles."""
    if (own := length(schedule)) is not None:
        return own
    if isinstance(schedule, Triangular | Triangular2 | ExpRange):
        return 2 * _CYCLES * schedule.step_size
    ends = (done for done in range(_COUNTED) if ends_cycle(schedule, done))
    fifth = next(itertools.islice(ends, _CYCLES - 1, None), None)
    if fifth is None:
        raise ValueError(f"{schedule!r} has no cycles to count: give --iterations")
    return fifth


def _momentum(text: str) -> float | Schedule:
    try:
        number = float(text)
    except ValueError:
        try:
            return parse_schedule(text)
        except ValueError as error:
            raise ValueError(f"--momentum must be a number or a schedule: {error}") from error
    return share("--momentum", number)
