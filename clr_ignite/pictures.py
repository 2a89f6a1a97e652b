"""What a picture shows, as data: curves, marks and limits; matplotlib and Visdom draw it alike."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from clr_ignite._metrics import higher_is_better
from clr_ignite._smoothing import running_median

Points = tuple[Sequence[float], Sequence[float]]
Array = np.ndarray[Any, np.dtype[np.float64]]
Better = Literal["lower", "higher"]

COLORS = (
    *("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd"),
    *("#8c564b", "#e377c2", "#7f7f7f", "#bcbd22", "#17becf"),
)
FAINT = "#aec7e8"  # the first color's, of the raw values behind a smooth curve
_DENSE = 20_000  # iterations at which a schedule is asked at most
_PLAIN = 100.0  # what lies within it is never an explosion, such as an accuracy in percent


@dataclass
class Curve:
    """A named curve, with gaps where a value is not finite.

    Attributes:
        look: ``"points"`` has a marker at each point.
        right: on the right axis.
        spread: half the height of a band around the curve, at each point.
        better: which values are good, where that is known: others may explode.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    color: str = COLORS[0]
    look: Literal["line", "thick", "faint", "points"] = "line"
    right: bool = False
    spread: Sequence[float] | None = None
    better: Better | None = None

    def edges(self) -> tuple[Array, Array]:
        """The lower and the upper edge of the band; twice the curve where it has none."""
        y = np.asarray(self.y, dtype=float)
        spread = np.zeros_like(y) if self.spread is None else np.asarray(self.spread)
        return y - spread, y + spread


@dataclass
class Picture:
    """Curves over one horizontal axis.

    Attributes:
        log: the horizontal axis is logarithmic.
        marks: vertical lines by their names in the legend.
        ends: vertical lines without a name, where cycles end.
    """

    curves: Sequence[Curve] = ()
    x_label: str = "iteration"
    y_label: str = ""
    right_label: str = ""
    title: str = ""
    log: bool = False
    marks: Mapping[str, float] = field(default_factory=dict)
    ends: Sequence[float] = ()

    def limits(self, right: bool = False) -> tuple[float, float] | None:
        """What the left or the right axis shows; None where nothing finite is on it."""
        sides = [curve for curve in self.curves if curve.right == right]
        found = [_limits_with_band(curve) for curve in sides]
        known = [limits for limits in found if limits is not None]
        if not known:
            return None
        low, high = min(low for low, _ in known), max(high for _, high in known)
        margin = 0.05 * (high - low) or 0.05 * abs(low) or 1.0
        return low - margin, high + margin


def range_test(
    loss: Points,
    smoothed: Sequence[float] | None,
    metrics: Mapping[str, Points],
    **options: Any,
) -> Picture:
    """A range test: losses on the left axis, other held-out metrics on the right, over the rate.

    Args:
        options: of the :class:`Picture`.
    """
    rates, losses = loss
    curves = [Curve("loss", rates, losses, FAINT, "faint", better="lower")]
    if smoothed is not None:
        curves.append(Curve("loss, smoothed", rates, smoothed, look="thick", better="lower"))
    curves += [
        Curve(
            f"held-out {name}",
            *(*points, COLORS[number], "points"),
            right="loss" not in name,
            better=better(name),
        )
        for number, (name, points) in enumerate(metrics.items(), start=1)
    ]
    return _over_rates(curves, ", ".join(n for n in metrics if "loss" not in n), options)


def range_tests(
    bands: Mapping[str, tuple[Sequence[float], Sequence[float], Sequence[float]]], **options: Any
) -> Picture:
    """Several range tests: means with bands of a standard deviation, the first on the left axis."""
    curves = [
        Curve(
            f"{name}, mean",
            *(rates, means, COLORS[number]),
            right="loss" not in name,
            spread=spreads,
            better=better(name),
        )
        for number, (name, (rates, means, spreads)) in enumerate(bands.items())
    ]
    return _over_rates(curves, ", ".join(name for name in bands if "loss" not in name), options)


