"""Intervals of means and differences: against tables, SciPy's tests and many drawn runs."""

from __future__ import annotations

import random
import statistics

import pytest

from clr_ignite.cifar10.report.intervals import (
    Interval,
    of_difference,
    of_mean,
    of_one_more,
)

FIXED = [82.67, 82.48, 82.5, 82.15, 82.55]
OTHER = [81.2, 80.86, 81.22, 80.87, 81.15, 81.0, 81.9]


@pytest.mark.parametrize(("n", "t"), [(2, 12.706), (3, 4.303), (5, 2.776), (20, 2.093)])
def test_the_interval_of_a_mean_is_that_of_a_students_table(n: int, t: float) -> None:
    values = [float(i) for i in range(n)]
    interval = of_mean(values)
    assert interval is not None and interval.center == statistics.mean(values)
    assert interval.half == pytest.approx(t * statistics.stdev(values) / n**0.5, rel=2e-4)


def test_the_interval_of_a_difference_is_welchs() -> None:
    stats = pytest.importorskip("scipy.stats")
    expected = stats.ttest_ind(FIXED, OTHER, equal_var=False).confidence_interval(0.95)
    interval = of_difference(FIXED, OTHER)
    assert interval is not None
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high))


def test_a_single_run_has_no_interval() -> None:
    assert of_mean([82.0]) is of_one_more([82.0]) is of_difference(FIXED, [82.0]) is None


def test_runs_without_any_spread_have_an_interval_of_no_width() -> None:
    assert of_difference([82.0, 82.0], [81.0, 81.0]) == Interval(1.0, 0.0)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.1, 0.5, "above"), (-0.5, -0.1, "below"), (-0.1, 0.5, "not told apart")],
)
def test_a_difference_is_one_where_zero_is_outside(low: float, high: float, verdict: str) -> None:
    assert Interval((low + high) / 2, (high - low) / 2).verdict == verdict


def test_nineteen_of_twenty_intervals_hold_what_they_are_of() -> None:
    draw = random.Random(0)
    held = {"mean": 0, "difference": 0, "one more": 0}
    for _ in range(1_000):
        values = [draw.gauss(82, 0.2) for _ in range(5)]
        others = [draw.gauss(81, 0.6) for _ in range(3)]
        mean, difference, more = of_mean(values), of_difference(values, others), of_one_more(values)
        assert mean and difference and more
        held["mean"] += mean.low <= 82 <= mean.high
        held["difference"] += difference.low <= 1 <= difference.high
        held["one more"] += more.low <= draw.gauss(82, 0.2) <= more.high
    assert all(930 <= count <= 975 for count in held.values()), held
