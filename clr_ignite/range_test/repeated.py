"""``repeat_range_test``: the same test with several seeds, their mean, and how far they agree."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ignite.engine import Engine

from clr_ignite._checks import function, instance, noting, several, shown, whole
from clr_ignite._smoothing import MISSING
from clr_ignite.pictures import Picture, marks, range_tests
from clr_ignite.range_test import LRRangeTest
from clr_ignite.result import RangeTestResult
from clr_ignite.result.curves import Drawn
from clr_ignite.result.files import write_csv
from clr_ignite.result.implied import Implied, Policy, implied_by, said_of_groups
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
        return band(self.curves(name))

    def curves(self, name: str) -> list[tuple[list[float], list[float]]]:
        """Of each test: the rates and values of a held-out metric, or of ``"loss"``.

        Names as for ``result[name]``. A test that ended before it was evaluated has no points.
        """
        if name == "loss":
            return [(result.lr.tolist(), result.loss.tolist()) for result in self.results]
        held_out = name.removeprefix("held-out ")
        measured = any(result.metrics for result in self.results)
        return [
            result[held_out] if result.metrics or not measured else ([], [])
            for result in self.results
        ]

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names of the held-out metrics that every test recorded that was evaluated."""
        every = [result.metrics for result in self.results if result.metrics]
        first, *others = every or [()]
        return tuple(name for name in first if all(name in names for names in others))

    def pairs(self, metric: str | None = None, **options: Any) -> list[Bounds]:
        """What each test alone suggests; options as of ``RangeTestResult.suggest``.

        A test that ended before it was evaluated has no bounds in a held-out metric.
        """
        missing = Bounds(None, None, f"{metric} was never measured", metric=metric or "")
        ended = [bool(metric and one.stop_reason and not one.metrics) for one in self.results]
        return [
            missing if early else one.suggest(metric, **options)
            for early, one in zip(ended, self.results, strict=True)
        ]

    def suggest(self, metric: str | None = None, **options: Any) -> Bounds:
        """The geometric means of what the tests suggest; the reason tells how far they agree.

        Args:
            metric, options: as of :meth:`clr_ignite.RangeTestResult.suggest`.
        """
        found = agreed(self.pairs(metric, **options))
        # Without a pair the reason is one test's, which says it already.
        return found if found.max_lr is None else said_of_groups(found, self.results[0])

    def schedule(
        self, step_size: int | None = None, policy: Policy = "triangular", total: int | None = None
    ) -> Implied | list[Implied]:
        """What :meth:`clr_ignite.RangeTestResult.schedule` gives, between these bounds."""
        return implied_by(self.suggest(), self.results[0], step_size, policy, total)

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
        write_csv(Path(path), stacked(self.tables()))

    def tables(self) -> list[dict[str, Sequence[Any]]]:
        """The columns of each test, its seed first."""
        return [
            {"seed": [int(seed)] * len(result), **result.columns()}
            for seed, result in zip(self.seeds, self.results, strict=True)
        ]


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
    chosen = check_seeds(seeds)
    own_checkpoint(options, "let setup return one for each seed")
    sweep = {"start_lr": start_lr, "end_lr": end_lr, "num_iter": num_iter}
    results = []
    for seed in chosen:
        with noting(f"in the range test of seed {seed}"):
            results.append(run_set_up(set_up(setup, seed), **sweep, **options))
    return RepeatedResult(chosen, results)


def check_seeds(seeds: Iterable[int]) -> tuple[int, ...]:
    """``seeds`` as whole numbers, at least one, all different."""
    chosen = tuple(whole("seeds", seed) for seed in several("seeds", seeds, "whole numbers"))
    if not chosen or len(set(chosen)) < len(chosen):
        raise ValueError(f"seeds must be different, and at least one, got {chosen}")
    return chosen


def own_checkpoint(options: Mapping[str, Any], instead: str) -> None:
    """Refuse one file for all tests: going on, the first would take up another one's."""
    if options.get("checkpoint") is not None:
        raise ValueError(
            f"checkpoint must be left out, several tests would share {options['checkpoint']}: "
            f"{instead}"
        )


def set_up(setup: Callable[..., Sequence[Any]], seed: int, /, **setting: Any) -> Sequence[Any]:
    """What ``setup`` makes for one test, its form checked."""
    made = setup(seed, **setting)
    if not isinstance(made, Sequence) or len(made) not in (4, 5) or not isinstance(made[0], Engine):
        raise TypeError(
            "setup must return trainer, data, optimizer, to_save and perhaps a dict of arguments, "
            f"got {shown(made)}"
        )
    for own in made[4:]:
        instance("the fifth item that setup returns", own, Mapping, "a dict of arguments")
    return made


def run_set_up(made: Sequence[Any], **options: Any) -> RangeTestResult:
    """One range test on what a ``setup`` made; options of :class:`~clr_ignite.LRRangeTest`."""
    trainer, data, optimizer, to_save, *more = made
    own: Mapping[str, Any] = more[0] if more else {}
    if twice := [name for name in own if name in {"optimizer", "to_save", *options}]:
        raise TypeError(
            f"the dict that setup returns must leave out {', '.join(twice)}: given elsewhere, by "
            "the call or as another item"
        )
    return LRRangeTest(optimizer, to_save=to_save, **options, **own).run(trainer, data)


def band(curves: Iterable[tuple[Sequence[float], Sequence[float]]]) -> Band:
    """Rates, means and sample standard deviations of several curves; finite values count."""
    at: dict[float, list[float]] = {}
    for rates, values in curves:
        for rate, value in zip(rates, values, strict=False):  # one may be growing
            if np.isfinite(rate) and np.isfinite(value):
                at.setdefault(rate, []).append(value)
    known = sorted(at)
    means = [float(np.mean(at[rate])) for rate in known]
    spreads = [float(np.std(at[rate], ddof=1)) if len(at[rate]) > 1 else 0.0 for rate in known]
    return known, means, spreads


def stacked(tables: Sequence[Mapping[str, Sequence[Any]]]) -> dict[str, list[Any]]:
    """The rows of several tables under the columns of all; cells of other columns are missing."""
    names = dict.fromkeys(name for table in tables for name in table)
    return {
        name: [
            cell
            for table in tables
            for cell in table.get(name, [MISSING] * len(next(iter(table.values()))))
        ]
        for name in names
    }