def _over_rates(curves: list[Curve], right_label: str, options: Mapping[str, Any]) -> Picture:
    return Picture(curves, "learning rate", "loss", right_label, **options)


def marks(
    base_lr: float | None = None, max_lr: float | None = None, lr: float | None = None
) -> dict[str, float]:
    """Named rates to mark, their values in the names; None is left out."""
    rates = {"base_lr": base_lr, "max_lr": max_lr, "lr": lr}
    return {f"{name} {rate:.3g}": rate for name, rate in rates.items() if rate is not None}


def better(name: str) -> Better | None:
    """Which values of a metric of that name are good, where the name tells."""
    try:
        return "higher" if higher_is_better(name) else "lower"
    except ValueError:
        return None


def sampled(
    schedule: Callable[[int], float], iterations: int, points: int = 2_000
) -> tuple[list[float], list[float]]:
    """Iterations from 0 to ``iterations - 1`` and the schedule's values, its turns among them."""
    at = np.linspace(0, iterations - 1, min(iterations, _DENSE)).round().astype(int).tolist()
    return thinned(at, [schedule(iteration) for iteration in at], points)


def thinned(x: Sequence[float], y: Sequence[float], points: int) -> tuple[list[float], list[float]]:
    """At most about ``points`` of a curve: the first, the last, each stretch's lowest and highest.

    Values that are not finite come out as NaN; a stretch of nothing else keeps one.
    """
    xs, ys = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    ys = np.where(np.isfinite(ys), ys, np.nan)
    if len(xs) > points:
        size = math.ceil(len(xs) / max(1, points // 2 - 1))
        padded = np.append(ys, np.full(-len(ys) % size, np.nan)).reshape(-1, size)
        lowest = np.where(np.isnan(padded), np.inf, padded).argmin(axis=1)
        highest = np.where(np.isnan(padded), -np.inf, padded).argmax(axis=1)
        starts = size * np.arange(len(padded))
        chosen = [starts + lowest, starts + highest, np.array([0, len(xs) - 1])]
        kept = np.unique(np.concatenate(chosen))
        xs, ys = xs[kept], ys[kept]
    return xs.tolist(), ys.tolist()


def _limits_with_band(curve: Curve) -> tuple[float, float] | None:
    """Those of the curve, widened for its band; where it explodes, its band has no say."""
    y = np.asarray(curve.y, dtype=float)
    found = _limits(y, curve.better)
    if found is None or curve.spread is None:
        return found
    low, high = found
    shown = (y >= low) & (y <= high)
    if not shown.any():
        return found
    spread = np.asarray(curve.spread)[shown]
    room = max(0.25 * (high - low), float(np.median(spread)))
    below, above = float((y[shown] - spread).min()), float((y[shown] + spread).max())
    return max(min(low, below), low - room), min(max(high, above), high + room)


def _limits(values: Array, better: Better | None) -> tuple[float, float] | None:
    """The lowest and the highest value to show of a curve: all, unless it explodes."""
    values = values[np.isfinite(values)]
    if not len(values):
        return None
    if better is None:  # it explodes, if at all, to the side of its longer tail
        middle = float(np.median(values))
        up = values.max() - middle >= middle - values.min()
        low, high = _bulk(values if up else -values, least=_PLAIN)
    else:
        up = better == "lower"
        low, high = _bulk(values if up else -values)
    return (low, high) if up else (-high, -low)


def _bulk(values: Array, least: float = -math.inf) -> tuple[float, float]:
    """All that comes before the lowest value, outliers apart, and half of its height above it."""
    smooth = np.asarray(running_median(values.tolist(), 5))
    best = int(smooth.argmin())
    low = float(smooth[best])
    front = max(float(smooth[: best + 1].max()), float(values[0]))
    steps = np.abs(np.diff(values[: best + 1] if best else values))
    noise = float(np.quantile(steps, 0.25)) if len(steps) else 0.0
    top = max(front + max(0.5 * (front - low), 4 * noise, 0.1 * abs(low)), least)
    bottom, most = max(float(values.min()), low - 0.25 * (top - low)), float(values.max())
    return bottom, most if most <= low + 2 * (top - low) else top
