"""Schedules against closed forms in exact arithmetic, drawn tables, and torch's own schedulers."""

from __future__ import annotations

import math
import warnings
from fractions import Fraction
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim.lr_scheduler import CyclicLR, LRScheduler, OneCycleLR

from clr_ignite.cifar10.experiments import TABLE2
from clr_ignite.schedules import (
    Chain,
    Exponential,
    ExpRange,
    Fixed,
    Geometric,
    Linear,
    MultiStep,
    OneCycle,
    Schedule,
    Triangular,
    Triangular2,
    ends_cycle,
    step_size_from_epochs,
)

rates = st.floats(0, 10, allow_subnormal=False)
bounds = st.tuples(rates, rates).map(sorted)
sizes = st.integers(1, 10_000)
iterations = st.one_of(st.integers(0, 50_000), st.integers(0, 10**12))
gammas = st.floats(0.99, 1.0)


def close(value: float, exact: Fraction, scale: float) -> bool:
    """Within 1e-12 of the largest number that entered the formula."""
    return abs(Fraction(value) - exact) <= Fraction(1e-12) * Fraction(scale)


def triangle(t: int, s: int) -> tuple[int, Fraction]:
    """Cycle (from 1) and height in 0..1, as the paper's section 3.1 writes them."""
    cycle = math.floor(1 + Fraction(t, 2 * s))
    x = abs(Fraction(t, s) - 2 * cycle + 1)
    return cycle, max(Fraction(0), 1 - x)


@given(bounds, sizes, iterations)
def test_triangular_is_the_papers_formula(pair: list[float], s: int, t: int) -> None:
    low, high = pair
    _, height = triangle(t, s)
    exact = Fraction(low) + (Fraction(high) - Fraction(low)) * height
    assert close(Triangular(low, high, s)(t), exact, high)


@given(bounds, sizes, st.integers(0, 50_000))
def test_triangular2_halves_the_height_each_cycle(pair: list[float], s: int, t: int) -> None:
    low, high = pair
    cycle, height = triangle(t, s)
    exact = Fraction(low) + (Fraction(high) - Fraction(low)) * height / 2 ** (cycle - 1)
    assert close(Triangular2(low, high, s)(t), exact, high)


@given(bounds, sizes, gammas, st.integers(0, 50_000))
def test_exp_range_in_both_readings(pair: list[float], s: int, gamma: float, t: int) -> None:
    low, high = pair
    _, height = triangle(t, s)
    decline = Fraction(math.pow(gamma, t))
    rise = (Fraction(high) - Fraction(low)) * height
    shrunk = ExpRange(low, high, s, gamma)(t)
    assert close(shrunk, decline * (Fraction(low) + rise), high)
    lowered = ExpRange(low, high, s, gamma, scale="amplitude")(t)
    assert close(lowered, Fraction(low) + decline * rise, high)


@given(bounds, sizes, st.integers(0, 10**9))
def test_boundaries_are_exact(pair: list[float], s: int, cycle: int) -> None:
    low, high = pair
    assert Triangular(low, high, s)(2 * s * cycle) == low
    assert Triangular(low, high, s)(2 * s * cycle + s) == high
    assert Triangular2(low, high, s)(2 * s * cycle) == low


@given(bounds, sizes, iterations)
def test_cyclical_rates_stay_between_their_bounds(pair: list[float], s: int, t: int) -> None:
    low, high = pair
    for schedule in (Triangular(low, high, s), Triangular2(low, high, s)):
        assert low <= schedule(t) <= high


@given(bounds, st.integers(1, 10**6), iterations)
def test_linear_and_geometric_hold_their_end(pair: list[float], steps: int, t: int) -> None:
    low, high = pair
    linear = Linear(low, high, steps)
    assert (linear(0), linear(steps), linear(steps + t)) == (low, high, high)
    done = Fraction(min(t, steps), steps)
    assert close(linear(t), Fraction(low) + (Fraction(high) - Fraction(low)) * done, high)
    if low > 0:
        geometric = Geometric(low, high, steps)
        assert (geometric(0), geometric(steps), geometric(steps + t)) == (low, high, high)
        expected = math.log(low) + (math.log(high) - math.log(low)) * float(done)
        assert math.isclose(math.log(geometric(t)), expected, rel_tol=1e-12, abs_tol=1e-12)


