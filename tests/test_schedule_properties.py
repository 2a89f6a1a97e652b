"""Schedules under random arguments: their ranges, periods and joins, and what their peers give."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from ignite.handlers.param_scheduler import LinearCyclicalScheduler, PiecewiseLinear
from torch.optim.lr_scheduler import (
    CyclicLR,
    ExponentialLR,
    LinearLR,
    LRScheduler,
    MultiStepLR,
    OneCycleLR,
)

from clr_ignite.schedules import (
    Chain,
    Cosine,
    CosineRestarts,
    Cyclic,
    Exponential,
    ExpRange,
    Fixed,
    Geometric,
    InverseSqrt,
    Linear,
    MultiStep,
    OneCycle,
    OneCycleTwoPhase,
    Opposite,
    Polynomial,
    Repeat,
    Stretch,
    Triangular,
    Triangular2,
    Warmup,
    WarmupStableDecay,
)

LARGEST = 1.7e308
FAR = 10**15

rates = st.one_of(st.floats(0, 10), st.floats(0, LARGEST), st.sampled_from([0.0, 5e-324, 0.1]))
above_zero = rates.filter(bool)
pairs = st.tuples(rates, rates).map(sorted)
gammas = st.one_of(st.floats(5e-324, 1), st.floats(0.999, 1))
sizes = st.one_of(st.integers(1, 50), st.integers(1, FAR))
iterations = st.one_of(st.integers(0, 200), st.integers(0, FAR), st.just(FAR))


def _cycles(kind: Any, *more: Any) -> Any:
    return st.builds(lambda pair, *rest: kind(*pair, *rest), pairs, sizes, *more)


@st.composite
def one_cycles(draw: Callable[..., Any]) -> OneCycle:
    final, low, high = sorted(draw(st.tuples(rates, rates, rates)))
    step_size = draw(sizes)
    return OneCycle(low, high, step_size, 2 * step_size + draw(st.integers(2, FAR)), final)


@given(pairs, sizes, iterations, st.integers(1, 10**6))
def test_triangles_repeat_and_are_symmetric(pair: Any, s: int, t: int, cycles: int) -> None:
    schedule = Triangular(*pair, s)
    assert schedule(t + 2 * s * cycles) == schedule(t)
    assert schedule(2 * s * cycles - t % (2 * s)) == schedule(t)


@given(st.tuples(st.floats(0, 10), st.floats(0, 10)).map(sorted), sizes, iterations)
def test_triangular2_halves_what_it_adds_in_each_cycle(pair: Any, s: int, t: int) -> None:
    low, high = pair
    schedule, t = Triangular2(low, high, s), t % (40 * s)
    now, later = Fraction(schedule(t)), Fraction(schedule(t + 2 * s))
    assert abs((later - Fraction(low)) * 2 - (now - Fraction(low))) <= Fraction(1e-15 * high)


@given(pairs, st.integers(1, 1_000), st.floats(0.99, 1), st.integers(0, 10_000))
def test_exp_range_shrinks_by_one_factor_a_cycle(pair: Any, s: int, gamma: float, t: int) -> None:
    schedule, factor = ExpRange(*pair, s, gamma), math.pow(gamma, 2 * s)
    assert schedule(t + 2 * s) == pytest.approx(schedule(t) * factor, rel=1e-11, abs=1e-320)


def steepest_step(schedule: Any) -> Fraction:
    """What the value can change from one iteration to the next."""
    high, low = Fraction(schedule.max_lr), Fraction(schedule.base_lr)
    slope = (high - low) / schedule.step_size
    if isinstance(schedule, ExpRange):
        return slope + high * (1 - Fraction(schedule.gamma))
    if isinstance(schedule, OneCycle):
        down = schedule.total - 1 - 2 * schedule.step_size
        return max(slope, (low - Fraction(schedule.final_lr)) / down)
    return slope


@given(
    st.one_of(
        _cycles(Triangular),
        _cycles(Triangular2),
        _cycles(ExpRange, gammas, st.sampled_from(["bounds", "amplitude"])),
        one_cycles(),
    ),
    st.integers(0, 20),
    st.integers(-2, 2),
)
def test_no_jump_at_peaks_and_cycle_ends(schedule: Any, half: int, beside: int) -> None:
    t = max(0, half * schedule.step_size + beside)
    jump = abs(Fraction(schedule(t + 1)) - Fraction(schedule(t)))
    rounding = Fraction(1e-12) * Fraction(schedule.max_lr) + Fraction(5e-324)
    assert jump <= steepest_step(schedule) + rounding


_ORDINARY = st.floats(1e-6, 10)
_ORDERED = st.tuples(_ORDINARY, _ORDINARY).map(sorted)


def _stepped(lr: float, make: Callable[[Any], LRScheduler], steps: int) -> list[float]:
    """The rates that torch's scheduler gives to a plain optimizer."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch misses the optimizer's own steps
        scheduler, found = make(optimizer), []
        for step in range(steps):
            found.append(optimizer.param_groups[0]["lr"])
            if step < steps - 1:
                scheduler.step()
    return found


