"""From the curves of several settings (weight decay, momentum, batch size) to one of them.

Source: L. N. Smith, arXiv:1803.09820, sections 4.2 to 4.4.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from clr_ignite._checks import flag, instance, several, shown
from clr_ignite._files import one_line
from clr_ignite._smoothing import MISSING
from clr_ignite.suggestions.bounds import Array, Bounds, agreed, finite, geometric_mean
from clr_ignite.suggestions.lowest import averaged, bounds_below_minimum, half_window
from clr_ignite.suggestions.smith import smith_bounds

Points = tuple[Sequence[float], Sequence[float]]

_ERRORS = 3.0  # standard errors of the paired differences that tell two settings apart


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
        means: of each seed's curve the mean over the sweep, by which settings are compared; NaN
            where there is no curve.
    """

    name: str
    bounds: Bounds
    best: float
    spread: float
    rate: float
    seeds: int
    means: tuple[float, ...] = ()

    @property
    def mean(self) -> float:
        """That of ``means`` which are there."""
        return float(np.mean(known)) if (known := _finite(self.means)) else MISSING

    def __str__(self) -> str:
        return f"{one_line(self.name)} ({self.mean:.4g})"


@dataclass(frozen=True)
class Choice:
    """The setting that was chosen.

    Attributes:
        name: the setting's; None where none has a curve that carries bounds.
        reason: in words why, and which others are as good.
        standings: of all settings, in their order.
        as_good: the settings that the seeds do not tell from the best one, it among them.
    """

    name: str | None
    reason: str
    standings: tuple[Standing, ...]
    as_good: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.name or 'none'}: {self.reason}"


def choose_setting(
    curves: Mapping[str, Sequence[Points]],
    *,
    metric: str = "loss",
    higher_is_better: bool = False,
    bounds: Mapping[str, Bounds] | None = None,
    current: str | None = None,
) -> Choice:
    """The setting with the lowest mean loss over the sweep; the ``current`` one if none is better.

    The mean rewards what the report asks for, a low loss that stays low up to high rates: a value
    worse than the curve's first one counts as that, and so does what is missing after a divergence.
    What only moves a curve to other rates, as a momentum does, leaves the mean of an exponential
    sweep that covers it. The lowest loss alone hardly shows what a weight decay does later in a
    training; the mean shows more of it.

    Two settings are told apart by the differences between their means with the same seed: three
    standard errors or more, of the pair or, where larger, the median of all pairs. Where all are
    alike in truth, three seeds leave the current one in about 5 of 100 cases, two in 10, five in 2;
    one seed tells nothing. A setting whose curves carry neither bounds nor a rate is not chosen.

    Args:
        curves: by the setting's name, rates and values of each seed, the seeds in one order for
            all settings; at least two settings.
        metric: what the values are, for the words.
        higher_is_better: whether it is to be high.
        bounds: what is suggested for each setting, where that is known; by default it is read off
            the curves.
        current: the setting that you have, which is kept unless another one is clearly better.

    Raises:
        ValueError: fewer than two settings, one without a curve, or a current one that is not
            among them.

    Source: L. N. Smith, arXiv:1803.09820, sections 4.2 (batch size), 4.3 (momentum) and 4.4
    (weight decay); that differences have to stand out is measured, see results/settings.
    """
    instance("curves", curves, Mapping, "a mapping of settings' names to their curves")
    flag("higher_is_better", higher_is_better)
    if len(curves) < 2:
        raise ValueError(f"curves must be of at least two settings, got {list(curves)}")
    if current is not None and current not in curves:
        raise ValueError(f"current must be one of {list(curves)}, got {current!r}")
    read = {name: _read(name, of_seeds, metric) for name, of_seeds in curves.items()}
    axis = max((rates for pairs in read.values() for rates, _ in pairs), key=len)
    standings = tuple(
        _standing(name, pairs, axis, metric, higher_is_better, (bounds or {}).get(name))
        for name, pairs in read.items()
    )
    sign = -1.0 if higher_is_better else 1.0
    trained = [one for one in standings if one.seeds and (one.bounds.lr or one.bounds.max_lr)]
    if not trained:
        return Choice(None, f"no setting's {metric} carries a rate to train at", standings)
    best = min(trained, key=lambda one: sign * one.mean)
    near = _not_told_from(best, trained, sign)
    chosen = next((one for one in near if one.name == current), best)
    extreme = "highest" if higher_is_better else "lowest"
    if len(trained) > 1:
        what = f"{extreme} mean {metric} over the sweep"
        words = _reason(chosen, best, near, what, known=current is not None)
    else:
        words = f"{chosen} alone has a {metric} that carries a rate to train at"
    return Choice(chosen.name, words, standings, tuple(one.name for one in near))


