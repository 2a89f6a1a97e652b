"""Checks of arguments where they enter: the value converted, or an error that names it."""

from __future__ import annotations

import contextlib
import difflib
import math
import reprlib
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from numbers import Integral, Real
from typing import Any, TypeVar

T = TypeVar("T")

_short = reprlib.Repr()
_short.maxother = _short.maxstring = 100  # characters; a tensor or a module may have thousands


class Fields:
    """Lets the ``__post_init__`` of a frozen dataclass store its checked arguments."""

    def _set(self, **fields: object) -> None:
        for name, value in fields.items():
            object.__setattr__(self, name, value)


def shown(value: object) -> str:
    """``value`` for an error: its repr in one line, its middle left out where it is long.

    >>> shown("1" * 500)
    "'1111111111111111111111111111111111111111111111...11111111111111111111111111111111111111111111111'"
    """
    return " ".join(_short.repr(value).split())


def non_negative(name: str, value: float) -> float:
    """``value`` as a finite float of at least 0."""
    number = _finite(name, value)
    if number < 0:
        raise ValueError(f"{name} must not be negative, got {shown(value)}")
    return number


def positive(name: str, value: float) -> float:
    """``value`` as a finite float above 0."""
    number = _finite(name, value)
    if number <= 0:
        raise ValueError(f"{name} must be greater than 0, got {shown(value)}")
    return number


def shrinking(name: str, value: float) -> float:
    """``value`` as a float above 0 and at most 1."""
    number = positive(name, value)
    if number > 1:
        raise ValueError(f"{name} must be at most 1, got {shown(value)}")
    return number


def whole(name: str, value: int) -> int:
    """``value`` as an int; a whole float is refused like any other."""
    number = _plain(value)
    if isinstance(number, bool) or not isinstance(number, Integral):
        raise TypeError(f"{name} must be a whole number, got {shown(value)}")
    return int(number)


def count(name: str, value: int, *, least: int = 1) -> int:
    """``value`` as an int of at least ``least``."""
    number = whole(name, value)
    if number < least:
        raise ValueError(f"{name} must be at least {least}, got {shown(value)}")
    return number


def choice(name: str, value: str, choices: Sequence[str]) -> None:
    """Refuse what is not one of ``choices``."""
    if isinstance(value, str) and value in choices:
        return
    *most, last = map(repr, choices)
    text = f"{name} must be {', '.join(most)} or {last}, got {shown(value)}"
    meant = _close(value, choices) if isinstance(value, str) and value else []
    raise ValueError(f"{text}: did you mean {meant[0]!r}?" if meant else text)


def instance(name: str, value: object, kinds: Any, what: str) -> None:
    """Refuse what is not of ``kinds``, ``what`` in words."""
    if not isinstance(value, kinds):
        raise TypeError(f"{name} must be {what}, got {shown(value)}")


def flag(name: str, value: bool) -> None:
    """Refuse what is neither True nor False."""
    instance(name, value, bool, "True or False")


def function(name: str, value: object, what: str = "callable") -> None:
    """Refuse what cannot be called; ``what`` it should be in words."""
    if not callable(value):
        raise TypeError(f"{name} must be {what}, got {shown(value)}")


def check_schedule(name: str, value: object) -> None:
    """Refuse what gives no value for an iteration; a schedule's class gives a schedule."""
    if not callable(value) or isinstance(value, type):
        raise TypeError(
            f"{name} must be a callable iteration -> value, such as Fixed(0.1), got {shown(value)}"
        )


def several(name: str, values: Iterable[T], what: str) -> tuple[T, ...]:
    """``values`` as a tuple; text, whose parts are never meant, is refused."""
    try:
        if not isinstance(values, str | bytes):
            return tuple(values)
    except TypeError:  # not iterable after all, such as an array without a dimension
        pass
    raise TypeError(f"{name} must be a sequence of {what}, got {shown(values)}")


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
        raise ValueError(f"{shown(values)} is no object")
    for name, allowed in types.items():
        if name not in values:
            raise ValueError(f"field {name!r} is missing")
        value = values[name]
        if not isinstance(value, allowed) or (isinstance(value, bool) and bool not in allowed):
            raise ValueError(f"field {name!r} holds {shown(value)}")
    return values


@contextlib.contextmanager
def noting(note: str) -> Iterator[None]:
    """Errors of the block carry ``note``, of their own type and with their own traceback."""
    try:
        yield
    except Exception as error:
        if sys.version_info >= (3, 11):
            error.add_note(note)
        else:
            _add_to_text(error, note)
        raise


def _add_to_text(error: Exception, note: str) -> None:
    """What Python 3.10 has in the place of notes."""
    if isinstance(error, OSError) and error.strerror:
        error.strerror = f"{error.strerror}; {note}"
    elif not error.args or isinstance(error.args[0], str):
        text, *rest = error.args or ("",)
        error.args = (f"{text}\n{note}".lstrip(), *rest)


def _finite(name: str, value: float) -> float:
    given = _plain(value)
    if isinstance(given, bool) or not isinstance(given, Real):
        raise TypeError(f"{name} must be a number, got {shown(value)}")
    try:
        number = float(given)
    except OverflowError:  # an int or a Fraction beyond the largest float
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{name} must be finite, got {shown(value)}")
    return number


def _plain(value: Any) -> Any:
    """The number in a NumPy scalar or in an array or tensor without a dimension; else ``value``.

    NumPy's and torch's small types overflow where Python's numbers do not.
    """
    if getattr(value, "ndim", None) != 0:  # NumPy and torch are not imported here
        return value
    try:
        return value.item()
    except (AttributeError, RuntimeError, TypeError, ValueError):  # a tensor without data
        return value


def _close(text: str, choices: Sequence[str]) -> list[str]:
    begun = [one for one in choices if one.startswith(text.lower())]
    return begun or difflib.get_close_matches(text.lower(), choices)
