"""Schedules under random arguments: their ranges, periods and joins, and what their peers give."""

from __future__ import annotations

import copy
import math
import pickle
import warnings
from collections.abc import Callable
from dataclasses import fields, replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
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
    Exponential,
    ExpRange,
    Fixed,
    Geometric,
    Linear,
    MultiStep,
    OneCycle,
    Triangular,
    Triangular2,
    ends_cycle,
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


@st.composite
def multi_steps(draw: Callable[..., Any]) -> MultiStep:
    milestones = sorted(draw(st.sets(st.integers(1, 300), max_size=8)))
    return MultiStep(draw(st.floats(0, 10)), tuple(milestones), draw(st.floats(0.001, 100)))


plain = st.one_of(
    st.builds(Fixed, rates),
    multi_steps(),
    st.builds(Exponential, rates, gammas),
    st.builds(Linear, rates, rates, sizes),
    st.builds(Geometric, above_zero, above_zero, sizes),
    _cycles(Triangular),
    _cycles(Triangular2),
    _cycles(ExpRange, gammas, st.sampled_from(["bounds", "amplitude"])),
    one_cycles(),
)
stages = st.integers(1, 40)
schedules = st.recursive(
    plain,
    lambda inner: st.lists(st.tuples(inner, stages), min_size=1, max_size=4).map(
        lambda found: Chain(*found)
    ),
    max_leaves=5,
)


def limits(schedule: Any) -> tuple[float, float]:
    """The lowest and the highest value that the arguments allow."""
    match schedule:
        case Fixed(lr):
            return lr, lr
        case MultiStep(base, milestones, gamma):
            last = base * math.pow(gamma, len(milestones))
            return min(base, last), max(base, last)
        case Exponential(base, _):
            return 0.0, base
        case Linear(start, end, _) | Geometric(start, end, _):
            return min(start, end), max(start, end)
        case ExpRange(low, high, _, _, scale):
            return (0.0 if scale == "bounds" else low), high
        case OneCycle():
            return schedule.final_lr, schedule.max_lr
        case Triangular(low, high, _) | Triangular2(low, high, _):
            return low, high
    lows, highs = zip(*(limits(stage) for stage, _ in schedule.stages), strict=True)
    return min(lows), max(highs)


@given(schedules, iterations)
@example(Geometric(5e-324, LARGEST, 1_000), 500)  # exp of half the log ratio overflows
@example(Geometric(1e-7, math.nextafter(1e-7, 1), 10), 5)  # the ends are next to each other
@example(Geometric(0.1, 0.1, 7), 3)
@example(MultiStep(1.0, tuple(range(1, 300)), 10.0), 299)
@example(Triangular2(0.001, LARGEST, 1), FAR)
@example(Triangular(0.0, 5e-324, 3), 1)
def test_every_value_is_a_finite_float_between_the_bounds(schedule: Any, t: int) -> None:
    value = schedule(t)
    low, high = limits(schedule)
    assert type(value) is float
    assert low <= value <= high


@given(schedules, st.lists(iterations, max_size=5))
def test_copies_and_pickles_are_equal_and_give_the_same(schedule: Any, at: list[int]) -> None:
    again = [pickle.loads(pickle.dumps(schedule)), copy.copy(schedule), copy.deepcopy(schedule)]
    again.append(eval(repr(schedule)))
    for one in again:
        assert one == schedule and hash(one) == hash(schedule) and one is not schedule
        assert [one(t) for t in at] == [schedule(t) for t in at]


@given(plain, st.data())
def test_a_changed_argument_makes_another_schedule(schedule: Any, data: Any) -> None:
    name = data.draw(st.sampled_from([field.name for field in fields(schedule)]))
    other: Any = getattr(schedule, name)
    if isinstance(other, float):
        other = 0.5 if other != 0.5 else 0.25
    elif isinstance(other, int):
        other += 1
    elif isinstance(other, tuple):
        other = (*other, 301)
    else:
        other = {"bounds": "amplitude", "amplitude": "bounds"}[other]
    try:
        changed = replace(schedule, **{name: other})
    except ValueError:
        return  # the others forbid it
    assert changed != schedule and getattr(changed, name) == other


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


@given(st.lists(st.tuples(plain, stages), min_size=1, max_size=5), st.data())
def test_a_chain_is_its_parts_one_after_another(parts: list[Any], data: Any) -> None:
    laid_out = [(one, t) for one, length in parts[:-1] for t in range(length)]
    last, start = parts[-1][0], len(laid_out)
    at = data.draw(st.one_of(st.integers(0, start + 60), iterations))
    part, own = laid_out[at] if at < start else (last, at - start)
    chain = Chain(*parts)
    assert chain(at) == part(own)
    assert ends_cycle(chain, at + 1) == ends_cycle(part, own + 1)
    assert not ends_cycle(chain, 0)


@given(st.lists(st.tuples(plain, stages), min_size=2, max_size=5), st.data())
def test_a_chain_within_a_chain_is_the_chain_laid_flat(parts: list[Any], data: Any) -> None:
    cut = data.draw(st.integers(1, len(parts) - 1))
    inner = Chain(*parts[:cut]), sum(length for _, length in parts[:cut])
    at = data.draw(st.integers(0, 250))
    assert Chain(inner, *parts[cut:])(at) == Chain(*parts)(at)


def test_a_long_chain_far_out() -> None:
    long = Chain(*((Fixed(float(i)), 3) for i in range(2_000)))
    assert [long(t) for t in (0, 2, 3, 5_996, 5_997, FAR)] == [0, 0, 1, 1_998, 1_999, 1_999]


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
    }
    for found, expected in made.items():
        assert repr(found) == repr(expected)  # np.float64(0.25) == 0.25, but prints as itself
        assert type(found(np.int64(5)) + 0) in (float, np.float64)
        assert type(found(5)) is float