def agrees(schedule: Any, theirs: list[float]) -> None:
    ours = [schedule(t) for t in range(len(theirs))]
    assert ours == pytest.approx(theirs, rel=1e-10, abs=1e-14)


@given(_ORDERED, st.integers(1, 30))
@settings(max_examples=30, deadline=None)
def test_torchs_linear_lr(pair: Any, steps: int) -> None:
    start, end = pair
    options = {"start_factor": start / end, "end_factor": 1.0, "total_iters": steps}
    agrees(Linear(start, end, steps), _stepped(end, lambda o: LinearLR(o, **options), 2 * steps))


@given(_ORDINARY, st.floats(0.5, 1))
@settings(max_examples=30, deadline=None)
def test_torchs_exponential_lr(lr: float, gamma: float) -> None:
    agrees(Exponential(lr, gamma), _stepped(lr, lambda o: ExponentialLR(o, gamma), 60))


@given(_ORDINARY, st.sets(st.integers(1, 50), min_size=1, max_size=5), st.floats(0.1, 1.5))
@settings(max_examples=30, deadline=None)
def test_torchs_multi_step_lr(lr: float, milestones: set[int], gamma: float) -> None:
    at = sorted(milestones)
    agrees(MultiStep(lr, tuple(at), gamma), _stepped(lr, lambda o: MultiStepLR(o, at, gamma), 60))


@given(_ORDERED, st.integers(1, 15), st.sampled_from([Triangular, Triangular2, ExpRange]))
@settings(max_examples=40, deadline=None)
def test_torchs_cyclic_lr(pair: Any, s: int, kind: Any) -> None:
    low, high = pair
    more = (0.97, "amplitude") if kind is ExpRange else ()
    mode: Any = {Triangular: "triangular", Triangular2: "triangular2", ExpRange: "exp_range"}[kind]
    options = {"mode": mode, "gamma": 0.97, "cycle_momentum": False}
    theirs = _stepped(low, lambda o: CyclicLR(o, low, high, s, **options), 5 * s)
    agrees(kind(low, high, s, *more), theirs)


@given(_ORDERED, st.integers(1, 15), st.floats(0.001, 1))
@settings(max_examples=30, deadline=None)
def test_torchs_one_cycle_lr_that_ends_as_it_comes_down(pair: Any, s: int, part: float) -> None:
    """torch gives the annihilation the length of the rise unless its steps run out."""
    low, high = pair
    total = 2 * s + 2
    options = {
        "pct_start": (s + 1) / total,
        "anneal_strategy": "linear",
        "three_phase": True,
        "div_factor": high / low,
        "final_div_factor": 1 / part,
        "cycle_momentum": False,
    }
    theirs = _stepped(low, lambda o: OneCycleLR(o, high, total, **options), total)
    agrees(OneCycle(low, high, s, total, low * part), theirs)


