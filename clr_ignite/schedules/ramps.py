"""The schedules without cycles, and ``Chain``; public through ``clr_ignite.schedules``."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass

from clr_ignite._checks import Fields, count, non_negative, positive, several, shown, shrinking

Schedule = Callable[[int], float]


def ends_cycle(schedule: Schedule, done: int) -> bool:
    """Whether a cycle of ``schedule`` ends after exactly ``done`` iterations; False without cycles.

    >>> [done for done in range(1, 13) if ends_cycle(Fixed(0.1), done)]
    []
    """
    method: Callable[[int], bool] | None = getattr(schedule, "ends_cycle", None)
    return done > 0 and method is not None and method(done)


def between(start: float, end: float, done: int, steps: int) -> float:
    """Point ``done`` of ``steps`` on the line from start to end: exact at both, never outside."""
    if 2 * done <= steps:
        return start + (end - start) * (done / steps)
    return end - (end - start) * ((steps - done) / steps)


@dataclass(frozen=True)
class Fixed(Fields):
    """The same rate for ever.

    Args:
        lr: the rate, at least 0.

    >>> Fixed(0.1)(10**12)
    0.1
    """

    lr: float

    def __post_init__(self) -> None:
        self._set(lr=non_negative("lr", self.lr))

    def __call__(self, iteration: int) -> float:
        return self.lr


@dataclass(frozen=True)
class MultiStep(Fields):
    """Multiply by ``gamma`` on reaching each milestone (Caffe's ``multistep``).

    Caffe's "fixed" CIFAR-10 solver is ``MultiStep(0.001, (60_000, 65_000), 0.1)``.

    Args:
        base_lr: the rate before the first milestone, at least 0.
        milestones: iterations, strictly increasing, each at least 1.
        gamma: the factor, above 0; one above 1 must leave the last rate finite.

    >>> [MultiStep(1.0, (2, 3), 0.5)(t) for t in range(5)]
    [1.0, 1.0, 0.5, 0.25, 0.25]
    """

    base_lr: float
    milestones: tuple[int, ...]
    gamma: float

    def __post_init__(self) -> None:
        given = several("milestones", self.milestones, "iterations")
        milestones = tuple(count("milestones", m) for m in given)
        if any(a >= b for a, b in zip(milestones, milestones[1:], strict=False)):
            raise ValueError(f"milestones must be strictly increasing, got {milestones}")
        self._set(
            base_lr=non_negative("base_lr", self.base_lr),
            milestones=milestones,
            gamma=positive("gamma", self.gamma),
        )
        if not self._ends_finite():
            raise ValueError(
                f"gamma must keep base_lr * gamma ** {len(milestones)} finite, got {self.gamma}"
            )

    def __call__(self, iteration: int) -> float:
        return self.base_lr * math.pow(self.gamma, bisect_right(self.milestones, iteration))

    def _ends_finite(self) -> bool:
        try:
            return math.isfinite(self.base_lr * math.pow(self.gamma, len(self.milestones)))
        except OverflowError:
            return False


@dataclass(frozen=True)
class Exponential(Fields):
    """``base_lr * gamma ** iteration`` (Caffe's ``exp``, the paper's "exp" policy).

    Args:
        base_lr: the rate at iteration 0, at least 0.
        gamma: the factor an iteration, above 0 and at most 1.

    >>> [Exponential(1.0, 0.5)(t) for t in range(4)]
    [1.0, 0.5, 0.25, 0.125]
    """

    base_lr: float
    gamma: float

    def __post_init__(self) -> None:
        self._set(
            base_lr=non_negative("base_lr", self.base_lr), gamma=shrinking("gamma", self.gamma)
        )

    def __call__(self, iteration: int) -> float:
        return self.base_lr * math.pow(self.gamma, iteration)


@dataclass(frozen=True)
class Linear(Fields):
    """A straight line from ``start`` to ``end``, then ``end`` for ever.

    Args:
        start: the value at iteration 0, at least 0.
        end: the value from iteration ``steps`` on, at least 0.
        steps: intervals between the two, at least 1: a sweep of n values is ``steps=n - 1``.

    >>> [Linear(0.0, 1.0, steps=4)(t) for t in range(6)]
    [0.0, 0.25, 0.5, 0.75, 1.0, 1.0]
    """

    start: float
    end: float
    steps: int

    def __post_init__(self) -> None:
        self._set(
            start=non_negative("start", self.start),
            end=non_negative("end", self.end),
            steps=count("steps", self.steps),
        )

    def __call__(self, iteration: int) -> float:
        return between(self.start, self.end, min(iteration, self.steps), self.steps)


@dataclass(frozen=True)
class Geometric(Fields):
    """Equal ratios from ``start`` to ``end`` (a line on a log axis), then ``end`` for ever.

    Args:
        start: the value at iteration 0, above 0.
        end: the value from iteration ``steps`` on, above 0.
        steps: intervals between the two, at least 1.

    >>> [round(Geometric(0.001, 1.0, steps=3)(t), 12) for t in range(5)]
    [0.001, 0.01, 0.1, 1.0, 1.0]
    """

    start: float
    end: float
    steps: int

    def __post_init__(self) -> None:
        self._set(
            start=positive("start", self.start),
            end=positive("end", self.end),
            steps=count("steps", self.steps),
        )

    def __call__(self, iteration: int) -> float:
        done = min(iteration, self.steps) / self.steps
        # Neither power can overflow, as end / start can; rounded, they may pass an end by a hair.
        value = math.pow(self.start, 1 - done) * math.pow(self.end, done)
        return min(max(value, min(self.start, self.end)), max(self.start, self.end))


@dataclass(frozen=True, init=False, repr=False)
class Chain(Fields):
    """Schedules one after another, each counting from its own zero; the last one runs on.

    The paper's Table 2 in one expression::

        Chain((Triangular2(0.001, 0.005, 2_000), 16_000),
              (Triangular2(0.0001, 0.0005, 1_000), 6_000),
              (Triangular2(0.00001, 0.00005, 500), 3_000))

    Args:
        stages: pairs ``(schedule, iterations)``, at least one.

    >>> [Chain((Fixed(1.0), 2), (Linear(0.0, 1.0, 2), 2))(t) for t in range(6)]
    [1.0, 1.0, 0.0, 0.5, 1.0, 1.0]
    """

    stages: tuple[tuple[Schedule, int], ...]

    def __init__(self, *stages: tuple[Schedule, int]) -> None:
        if not stages:
            raise ValueError("stages must hold at least one (schedule, iterations) pair, got none")
        for stage in stages:
            if not (isinstance(stage, tuple) and len(stage) == 2 and callable(stage[0])):
                raise TypeError(f"stages must be (schedule, iterations) pairs, got {shown(stage)}")
        self._set(stages=tuple((schedule, count("iterations", n)) for schedule, n in stages))

    def __repr__(self) -> str:
        return f"Chain({', '.join(map(repr, self.stages))})"

    def __call__(self, iteration: int) -> float:
        schedule, own = self._stage(iteration)
        return schedule(own)

    def ends_cycle(self, done: int) -> bool:
        """Whether a cycle of the stage that iteration ``done - 1`` belongs to ends there."""
        schedule, own = self._stage(done - 1)
        return ends_cycle(schedule, own + 1)

    def _stage(self, iteration: int) -> tuple[Schedule, int]:
        """The schedule in force and the iteration counted from its own zero."""
        for schedule, iterations in self.stages[:-1]:
            if iteration < iterations:
                return schedule, iteration
            iteration -= iterations
        return self.stages[-1][0], iteration
