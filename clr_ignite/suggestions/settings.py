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
        values: the lowest value of each seed's curve, NaN where it has none.
    """

    name: str
    bounds: Bounds
    best: float
    spread: float
    rate: float
    seeds: int
    values: tuple[float, ...] = ()

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
    """The setting with the lowest loss and, of those that the seeds do not tell from it, the
    ``current`` one or else that with the highest rate.

    Two settings are told apart by the differences between their losses with the same seed: their
    mean has to be three standard errors or more. Each loss is the lowest of the smoothed curve; the
    standard error is that of the pair or, where larger, the median of all settings. Where all are
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
    standings = tuple(
        _standing(name, of_seeds, metric, higher_is_better, (bounds or {}).get(name))
        for name, of_seeds in curves.items()
    )
    sign = -1.0 if higher_is_better else 1.0
    trained = [one for one in standings if one.seeds and (one.bounds.lr or one.bounds.max_lr)]
    if not trained:
        return Choice(None, f"no setting's {metric} carries a rate to train at", standings)
    best = min(trained, key=lambda one: sign * one.best)
    near = _not_told_from(best, trained, sign)
    kept = [one for one in near if one.name == current]
    known = near if best.seeds > 1 else [best]
    chosen = max(kept or known, key=lambda one: (one.rate, -sign * one.best))
    extreme = "highest" if higher_is_better else "lowest"
    words = _reason(chosen, best, near, f"{extreme} {metric}", bool(kept))
    return Choice(chosen.name, words, standings, tuple(one.name for one in near))


def _not_told_from(best: Standing, standings: Sequence[Standing], sign: float) -> list[Standing]:
    """``best`` and those whose seeds do not tell them from it."""
    errors, means = {}, {}
    for one in standings:
        seeds = range(min(len(one.values), len(best.values)))
        paired = sign * np.array([one.values[seed] - best.values[seed] for seed in seeds])
        paired = paired[np.isfinite(paired)]
        if one is not best and len(paired) > 1:
            means[one.name] = float(np.mean(paired))
            errors[one.name] = float(np.std(paired, ddof=1) / np.sqrt(len(paired)))
    usual = float(np.median(list(errors.values()))) if errors else 0.0
    tiny = 1e-9 * abs(best.best)
    told = {
        name for name, mean in means.items() if mean > _ERRORS * max(errors[name], usual) + tiny
    }
    return [one for one in standings if one.name not in told]


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
    lowest = [_lowest(*pair, metric, higher) for pair in pairs]
    rates, values = ([found[at] for found in lowest if found is not None] for at in (0, 1))
    return Standing(
        name,
        agreed([_bounds(*pair, metric, higher) for pair in pairs]) if bounds is None else bounds,
        best=float(np.mean(values)) if values else MISSING,
        spread=float(np.std(values, ddof=1)) if len(values) > 1 else 0.0,
        rate=MISSING if (rate := geometric_mean(rates)) is None else rate,
        seeds=len(values),
        values=tuple(MISSING if found is None else found[1] for found in lowest),
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


def _reason(
    chosen: Standing, best: Standing, near: Sequence[Standing], what: str, kept: bool
) -> str:
    others = ", ".join(str(one) for one in near if one is not chosen)
    if not others:
        return f"{chosen} has the {what}, beyond the seeds' spread"
    if best.seeds < 2:
        words = f"{best} has the {what}, but one seed tells no spread: run two more"
        return f"{words}, and keep {chosen} till then" if kept else words
    if kept:
        return f"keep {chosen}: no {what} is better beyond the seeds' spread; as good: {others}"
    return (
        f"{chosen} allows the highest rate of those whose {what} is within the seeds' spread; "
        f"keep yours if it is among the others: {others}"
    )
