"""From the curve of a range test to learning rates: Smith's two bounds, and what peers suggest.

Every function takes two sequences, rates and values, in the order of the sweep; entries that are
not finite are left out. ``smith_bounds`` reads accuracy by the rule of arXiv:1506.01186, section
3.3, ``bounds_from_loss`` a loss; ``steepest``, ``minimum``, ``valley`` and ``slide`` are fastai's
suggestion functions, each one rate from a loss.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from clr_ignite._checks import count, non_negative, shown
from clr_ignite.suggestions.knees import fit

Array = np.ndarray[Any, Any]
_POINTS = 5  # fewer carry no two knees


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


def smith_bounds(lr: Sequence[float], accuracy: Sequence[float]) -> Bounds:
    """Both bounds from accuracy: base where it starts to rise, max where it slows or falls.

    The curve (on a log axis where the rates are spaced so) is fitted by a level, a straight rise
    and a third, flatter stretch; the two knees are the bounds. What follows a collapse, accuracy
    lost by more than half of its rise, is left out first. The scale of the accuracy (fractions,
    percent) does not matter.

    Args:
        lr: rates, rising, at least 5.
        accuracy: one for each rate; higher is better.

    Source: L. N. Smith, arXiv:1506.01186, section 3.3.
    """
    return _bounds(lr, accuracy, "accuracy", ("rise", "rising", "fell"), sign=1)


def bounds_from_loss(lr: Sequence[float], loss: Sequence[float]) -> Bounds:
    """The same from a loss, where lower is better; for tests that measured no accuracy."""
    return _bounds(lr, loss, "loss", ("fall", "falling", "rose"), sign=-1)


def _bounds(
    lr: Sequence[float], values: Sequence[float], name: str, words: tuple[str, str, str], sign: int
) -> Bounds:
    rates, heights = _finite(lr, values, name)
    rise, rising, fell = words
    points = len(np.unique(rates))
    if points < _POINTS:
        return Bounds(None, None, f"{name}: {points} finite points are too few; measure more")
    found = fit(rates, sign * heights)
    first, last = rates[0], rates[-1]
    if not found.significant:
        return Bounds(
            None,
            None,
            f"{name} did not {rise} between {first:.3g} and {last:.3g} by more than its noise; "
            f"try {last:.3g} to {10 * last:.3g}, or below {first:.3g} if the loss blew up at once",
        )
    if found.base_is_first:
        start = f"{name} was already {rising} at the lowest rate measured, {found.base_lr:.3g}"
    else:
        start = f"{name} starts to {rise} at {found.base_lr:.3g}"
    if found.max_lr is None:
        return Bounds(
            found.base_lr,
            None,
            f"{start} and was still {rising} at the last rate, {last:.3g}; "
            f"try an end_lr of {4 * last:.3g}",
        )
    how = f"{fell} from" if found.collapsed else "slows at"
    return Bounds(found.base_lr, found.max_lr, f"{start} and {how} {found.max_lr:.3g}")


def steepest(lr: Sequence[float], loss: Sequence[float]) -> float:
    """The rate at the start of the interval in which the loss falls fastest per log of the rate."""
    rates, losses = _finite(lr, loss)
    rates, losses = rates[rates > 0], losses[rates > 0]
    _at_least(2, np.unique(rates))
    widths = np.diff(np.log(rates))
    starts = np.flatnonzero(widths)  # a rate that was kept for several steps spans no interval
    return float(rates[starts[np.argmin(np.diff(losses)[starts] / widths[starts])]])


def minimum(lr: Sequence[float], loss: Sequence[float]) -> float:
    """A tenth of the rate with the lowest loss."""
    rates, losses = _finite(lr, loss)
    _at_least(1, rates)
    return float(rates[np.argmin(losses)] / 10)


def valley(lr: Sequence[float], loss: Sequence[float]) -> float:
    """The rate halfway along the longest falling subsequence of the loss, counted in points.

    fastai's definition, found in O(n log n): with the subsequence of length k ending at index e,
    the rate at index ``e - k + int(k / 3) + int(k / 6)``.
    """
    rates, losses = _finite(lr, loss)
    _at_least(1, rates)
    tails: list[float] = []  # negated losses ending the best subsequence of each length
    end = 0
    for index, value in enumerate(-losses):
        length = bisect_left(tails, value)
        if length == len(tails):  # longer than any before
            tails.append(value)
            end = index
        else:
            tails[length] = value
    start = end - len(tails) if len(tails) > 1 else 0
    points = end - start
    return float(rates[start + int(points / 3) + int(points / 3 / 2)])


def slide(
    lr: Sequence[float], loss: Sequence[float], width: int = 15, threshold: float = 0.005
) -> float:
    """The rate where a window slid down from the end first meets slopes that differ little.

    fastai's definition: ``width`` points wide, until the gradients (per point) at its two ends
    differ by at most ``threshold``.
    """
    rates, losses = _finite(lr, loss)
    width, threshold = count("width", width), non_negative("threshold", threshold)
    _at_least(width + 1, rates)
    gradient = np.gradient(losses)
    calm = np.abs(gradient[width:] - gradient[:-width])[::-1] <= threshold
    moved = int(np.argmax(calm)) if calm.any() else len(calm)
    # The last window that was still moving; the very first one when none was.
    left = len(rates) - 1 - width - max(0, moved - 1)
    return float(rates[left])


def _finite(
    lr: Sequence[float], values: Sequence[float], name: str = "loss"
) -> tuple[Array, Array]:
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


def _at_least(points: int, rates: Array) -> None:
    if len(rates) < points:
        raise ValueError(f"at least {points} finite points are needed, got {len(rates)}")
