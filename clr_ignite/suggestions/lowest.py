"""Bounds below the rate at which the loss is lowest: what ``suggest()`` reads by default."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from clr_ignite.suggestions.bounds import POINTS, Array, Bounds, finite

_WINDOW = 10  # the share of the curve over which it is averaged is one in so many
_PEAK = 3.0  # the lowest loss lies so many times above max_lr ...
_BASE = 10.0  # ... and that so many times above base_lr
_ONE = 6.0  # the lowest loss lies so many times above a rate for a whole training
_NOISES = 3.5  # a fall of less than so many standard deviations of the noise is none
_LEAST = 0.005  # ... and so is one of less than this share of the loss
_NEAR = 16  # points before the lowest loss that tell its noise, where it is averaged over fewer
_FALLING = 0.05  # share of the whole fall that the last window of a curve still falling has


def bounds_below_minimum(
    lr: Sequence[float],
    values: Sequence[float],
    *,
    metric: str = "loss",
    higher_is_better: bool = False,
    diverged: bool = False,
) -> Bounds:
    """Both bounds from the rate with the lowest loss, and one rate for a whole training.

    The curve is averaged over a tenth of its points around each; ``max_lr`` is a third of the rate
    where it is lowest, ``base_lr`` a tenth of that, ``lr`` half of ``max_lr``. The loss of a range
    test is lowest shortly before the rate is too high to learn, whether the net was still learning
    there or had learnt all there is before; what accuracy slows at depends on the test's length.

    Args:
        lr: rates, rising, at least 5.
        values: a loss for each rate, or another metric.
        metric: its name, for the words.
        higher_is_better: whether the metric is to be high.
        diverged: whether the sweep ended because the training diverged.

    Returns:
        No pair where the curve does not fall by more than its noise and half a percent, or is
        still falling at its end (then ``base_lr`` and ``lr`` are rates that are known to train);
        the reason says which.

    Source: measured, see results/advice; a third is one of the rules of thumb of arXiv:1506.01186,
    section 3.3, a tenth that of arXiv:1803.09820, section 4.
    """
    rates, heights = finite(lr, values, metric)
    if (points := len(np.unique(rates))) < POINTS:
        return Bounds(None, None, f"{metric}: {points} finite points are too few; measure more")
    losses = -heights if higher_is_better else heights
    half = half_window(len(losses))
    smooth = averaged(losses, half)
    low = int(np.argmin(smooth))
    curve = tuple(rates.tolist()), tuple((-smooth if higher_is_better else smooth).tolist())
    fall, rise = ("rise", "fell") if higher_is_better else ("fall", "rose")
    if least := _least(losses, smooth, low, half):
        words = f"{metric} did not {fall}", least, rise
        reason = _nothing(rates, losses, smooth, half, diverged, words)
        return Bounds(None, None, reason, metric=metric, curve=curve)
    # At the left end the mean is of what follows, and of a rate of 0 there is no third.
    lowest = float(rates[max(low, (half + 1) // 2, int(np.argmax(rates > 0)))])
    top = lowest / _PEAK
    found = Bounds(top / _BASE, top, "", lowest / _ONE, metric, curve)
    if not diverged and _still_falling(smooth, low, half):
        reason = (
            f"{metric} was still {fall}ing at the last rate, {rates[-1]:.3g}; "
            f"try an end_lr of {10 * rates[-1]:.3g}"
        )
        return replace(found, max_lr=None, reason=reason)
    extreme = "highest" if higher_is_better else "lowest"
    reason = (
        f"{metric} is {extreme} at {lowest:.3g}; max_lr is a third of that, "
        "base_lr a tenth of max_lr"
    )
    return replace(found, reason=reason)


def half_window(points: int) -> int:
    """How many neighbors on either side a curve of so many points is averaged over."""
    return max(1, points // _WINDOW) // 2


def averaged(values: Array, half: int) -> Array:
    """The mean of each value and up to ``half`` neighbors on either side."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    at = np.arange(len(values))
    first, last = np.maximum(0, at - half), np.minimum(len(values), at + half + 1)
    means: Array = (sums[last] - sums[first]) / (last - first)
    return means


def _noise(losses: Array) -> float:
    """The standard deviation of the noise, skewed or not, from second differences.

    Those beyond four robust standard deviations, as where the loss explodes, count as four.
    """
    second = np.diff(losses, 2)
    if not len(second):
        return 0.0
    most = 4 * 1.4826 * float(np.median(np.abs(second)))
    return float(np.sqrt(np.mean(np.clip(second, -most, most) ** 2) / 6))


def _least(losses: Array, smooth: Array, low: int, half: int) -> str:
    """What the fall to ``low`` does not exceed, in words; empty where it is a fall.

    The noise is that of the whole curve so far, and that around ``low``: a net that hardly moves
    at first shows none there, and one that then wanders around chance falls a little by it.
    """
    end = low + half + 1
    if not _falls(losses[:end], _noise(losses[: max(end, len(losses) // 2)])):
        return "its noise"
    if low <= half:  # there is nothing before to fall from
        return ""
    fall = float(smooth[:low].max() - smooth[low])
    near = _noise(losses[max(0, low - max(half, _NEAR)) : end])
    if fall <= _NOISES * near / np.sqrt(2 * half + 1):
        return "its noise"
    return "" if fall > _LEAST * float(np.median(np.abs(losses[:end]))) else f"{_LEAST:.1%}"


def _falls(losses: Array, noise: float) -> bool:
    """Whether an earlier and a later stretch differ by more than noise, wherever they part."""
    count = len(losses)
    if count < 2:
        return False
    before = np.arange(1, count)
    sums = np.cumsum(losses)
    drop = sums[:-1] / before - (sums[-1] - sums[:-1]) / (count - before)
    spread = noise * np.sqrt(1 / before + 1 / (count - before))
    tiny = 1e-9 * float(np.abs(losses).max())
    return bool(np.any(drop > _NOISES * spread + tiny))


def _still_falling(smooth: Array, low: int, half: int) -> bool:
    """Whether the lowest value stands in the last window and well below the window before."""
    before = len(smooth) - 2 * (2 * half + 1)
    if low < len(smooth) - 1 - half or before < 0:
        return False
    return bool(smooth[before] - smooth[low] > _FALLING * (smooth[0] - smooth[low]))


def _nothing(
    rates: Array,
    losses: Array,
    smooth: Array,
    half: int,
    diverged: bool,
    said: tuple[str, str, str],
) -> str:
    """Why there is no answer, and what to try; never a range that leads into the divergence."""
    first, last = float(rates[0]), float(rates[-1])
    words, least, rose = said
    none = f"{words} between {first:.3g} and {last:.3g} by more than {least}"
    if not (diverged or _falls(-losses, _noise(losses))):
        return f"{none}; try an end_lr of {10 * last:.3g} or more, or more steps"
    if np.argmin(smooth) <= half:
        low = first or last / 1000
        return f"{words}: it {rose} from the lowest rate on; try {low / 1000:.3g} to {low:.3g}"
    blown = int(np.argmax(smooth - smooth.min() > _FALLING * (smooth.max() - smooth.min())))
    return (
        f"{none} before it {rose} at {rates[blown]:.3g}; take more steps below that rate, or "
        "more held-out data"
    )
