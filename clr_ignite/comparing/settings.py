"""What is compared: settings checked, and said in a way that a file can hold."""

from __future__ import annotations

import contextlib
import inspect
import math
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from numbers import Real
from typing import Any

import numpy as np
import torch

from clr_ignite._checks import instance, shown
from clr_ignite.optimizers.values import momentum_of

Setting = Mapping[str, Any]


def check_settings(settings: Mapping[str, Setting]) -> dict[str, dict[str, Any]]:
    """``settings`` as dicts by name; at least two, all different."""
    instance("settings", settings, Mapping, "a mapping of names to dicts of arguments for setup")
    for name, setting in settings.items():
        instance("settings", name, str, 'named by text, such as f"{decay:g}"')
        instance(f"settings[{name!r}]", setting, Mapping, "a dict of arguments for setup")
        for argument in setting:
            instance(f"settings[{name!r}]", argument, str, "a dict with text as its keys")
    if len(settings) < 2:
        raise ValueError(f"settings must be at least two, to be compared, got {list(settings)}")
    for first, second in pairs(settings):
        if _same(settings[first], settings[second]):
            raise ValueError(
                f"settings must differ: {first!r} and {second!r} are both {shown(settings[first])}"
            )
    return {name: dict(setting) for name, setting in settings.items()}


def check_setup(setup: Callable[..., Any], settings: Mapping[str, Setting], seed: int) -> None:
    """Refuse a setting that ``setup`` does not take, before the first test has run."""
    try:
        signature = inspect.signature(setup)
    except (TypeError, ValueError):  # some builtins do not tell
        return
    for name, setting in settings.items():
        try:
            signature.bind(seed, **setting)
        except TypeError as error:
            asked = ", ".join(["seed", *setting])
            raise TypeError(f"setup must take {asked} for setting {name!r}: {error}") from None


def check_used(name: str, setting: Setting, optimizer: torch.optim.Optimizer) -> None:
    """Warn where no param group has the weight decay or the momentum that the setting asks for."""
    groups = getattr(optimizer, "param_groups", ())
    asked = {key: float(value) for key, value in setting.items() if isinstance(value, Real)}
    for key, read in {"weight_decay": _decay_of, "momentum": momentum_of}.items():
        found = [value for group in groups if (value := read(group)) is not None]
        if key in asked and not np.isclose(found, asked[key], 1e-6, 0, equal_nan=True).any():
            has = ", ".join(f"{value:g}" for value in dict.fromkeys(found)) or "none"
            warnings.warn(
                f"setting {name!r} asks for {key}={asked[key]:g}, but the param groups of this "
                f"{type(optimizer).__name__} have {has}: does setup pass it on?",
                stacklevel=6,  # the line that compares
            )


def described(value: Any, inside: tuple[int, ...] = ()) -> Any:
    """``value`` as JSON can hold it, the same in every process: functions and classes by name.

    Args:
        inside: the ids of what it is in, which may be itself.
    """
    if id(value) in inside:
        return "..."
    inside = (*inside, id(value))
    if hasattr(value, "tolist"):  # NumPy's and torch's
        with contextlib.suppress(Exception):  # a tensor without data, or a sparse one
            value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): described(one, inside) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [described(one, inside) for one in value]
    if isinstance(value, set | frozenset):
        return sorted((described(one, inside) for one in value), key=repr)
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if (name := getattr(value, "__qualname__", None)) is not None:
        return f"{value.__module__}.{name}"
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))


def pairs(settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each two of the names."""
    names = list(settings)
    return ((a, b) for number, a in enumerate(names) for b in names[number + 1 :])


def _same(one: Setting, other: Setting) -> bool:
    return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in one)


def _equal(one: Any, other: Any) -> bool:
    try:
        return bool(one is other or one == other)
    except Exception:  # arrays do not say yes or no, and others anything
        return bool(described(one) == described(other))


def _decay_of(group: Mapping[str, Any]) -> float | None:
    value = group.get("weight_decay")
    return None if value is None else float(value)
