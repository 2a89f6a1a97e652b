"""Optimizers around others: where steps happen, and whose rates they use."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

import torch

from clr_ignite._checks import shown
from clr_ignite.no_trace.objects import attributes

Optimizer = torch.optim.Optimizer


class RateChanged(RuntimeError):
    """Something else set the optimizer's rate during a range test."""


def check_optimizer(optimizer: object) -> None:
    """Refuse what is no optimizer of torch's kind, naming one inside it."""
    if isinstance(optimizer, Optimizer) and hasattr(optimizer, "param_groups"):
        return
    held = (one for one in attributes(optimizer).values() if isinstance(one, Optimizer))
    inside = "".join(f"; give the {type(one).__name__} inside it" for one in held)
    raise TypeError(
        "optimizer must be a torch.optim.Optimizer with param_groups, "
        f"got {shown(optimizer)}{inside}"
    )


def inner_optimizers(optimizer: Any) -> list[Optimizer]:
    """The optimizers that this one holds, at any depth, and that change parameters of its."""
    own, found = _parameters(optimizer), [optimizer]
    for one in found:  # which grows meanwhile
        for value in attributes(one).values():
            several = value.values() if isinstance(value, dict) else value
            for held in several if isinstance(value, list | tuple | dict) else (value,):
                if isinstance(held, Optimizer) and not any(held is known for known in found):
                    found += [held] if own & _parameters(held) else []
    return found[1:]


def to_rates(optimizer: torch.optim.Optimizer) -> str:
    """The way to those of an optimizer without one, in words."""
    if inside := " or ".join(type(one).__name__ for one in inner_optimizers(optimizer)):
        return f"give the {inside} inside it"
    return (
        "an optimizer that makes its own, as Adafactor with relative_step=True, is constructed "
        "with lr=..., its own switched off"
    )


def scalers_of(optimizer: Optimizer, saved: Iterable[object]) -> list[torch.amp.GradScaler]:
    """The GradScalers that may skip the step: those saved, and one that a wrapper holds."""
    held = [*saved, *attributes(optimizer).values()]
    return list({id(o): o for o in held if isinstance(o, torch.amp.GradScaler)}.values())


def watch_steps(optimizer: Optimizer, before: Callable[..., None]) -> list[Callable[[], object]]:
    """Call ``before(optimizer)`` whenever it, or one that it holds, is about to step.

    Returns:
        What ends that.
    """
    ends: list[Callable[[], object]] = []
    for one in (optimizer, *inner_optimizers(optimizer)):
        if hasattr(one, "_optimizer_step_pre_hooks"):
            ends.append(one.register_step_pre_hook(before).remove)
    if not ends:  # its class never called that of torch's Optimizer, which would make hooks
        ends.append(_around_step(optimizer, before))
    return ends


def _around_step(optimizer: Optimizer, before: Callable[..., None]) -> Callable[[], object]:
    own: Any = vars(optimizer)
    step, had = optimizer.step, own.get("step")

    def watched(*given: Any, **named: Any) -> Any:
        before(optimizer)
        return step(*given, **named)

    own["step"] = watched
    return lambda: own.update(step=had) if had is not None else own.pop("step", None)


def check_inner_rates(optimizer: Optimizer, stepping: Optimizer, rates: Collection[float]) -> None:
    """Refuse an inner optimizer that steps with another rate than those that were set outside."""
    outside = {id(group) for group in optimizer.param_groups}
    for group in stepping.param_groups:
        if id(group) not in outside and float(group["lr"]) not in rates:
            inner, outer = type(stepping).__name__, type(optimizer).__name__
            raise RateChanged(
                f"the {inner} inside this {outer} steps with a rate of its own, "
                f"{float(group['lr'])}: give the test that {inner} as optimizer"
            )


def _parameters(optimizer: Any) -> set[int]:
    return {id(p) for group in optimizer.param_groups for p in group["params"]}
