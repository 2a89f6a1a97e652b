"""Drawn tables and closed forms of the decays, cycles and combinations; lengths and cycle ends."""

from __future__ import annotations

import math
from typing import Any

import pytest

from clr_ignite.cifar10.experiments.trapezoid import trapezoid
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
    Product,
    Repeat,
    Schedule,
    Stretch,
    Strict,
    Triangular,
    Triangular2,
    Warmup,
    WarmupStableDecay,
    ends_cycle,
    length,
    limits,
    torch_one_cycle,
)

R = math.sqrt(0.5)  # cosine(pi / 4)
DOWN, UP = (1 + R) / 2, (1 - R) / 2
LINE = Linear(1.0, 0.0, 2)
WSD = WarmupStableDecay


@pytest.mark.parametrize(
    ("schedule", "drawn"),
    [
        (Cosine(2.0, 0.0, 4), f"2 {2 * DOWN} 1 {2 * UP} 0 0"),
        (Cosine(0.0, 2.0, 4), f"0 {2 * UP} 1 {2 * DOWN} 2 2"),
        (Polynomial(1.0, 0.0, 4, 2.0), "1 0.5625 0.25 0.0625 0 0"),
        (Polynomial(5.0, 1.0, 2, 0.5), f"5 {1 + 4 * R} 1 1"),
        (CosineRestarts(0.0, 2.0, 4), f"2 {2 * DOWN} 1 {2 * UP} 2 {2 * DOWN}"),
        (CosineRestarts(0.0, 2.0, 2, 2.0, 0.5), f"2 1 1 {DOWN} 0.5 {UP} 0.5"),
        (CosineRestarts(1.0, 4.0, 1, 1.0, 0.5), "4 2 1 1 1"),  # a peak stops at the base
        (CosineRestarts(0.0, 1.0, 2, 1.5), "1 0.5 1 0.75 0.25 1"),  # 2, 3, 4.5 long
        (WSD(4.0, 2, 1, 2), "0 2 4 4 2 0 0"),
        (WSD(4.0, 0, 0, 4, "1-sqrt"), f"4 2 {4 - 4 * R} {4 - 2 * math.sqrt(3)} 0 0"),
        (WSD(4.0, 2, 1, 4, "cosine", 1.0), f"1 2.5 4 4 {4 * DOWN} 2 {4 * UP} 0 0"),
        (WSD(4.0, 1, 0, 2, "exponential", 2.0, 1.0), "2 4 2 1 1"),
        (InverseSqrt(4.0, 1), f"0 4 {4 * R} {4 / math.sqrt(3)} 2"),
        (InverseSqrt(4.0, 0, 3), f"4 {4 * math.sqrt(0.75)} {4 * math.sqrt(0.6)} {4 * R}"),
        (InverseSqrt(4.0, 1, 1, 6, 2), f"0 4 {4 * R} {4 / math.sqrt(3)} 2 1 0 0"),
        (OneCycle(2.0, 4.0, 2, 8, 0.0, "cosine"), "2 3 4 3 2 1.5 0.5 0 0"),
        (OneCycleTwoPhase(1.0, 3.0, 2, 7, 0.0), f"1 2 3 {3 * DOWN} 1.5 {3 * UP} 0 0"),
        (OneCycleTwoPhase(1.0, 3.0, 1, 6, 0.0, "linear"), "1 3 2.25 1.5 0.75 0 0"),
        (Cyclic(0.0, 1.0, 5), "0 0.4 0.8 0.8 0.4 0 0.4"),  # no iteration at the peak
        (Cyclic(0.0, 1.0, 5, rise=3), "0 1/3 2/3 1 0.5 0 1/3"),
        (Cyclic(0.0, 1.0, 4, begin="top"), "1 0.5 0 0.5 1 0.5"),
        (Cyclic(0.0, 1.0, 4, rise=1, begin="top"), "1 2/3 1/3 0 1 2/3"),
        (Cyclic(0.0, 1.0, 2, cycle_mult=2.0), "0 1 0 0.5 1 0.5 0 0.25"),
        (Cyclic(1.0, 3.0, 2, amplitude=Exponential(1.0, 0.5)), "1 3 1 2 1 1.5 1"),
        (Cyclic(1.0, 3.0, 2, amplitude=Linear(1.0, 0.0, 2)), "1 3 1 2 1 1 1"),
        (Cyclic(0.0, 8.0, 2, amplitude=Exponential(1, 0.5), per="iteration"), "0 4 0 1 0"),
        (Cyclic(1.0, 2.0, 1), "1 1 1"),
        (Warmup(Linear(4.0, 0.0, 2), 4), "0 1 2 3 4 2 0 0"),
        (Warmup(Fixed(4.0), 3, 1.0, 2.0), "1 1.5 2 4 4"),
        (Warmup(LINE, 3, 0.25, 0.25), "0.25 0.25 0.25 1 0.5 0"),
        (Warmup(LINE, 1, 0.25, 0.25), "0.25 1 0.5 0"),
        (Warmup(LINE, 0), "1 0.5 0 0"),
        (Chain((Fixed(1.0), 0), (Fixed(2.0), 1), (Fixed(3.0), 0)), "2 3 3"),
        (Repeat(LINE), "1 0.5 1 0.5 1"),
        (Repeat(LINE, 3), "1 0.5 0 1 0.5 0 1"),
        (Repeat(LINE, times=2), "1 0.5 1 0.5 0 0"),
        (Product(Triangular(0.0, 4.0, 1), Linear(1.0, 0.0, 4)), "0 3 0 1 0 0"),
        (Stretch(LINE, 4), "1 0.75 0.5 0.25 0 0"),
        (Stretch(Linear(1.0, 0.0, 4), 2), "1 0.5 0 0"),
        (Strict(LINE), "1 0.5 0"),
        (Opposite(Triangular(1.0, 3.0, 2), 0.75, 0.25), "0.75 0.5 0.25 0.5 0.75"),
        (Opposite(Chain((Triangular2(0.0, 4.0, 1), 5)), 0.9, 0.5), "0.9 0.5 0.9 0.7 0.9 0.8 0.9"),
        (OneCycleTwoPhase(1.0, 3.0, 1, 4, 0.0, "linear").momentum(0.9, 0.5), "0.9 0.5 0.7 0.9 0.9"),
    ],
    ids=repr,
)
def test_drawn_by_hand(schedule: Schedule, drawn: str) -> None:
    values = [eval(word) for word in drawn.split()]
    assert [schedule(t) for t in range(len(values))] == pytest.approx(values, rel=1e-12, abs=1e-300)


