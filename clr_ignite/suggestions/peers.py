"""What peers suggest: fastai's four functions, each one rate from a loss."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

import numpy as np

from clr_ignite._checks import count, non_negative
from clr_ignite.suggestions.bounds import at_least, finite


def steepest(lr: Sequence[float], loss: Sequence[float]) -> float:
    """The rate at the start of the interval in which the loss falls fastest per log of the rate.

    Args:
        lr: rates that do not fall, none below 0; at least two above 0 that differ.
        loss: one for each rate.

    Raises:
        TypeError, ValueError: anything else.

    Source: fastai's ``steep``.
    """
    rates, losses = finite(lr, loss)
    rates, losses = rates[rates > 0], losses[rates > 0]
    at_least(2, np.unique(rates))
    widths = np.diff(np.log(rates))
    starts = np.flatnonzero(widths)  # a rate that was kept for several steps spans no interval
    return float(rates[starts[np.argmin(np.diff(losses)[starts] / widths[starts])]])


def minimum(lr: Sequence[float], loss: Sequence[float]) -> float:
    """A tenth of the rate with the lowest loss.

    Args:
        lr, loss: as of :func:`steepest`; one point is enough.

    Source: fastai's ``minimum``.
    """
    rates, losses = finite(lr, loss)
    at_least(1, rates)
    return float(rates[np.argmin(losses)] / 10)


def valley(lr: Sequence[float], loss: Sequence[float]) -> float:
    """The rate halfway along the longest falling subsequence of the loss, counted in points.

    With the subsequence of length k ending at index e it is the rate at index
    ``e - k + int(k / 3) + int(k / 6)``, found in O(n log n).

    Args:
        lr, loss: as of :func:`steepest`; one point is enough.

    Source: fastai's ``valley``.
    """
    rates, losses = finite(lr, loss)
    at_least(1, rates)
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

    Args:
        lr, loss: as of :func:`steepest`, at least ``width + 1`` points.
        width: of the window, in points, at least 1.
        threshold: how far the gradients at its two ends may differ, in units of the loss a point,
            at least 0.

    Source: fastai's ``slide``.
    """
    rates, losses = finite(lr, loss)
    width, threshold = count("width", width), non_negative("threshold", threshold)
    at_least(width + 1, rates)
    gradient = np.gradient(losses)
    calm = np.abs(gradient[width:] - gradient[:-width])[::-1] <= threshold
    moved = int(np.argmax(calm)) if calm.any() else len(calm)
    # The last window that was still moving; the very first one when none was.
    left = len(rates) - 1 - width - max(0, moved - 1)
    return float(rates[left])