@given(_ORDERED, st.integers(1, 20))
@settings(max_examples=30, deadline=None)
def test_ignites_linear_cyclical_scheduler(pair: Any, s: int) -> None:
    low, high = pair
    theirs = LinearCyclicalScheduler.simulate_values(
        num_events=5 * s, param_name="lr", start_value=low, end_value=high, cycle_size=2 * s
    )
    agrees(Triangular(low, high, s), [value for _, value in theirs])


@given(st.lists(st.tuples(st.integers(1, 20), _ORDINARY), min_size=1, max_size=4), _ORDINARY)
@settings(max_examples=30, deadline=None)
def test_ignites_piecewise_linear(corners: list[tuple[int, float]], start: float) -> None:
    milestones, parts, at, value = [(0, start)], [], 0, start
    for length, target in corners:
        at += length
        milestones.append((at, target))
        parts.append((Linear(value, target, length), length))
        value = target
    theirs = PiecewiseLinear.simulate_values(
        num_events=at + 5, param_name="lr", milestones_values=milestones
    )
    agrees(Chain(*parts), [value for _, value in theirs])


NUMPYS = [np.float64(0.25), np.float32(0.25), np.float16(0.25), Fraction(1, 4)]


@pytest.mark.parametrize("number", NUMPYS, ids=repr)
def test_other_kinds_of_numbers_become_plain_ones(number: Any) -> None:
    one, two = type(number)(1), np.int64(2)
    made = {
        Fixed(number): Fixed(0.25),
        MultiStep(one, np.array([2, 3]), number): MultiStep(1.0, (2, 3), 0.25),
        Exponential(one, number): Exponential(1.0, 0.25),
        Linear(number, one, np.uint8(3)): Linear(0.25, 1.0, 3),
        Geometric(number, one, two): Geometric(0.25, 1.0, 2),
        Triangular(number, one, two): Triangular(0.25, 1.0, 2),
        Triangular2(number, one, two): Triangular2(0.25, 1.0, 2),
        ExpRange(number, one, two, number): ExpRange(0.25, 1.0, 2, 0.25),
        OneCycle(number, one, two, np.int32(9), number): OneCycle(0.25, 1.0, 2, 9, 0.25),
        Chain((Fixed(number), two)): Chain((Fixed(0.25), 2)),
        Cosine(number, one, two): Cosine(0.25, 1.0, 2),
        Polynomial(number, one, two, number): Polynomial(0.25, 1.0, 2, 0.25),
        CosineRestarts(number, one, two, one, number): CosineRestarts(0.25, 1.0, 2, 1.0, 0.25),
        Cyclic(number, one, two, number): Cyclic(0.25, 1.0, 2, 0.25),
        WarmupStableDecay(one, two, two, two): WarmupStableDecay(1.0, 2, 2, 2),
        InverseSqrt(one, two): InverseSqrt(1.0, 2, 2),
        OneCycleTwoPhase(number, one, two, np.int32(9), number): OneCycleTwoPhase(
            0.25, 1.0, 2, 9, 0.25
        ),
        Warmup(Fixed(number), two, number): Warmup(Fixed(0.25), 2, 0.25),
        Repeat(Fixed(number), two, two): Repeat(Fixed(0.25), 2, 2),
        Stretch(Linear(number, one, two), np.int8(4)): Stretch(Linear(0.25, 1.0, 2), 4),
        Opposite(Fixed(one), number, number): Opposite(Fixed(1.0), 0.25, 0.25),
    }
    for found, expected in made.items():
        assert repr(found) == repr(expected)  # np.float64(0.25) == 0.25, but prints as itself
        assert type(found(np.int64(5)) + 0) in (float, np.float64)
        assert type(found(5)) is float