HUNDRED = range(100)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Repeat(Cosine(0.1, 0.01, 7)), CosineRestarts(0.01, 0.1, 7)),
        (Cyclic(0.01, 0.1, 10), Triangular(0.01, 0.1, 5)),
        (Cyclic(0.01, 0.1, 10, amplitude=Exponential(1, 0.5)), Triangular2(0.01, 0.1, 5)),
        (
            Cyclic(0.01, 0.1, 10, amplitude=Exponential(1, 0.9), per="iteration"),
            ExpRange(0.01, 0.1, 5, 0.9, "amplitude"),
        ),
        (Polynomial(0.1, 0.01, 30, 1.0), Linear(0.1, 0.01, 30)),
        (Stretch(Cosine(0.1, 0.01, 20), 50), Cosine(0.1, 0.01, 50)),
        (Stretch(WSD(0.1, 3, 10, 7, "1-sqrt"), 60), WSD(0.1, 9, 30, 21, "1-sqrt")),
        (Stretch(Chain((Triangular(0.01, 0.1, 4), 16)), 32), Triangular(0.01, 0.1, 8)),
        (
            Warmup(Cosine(0.1, 0.0, 30), 10, 0.01),
            Chain((Linear(0.01, 0.1, 10), 10), (Cosine(0.1, 0.0, 30), 9)),
        ),
        (Warmup(Polynomial(0.1, 0, 9, 1), 5), WSD(0.1, 5, 0, 9)),
        (Warmup(Fixed(0.1), 10, 0.001), WSD(0.1, 10, 10**6, 1, start_lr=0.001)),
        (
            OneCycle(0.01, 0.1, 20, 70, 0.0).momentum(0.95, 0.85),
            Opposite(OneCycle(0.01, 0.1, 20, 70, 0.0), 0.95, 0.85),
        ),
        (
            Triangular(0.01, 0.1, 5).momentum(0.95, 0.85),
            Triangular(0.01, 0.1, 5).momentum(0.95, 0.85),
        ),
    ],
    ids=repr,
)
def test_two_ways_to_the_same(one: Any, other: Any) -> None:
    assert [one(t) for t in HUNDRED] == pytest.approx([other(t) for t in HUNDRED], rel=1e-12)


def test_our_rows_trapezoid_is_one_by_name() -> None:
    rate, momentum = trapezoid(1_000, 0.01, rise=0.2, level=0.3, momentum=0.875)
    named = WSD(0.01, 200, 300, 500, start_lr=0.001)
    assert [rate(t) for t in range(1_001)] == [named(t) for t in range(1_001)]
    opposite = Opposite(named, 0.95, 0.875)
    found = [momentum(t) for t in range(1_001)]
    assert found[0] == 0.9425 and found[1_000] == 0.95  # a tenth of the peak at its start
    assert found[200:] == pytest.approx([opposite(t) for t in range(200, 1_001)], rel=1e-12)


