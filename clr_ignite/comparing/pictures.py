"""What the picture of a comparison shows: a smoothed curve with a band for each setting."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from clr_ignite.comparing.tables import labels
from clr_ignite.pictures import COLORS, Curve, Picture, better, marks
from clr_ignite.range_test.repeated import RepeatedResult, band
from clr_ignite.suggestions.lowest import averaged, half_window
from clr_ignite.suggestions.settings import Points

if TYPE_CHECKING:
    from clr_ignite.comparing.compared import ComparedResult

_SHOWN = len(COLORS)  # curves of a picture


def picture_of(compared: ComparedResult, metric: str | None) -> Picture:
    """See :meth:`clr_ignite.ComparedResult.picture`; of tests that still run, what there is."""
    read, names, chosen = compared.reads(metric), list(compared.results), None
    log = any(one.results[0].step_mode == "exponential" for one in compared.results.values())
    picture = Picture((), "learning rate", read, log=log)
    if compared.ended:
        choice, bounds = compared.choose(metric), compared.suggest(metric)
        known = [one for one in choice.standings if one.seeds]
        known.sort(key=lambda one: one.mean, reverse=better(read) == "higher")
        names, chosen = [one.name for one in known], choice.name
        picture.title = choice.reason
        picture.marks = marks(bounds.base_lr, bounds.max_lr, bounds.lr)
    else:
        tests = [test for one in compared.results.values() for test in one.results]
        done = sum(test.stop_reason is not None for test in tests)
        picture.title = f"{done} tests of {len(compared.settings)} settings have ended"
    if len(names) > _SHOWN:
        picture.title += f" (the {_SHOWN} best of {len(names)} are drawn)"
    drawn = [name for name in compared.results if name in names[:_SHOWN]]
    picture.curves = [
        _curve(label, compared.results[name], read, color, thick=name == chosen)
        for name, label, color in zip(drawn, labels(drawn), COLORS, strict=False)
    ]
    return picture


def curves_of(result: RepeatedResult, read: str) -> Sequence[Points]:
    """Of each seed; none where no test of a setting came as far as an evaluation."""
    if read == "training loss":
        return result.curves("loss")
    return result.curves(read) if result.metrics else [([], [])] * len(result.results)


def curves_by_seed(results: Mapping[str, RepeatedResult], read: str) -> dict[str, list[Points]]:
    """Of each setting a curve for every seed that any has; none where its test is missing."""
    seeds = dict.fromkeys(seed for one in results.values() for seed in one.seeds)
    own = {
        name: dict(zip(one.seeds, curves_of(one, read), strict=True))
        for name, one in results.items()
    }
    return {name: [one.get(seed, ([], [])) for seed in seeds] for name, one in own.items()}


def _curve(name: str, result: RepeatedResult, read: str, color: str, *, thick: bool) -> Curve:
    points, means, spreads = band(_shared([_smoothed(one) for one in curves_of(result, read)]))
    return Curve(
        name,
        points,
        means,
        color,
        look="thick" if thick else "line",
        spread=spreads if len(result.seeds) > 1 else None,
        better=better(read),
    )


def _shared(curves: Sequence[Points]) -> list[Points]:
    """The points at rates that all seeds reached: a mean of those left over would jump."""
    reached = Counter(rate for rates, _ in curves for rate in rates)
    most = max(reached.values(), default=0)
    kept = [[pair for pair in zip(*one, strict=True) if reached[pair[0]] == most] for one in curves]
    return [([rate for rate, _ in one], [value for _, value in one]) for one in kept]


def _smoothed(curve: Points) -> Points:
    """A curve as it is read: averaged over a tenth of its finite points."""
    rates, values = (np.asarray(one[: min(map(len, curve))], dtype=float) for one in curve)
    finite = np.isfinite(rates) & np.isfinite(values)
    smooth = averaged(values[finite], half_window(int(finite.sum())))
    return rates[finite].tolist(), smooth.tolist()
