"""A level, a rise and a flatter stretch: the least-squares fit behind the suggested bounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

_BINS = 60  # the fit tries every pair of them
_NOISES = 4.0  # a rise of less than so many standard deviations of the noise is none
_MOVING = 10  # points, from which on they tell their noise
_STEPS = 2  # between values, from which on the smallest tells how many samples are shared
_SLOWED = 0.5  # the third stretch is flatter when its slope is below this share of the rise's


@dataclass(frozen=True)
class Knees:
    """What the fit found; rates in the units of the sweep."""

    significant: bool
    base_lr: float | None = None
    base_is_first: bool = False
    max_lr: float | None = None
    collapsed: bool = False


def fit(rates: Array, heights: Array) -> Knees:
    """The knees of ``heights`` (higher is better), at least five finite points by rising rate."""
    x, y = _binned(_axis(rates), heights)
    noise = max(noise_of(y), _least_noise(heights))
    kept, collapsed = _before_collapse(y)
    x, y = x[:kept], y[:kept]
    smooth = _median3(y)
    if len(x) < 3 or smooth.max() - smooth[0] <= _NOISES * noise:
        return Knees(significant=False)
    first, second, slopes = _best_pair(x, y)
    # Of the rise that was found: what stood out before it ends nothing.
    peak = first + 1 + int(np.argmax(smooth[first + 1 :]))
    slowed = slopes[1] < _SLOWED * slopes[0]
    to_rate = np.exp if _is_geometric(rates) else np.asarray
    top = None
    if collapsed or slowed:
        top = float(to_rate(x[min(second, peak) if slowed else peak]))
    return Knees(
        significant=True,
        base_lr=float(to_rate(x[first])),
        base_is_first=first == 0,
        max_lr=top,
        collapsed=collapsed and (not slowed or second >= peak),
    )


def _is_geometric(rates: Array) -> bool:
    """Whether the middle rate is nearer to the ends' geometric mean than to their average."""
    low, middle, high = rates[0], rates[len(rates) // 2], rates[-1]
    if low <= 0:
        return False
    return bool(abs(np.log(middle / np.sqrt(low * high))) < abs(np.log(middle / (low + high) * 2)))


def _axis(rates: Array) -> Array:
    return np.log(rates) if _is_geometric(rates) else rates


def _binned(x: Array, y: Array) -> tuple[Array, Array]:
    """Means of at most ``_BINS`` runs of neighbors."""
    runs = min(_BINS, len(x))
    edges = np.linspace(0, len(x), runs + 1).round().astype(int)
    sizes = np.diff(edges)
    return np.add.reduceat(x, edges[:-1]) / sizes, np.add.reduceat(y, edges[:-1]) / sizes


def noise_of(y: Array) -> float:
    """The standard deviation of the noise, from second differences: blind to slopes.

    Equal values at either end have no share in it where enough others are left: a net that does
    not move yet, or has died, shows no noise.
    """
    moving = np.flatnonzero(np.diff(y))
    if len(moving) and moving[-1] - moving[0] + 2 >= _MOVING:
        y = y[moving[0] : moving[-1] + 2]
    second = np.diff(y, 2)
    # 1.4826 turns a median absolute deviation into a standard deviation; sqrt(6) is that of
    # y[i-1] - 2 y[i] + y[i+1] for independent noise of 1.
    return float(1.4826 * np.median(np.abs(second)) / np.sqrt(6.0)) if len(second) else 0.0


def _least_noise(shares: Array) -> float:
    """The noise of a share of so many samples, of which the smallest step between values tells.

    0 for what is no share, between 0 and 1 or between 0 and 100.
    """
    values = np.unique(shares)
    steps = np.diff(values)
    steps = steps[steps > 1e-9 * values[-1]] if values[0] >= 0 else steps[:0]
    if len(steps) < _STEPS or values[-1] > 100:
        return 0.0
    scale = 1.0 if values[-1] <= 1 else 100.0
    step = float(steps.min()) / scale  # one sample more
    level = (float(shares[0]) / scale + step) / (1 + 2 * step)  # Laplace's: never quite 0 or 1
    return scale * float(np.sqrt(level * (1 - level) * step))


def _median3(y: Array) -> Array:
    padded = np.concatenate([y[:1], y, y[-1:]])
    middle: Array = np.median(np.stack([padded[:-2], padded[1:-1], padded[2:]]), axis=0)
    return middle


def _before_collapse(y: Array) -> tuple[int, bool]:
    """How many points precede the loss of more than half of all that is gained, if it comes."""
    smooth = _median3(y)
    total = smooth.max() - smooth[0]
    lost = np.maximum.accumulate(smooth) - smooth > 0.5 * total
    if total <= 0 or not lost.any():
        return len(y), False
    return int(np.argmax(lost)), True


def _best_pair(x: Array, y: Array) -> tuple[int, int, tuple[float, float]]:
    """The pair of knees with the least squared error, and the two slopes.

    With knees a < b the curve is level + s1 * clip(x - a, 0, b - a) + s2 * max(0, x - b).
    """
    best = (np.inf, 0, len(x) - 1, (0.0, 0.0))
    ones = np.ones_like(x)
    for first in range(len(x) - 1):
        for second in range(first + 1, len(x)):
            a, b = x[first], x[second]
            design = np.stack([ones, np.clip(x - a, 0, b - a), np.clip(x - b, 0, None)])
            columns = design if second < len(x) - 1 else design[:2]
            gram = columns @ columns.T
            try:
                weights = np.linalg.solve(gram, columns @ y)
            except np.linalg.LinAlgError:
                continue
            error = float(np.square(y - weights @ columns).sum())
            if weights[1] > 0 and error < best[0]:
                after = float(weights[2]) if len(weights) == 3 else float(weights[1])
                best = (error, first, second, (float(weights[1]), after))
    return best[1], best[2], best[3]
