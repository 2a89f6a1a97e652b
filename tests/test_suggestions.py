"""Bounds from curves whose knees are known, and the peers' methods by their definitions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from clr_ignite.suggestions import (
    Bounds,
    bounds_from_loss,
    minimum,
    slide,
    smith_bounds,
    steepest,
    valley,
)

LINEAR = np.linspace(0.0005, 0.02, 40)
LOG = np.geomspace(1e-5, 1.0, 80)


def curve(lr: np.ndarray, base: float, top: float, *, log: bool = False) -> np.ndarray:
    """Chance until ``base``, a straight rise to ``top``, level after it."""
    x, a, b = (np.log(v) if log else v for v in (lr, base, top))
    return 0.1 + 0.5 * np.clip((x - a) / (b - a), 0, 1)


@pytest.mark.parametrize(("base", "top"), [(0.002, 0.008), (0.001, 0.012), (0.004, 0.009)])
def test_a_clean_curve_gives_its_knees(base: float, top: float) -> None:
    found = smith_bounds(LINEAR, curve(LINEAR, base, top))
    assert found.base_lr == pytest.approx(base, abs=0.0006)  # a step of the grid
    assert found.max_lr == pytest.approx(top, abs=0.0006)
    assert found.reason.startswith("accuracy starts to rise at ")
    assert " and slows at " in found.reason


def test_a_sweep_on_a_log_axis_is_read_on_it() -> None:
    found = smith_bounds(LOG, curve(LOG, 1e-3, 1e-1, log=True))
    assert found.base_lr == pytest.approx(1e-3, rel=0.3)
    assert found.max_lr == pytest.approx(1e-1, rel=0.3)


@pytest.mark.parametrize("scale", [1.0, 100.0])
@pytest.mark.parametrize("seed", range(5))
def test_noise_and_scale_change_little(scale: float, seed: int) -> None:
    noise = np.random.default_rng(seed).normal(0, 0.02, len(LINEAR))
    found = smith_bounds(LINEAR, scale * (curve(LINEAR, 0.003, 0.010) + noise))
    assert found.base_lr == pytest.approx(0.003, rel=0.5)
    assert found.max_lr == pytest.approx(0.010, rel=0.35)


def test_accuracy_that_collapses_gives_the_place_before() -> None:
    height = curve(LINEAR, 0.002, 0.020)
    height[LINEAR > 0.012] = 0.1
    found = smith_bounds(LINEAR, height)
    assert found.base_lr == pytest.approx(0.002, abs=0.001)
    assert found.max_lr == pytest.approx(0.012, abs=0.001)
    assert "fell from" in found.reason


def test_a_loss_is_read_upside_down() -> None:
    assert bounds_from_loss(LINEAR, -curve(LINEAR, 0.002, 0.008)).base_lr == (
        smith_bounds(LINEAR, curve(LINEAR, 0.002, 0.008)).base_lr
    )
    assert "loss starts to fall" in bounds_from_loss(LINEAR, -curve(LINEAR, 0.002, 0.008)).reason


def test_still_rising_at_the_end_has_no_max_and_says_how_far_to_go() -> None:
    found = smith_bounds(LINEAR, curve(LINEAR, 0.002, 0.05))
    assert found.base_lr == pytest.approx(0.002, abs=0.0006) and found.max_lr is None
    assert "still rising at the last rate, 0.02; try an end_lr of 0.08" in found.reason


def test_rising_from_the_start_says_so() -> None:
    found = smith_bounds(LINEAR, curve(LINEAR, 0.0, 0.01))
    assert found.base_lr == LINEAR[0] and found.max_lr == pytest.approx(0.01, abs=0.0006)
    assert "already rising at the lowest rate measured, 0.0005" in found.reason


@pytest.mark.parametrize("seed", range(5))
def test_a_flat_curve_has_no_bounds_and_says_what_to_try(seed: int) -> None:
    noise = np.random.default_rng(seed).normal(0.1, 0.005, len(LINEAR))
    found = smith_bounds(LINEAR, noise)
    assert (found.base_lr, found.max_lr) == (None, None)
    assert "did not rise between 0.0005 and 0.02 by more than its noise; take" in found.reason


@pytest.mark.parametrize("points", [0, 1, 4])
def test_too_few_points(points: int) -> None:
    found = smith_bounds(LINEAR[:points], np.ones(points))
    reason = f"accuracy: {points} finite points are too few; measure more"
    assert found == Bounds(None, None, reason, metric="accuracy")


def test_five_points_are_enough() -> None:
    found = smith_bounds([1, 2, 3, 4, 5], [0.1, 0.3, 0.5, 0.7, 0.9])
    assert (found.base_lr, found.max_lr) == (1, None) and "still rising" in found.reason
    assert len({found, smith_bounds([1, 2, 3, 4, 5], [10, 30, 50, 70, 90])}) == 1


def test_values_that_are_not_finite_are_left_out() -> None:
    height = curve(LINEAR, 0.002, 0.008)
    rates = np.append(LINEAR, [0.021, np.nan])
    assert smith_bounds(rates, np.append(height, [np.nan, 0.6])) == smith_bounds(LINEAR, height)


@pytest.mark.parametrize("seed", range(20))
def test_the_pair_is_always_ordered_and_measured(seed: int) -> None:
    random = np.random.default_rng(seed)
    heights = np.cumsum(random.normal(0.01, 0.1, 60))
    rates = np.sort(random.uniform(1e-4, 1, 60))
    found = smith_bounds(rates, heights)
    if found.base_lr is not None:
        assert rates[0] <= found.base_lr <= rates[-1]
        assert found.max_lr is None or found.base_lr < found.max_lr <= rates[-1] * (1 + 1e-12)


def test_sequences_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match=r"one length, got shapes \(3,\) and \(2,\)"):
        smith_bounds([1, 2, 3], [1, 2])


def plain_steepest(lr: list[float], loss: list[float]) -> float:
    slopes = [
        (loss[i + 1] - loss[i]) / (math.log(lr[i + 1]) - math.log(lr[i]))
        for i in range(len(lr) - 1)
    ]
    return lr[slopes.index(min(slopes))]


def plain_valley(lr: list[float], loss: list[float]) -> float:
    """The published function: longest falling subsequence in O(n²), then two thirds of it."""
    n = len(loss)
    start, end, longest = 0, 0, [1] * n
    for i in range(1, n):
        for j in range(i):
            if loss[i] < loss[j] and longest[i] < longest[j] + 1:
                longest[i] = longest[j] + 1
            if longest[end] < longest[i]:
                end, start = i, i - longest[i]
    sections = (end - start) / 3
    return lr[start + int(sections) + int(sections / 2)]


def plain_slide(lr: list[float], loss: list[float], width: int, threshold: float) -> float:
    """The published function, window by window."""
    gradient = np.gradient(np.asarray(loss))
    right, left = -1, -1 - width
    pick = lr[left]
    while left >= -len(loss) and abs(gradient[right] - gradient[left]) > threshold:
        pick = lr[left]
        right, left = right - 1, left - 1
    return pick


@pytest.mark.parametrize("seed", range(30))
def test_the_peers_methods_equal_a_plain_reading(seed: int) -> None:
    random = np.random.default_rng(seed)
    n = int(random.integers(20, 120))
    lr = np.geomspace(1e-6, 10, n).tolist()
    loss = (2 - 3 * curve(np.asarray(lr), 1e-4, 1e-1, log=True)) + random.normal(0, 0.05, n)
    loss[-n // 5 :] += np.linspace(0, 5, len(loss[-n // 5 :])) ** 2
    assert steepest(lr, loss) == plain_steepest(lr, loss.tolist())
    assert valley(lr, loss) == plain_valley(lr, loss.tolist())
    assert slide(lr, loss) == plain_slide(lr, loss.tolist(), 15, 0.005)
    assert minimum(lr, loss) == lr[int(np.argmin(loss))] / 10


def test_steepest_of_a_test_that_held_each_rate() -> None:
    """Zero log-width between equal rates is no interval: its slope would be infinite."""
    lr, loss = [0.1, 0.1, 0.2, 0.2, 0.4, 0.4], [3.0, 0.0, 2.5, 2.6, 1.0, -5.0]
    assert steepest(lr, loss) == 0.2
    with pytest.raises(ValueError, match="at least 2 finite points are needed, got 1"):
        steepest([0.1, 0.1], [1.0, 2.0])


@pytest.mark.parametrize("rates", [[0.1] * 50, [0.1, 0.2, 0.3, 0.4] * 10])
def test_points_at_too_few_rates_are_too_few(rates: list[float]) -> None:
    rates = sorted(rates)
    found = smith_bounds(rates, np.linspace(0, 1, len(rates)))
    words = f"accuracy: {len(set(rates))} finite points are too few"
    assert (found.base_lr, found.max_lr) == (None, None) and found.reason.startswith(words)


def test_steepest_is_per_log_of_the_rate_and_leaves_a_rate_of_zero_out() -> None:
    with np.errstate(all="raise"):
        assert steepest([0.0, 1.0, 10.0, 11.0, 1000.0], [9.0, 3.0, 2.0, 1.8, 0.0]) == 10.0


def test_valley_of_short_falls() -> None:
    lr, loss = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [1.0, 2.0, 3.0, 4.0, 5.0, 0.0]
    assert valley(lr, loss) == plain_valley(lr, loss) == 4.0


@pytest.mark.parametrize(("method", "rate"), [(minimum, 0.1), (valley, 1.0)])
def test_one_point_is_enough(method: Any, rate: float) -> None:
    assert method([1.0], [2.0]) == rate


def test_valley_of_a_loss_that_never_falls_is_the_first_rate() -> None:
    assert valley([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]) == 1.0


def test_slide_on_a_calm_curve_takes_the_first_window() -> None:
    lr = list(range(1, 31))
    for threshold in (0.005, 0.0):
        expected = plain_slide(lr, [0.0] * 30, 15, threshold)
        assert slide(lr, [0.0] * 30, threshold=threshold) == expected


def test_slide_needs_one_point_more_than_its_width() -> None:
    assert slide(list(range(16)), [0.0] * 16) == 0
    with pytest.raises(ValueError, match="at least 16 finite points are needed, got 15"):
        slide(list(range(15)), [0.0] * 15)


@pytest.mark.parametrize("method", [steepest, minimum, valley, slide])
def test_methods_name_what_they_lack(method: object) -> None:
    with pytest.raises(ValueError, match="at least .* finite points are needed, got 0"):
        method([1.0], [math.nan])  # type: ignore[operator]


def test_bounds_unpack() -> None:
    base_lr, max_lr, reason = Bounds(0.001, None, "still rising", lr=0.003, metric="accuracy")
    assert (base_lr, max_lr, reason) == (0.001, None, "still rising")
