"""Smith's two bounds, read off a curve as a person would: where it starts to rise and slows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from clr_ignite.suggestions.bounds import POINTS, Bounds, finite
from clr_ignite.suggestions.knees import fit


def smith_bounds(
    lr: Sequence[float], accuracy: Sequence[float], *, metric: str = "accuracy"
) -> Bounds:
    """Both bounds from accuracy: base where it starts to rise, max where it slows or falls.

    The curve (on a log axis where the rates are spaced so) is fitted by a level, a straight rise
    and a third, flatter stretch; the two knees are the bounds. What follows a collapse, accuracy
    lost by more than half of its rise, is left out first. The scale of the accuracy (fractions,
    percent) does not matter.

    Args:
        lr: rates, rising, at least 5.
        accuracy: one for each rate; higher is better. Of a share of so many samples the smallest
            step between values tells how many, and so how much of a rise is chance.
        metric: its name, for the words.

    Source: L. N. Smith, arXiv:1506.01186, section 3.3.
    """
    return _bounds(lr, accuracy, metric, ("rise", "rising", "fell"), sign=1)


def bounds_from_loss(lr: Sequence[float], loss: Sequence[float]) -> Bounds:
    """Both bounds as :func:`smith_bounds` has them, from a loss, where lower is better.

    Args:
        lr: rates, rising, at least 5.
        loss: one for each rate.

    Raises:
        TypeError, ValueError: no numbers, rates that fall, sequences of two lengths.

    Source: L. N. Smith, arXiv:1506.01186, section 3.3, turned around.
    """
    return _bounds(lr, loss, "loss", ("fall", "falling", "rose"), sign=-1)


def _bounds(
    lr: Sequence[float], values: Sequence[float], name: str, words: tuple[str, str, str], sign: int
) -> Bounds:
    rates, heights = finite(lr, values, name)
    rise, rising, fell = words
    points = len(np.unique(rates))
    if points < POINTS:
        reason = f"{name}: {points} finite points are too few; measure more"
        return Bounds(None, None, reason, metric=name)
    found = fit(rates, sign * heights)
    first, last = rates[0], rates[-1]
    if not found.significant:
        reason = (
            f"{name} did not {rise} between {first:.3g} and {last:.3g} by more than its noise; "
            "take more steps, more held-out data or another range"
        )
        return Bounds(None, None, reason, metric=name)
    if found.base_is_first:
        start = f"{name} was already {rising} at the lowest rate measured, {found.base_lr:.3g}"
    else:
        start = f"{name} starts to {rise} at {found.base_lr:.3g}"
    if found.max_lr is None:
        reason = f"{start} and was still {rising} at the last rate, {last:.3g}"
        reason += f"; try an end_lr of {4 * last:.3g}"
        return Bounds(found.base_lr, None, reason, metric=name)
    how = f"{fell} from" if found.collapsed else "slows at"
    reason = f"{start} and {how} {found.max_lr:.3g}"
    return Bounds(found.base_lr, found.max_lr, reason, metric=name)