@pytest.mark.parametrize(
    ("schedule", "drawn"),
    [
        (Fixed(0.5), "0.5 0.5 0.5"),
        (MultiStep(1.0, (2, 4), 0.1), "1.0 1.0 0.1 0.1 0.01 0.01"),
        (Exponential(1.0, 0.5), "1.0 0.5 0.25 0.125"),
        (Linear(4.0, 0.0, 4), "4.0 3.0 2.0 1.0 0.0 0.0"),
        (Geometric(1.0, 16.0, 4), "1.0 2.0 4.0 8.0 16.0 16.0"),
        (Triangular(1.0, 3.0, 2), "1.0 2.0 3.0 2.0 1.0 2.0 3.0 2.0 1.0"),
        (Triangular(1.0, 3.0, 1), "1.0 3.0 1.0 3.0"),
        (Triangular2(1.0, 3.0, 2), "1.0 2.0 3.0 2.0 1.0 1.5 2.0 1.5 1.0 1.25 1.5 1.25"),
        (ExpRange(2.0, 4.0, 1, 0.5), "2.0 2.0 0.5 0.5 0.125"),
        (ExpRange(2.0, 4.0, 1, 0.5, "amplitude"), "2.0 3.0 2.0 2.25 2.0"),
        (OneCycle(2.0, 4.0, 2, 8, 0.5), "2.0 3.0 4.0 3.0 2.0 1.5 1.0 0.5 0.5"),
        (OneCycle(2.0, 4.0, 1, 4, 0.5), "2.0 4.0 2.0 0.5 0.5"),
        (OneCycle(2.0, 4.0, 2, 8, 0.5).momentum(0.9, 0.5), "0.9 0.7 0.5 0.7 0.9 0.9 0.9"),
        (Chain((Triangular(0.0, 2.0, 1), 3), (Fixed(5.0), 2)), "0.0 2.0 0.0 5.0 5.0 5.0"),
        (Chain((Fixed(1.0), 1), (Chain((Fixed(2.0), 1), (Fixed(3.0), 1)), 9)), "1.0 2.0 3.0 3.0"),
    ],
    ids=repr,
)
def test_drawn_by_hand(schedule: Schedule, drawn: str) -> None:
    values = [float(word) for word in drawn.split()]
    assert [schedule(t) for t in range(len(values))] == pytest.approx(values, rel=1e-12, abs=0)


def test_the_papers_table_2() -> None:
    """arXiv:1506.01186, Table 2: bounds by stage at 16,000, 22,000 and 25,000 iterations."""
    at = {0: 0.001, 2_000: 0.005, 4_000: 0.001, 6_000: 0.003, 15_999: 0.001}
    at |= {16_000: 0.0001, 17_000: 0.0005, 18_000: 0.0001, 19_000: 0.0003}
    at |= {22_000: 0.00001, 22_500: 0.00005, 23_000: 0.00001, 23_500: 0.00003}
    found = {t: TABLE2(t) for t in at}
    assert found == pytest.approx(at, rel=1e-3)
    assert TABLE2(16_000) == 0.0001 and TABLE2(22_500) == 0.00005
    ends = [done for done in range(1, 25_001) if TABLE2.ends_cycle(done)]
    assert ends == [4_000, 8_000, 12_000, 16_000, 18_000, 20_000, 22_000, 23_000, 24_000, 25_000]


@pytest.mark.parametrize("mode", ["triangular", "triangular2", "exp_range"])
@pytest.mark.parametrize(("low", "high", "s"), [(0.001, 0.006, 7), (0.0, 1.0, 1), (0.1, 0.1, 3)])
def test_equal_to_torchs_cyclic_lr(mode: str, low: float, high: float, s: int) -> None:
    ours: dict[str, Schedule] = {
        "triangular": Triangular(low, high, s),
        "triangular2": Triangular2(low, high, s),
        "exp_range": ExpRange(low, high, s, 0.99, scale="amplitude"),
    }
    optimizer = _sgd()
    theirs = CyclicLR(optimizer, low, high, s, mode=mode, gamma=0.99, cycle_momentum=False)  # type: ignore[arg-type]
    values, _ = _torchs(optimizer, theirs, 10 * s)
    assert [ours[mode](t) for t in range(10 * s)] == pytest.approx(values, rel=1e-12, abs=1e-15)


@pytest.mark.parametrize(("s", "total"), [(5, 12), (30, 75), (1, 4)])
def test_equal_to_torchs_three_phase_one_cycle(s: int, total: int) -> None:
    optimizer = _sgd()
    theirs = OneCycleLR(
        optimizer,
        max_lr=1.0,
        total_steps=total,
        pct_start=(s + 1) / total,
        anneal_strategy="linear",
        three_phase=True,
        div_factor=10,
        final_div_factor=100,
        base_momentum=0.85,
        max_momentum=0.95,
    )
    lr, momentum = _torchs(optimizer, theirs, total)
    ours = OneCycle(0.1, 1.0, s, total, 0.001)
    assert [ours(t) for t in range(total)] == pytest.approx(lr, rel=1e-12)
    counterpart = ours.momentum(0.95, 0.85)
    assert [counterpart(t) for t in range(total)] == pytest.approx(momentum, rel=1e-12)


def _sgd() -> torch.optim.SGD:
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1, momentum=0.9)


def _torchs(
    optimizer: torch.optim.SGD, scheduler: LRScheduler, steps: int
) -> tuple[list[float], list[float]]:
    lr, momentum = [], []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of the step after the last
        for step in range(steps):
            lr.append(optimizer.param_groups[0]["lr"])
            momentum.append(optimizer.param_groups[0]["momentum"])
            optimizer.step()
            if step < steps - 1:
                scheduler.step()
    return lr, momentum


