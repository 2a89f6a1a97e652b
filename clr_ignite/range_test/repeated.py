"""``repeat_range_test``: the same test with several seeds, their mean, and how far they agree."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from clr_ignite._checks import function, several, whole
from clr_ignite._smoothing import MISSING
from clr_ignite.pictures import Picture, marks, range_tests
from clr_ignite.range_test import LRRangeTest
from clr_ignite.result import RangeTestResult
from clr_ignite.result.curves import Drawn
from clr_ignite.result.files import write_csv
from clr_ignite.suggestions import Bounds
from clr_ignite.suggestions.bounds import agreed

Setup = Callable[[int], Sequence[Any]]
Band = tuple[list[float], list[float], list[float]]


class RepeatedResult(Drawn):
    """Several range tests on the same rates.

    Attributes:
        seeds: what they differ in.
        results: a :class:`~clr_ignite.RangeTestResult` for each seed.
    """

    def __init__(self, seeds: Sequence[int], results: Sequence[RangeTestResult]) -> None:
        self.seeds, self.results = tuple(seeds), tuple(results)

    def __getitem__(self, name: str) -> Band:
        """Of a held-out metric, or of ``"loss"``: rates, means and sample standard deviations.

        ``"held-out loss"`` is the metric of that name, ``"loss"`` alone the training loss.
        A rate that some tests did not reach has the mean of those that did; values that are not
        finite are left out; the deviation is 0 where one value is left.
        """
        at: dict[float, list[float]] = {}
        for result in self.results:
            held_out = name.removeprefix("held-out ")
            pairs = (result.lr, result.loss) if name == "loss" else result[held_out]
            for rate, value in zip(*pairs, strict=True):
                if np.isfinite(rate) and np.isfinite(value):
                    at.setdefault(rate, []).append(value)
        rates = sorted(at)
        means = [float(np.mean(at[rate])) for rate in rates]
        spreads = [float(np.std(at[rate], ddof=1)) if len(at[rate]) > 1 else 0.0 for rate in rates]
        return rates, means, spreads

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names of the held-out metrics that every test recorded."""
        first, *others = (result.metrics for result in self.results)
        return tuple(name for name in first if all(name in names for names in others))

    def pairs(self, metric: str | None = None, **options: Any) -> list[Bounds]:
        """What each test alone suggests; options as of ``RangeTestResult.suggest``."""
        return [result.suggest(metric, **options) for result in self.results]

    def suggest(self, metric: str | None = None, **options: Any) -> Bounds:
        """The geometric means of what the tests suggest; the reason tells how far they agree.

        Args:
            metric, options: as of :meth:`clr_ignite.RangeTestResult.suggest`.
        """
        return agreed(self.pairs(metric, **options))

    def picture(self, metric: str | None = None) -> Picture:
        """What :meth:`plot` draws, as data: means with bands of one standard deviation."""
        bounds = self.suggest(metric)
        read = bounds.metric if bounds.metric.startswith("held-out") else metric
        beside = "accuracy" if metric is None and "accuracy" in self.metrics else None
        return range_tests(
            {name: self[name] for name in ("loss", read, beside) if name is not None},
            marks=marks(bounds.base_lr, bounds.max_lr, bounds.lr),
            title=bounds.reason,
            log=self.results[0].step_mode == "exponential",
        )

    def to_csv(self, path: str | Path) -> None:
        """Write every row of every test: seed, then the columns of the single tests.

        A column that only some tests have, such as a metric that one never measured, has empty
        cells in the others' rows.
        """
        tables: list[dict[str, Sequence[float]]] = [
            {"seed": [int(seed)] * len(result), **result.columns()}
            for seed, result in zip(self.seeds, self.results, strict=True)
        ]
        columns = {
            name: [
                cell for table in tables for cell in table.get(name, [MISSING] * len(table["seed"]))
            ]
            for name in dict.fromkeys(name for table in tables for name in table)
        }
        write_csv(Path(path), columns)


def repeat_range_test(
    setup: Setup,
    seeds: Iterable[int],
    start_lr: float | Sequence[float] | None = None,
    end_lr: float | Sequence[float] | None = None,
    num_iter: int | None = None,
    **options: Any,
) -> RepeatedResult:
    """Run the same range test for each of ``seeds`` and put the results side by side.

    Args:
        setup: given a seed, returns a fresh ``(trainer, data, optimizer, to_save)``; a fifth item,
            a dict, holds arguments of :class:`~clr_ignite.LRRangeTest` that belong to this model,
            such as ``evaluator`` and ``eval_data``. Seeding is its business: nothing here seeds.
        seeds: at least one, all different.
        start_lr, end_lr, num_iter, options: as for :class:`~clr_ignite.LRRangeTest`.

    Raises:
        ValueError: no seed, a seed given twice, or what :class:`~clr_ignite.LRRangeTest` refuses.
    """
    function("setup", setup)
    chosen = tuple(whole("seeds", seed) for seed in several("seeds", seeds, "whole numbers"))
    if not chosen or len(set(chosen)) < len(chosen):
        raise ValueError(f"seeds must be different, and at least one, got {chosen}")
    results = []
    for seed in chosen:
        trainer, data, optimizer, to_save, *more = setup(seed)
        own: Mapping[str, Any] = more[0] if more else {}
        test = LRRangeTest(optimizer, start_lr, end_lr, num_iter, to_save=to_save, **options, **own)
        results.append(test.run(trainer, data))
    return RepeatedResult(chosen, results)
