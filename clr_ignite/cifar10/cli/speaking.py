"""What a command says while it works: a bar on a terminal, else a line at each evaluation."""

from __future__ import annotations

import argparse
import contextlib
import math
import sys

from ignite.engine import Engine, Events
from tqdm import tqdm

from clr_ignite.cifar10.experiments import Experiment
from clr_ignite.cifar10.parts import Parts
from clr_ignite.cifar10.runs.records import Result
from clr_ignite.live import VisdomPlotter
from clr_ignite.result import RangeTestResult


def wants_bar(options: argparse.Namespace) -> bool:
    """Whether a bar can be seen, and was not declined with --no-progress."""
    return bool(options.progress and sys.stderr.isatty())


def visdom_plotter(
    options: argparse.Namespace,
) -> contextlib.AbstractContextManager[VisdomPlotter | None]:
    """What draws in the server of --visdom, if that was given."""
    return contextlib.nullcontext() if options.visdom is None else VisdomPlotter(options.visdom)


def show_bar(parts: Parts, experiment: Experiment) -> None:
    """Attach a tqdm bar that moves with the iterations and shows the last accuracy."""
    total, start = experiment.iterations, parts.batches.start
    bar = tqdm(total=total, initial=start, unit="it", mininterval=1.0)

    def accuracy(engine: Engine) -> None:
        bar.set_postfix(accuracy=f"{100 * engine.state.metrics['accuracy']:.2f} %")

    parts.trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda: bar.update())
    parts.evaluator.add_event_handler(Events.COMPLETED, accuracy)
    parts.trainer.add_event_handler(Events.COMPLETED, lambda: bar.close())


def print_lines(parts: Parts, experiment: Experiment) -> None:
    """Print a line now and at each evaluation."""
    if parts.batches.start:
        print(f"goes on after iteration {parts.batches.start:,}", flush=True)
    on = "held-out" if experiment.held_out else "test"

    def line(engine: Engine) -> None:
        iteration, metrics = parts.trainer.state.iteration, engine.state.metrics
        print(
            f"iteration {iteration:,} of {experiment.iterations:,}: "
            f"{100 * metrics['accuracy']:.2f} % ({on}), loss {metrics['loss']:.4g}, "
            f"rate {experiment.schedule(iteration - 1):.3g}",
            flush=True,
        )

    parts.evaluator.add_event_handler(Events.COMPLETED, line)


def print_evaluation(result: RangeTestResult) -> None:
    """Print a line where the last row of a range test was evaluated."""
    accuracies = result.columns().get("eval_accuracy")
    if accuracies and not math.isnan(accuracies[-1]):
        print(
            f"step {len(result):,} of {result.num_iter:,}: {100 * accuracies[-1]:.2f} % "
            f"(held-out), loss {result.loss[-1]:.4g}, rate {result.lr[-1]:.3g}",
            flush=True,
        )


def describe(result: Result) -> str:
    """A sentence or two on how a run ended."""
    on = result["evaluated_on"]
    text = f"{100 * result['accuracy']:.2f} % ({on}) at iteration {result['iterations']}"
    if result["diverged"]:
        return f"diverged: {text}"
    if result["ended_at_cycle_end"]:
        return f"{text}, a cycle end"
    at, accuracy = result["cycle_end_iteration"], result["cycle_end_accuracy"]
    if at is None or accuracy is None:
        return f"{text}; the schedule has no cycle that ends within the run"
    return f"{text}, in mid-cycle; at the last cycle end, iteration {at}: {100 * accuracy:.2f} %"
