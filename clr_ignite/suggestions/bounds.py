"""``Bounds``, what a suggestion rule gives, and the curve that it is given, checked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from clr_ignite._checks import shown

Array = np.ndarray[Any, Any]
POINTS = 5  # of a curve; fewer carry no bounds


@dataclass(frozen=True)
class Bounds:
    """The pair a cyclical schedule needs; None for a bound that the curve does not support.

    It unpacks: ``base_lr, max_lr, reason = bounds``.

    Attributes:
        base_lr, max_lr: the rates between which a cyclical schedule may go.
        reason: in words what the curve showed and, for a missing bound, what to try next.
        lr: one rate, for training at a constant rate or along a cosine.
        metric: the name of the curve that was read: ``"loss"`` is the training loss.
        curve: that curve as it was read, smoothed and without what follows a collapse: rates and
            values, in the metric's own units.

    >>> print(Bounds(0.00049512, None, "accuracy was still rising at 0.02"))
    base_lr 0.000495, max_lr none: accuracy was still rising at 0.02
    >>> base_lr, max_lr, reason = Bounds(0.001, 0.006, "accuracy starts to rise at 0.001")
    """

    base_lr: float | None
    max_lr: float | None
    reason: str
    lr: float | None = None
    metric: str = ""
    curve: tuple[tuple[float, ...], tuple[float, ...]] = field(
        default=((), ()), compare=False, repr=False
    )

    def __iter__(self) -> Iterator[Any]:
        return iter((self.base_lr, self.max_lr, self.reason))

    def __str__(self) -> str:
        low, high = (
            "none" if rate is None else f"{rate:.3g}" for rate in (self.base_lr, self.max_lr)
        )
        return f"base_lr {low}, max_lr {high}: {self.reason}"


def finite(lr: Sequence[float], values: Sequence[float], name: str = "loss") -> tuple[Array, Array]:
    rates, heights = _numbers("lr", lr), _numbers(name, values)
    if rates.shape != heights.shape or rates.ndim != 1:
        raise ValueError(
            f"lr and {name} must be two sequences of one length, got shapes {rates.shape} "
            f"and {heights.shape}"
        )
    keep = np.isfinite(rates) & np.isfinite(heights)
    rates, heights = rates[keep], heights[keep]
    if np.any(np.diff(rates, prepend=0.0) < 0):
        raise ValueError(f"lr must hold rates that do not fall, none below 0, got {shown(lr)}")
    return rates, heights


def _numbers(name: str, values: Sequence[float]) -> Array:
    try:
        return np.asarray(values, dtype=float)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} must be a sequence of numbers, got {shown(values)}") from error


def at_least(points: int, rates: Array) -> None:
    if len(rates) < points:
        raise ValueError(f"at least {points} finite points are needed, got {len(rates)}")
