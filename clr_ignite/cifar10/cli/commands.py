"""What the command line does: each function takes the parsed options of its command."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from clr_ignite._files import make_folder, printable
from clr_ignite.cifar10 import range_testing
from clr_ignite.cifar10 import report as reports
from clr_ignite.cifar10.cli.comparing import compare
from clr_ignite.cifar10.cli.measured import measured_file, read_measured
from clr_ignite.cifar10.cli.options import (
    prepared_data,
    range_experiment,
    requested_jobs,
    requested_place,
    requested_schedule,
    training_experiment,
)
from clr_ignite.cifar10.cli.speaking import (
    describe,
    print_evaluation,
    print_lines,
    show_bar,
    visdom_plotter,
    wants_bar,
)
from clr_ignite.cifar10.cli.values import picture
from clr_ignite.cifar10.experiments import EXPERIMENTS
from clr_ignite.cifar10.parts import Parts
from clr_ignite.cifar10.report.groups import names_of
from clr_ignite.cifar10.reproducing import reproduce as run_jobs
from clr_ignite.cifar10.reproducing.jobs import Job
from clr_ignite.cifar10.runs.provenance import read_config
from clr_ignite.cifar10.runs.records import Evaluation, Result
from clr_ignite.cifar10.runs.run_folder import RunError, RunFolder
from clr_ignite.cifar10.training import train as train_run
from clr_ignite.comparing import ComparedResult
from clr_ignite.handlers import cycle_end
from clr_ignite.live import VisdomPlotter
from clr_ignite.pictures import COLORS, Curve, Picture, sampled
from clr_ignite.plots import plot_schedules, save
from clr_ignite.result import RangeTestResult

__all__ = [
    "compare",
    "experiments",
    "preview",
    "range_test",
    "replay",
    "report",
    "reproduce",
    "train",
]


def train(options: argparse.Namespace) -> None:
    """Train into a run folder and print the result."""
    data = prepared_data(options)
    experiment, name = training_experiment(options, data)

    def observe(parts: Parts) -> None:
        (show_bar if wants_bar(options) else print_lines)(parts, experiment)
        if plotter is not None:
            plotter.attach(
                parts.trainer,
                parts.optimizer,
                parts.evaluator,
                cycle_end=cycle_end(experiment.schedule),
                total=experiment.iterations,
            )
            plotter.preview({repr(experiment.schedule): experiment.schedule}, experiment.iterations)

    print(experiment.schedule, flush=True)
    with visdom_plotter(options) as plotter:
        result = train_run(
            experiment,
            data,
            options.out,
            seed=options.seed,
            device=options.device,
            eval_every=options.eval_every,
            again=options.again,
            repeatable=options.repeatable,
            name=name,
            observe=observe,
        )
    print(describe(result))


def range_test(options: argparse.Namespace) -> None:
    """Run the test into a folder and print the bounds it suggests."""
    data = prepared_data(options)
    experiment = range_experiment(options, data)
    every, bar = options.eval_every or max(1, experiment.iterations // 40), wants_bar(options)
    print(f"{experiment.schedule}, accuracy every {every} steps", flush=True)

    def on_row(result: RangeTestResult) -> None:
        if not bar:
            print_evaluation(result)
        if plotter is not None:
            plotter.on_row(result)

    with visdom_plotter(options) as plotter:
        result = range_testing.range_test(
            experiment,
            data,
            options.out,
            seed=options.seed,
            device=options.device,
            every=every,
            diverge_th=options.diverge_th or None,
            progress=bar,
            again=options.again,
            repeatable=options.repeatable,
            on_row=on_row,
        )
    print(f"{result.stop_reason}: {result.stop_detail}\n{result.suggest()}")


def experiments(options: argparse.Namespace) -> None:
    """List the rows of the table."""
    width = max(map(len, EXPERIMENTS))
    lines = [f"{'row':{width}}  iterations  published, %  source"]
    for name, row in EXPERIMENTS.items():
        published = "-" if row.published is None else f"{row.published:g}"
        iterations = row.experiment.iterations
        lines.append(f"{name:{width}}  {iterations:>10,}  {published:>12}  {row.source}")
    print("\n".join(lines))


def preview(options: argparse.Namespace) -> None:
    """Draw a schedule."""
    schedule, out = requested_schedule(options), picture(options.out)
    make_folder(out.parent)
    save(plot_schedules({repr(schedule): schedule}, options.iterations), out)
    print(printable(f"{schedule}: {out}"))


def reproduce(options: argparse.Namespace) -> None:
    """Run what is missing of the rows and seeds, say each result and write the report."""
    jobs, place = requested_jobs(options), requested_place(options)

    bars = wants_bar(options)

    def finished(job: Job, result: Result) -> None:
        if not bars:  # else the bar has it
            print(f"{job.name}, seed {job.seed}: {describe(result)}", flush=True)

    run_jobs(jobs, place, progress=bars, lines=not bars, finished=finished)
    print(reports.write_report([job.out for job in jobs], options.out / "report"), end="")


def report(options: argparse.Namespace) -> None:
    """Write the table and the pictures and print the table."""
    print(reports.write_report(options.runs, options.out), end="")


def replay(options: argparse.Namespace) -> None:
    """Draw what finished runs, range tests and comparisons left on disk."""
    tests, comparisons, runs = _left_in(options.runs)
    names = _names_of_several(runs)
    with VisdomPlotter(options.visdom or None, timeout=30.0) as plotter:
        for result in tests:
            plotter.on_row(result)
        for name, compared in zip(
            _names_of_several(comparisons), comparisons.values(), strict=True
        ):
            plotter.compared(compared, name)
        if runs:
            plotter.show("lr", _rates(runs, names))
        for name, rows in zip(names, runs.values(), strict=True):
            for row in rows:
                iteration = row["iteration"]
                plotter.point("loss", name or "loss", iteration, row["train_loss"])
                measured = {"accuracy": row["eval_accuracy"], "loss": row["eval_loss"]}
                plotter.metrics(iteration, measured, name)
    if not plotter.close():
        raise ConnectionError(f"no server at {plotter.url} took the curves")
    print(f"drawn at {plotter.page}")


def _left_in(
    paths: Sequence[Path],
) -> tuple[list[RangeTestResult], dict[Path, ComparedResult], dict[Path, list[Evaluation]]]:
    """Range tests, comparisons and rows of runs, by folder or file."""
    tests, comparisons, runs = [], {}, {}
    for path in paths:
        if (file := measured_file(path)).exists():
            result = read_measured(file)
            if isinstance(result, ComparedResult):
                comparisons[path] = result
            else:
                tests.append(result)
        elif rows := RunFolder(path).rows():
            runs[path] = rows
        else:
            raise RunError(f"{path} holds neither rows of a run nor a range test or a comparison")
    return tests, comparisons, runs


def _names_of_several(found: Mapping[Path, object]) -> list[str]:
    """Of folders; none of a single one, whose curves keep the names of what they show."""
    return names_of(list(found)) if len(found) > 1 else [""] * len(found)


def _rates(runs: Mapping[Path, list[Evaluation]], names: Sequence[str]) -> Picture:
    """The rate of every step of some runs, or where it is not known which, those in their rows."""
    curves = []
    for number, ((path, rows), name) in enumerate(zip(runs.items(), names, strict=True)):
        config = read_config(RunFolder(path))
        if config is None:
            at, rates = [row["iteration"] for row in rows], [row["lr"] for row in rows]
        else:
            steps, rates = sampled(config.experiment.schedule, rows[-1]["iteration"])
            at = [int(step) + 1 for step in steps]
        curves.append(Curve(name or "lr", at, rates, COLORS[number % len(COLORS)]))
    return Picture(curves, y_label="learning rate")
