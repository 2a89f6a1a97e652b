"""Checks of arguments where they enter: the value converted, or an error that names it."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any, TypeVar

T = TypeVar("T")


class Fields:
    """Lets the ``__post_init__`` of a frozen dataclass store its checked arguments."""

    def _set(self, **fields: object) -> None:
        for name, value in fields.items():
            object.__setattr__(self, name, value)


def non_negative(name: str, value: float) -> float:
    """``value`` as a finite float of at least 0."""
    number = _finite(name, value)
    if number < 0:
        raise ValueError(f"{name} must not be negative, got {value!r}")
    return number


def positive(name: str, value: float) -> float:
    """``value`` as a finite float above 0."""
    number = _finite(name, value)
    if number <= 0:
        raise ValueError(f"{name} must be greater than 0, got {value!r}")
    return number


def shrinking(name: str, value: float) -> float:
    """``value`` as a float above 0 and at most 1."""
    number = positive(name, value)
    if number > 1:
        raise ValueError(f"{name} must be at most 1, got {value!r}")
    return number


def whole(name: str, value: int) -> int:
    """``value`` as an int; a whole float is refused like any other."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be a whole number, got {value!r}")
    return int(value)


def count(name: str, value: int, *, least: int = 1) -> int:
    """``value`` as an int of at least ``least``."""
    number = whole(name, value)
    if number < least:
        raise ValueError(f"{name} must be at least {least}, got {value!r}")
    return number


def choice(name: str, value: str, choices: Sequence[str]) -> None:
    """Refuse what is not one of ``choices``."""
    if not (isinstance(value, str) and value in choices):
        raise ValueError(f"{name} must be {' or '.join(map(repr, choices))}, got {value!r}")


def instance(name: str, value: object, kinds: Any, what: str) -> None:
    """Refuse what is not of ``kinds``, ``what`` in words."""
    if not isinstance(value, kinds):
        raise TypeError(f"{name} must be {what}, got {value!r}")


def flag(name: str, value: bool) -> None:
    """Refuse what is neither True nor False."""
    instance(name, value, bool, "True or False")


def function(name: str, value: object, what: str = "callable") -> None:
    """Refuse what cannot be called; ``what`` it should be in words."""
    if not callable(value):
        raise TypeError(f"{name} must be {what}, got {value!r}")


def several(name: str, values: Iterable[T], what: str) -> tuple[T, ...]:
    """``values`` as a tuple; text, whose parts are never meant, is refused."""
    try:
        if not isinstance(values, str | bytes):
            return tuple(values)
    except TypeError:  # not iterable after all, such as an array without a dimension
        pass
    raise TypeError(f"{name} must be a sequence of {what}, got {values!r}")


def check_bounds(base_lr: float, max_lr: float) -> None:
    """Refuse an upper boundary below the lower one."""
    if max_lr < base_lr:
        raise ValueError(f"max_lr must be at least base_lr ({base_lr}), got {max_lr}")


def check_fields(values: object, types: Mapping[str, tuple[type, ...]]) -> dict[str, Any]:
    """``values`` from outside as a dict with at least these fields of these types.

    Raises:
        ValueError: naming the field; a bool is a number only where bool is asked for.
    """
    if not isinstance(values, dict):
        raise ValueError(f"{reprlib.repr(values)} is no object")
    for name, allowed in types.items():
        if name not in values:
            raise ValueError(f"field {name!r} is missing")
        value = values[name]
        if not isinstance(value, allowed) or (isinstance(value, bool) and bool not in allowed):
            raise ValueError(f"field {name!r} holds {reprlib.repr(value)}")
    return values


def _finite(name: str, value: float) -> float:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, got {value!r}")
    try:
        number = float(value)
    except OverflowError:  # an int or a Fraction beyond the largest float
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{name} must be finite, got {reprlib.repr(value)}")
    return number