def test_growing_cycles_round_each_beginning_by_itself() -> None:
    """Ignite cuts each length and goes on from there: 10, 13, 16, 20, 26, 33 for these."""
    ends = [t for t in range(1, 200) if ends_cycle(CosineRestarts(0.0, 1.0, 10, 1.3), t)]
    assert ends == [10, 23, 40, 62, 90, 128, 176]
    far = CosineRestarts(0.0, 1.0, 3, 1.001)  # beyond the beginnings that it keeps
    begin = round(3 * math.expm1(5_000 * math.log(1.001)) / 0.001)
    assert far(begin) == 1.0 and far.ends_cycle(begin) and not far.ends_cycle(begin - 1)
    assert far(begin - 1) < 1e-3
    doubled = CosineRestarts(0.0, 1.0, 1, 2.0)
    assert all(doubled(2**power - 1) == 1.0 for power in range(62))


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (CosineRestarts(0, 1, 2, 2.0), [2, 6, 14]),
        (Cyclic(0, 1, 5), [5, 10, 15]),
        (Cyclic(0, 1, 5, begin="top"), [3, 8, 13]),  # the base lies half an iteration before
        (Cyclic(0, 1, 5, rise=3, begin="top"), [2, 7, 12]),
        (WSD(1, 2, 3, 4), [9]),
        (InverseSqrt(1, 2, total=9, decay=2), [9]),
        (InverseSqrt(1, 2), []),
        (OneCycleTwoPhase(0.1, 1, 3, 9, 0), [9]),
        (Cosine(1, 0, 5), []),
        (Warmup(Triangular(0, 1, 2), 3), [7, 11, 15]),
        (Repeat(LINE, 3), [3, 6, 9, 12, 15]),
        (Repeat(Triangular(0, 1, 2), 5, times=2), [4, 5, 9, 10]),
        (Product(Triangular(0, 1, 3), Linear(1, 0, 20)), [6, 12]),
        (Stretch(Chain((Triangular(0, 1, 2), 8)), 12), [6, 12]),
        (Stretch(Chain((Triangular(0, 1, 2), 8)), 3), [2, 3, 5, 6, 8, 9, 11, 12, 14, 15]),
        (Stretch(LINE, 4), []),
        (Strict(OneCycle(0.1, 1, 2, 9, 0)), [9]),
        (Opposite(Triangular(0, 1, 3), 0.9, 0.8), [6, 12]),
    ],
    ids=repr,
)
def test_cycle_ends(schedule: Schedule, expected: list[int]) -> None:
    assert [done for done in range(16) if ends_cycle(schedule, done)] == expected


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (Linear(0, 1, 5), 5),
        (Geometric(1, 2, 5), 5),
        (Cosine(0, 1, 5), 5),
        (Polynomial(0, 1, 5, 2), 5),
        (WSD(1, 2, 3, 4), 9),
        (InverseSqrt(1, 2), None),
        (InverseSqrt(1, 2, total=9, decay=2), 9),
        (OneCycle(0, 1, 2, 9, 0), 9),
        (OneCycleTwoPhase(0, 1, 2, 9, 0), 9),
        (Fixed(1), None),
        (MultiStep(1, (2,), 0.1), None),
        (Triangular(0, 1, 5), None),
        (CosineRestarts(0, 1, 5), None),
        (Chain((Fixed(1), 3), (LINE, 4)), 7),
        (Warmup(LINE, 5), 7),
        (Warmup(Fixed(1), 5), None),
        (Repeat(LINE, times=3), 6),
        (Repeat(LINE), None),
        (Product(LINE, Fixed(1), Linear(1, 0, 9)), 2),
        (Stretch(LINE, 9), 9),
        (Strict(LINE), 2),
        (Opposite(LINE, 0.9, 0.8), 2),
    ],
    ids=repr,
)
def test_lengths(schedule: Schedule, expected: int | None) -> None:
    assert length(schedule) == expected


def test_a_function_has_no_length() -> None:
    assert length(lambda t: 0.1) is None


def test_limits_are_reached_where_the_arguments_say_them() -> None:
    assert limits(Product(Triangular(1.0, 3.0, 2), Linear(2.0, 1.0, 4))) == (1.0, 6.0)
    assert limits(Chain((Fixed(2.0), 3), (LINE, 4))) == (0.0, 2.0)
    assert limits(Warmup(Fixed(2.0), 3, 0.5)) == (0.5, 2.0)
    assert limits(MultiStep(1.0, (2, 4), 3.0)) == (1.0, 9.0)
    own = Chain((lambda t: 0.1, 3))
    assert [limits(one) for one in (own, Warmup(own, 1), Product(own), Repeat(own))] == [None] * 4


