"""What the command line does: each function takes the parsed options of its command."""

from __future__ import annotations

import argparse
import contextlib
from typing import Any

from ignite.engine import Engine, Events
from tqdm import tqdm

from clr_ignite._files import make_folder, printable
from clr_ignite.cifar10 import range_testing
from clr_ignite.cifar10 import report as reports
from clr_ignite.cifar10.cli.options import (
    prepared_data,
    range_experiment,
    requested_jobs,
    requested_place,
    requested_schedule,
    training_experiment,
)
from clr_ignite.cifar10.parts import Parts
from clr_ignite.cifar10.report.groups import distinct
from clr_ignite.cifar10.reproducing import reproduce as run_jobs
from clr_ignite.cifar10.reproducing.jobs import Job
from clr_ignite.cifar10.runs.run_folder import RunError, RunFolder
from clr_ignite.cifar10.training import train as train_run
from clr_ignite.handlers import cycle_end
from clr_ignite.live import VisdomPlotter
from clr_ignite.plots import plot_schedules, save
from clr_ignite.result import RangeTestResult


def train(options: argparse.Namespace) -> None:
    """Train into a run folder and print the result."""
    data = prepared_data(options)
    experiment = training_experiment(options, data)

    def observe(parts: Parts) -> None:
        if options.progress:
            _progress_bar(parts, experiment.iterations)
        if plotter is not None:
            plotter.attach(
                parts.trainer,
                parts.optimizer,
                parts.evaluator,
                cycle_end=cycle_end(experiment.schedule),
                total=experiment.iterations,
            )
            plotter.preview({repr(experiment.schedule): experiment.schedule}, experiment.iterations)

    with _plotter(options) as plotter:
        result = train_run(
            experiment,
            data,
            options.out,
            seed=options.seed,
            device=options.device,
            eval_every=options.eval_every,
            again=options.again,
            observe=observe,
        )
    print(f"{experiment.schedule}\n{describe(result)}")


def range_test(options: argparse.Namespace) -> None:
    """Run the test into a folder and print the bounds it suggests."""
    data = prepared_data(options)
    experiment = range_experiment(options, data)
    with _plotter(options) as plotter:
        result = range_testing.range_test(
            experiment,
            data,
            options.out,
            seed=options.seed,
            device=options.device,
            every=options.eval_every or max(1, experiment.iterations // 40),
            diverge_th=options.diverge_th or None,
            progress=options.progress,
            again=options.again,
            on_row=(lambda result: None) if plotter is None else plotter.on_row,
        )
    print(f"{result.stop_reason}: {result.stop_detail}\n{result.suggest()}")


def preview(options: argparse.Namespace) -> None:
    """Draw a schedule."""
    schedule = requested_schedule(options)
    make_folder(options.out.parent)
    save(plot_schedules({repr(schedule): schedule}, options.iterations), options.out)
    print(printable(f"{schedule}: {options.out}"))


def reproduce(options: argparse.Namespace) -> None:
    """Run what is missing of the rows and seeds, say each result and write the report."""
    jobs, place = requested_jobs(options), requested_place(options)

    def finished(job: Job, result: dict[str, Any]) -> None:
        if not options.progress:  # else the progress line has it
            print(f"{job.name}, seed {job.seed}: {describe(result)}", flush=True)

    run_jobs(jobs, place, progress=options.progress, finished=finished)
    text = reports.write_report([job.out for job in jobs], options.out / "report")
    print(printable(text), end="")


def report(options: argparse.Namespace) -> None:
    """Write the table and the pictures and print the table."""
    print(printable(reports.write_report(options.runs, options.out)), end="")


def replay(options: argparse.Namespace) -> None:
    """Draw what finished runs and range tests left on disk."""
    tests, runs = [], {}
    for path in options.runs:
        test = path / "range_test.json" if path.is_dir() else path
        if test.exists():
            tests.append(RangeTestResult.from_json(test))
        elif rows := RunFolder(path).rows():
            runs[path] = rows
        else:
            raise RunError(f"{path} holds neither rows of a run nor a range test")
    # One run's curves keep the names of what they show.
    names = distinct([path.name for path in runs]) if len(runs) > 1 else [""] * len(runs)
    with VisdomPlotter(options.visdom or None, timeout=30.0) as plotter:
        for result in tests:
            plotter.on_row(result)
        for name, rows in zip(names, runs.values(), strict=True):
            for row in rows:
                plotter.row(row, name)
    if not plotter.close():
        raise ConnectionError(f"no server at {plotter.url} took the curves")
    print(f"drawn at {plotter.url}, environment {plotter.env}")


def describe(result: dict[str, Any]) -> str:
    """A sentence or two on how a run ended."""
    on = result["evaluated_on"]
    text = f"{100 * result['accuracy']:.2f} % ({on}) at iteration {result['iterations']}"
    if result["diverged"]:
        return f"diverged: {text}"
    if result["ended_at_cycle_end"]:
        return f"{text}, a cycle end"
    if result["cycle_end_iteration"] is None:
        return f"{text}; the schedule has no cycle that ends within the run"
    return (
        f"{text}, in mid-cycle; at the last cycle end, iteration "
        f"{result['cycle_end_iteration']}: {100 * result['cycle_end_accuracy']:.2f} %"
    )


def _plotter(
    options: argparse.Namespace,
) -> contextlib.AbstractContextManager[VisdomPlotter | None]:
    return contextlib.nullcontext() if options.visdom is None else VisdomPlotter(options.visdom)


def _progress_bar(parts: Parts, iterations: int) -> None:
    """Attach a tqdm bar that moves with the iterations and shows the last accuracy."""
    bar = tqdm(total=iterations, initial=parts.batches.start, unit="it", mininterval=1.0)

    def accuracy(engine: Engine) -> None:
        bar.set_postfix(accuracy=f"{100 * engine.state.metrics['accuracy']:.2f} %")

    parts.trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda: bar.update())
    parts.evaluator.add_event_handler(Events.COMPLETED, accuracy)
    parts.trainer.add_event_handler(Events.COMPLETED, lambda: bar.close())
