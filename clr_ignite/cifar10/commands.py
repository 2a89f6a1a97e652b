"""What the command line does: each function takes the parsed options of its command."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import torch
from ignite.engine import Engine, Events

from clr_ignite.cifar10._run_folder import RunFolder
from clr_ignite.cifar10._schedule_text import parse_schedule
from clr_ignite.cifar10.data import DataSet, load
from clr_ignite.cifar10.experiments import EXPERIMENTS, Experiment
from clr_ignite.cifar10.training import Parts
from clr_ignite.cifar10.training import train as train_run
from clr_ignite.schedules import Schedule

_PASSED_ON = ("model", "pixels", "pooling", "init", "multipliers", "batch_size", "weight_decay")


def train(options: argparse.Namespace) -> None:
    """Train into a run folder and print the result."""
    data = _prepare(options)
    experiment = _experiment(options, data)
    if options.again:
        RunFolder(options.out).clear()
    result = train_run(
        experiment,
        data,
        options.out,
        seed=options.seed,
        device=options.device,
        eval_every=options.eval_every or 500,
        observe=_progress_bar(experiment.iterations) if options.progress else lambda parts: None,
    )
    print(describe(result))


def range_test(options: argparse.Namespace) -> None: ...


def preview(options: argparse.Namespace) -> None: ...


def report(options: argparse.Namespace) -> None: ...


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


def _prepare(options: argparse.Namespace) -> DataSet:
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    return load(options.data, options.folder)


def _experiment(options: argparse.Namespace, data: DataSet) -> Experiment:
    """The row named with --experiment, or the default, with every option given put in."""
    given: dict[str, Any] = {
        name: getattr(options, name) for name in _PASSED_ON if getattr(options, name) is not None
    }
    if options.schedule is not None:
        given["schedule"] = parse_schedule(options.schedule)
    if options.iterations is not None:
        given["iterations"] = options.iterations
    if options.momentum is not None:
        given["momentum"] = _number_or_schedule(options.momentum)
    if options.nesterov is not None:
        given["nesterov"] = options.nesterov
    if options.hold_out is not None:
        given["held_out"] = options.hold_out
    base = EXPERIMENTS[options.experiment].experiment.to_dict() if options.experiment else {}
    return Experiment.from_dict(base | given)


def _number_or_schedule(text: str) -> float | Schedule:
    try:
        return float(text)
    except ValueError:
        return parse_schedule(text)


def _progress_bar(iterations: int) -> Callable[[Parts], None]:
    """Attaches a tqdm bar that moves with the iterations and shows the last accuracy."""

    def attach(parts: Parts) -> None:
        from tqdm import tqdm

        bar = tqdm(total=iterations, initial=parts.batches.start, unit="it", mininterval=1.0)

        def accuracy(engine: Engine) -> None:
            bar.set_postfix(accuracy=f"{100 * engine.state.metrics['accuracy']:.2f} %")

        parts.trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda: bar.update())
        parts.evaluator.add_event_handler(Events.COMPLETED, accuracy)
        parts.trainer.add_event_handler(Events.COMPLETED, lambda: bar.close())

    return attach
