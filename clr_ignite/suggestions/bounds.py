"""``Bounds``, what a suggestion rule gives, those of several seeds, and the curve, checked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from clr_ignite._checks import shown

Array = np.ndarray[Any, Any]
POINTS = 5  # of a curve; fewer carry no bounds
_WIDE = 2.0  # largest over smallest suggestion from which a spread is called wide


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
    >>> print(Bounds(None, None, "a rule of one's own", lr=0.01))
    lr 0.01: a rule of one's own
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
        if self.lr is not None and self.base_lr is None and self.max_lr is None:
            return f"lr {self.lr:.3g}: {self.reason}"
        low, high = (
            "none" if rate is None else f"{rate:.3g}" for rate in (self.base_lr, self.max_lr)
        )
        return f"base_lr {low}, max_lr {high}: {self.reason}"


def agreed(alone: Sequence[Bounds]) -> Bounds:
    """The geometric means of several seeds' bounds; the reason tells how far they agree."""
    words = [
        _agreement("base_lr", [bounds.base_lr for bounds in alone]),
        _agreement("max_lr", [bounds.max_lr for bounds in alone]),
    ]
    told = next((one for one in alone if one.max_lr is not None), alone[0])
    seeds = "1 seed" if len(alone) == 1 else f"{len(alone)} seeds"
    reason = f"{told.metric or 'curve'} over {seeds}: {', '.join(words)}"
    if told.max_lr is None:
        reason += f"; {told.reason}"
    rates = ([getattr(one, name) for one in alone] for name in ("base_lr", "max_lr", "lr"))
    base_lr, max_lr, lr = map(geometric_mean, rates)
    return Bounds(base_lr, max_lr, reason, lr, told.metric)


def geometric_mean(rates: Iterable[float | None]) -> float | None:
    """Of the rates that are there; of one that is 0, 0."""
    known = [rate for rate in rates if rate is not None]
    with np.errstate(divide="ignore"):
        return float(np.exp(np.mean(np.log(known)))) if known else None


def _agreement(name: str, rates: Sequence[float | None]) -> str:
    found = [rate for rate in rates if rate is not None]
    if not found:
        return f"none gives a {name} alone"
    low, high = min(found), max(found)
    text = f"{name} {low:.3g} to {high:.3g}"
    if len(found) < len(rates):
        text += f" ({len(rates) - len(found)} of them without one)"
    wide = low <= 0 or high / low > _WIDE
    return f"{text}: a wide spread, measure with more steps or seeds" if wide else text


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
