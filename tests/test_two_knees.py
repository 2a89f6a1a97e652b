"""The parts of the fit behind the suggested bounds, each by its definition."""

from __future__ import annotations

import numpy as np
import pytest

from clr_ignite.suggestions import smith_bounds
from clr_ignite.suggestions.knees import (
    Knees,
    _before_collapse,
    _best_pair,
    _binned,
    _is_geometric,
    _median3,
    fit,
    noise_of,
)

RATES = np.linspace(0.01, 0.40, 40)


def knees(*corners: tuple[float, float]) -> np.ndarray:
    """Heights over RATES: straight between corners (index, height)."""
    places, heights = zip(*corners, strict=True)
    return np.interp(np.arange(len(RATES)), places, heights)


def test_noise_is_the_standard_deviation_whatever_the_slope() -> None:
    y = np.random.default_rng(0).normal(0, 0.3, 20_000) + np.linspace(0, 500, 20_000)
    assert noise_of(y) == pytest.approx(0.3, rel=0.03)


def test_medians_of_three_with_the_ends_repeated() -> None:
    assert _median3(np.array([5.0, 1, 2, 9, 3])).tolist() == [5, 2, 2, 3, 3]


def test_sixty_means_of_neighbors() -> None:
    x, y = _binned(np.arange(120.0), np.arange(120.0) ** 2)
    assert x.tolist() == [2 * i + 0.5 for i in range(60)]
    assert y.tolist() == [((2 * i) ** 2 + (2 * i + 1) ** 2) / 2 for i in range(60)]
    few = np.array([1.0, 2, 4])
    assert [part.tolist() for part in _binned(few, few)] == [[1, 2, 4], [1, 2, 4]]


@pytest.mark.parametrize(
    ("rates", "geometric"),
    [
        # Of 1 to 4 the geometric mean is 2 and the average 2.5; only ends and middle are read.
        ([1, 100, 2.1, 9, 4], True),
        ([1, 100, 2.4, 9, 4], False),
        ([0, 0.1, 0.2, 0.3, 0.4], False),
    ],
)
def test_the_axis_is_that_of_the_middle_rate(rates: list[float], geometric: bool) -> None:
    with np.errstate(all="raise"):
        assert _is_geometric(np.array(rates, dtype=float)) is geometric


@pytest.mark.parametrize(
    ("heights", "kept", "collapsed"),
    [
        ([10, 11, 12, 13, 14, 14, 14, 11.9, 11.9, 11.9], 7, True),
        ([10, 11, 12, 13, 14, 14, 14, 12.0, 12.0, 12.0], 10, False),  # half is not more than half
        ([10, 11, 12, 13, 14, 14, 14, 1.0, 14, 14], 10, False),  # one point is noise
        ([10, 11, 12, 13, 13, 11.2, 11.2, 14, 14, 14], 10, False),  # half of what came till then
        ([10, 10, 9, 9, 1, 1], 6, False),  # nothing had been gained
        ([10, 10, 10.1, 10.1, 1, 1], 4, True),
    ],
)
def test_a_collapse_is_more_than_half_of_all_that_was_gained(
    heights: list[float], kept: int, collapsed: bool
) -> None:
    assert _before_collapse(np.array(heights)) == (kept, collapsed)


@pytest.mark.parametrize("corners", [(0, 1), (5, 20), (20, 38), (12, 13)])
def test_the_pair_of_a_curve_without_noise(corners: tuple[int, int]) -> None:
    a, b = corners
    y = 3 + 2.0 * np.clip(RATES - RATES[a], 0, RATES[b] - RATES[a])
    y += 0.5 * np.clip(RATES - RATES[b], 0, None)
    first, second, slopes = _best_pair(RATES, y)
    assert (first, second) == corners
    assert slopes == pytest.approx((2.0, 0.5))


def test_the_pair_of_a_rise_in_the_last_step() -> None:
    # Any earlier pair would need a fall: the level is the mean of what goes down from 1 to 0.9.
    first, second, slopes = _best_pair(RATES, knees((0, 1), (38, 0.9), (39, 2)))
    assert (first, second) == (38, 39) and slopes == pytest.approx((105, 105))


def test_a_pair_needs_a_rise() -> None:
    # A fall has its least error with a negative slope; no pair of such is taken.
    assert _best_pair(RATES, -RATES) == (0, 39, (0.0, 0.0))


def test_a_level_is_not_significant() -> None:
    assert fit(RATES, np.ones(40)) == Knees(False, None, False, None, False)
    assert len({Knees(False), fit(RATES, np.ones(40))}) == 1


@pytest.mark.parametrize(("rise", "significant"), [(0.06, True), (0.015, False)])
@pytest.mark.parametrize("seed", range(3))
def test_a_rise_of_four_deviations_is_one(rise: float, significant: bool, seed: int) -> None:
    noise = np.random.default_rng(seed).normal(0, 0.01, 40)
    assert fit(RATES, knees((0, 0), (39, rise)) + noise).significant is significant


def test_a_jump_at_once_is_a_rise() -> None:
    found = fit(RATES, knees((0, 0.2), (1, 0.7), (39, 0.7)))
    assert found == Knees(True, pytest.approx(0.01), True, pytest.approx(0.02), False)


def test_three_points_before_a_collapse_are_enough_and_two_are_not() -> None:
    found = fit(RATES, knees((0, 0.2), (1, 0.7), (2, 0.7), (3, 0.2), (39, 0.2)))
    assert found == Knees(True, pytest.approx(0.01), True, pytest.approx(0.02), True)
    assert not fit(RATES, knees((0, 0.7), (1, 0.8), (2, 0.1), (39, 0.1))).significant


@pytest.mark.parametrize(
    ("slower", "max_lr"), [(0.7, None), (0.3, pytest.approx(RATES[20])), (-0.2, RATES[20])]
)
def test_slower_is_less_than_half_of_the_rise(slower: float, max_lr: float | None) -> None:
    found = fit(RATES, knees((0, 0), (5, 0), (20, 15.0), (39, 15 + 19 * slower)))
    assert found.base_lr == pytest.approx(RATES[5]) and not found.base_is_first
    assert found.max_lr == max_lr and not found.collapsed


def test_a_slow_stretch_before_a_collapse_is_where_it_slows() -> None:
    found = fit(RATES, knees((0, 0), (5, 0), (15, 10), (30, 11), (31, 0), (39, 0)))
    assert (found.max_lr, found.collapsed) == (pytest.approx(RATES[15]), False)


def test_a_rise_until_the_collapse_ends_at_its_peak() -> None:
    found = fit(RATES, knees((0, 0), (5, 0), (30, 10), (31, 0), (39, 0)))
    assert found.base_lr == pytest.approx(RATES[5]) and found.collapsed
    assert found.max_lr == pytest.approx(RATES[30])


@pytest.mark.parametrize("height", [0.97, 1.0])
def test_an_early_peak_does_not_end_the_rise_that_follows(height: float) -> None:
    """0.3, two points at 1, a level of 0.65, then the rise from the 15th point to the 22nd."""
    accuracy = np.r_[0.3, 1.0, 1.0, [0.65] * 12, np.linspace(0.65, height, 8), [height] * 12]
    lr = np.linspace(0.001, 0.02, len(accuracy))
    bounds = smith_bounds(lr, accuracy)
    assert bounds.base_lr is not None and bounds.max_lr is not None
    assert lr[12] <= bounds.base_lr <= lr[17] and lr[20] <= bounds.max_lr <= lr[24]
