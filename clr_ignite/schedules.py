"""Learning-rate schedules: pure functions from a 0-based iteration to a value.

Each schedule is an immutable dataclass that is called with an iteration; nothing is remembered
between calls, so a schedule can be resumed, compared, hashed, pickled and drawn at will. Any other
callable ``int -> float`` serves wherever a schedule does.

Sources: L. N. Smith, arXiv:1506.01186 (cyclical policies) and arXiv:1803.09820 (1cycle); Caffe's
``sgd_solver.cpp`` (exp and multistep).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Literal

Schedule = Callable[[int], float]


def _number(name: str, value: float, *, above: float | None = None) -> float:
    """``value`` as a finite float, at least 0, or more than ``above`` where that is given."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, got {value!r}")
    if not math.isfinite(value):
        raise ValueError(f"{name} must be finite, got {value!r}")
    if above is not None and not value > above:
        raise ValueError(f"{name} must be greater than {above}, got {value!r}")
    if value < 0:
        raise ValueError(f"{name} must not be negative, got {value!r}")
    return float(value)


def _count(name: str, value: int, *, least: int = 1) -> int:
    """``value`` as an int of at least ``least`` iterations."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be a whole number of iterations, got {value!r}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {value!r}")
    return int(value)


def _power(base: float, exponent: int) -> float:
    """``base ** exponent`` for ``0 < base <= 1`` and any exponent: 0.0 where it underflows."""
    return math.pow(base, exponent)


class _Validated:
    """Stores checked and converted arguments in the fields of a frozen dataclass."""

    def _store(self, **fields: object) -> None:
        for name, value in fields.items():
            object.__setattr__(self, name, value)
