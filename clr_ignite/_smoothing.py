"""Smooth views of a curve: a bias-corrected exponential moving average and a running median."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

MISSING = float("nan")


def averaged(average: float, weight: float, value: float, beta: float) -> tuple[float, float]:
    """An exponential moving average after one more value, and the weight of all so far.

    Both start at 0, which draws ``average`` towards 0; ``average / weight`` is corrected for that.

    Args:
        beta: weight of the past, at least 0 and below 1.
    """
    return beta * average + (1 - beta) * value, beta * weight + (1 - beta)


def fitting_beta(steps: int) -> float:
    """A weight of the past for a curve of so many steps: a fiftieth of them, at most 50, count."""
    return 1 - 1 / min(50.0, max(1.0, steps / 50))


def moving_average(values: Sequence[float], beta: float) -> list[float]:
    """The corrected average of the finite values at each place; NaN where a value is not finite."""
    average, weight, found = 0.0, 0.0, []
    for value in values:
        if math.isfinite(value):
            average, weight = averaged(average, weight, value, beta)
            found.append(average / weight)
        else:
            found.append(MISSING)
    return found


def running_median(values: Sequence[float], width: int) -> list[float]:
    """The median of ``width`` finite values around each place, narrower at the ends; else NaN.

    Args:
        width: odd.
    """
    numbers = np.asarray(values, dtype=float)
    finite = np.isfinite(numbers)
    known, half = numbers[finite], width // 2
    smooth = np.empty(len(known))
    inner = range(half, len(known) - half)
    if len(inner):
        windows = np.lib.stride_tricks.sliding_window_view(known, width)
        smooth[half : len(known) - half] = np.median(windows, axis=1)
    for at in set(range(len(known))) - set(inner):
        smooth[at] = np.median(known[max(0, at - half) : at + half + 1])
    medians = np.full(len(numbers), MISSING)
    medians[finite] = smooth
    found: list[float] = medians.tolist()
    return found
