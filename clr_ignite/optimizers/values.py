"""What a schedule may give, and the writing of hyperparameters other than the rate."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch

from clr_ignite.optimizers.rates import Group, put

# Of other hyperparameters only their optimizer knows.
_NEVER_NEGATIVE = {"lr", "momentum", "weight_decay", "eps", "alpha", "rho", "lambd", "lr_decay"}


def writer(name: str) -> Callable[[list[Group], float], None]:
    """What writes a value of the hyperparameter ``name`` into all groups."""
    return _put_momenta if name == "momentum" else partial(_put_all, name)


def each_writer(name: str) -> Callable[[list[Group], Sequence[float]], None]:
    """What writes a value of its own into each group."""
    write = writer(name)

    def write_each(groups: list[Group], values: Sequence[float]) -> None:
        for group, value in zip(groups, values, strict=True):
            write([group], value)

    return write_each


def checked(name: str, value: Any, step: int) -> float:
    """What a schedule gave as a float; a NumPy number would end up in checkpoints.

    Raises:
        TypeError, ValueError: what no optimizer can use.
    """
    said = f"the schedule of {name} gave {reprlib.repr(value)} at step {step}"
    if isinstance(value, bool | np.bool_ | str | bytes) or not hasattr(value, "__float__"):
        raise TypeError(f"{said}: it must be a number")
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{said}: it must be finite")
    if number < 0 and name in _NEVER_NEGATIVE:
        raise ValueError(f"{said}: it must not be negative")
    return number


def momentum_of(group: Group) -> float:
    """A group's ``momentum``, or the first of its ``betas``; 0 where it has neither."""
    return float(group["betas"][0] if "betas" in group else group.get("momentum", 0))


# The common case, a float, is in line: it runs for every group at every iteration.
def _put_momenta(groups: list[Group], value: float) -> None:
    for group in groups:
        if "betas" in group:
            _put_first_beta(group, value)
        elif type(group["momentum"]) is float:
            group["momentum"] = value
        else:
            put(group, "momentum", value)


def _put_all(name: str, groups: list[Group], value: float) -> None:
    for group in groups:
        put(group, name, value)


def _put_first_beta(group: Group, value: float) -> None:
    first, *rest = group["betas"]
    if isinstance(first, torch.Tensor):
        first.fill_(value)
    else:
        group["betas"] = (value, *rest)