def _not_told_from(best: Standing, standings: Sequence[Standing], sign: float) -> list[Standing]:
    """``best`` and those whose seeds do not tell them from it."""
    errors, means = {}, {}
    for one in standings:
        pairs = zip(one.means, best.means, strict=False)
        paired = _finite([sign * (value - lowest) for value, lowest in pairs])
        if one is not best and len(paired) > 1:
            means[one.name] = float(np.mean(paired))
            errors[one.name] = float(np.std(paired, ddof=1) / np.sqrt(len(paired)))
    usual = float(np.median(list(errors.values()))) if errors else 0.0
    tiny = 1e-9 * abs(best.mean)
    told = {
        name for name, mean in means.items() if mean > _ERRORS * max(errors[name], usual) + tiny
    }
    return [one for one in standings if one.name not in told]


def _finite(values: Sequence[float]) -> list[float]:
    return [value for value in values if np.isfinite(value)]


def _read(name: str, curves: Sequence[Points], metric: str) -> list[tuple[Array, Array]]:
    pairs = several(f"curves[{name!r}]", curves, "pairs of rates and values")
    if not pairs:
        raise ValueError(f"curves[{name!r}] must hold a curve for each seed, got none")
    for pair in pairs:
        if not isinstance(pair, Sequence) or len(pair) != 2:
            raise TypeError(
                f"curves[{name!r}] must hold pairs, rates and values, got {shown(pair)}"
            )
    return [finite(*pair, metric) for pair in pairs]


def _standing(
    name: str,
    pairs: Sequence[tuple[Array, Array]],
    axis: Array,
    metric: str,
    higher: bool,
    bounds: Bounds | None,
) -> Standing:
    lowest = [_lowest(*pair, higher) for pair in pairs if len(pair[0])]
    values = [value for _, value in lowest]
    rule = smith_bounds if higher else bounds_below_minimum
    if bounds is None:
        bounds = agreed(
            [rule(lr.tolist(), heights.tolist(), metric=metric) for lr, heights in pairs]
        )
    return Standing(
        name,
        bounds,
        best=float(np.mean(values)) if values else MISSING,
        spread=float(np.std(values, ddof=1)) if len(values) > 1 else 0.0,
        rate=MISSING if (rate := geometric_mean(r for r, _ in lowest)) is None else rate,
        seeds=len(values),
        means=tuple(_mean(*pair, axis, higher) for pair in pairs),
    )


def _lowest(rates: Array, heights: Array, higher: bool) -> tuple[float, float]:
    """The rate and the value where the smoothed curve is lowest, or highest."""
    smooth = averaged(heights, half_window(len(heights)))
    at = int(np.argmax(smooth) if higher else np.argmin(smooth))
    return float(rates[at]), float(smooth[at])


def _mean(rates: Array, heights: Array, axis: Array, higher: bool) -> float:
    """Over the points of ``axis``, none worse than the smoothed curve's first value."""
    if not len(rates):
        return MISSING
    start = averaged(heights, half_window(len(heights)))[0]
    on_axis = np.interp(axis, rates, heights, right=start)
    return float(np.mean(np.maximum(on_axis, start) if higher else np.minimum(on_axis, start)))


def _reason(
    chosen: Standing, best: Standing, near: Sequence[Standing], what: str, known: bool
) -> str:
    """Why it is that one; ``known``: which setting is at hand was said."""
    others = ", ".join(str(one) for one in near if one is not chosen)
    if not others:
        return f"{chosen} has the {what}, beyond the seeds' spread"
    if chosen is best:
        words = f"{chosen} has the {what}, but is not told from {others}"
    else:
        words = f"keep {chosen}: {best} has the {what}, but is not told from it"
    if best.seeds < 2:
        return f"{words}: one seed tells no spread, run two more"
    advice = "" if known else ": keep yours if it is one of these"
    return f"{words} by {best.seeds} seeds{advice}"
