"""What a range test refuses before it starts; each error names argument, rule and value."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine
from torch import nn

from clr_ignite._checks import count, flag, function, instance, positive, shown
from clr_ignite.no_trace.engine import check_engine
from clr_ignite.no_trace.snapshot import can_be_saved
from clr_ignite.optimizers.probing import warn_of_remembered_rate, warn_of_unused_rate
from clr_ignite.optimizers.rates import check_group_rates, check_rates
from clr_ignite.optimizers.wrapped import check_optimizer
from clr_ignite.range_test.endless import Endless, length
from clr_ignite.range_test.plan import Plan


def check_saved(optimizer: torch.optim.Optimizer, to_save: Mapping[str, Any]) -> None:
    """Refuse an optimizer, parameters that it changes or an entry that would not be put back."""
    check_optimizer(optimizer)
    example = "a mapping of names to objects, such as {'model': model, 'optimizer': optimizer}"
    instance("to_save", to_save, Mapping, example)
    for name, one in to_save.items():
        if not can_be_saved(one):
            raise TypeError(f"to_save[{name!r}] must have a state to put back, got {shown(one)}")
    if not any(one is optimizer for one in to_save.values()):
        raise ValueError("to_save must hold the optimizer under test")
    _check_covered(optimizer, [one for one in to_save.values() if isinstance(one, nn.Module)])


def _check_covered(optimizer: torch.optim.Optimizer, modules: Iterable[nn.Module]) -> None:
    held = {id(p) for module in modules for p in module.parameters()}
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            if nn.parameter.is_lazy(parameter):
                raise ValueError("a lazy module has no parameters yet: run one batch first")
            if id(parameter) not in held:
                raise ValueError(
                    "to_save must hold every module whose parameters the optimizer changes; "
                    f"a parameter of shape {tuple(parameter.shape)} is in none of them"
                )


def check_swept(optimizer: torch.optim.Optimizer, plan: Plan) -> None:
    """Refuse rates that a sweep cannot set, and warn where it is not they that decide the steps."""
    check_rates(optimizer)
    if not plan.per_group:
        check_group_rates(optimizer, ", or the test ranges of their own, start_lr=[...]")
    if not warn_of_unused_rate(optimizer, plan.rates):
        warn_of_remembered_rate(optimizer, plan.rates)


def check_trainer(trainer: Engine, evaluator: Engine | None) -> None:
    """Refuse what is no Engine, and one that would evaluate in the midst of its own run."""
    check_engine("trainer", trainer)
    if trainer is evaluator:
        raise ValueError(
            "evaluator must be another Engine than the trainer, such as "
            f"create_supervised_evaluator makes, got {shown(evaluator)} for both"
        )


def check_evaluation(evaluator: Engine | None, eval_data: Iterable[Any] | None) -> None:
    """Refuse one without the other, and data that a first evaluation would use up."""
    if (evaluator is None) != (eval_data is None):
        raise ValueError("evaluator and eval_data belong together: give both or neither")
    if evaluator is not None and eval_data is not None:
        check_engine("evaluator", evaluator)
        check_data("eval_data", eval_data)


def check_data(name: str, data: Iterable[Any]) -> None:
    """Refuse what cannot be gone through again and again, and what says that it is empty."""
    if isinstance(data, Iterator):
        raise TypeError(
            f"{name} must be iterable again and again, such as a DataLoader or a list; "
            f"a one-shot iterator ({type(data).__name__}) would be used up by the test"
        )
    if data is None:
        raise TypeError(f"{name} must be given; for a step that needs no batch, [None] will do")
    if not isinstance(data, Iterable):  # an Engine runs on nothing else
        raise TypeError(
            f"{name} must be iterable, such as a DataLoader (of a Dataset) or a list, "
            f"got {shown(data)}"
        )
    if length(data) == 0:
        raise ValueError(f"{name} must not be empty: its length is 0")


def endless(
    data: Iterable[Any],
    num_iter: int,
    max_epochs: int | None,
    max_iters: int | None,
    epoch_length: int | None,
) -> Endless:
    """``data`` for a test of ``num_iter`` steps, with what ``Engine.run`` takes beside it.

    Raises:
        TypeError, ValueError: data that a test cannot use, no whole numbers, both limits, or one
            that ends the test before its last step.
    """
    check_data("data", data)
    limits = {"max_epochs": max_epochs, "max_iters": max_iters}
    given = {name: count(name, value) for name, value in limits.items() if value is not None}
    batches = Endless(data)
    if epoch_length is not None:
        batches.epoch_length = count("epoch_length", epoch_length)
    if len(given) > 1:
        raise ValueError("max_epochs and max_iters exclude each other: give one or neither")
    for name, value in given.items():
        batches.limited_by = f"{name}={value}"
        batches.limit = value
        if name == "max_epochs":
            if batches.epoch_length is None:
                raise ValueError("max_epochs needs an epoch_length: the data has no length")
            batches.limit *= batches.epoch_length
        if batches.limit < num_iter:
            raise ValueError(
                f"{name} must leave num_iter ({num_iter}) batches or more, got {value}, which "
                f"leaves {batches.limit}: leave it out, for the test ends by itself, or give a "
                "smaller num_iter"
            )
    return batches


def outputs(
    output_transform: Callable[[Any], Any],
    training_metrics: Mapping[str, Callable[[Any], Any]] | None,
) -> dict[str, Callable[[Any], Any]]:
    """What is read from the trainer's output: the loss, and metrics under other names."""
    function("output_transform", output_transform)
    instance("training_metrics", training_metrics, Mapping | None, "a mapping or None")
    metrics = dict(training_metrics or {})
    if "loss" in metrics:
        raise ValueError("training_metrics must not hold 'loss': output_transform gives it")
    for name, metric in metrics.items():
        instance("training_metrics", name, str, "named by text")
        function(f"training_metrics[{name!r}]", metric)
    return {"loss": output_transform, **metrics}


def check_watching(on_row: object, progress: bool, checkpoint: str | PathLike[str] | None) -> None:
    """Refuse observers and a file of the wrong kind."""
    instance("on_row", on_row, Callable | None, "callable or None, such as a plotter's on_row")
    flag("progress", progress)
    instance("checkpoint", checkpoint, str | PathLike | None, "a path or None")
    if checkpoint is not None and Path(checkpoint).is_dir():
        raise ValueError(f"checkpoint must be a file, got the folder {checkpoint}")


def threshold(diverge_th: float | None) -> float | None:
    """``diverge_th`` as a float above 1, or None."""
    if diverge_th is None:
        return None
    number = positive("diverge_th", diverge_th)
    if number <= 1:
        raise ValueError(f"diverge_th must be above 1 or None, got {diverge_th}")
    return number
