"""From the curves of several settings (weight decay, momentum, batch size) to one of them.

Source: L. N. Smith, arXiv:1803.09820, sections 4.2 to 4.4.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from clr_ignite._checks import flag, instance, several, shown
from clr_ignite._smoothing import MISSING
from clr_ignite.suggestions.bounds import Bounds, agreed, finite, geometric_mean
from clr_ignite.suggestions.lowest import averaged, bounds_below_minimum, half_window
from clr_ignite.suggestions.smith import smith_bounds

Points = tuple[Sequence[float], Sequence[float]]


@dataclass(frozen=True)
class Standing:
    """How one setting did.

    Attributes:
        name: the setting's.
        bounds: over its seeds, as :meth:`clr_ignite.RepeatedResult.suggest` has them.
        best: the mean over seeds of the lowest value of each smoothed curve (of a metric that is
            to be high, the highest), in the metric's own units; NaN where no seed has a curve.
        spread: the sample standard deviation of these; 0 for one seed.
        rate: the geometric mean of the rates where they lie; NaN where no seed has a curve.
        seeds: how many have a curve.
    """

    name: str
    bounds: Bounds
    best: float
    spread: float
    rate: float
    seeds: int

    def __str__(self) -> str:
        spread = f" ± {self.spread:.2g}" if self.seeds > 1 else ""
        return f"{self.name} ({self.best:.4g}{spread} at {self.rate:.3g})"


@dataclass(frozen=True)
class Choice:
    """The setting that was chosen.

    Attributes:
        name: the setting's; None where none has a curve that carries bounds.
        reason: in words why, and which others are as good.
        standings: of all settings, in their order.
    """

    name: str | None
    reason: str
    standings: tuple[Standing, ...]

    def __str__(self) -> str:
        return f"{self.name or 'none'}: {self.reason}"


def choose_setting(
    curves: Mapping[str, Sequence[Points]],
    *,
    metric: str = "loss",
    higher_is_better: bool = False,
    bounds: Mapping[str, Bounds] | None = None,
) -> Choice:
    """The setting with the lowest loss and, of those within the seeds' spread, the highest rate.

    A loss is within the spread of the lowest when they differ by no more than the larger of the two
    settings' standard deviations over seeds; the highest rate is that at which the loss is lowest.
    A setting whose curves carry neither bounds nor a rate is not chosen.

    Args:
        curves: by the setting's name, rates and values of each seed; at least two settings.
        metric: what the values are, for the words.
        higher_is_better: whether it is to be high.
        bounds: what is suggested for each setting, where that is known; by default it is read off
            the curves.

    Raises:
        ValueError: fewer than two settings, or one without a curve.

    Source: L. N. Smith, arXiv:1803.09820, sections 4.2 (batch size), 4.3 (momentum) and 4.4
    (weight decay).
    """
    instance("curves", curves, Mapping, "a mapping of settings' names to their curves")
    flag("higher_is_better", higher_is_better)
    if len(curves) < 2:
        raise ValueError(f"curves must be of at least two settings, got {list(curves)}")
    standings = tuple(
        _standing(name, of_seeds, metric, higher_is_better, (bounds or {}).get(name))
        for name, of_seeds in curves.items()
    )
    sign = -1.0 if higher_is_better else 1.0
    trained = [one for one in standings if one.bounds.lr or one.bounds.max_lr]
    if not trained:
        return Choice(None, f"no setting's {metric} carries a rate to train at", standings)
    best = min(trained, key=lambda one: sign * one.best)
    near = [one for one in trained if abs(one.best - best.best) <= max(one.spread, best.spread)]
    chosen = max(near, key=lambda one: (one.rate, -sign * one.best))
    extreme = "highest" if higher_is_better else "lowest"
    return Choice(chosen.name, _reason(chosen, near, f"{extreme} {metric}"), standings)


def _standing(
    name: str, curves: Sequence[Points], metric: str, higher: bool, bounds: Bounds | None
) -> Standing:
    pairs = several(f"curves[{name!r}]", curves, "pairs of rates and values")
    if not pairs:
        raise ValueError(f"curves[{name!r}] must hold a curve for each seed, got none")
    for pair in pairs:
        if not isinstance(pair, Sequence) or len(pair) != 2:
            raise TypeError(
                f"curves[{name!r}] must hold pairs, rates and values, got {shown(pair)}"
            )
    lowest = [found for pair in pairs if (found := _lowest(*pair, metric, higher)) is not None]
    rates, values = [rate for rate, _ in lowest], [value for _, value in lowest]
    return Standing(
        name,
        agreed([_bounds(*pair, metric, higher) for pair in pairs]) if bounds is None else bounds,
        best=float(np.mean(values)) if values else MISSING,
        spread=float(np.std(values, ddof=1)) if len(values) > 1 else 0.0,
        rate=MISSING if (rate := geometric_mean(rates)) is None else rate,
        seeds=len(lowest),
    )


def _bounds(lr: Sequence[float], values: Sequence[float], metric: str, higher: bool) -> Bounds:
    rule = smith_bounds if higher else bounds_below_minimum
    return rule(lr, values, metric=metric)


def _lowest(
    lr: Sequence[float], values: Sequence[float], metric: str, higher: bool
) -> tuple[float, float] | None:
    """The rate and the value where the smoothed curve is lowest, or highest."""
    rates, heights = finite(lr, values, metric)
    if not len(rates):
        return None
    smooth = averaged(heights, half_window(len(heights)))
    at = int(np.argmax(smooth) if higher else np.argmin(smooth))
    return float(rates[at]), float(smooth[at])


def _reason(chosen: Standing, near: Sequence[Standing], what: str) -> str:
    others = [one for one in near if one is not chosen]
    if not others:
        words = f"{chosen} has the {what}"
    else:
        words = (
            f"{chosen} allows the highest rate of those whose {what} is within the seeds' spread; "
            f"as good: {', '.join(map(str, others))}"
        )
    return words if chosen.seeds > 1 else f"{words}; one seed tells no spread"