def test_a_strict_schedule_refuses_what_lies_beyond_its_length() -> None:
    strict = Strict(LINE)
    assert strict(2) == 0.0  # a scheduler asks for it after the last step
    with pytest.raises(ValueError, match=r"iteration must be at most 2, the length of .*, got 3"):
        strict(3)
    assert LINE(3) == 0.0


def test_an_amplitude_outside_its_range_is_an_error() -> None:
    own = Cyclic(0.0, 1.0, 2, amplitude=lambda cycle: 1.0 - cycle)
    assert own(3) == 0.0
    with pytest.raises(ValueError, match="amplitude must lie in 0 to 1, got -1.0 in cycle 2"):
        own(5)
    with pytest.raises(ValueError, match="amplitude must lie in 0 to 1, got nan in iteration 0"):
        Cyclic(0.0, 1.0, 2, amplitude=lambda t: math.nan, per="iteration")


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (
            lambda: CosineRestarts(0, 1, 5, 0.5),
            ValueError,
            "cycle_mult must be at least 1, got 0.5",
        ),
        (lambda: CosineRestarts(0, 1, 5, 1, 2), ValueError, "cycle_decay must be at most 1, got 2"),
        (lambda: Cyclic(0, 1, 5, 5), ValueError, r"rise must be below cycle_size \(5\), got 5"),
        (
            lambda: Cyclic(0, 1, 5, begin="up"),
            ValueError,
            "begin must be 'base' or 'top', got 'up'",
        ),
        (
            lambda: Cyclic(0, 1, 5, amplitude=Fixed(2)),
            ValueError,
            r"amplitude must be at most 1, got Fixed\(lr=2.0\)",
        ),
        (lambda: Polynomial(1, 0, 5, 0), ValueError, "power must be greater than 0, got 0"),
        (lambda: WSD(1, 2, 3, 0), ValueError, "decay must be at least 1, got 0"),
        (lambda: WSD(1, 2, 3, 4, "square"), ValueError, "cooldown must be .*, got 'square'"),
        (
            lambda: WSD(1, 2, 3, 4, "exponential"),
            ValueError,
            "final_lr of an exponential .*, got 0",
        ),
        (
            lambda: WSD(1, 2, 3, 4, start_lr=2),
            ValueError,
            r"start_lr must be at most max_lr \(1.0\)",
        ),
        (lambda: InverseSqrt(1, 0), ValueError, "timescale must be given where warmup is 0"),
        (
            lambda: InverseSqrt(1, 5, decay=3),
            ValueError,
            "total must be given for a cool-down of 3",
        ),
        (
            lambda: InverseSqrt(1, 5, total=7, decay=3),
            ValueError,
            "total must be at least 8, got 7",
        ),
        (lambda: InverseSqrt(1, 5, total=7), ValueError, "decay must be at least 1, got 0"),
        (
            lambda: OneCycleTwoPhase(0.1, 1, 5, 6, 0),
            ValueError,
            "total must be at least 7 with a step_size of 5, got 6",
        ),
        (
            lambda: Warmup(Fixed(1), 1, 0.1, 0.2),
            ValueError,
            "iterations must be at least 2 .*, got 1",
        ),
        (
            lambda: Warmup(lambda t: -1.0, 3),
            ValueError,
            r"schedule\(0\) must not be negative, got -1.0",
        ),
        (
            lambda: Repeat(Fixed(1)),
            ValueError,
            r"iterations must be given.* Fixed\(lr=1.0\) has no",
        ),
        (
            lambda: Stretch(Fixed(1), 5),
            ValueError,
            r"schedule must have a length; Fixed.*Chain\(\(",
        ),
        (lambda: Strict(Fixed(1)), ValueError, r"schedule must have a length; Fixed.*Chain\(\("),
        (lambda: Product(), ValueError, "schedules must hold at least one schedule, got none"),
        (
            lambda: Product(Fixed(1e200), Fixed(1e200)),
            ValueError,
            "must have a finite product, got",
        ),
        (lambda: Opposite(abs, 0.9, 0.8), TypeError, "schedule must have limits.*abs.* has none"),
        (lambda: Opposite(LINE, 0.8, 0.9), ValueError, "low <= high < 1, got high 0.8 and low 0.9"),
        (lambda: Triangular(0, 1, 2).momentum(1, 0), ValueError, "high < 1, got high 1 and low 0"),
        (lambda: torch_one_cycle(0.1, 101), ValueError, r"got 0.3 \* 101: take 30 / 101"),
        (
            lambda: torch_one_cycle(0.1, 10, 0.1),
            ValueError,
            r"at least 2, got 0.1 \* 10: take 2 / 10",
        ),
    ],
)
def test_bad_arguments_are_named(make: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        make()