def test_far_out_values() -> None:
    assert Triangular(0.001, 0.006, 2_000)(10**12) == 0.001
    assert Triangular(0.001, 0.006, 2_000)(10**12 + 1_000) == pytest.approx(0.0035, rel=1e-12)
    assert Triangular2(0.001, 0.006, 2_000)(10**12 + 2_000) == 0.001
    assert Exponential(1.0, 0.99994)(10**12) == 0.0
    assert MultiStep(1.0, tuple(range(1, 2_000)), 0.1)(10**12) == 0.0
    assert TABLE2(10**12) == 0.00001


def test_cycle_ends() -> None:
    def ends(schedule: Schedule, upto: int) -> list[int]:
        return [done for done in range(upto) if ends_cycle(schedule, done)]

    assert ends(Triangular(0, 1, 2), 13) == [4, 8, 12]
    assert ends(ExpRange(0, 1, 3, 0.9), 13) == [6, 12]
    assert ends(OneCycle(0.1, 1, 4, 10, 0), 13) == [10]
    assert ends(Chain((Fixed(1), 3), (Triangular2(0, 1, 1), 4), (Fixed(1), 1)), 13) == [5, 7]
    assert ends(lambda t: 0.1, 13) == []


@pytest.mark.parametrize(
    ("epochs", "per_epoch", "expected"), [(4, 500, 2_000), (0.5, 7, 4), (0.001, 7, 1)]
)
def test_step_size_from_epochs(epochs: float, per_epoch: int, expected: int) -> None:
    assert step_size_from_epochs(epochs, per_epoch) == expected


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: Fixed(-0.1), ValueError, "lr must not be negative, got -0.1"),
        (lambda: Fixed(math.nan), ValueError, "lr must be finite, got nan"),
        (lambda: Fixed(10**400), ValueError, "lr must be finite, got 1000"),
        (lambda: Fixed("0.1"), TypeError, "lr must be a number, got '0.1'"),
        (lambda: Fixed(True), TypeError, "lr must be a number, got True"),
        (lambda: Triangular(0.1, 0.01, 5), ValueError, r"at least base_lr \(0.1\), got 0.01"),
        (lambda: Triangular(0.1, math.inf, 5), ValueError, "max_lr must be finite, got inf"),
        (lambda: Triangular(0.0, 0.1, 0), ValueError, "step_size must be at least 1, got 0"),
        (lambda: Triangular(0.0, 0.1, 2.0), TypeError, "step_size must be a whole number, got 2.0"),
        (lambda: ExpRange(0.0, 0.1, 2, 1.1), ValueError, "gamma must be at most 1, got 1.1"),
        (lambda: ExpRange(0.0, 0.1, 2, 0.0), ValueError, "gamma must be greater than 0, got 0.0"),
        (lambda: ExpRange(0.0, 0.1, 2, 0.9, "both"), ValueError, "scale must be .*, got 'both'"),
        (lambda: MultiStep(1, (3, 3), 0.1), ValueError, r"strictly increasing, got \(3, 3\)"),
        (lambda: MultiStep(1, 3, 0.1), TypeError, "milestones must be a sequence .*, got 3"),
        (
            lambda: MultiStep(1, b"12", 0.1),
            TypeError,
            "milestones must be a sequence .*, got b'12'",
        ),
        (lambda: MultiStep(1, (2, 4), 1e308), ValueError, r"gamma .* \*\* 2 finite, got 1e\+308"),
        (lambda: MultiStep(1, (0,), 0.1), ValueError, "milestones must be at least 1, got 0"),
        (lambda: Linear(0, 1, 0), ValueError, "steps must be at least 1, got 0"),
        (lambda: Geometric(0, 1, 3), ValueError, "start must be greater than 0, got 0"),
        (
            lambda: OneCycle(0.1, 1, 5, 11, 0.0),
            ValueError,
            "total must be at least 12 with a step_size of 5, got 11",
        ),
        (lambda: OneCycle(0.1, 1, 5, 20, 0.2), ValueError, r"at most base_lr \(0.1\), got 0.2"),
        (
            lambda: OneCycle(0.1, 1, 5, 20, 0).momentum(0.8, 0.9),
            ValueError,
            "got high 0.8 and low 0.9",
        ),
        (lambda: Chain(), ValueError, "at least one .* pair, got none"),
        (lambda: Chain(Fixed(1)), TypeError, "stages must be .* pairs, got Fixed"),
        (lambda: Chain((Fixed(1), -1)), ValueError, "iterations must be at least 0, got -1"),
        (lambda: step_size_from_epochs(0, 5), ValueError, "epochs must be greater than 0, got 0"),
    ],
)
def test_bad_arguments_are_named(make: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        make()


def test_cycles_of_a_callable_of_ones_own() -> None:
    class Mine:
        def __call__(self, iteration: int) -> float:
            return 0.1

        def ends_cycle(self, done: int) -> bool:
            return True

    assert [done for done in range(3) if ends_cycle(Mine(), done)] == [1, 2]


def test_a_gamma_of_one_keeps_the_rate() -> None:
    assert Exponential(0.1, 1.0)(10**6) == 0.1
    with pytest.raises(ValueError, match=r"gamma must be at most 1, got 1\.0000000000000002"):
        Exponential(0.1, math.nextafter(1, 2))
