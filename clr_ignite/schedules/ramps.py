"""The schedules without cycles; public through ``clr_ignite.schedules``."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from bisect import bisect_right
from dataclasses import dataclass

from clr_ignite._checks import Fields, count, non_negative, positive, several, shrinking
from clr_ignite.schedules.shapes import cosine, geometric, linear, part


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

    @property
    def limits(self) -> tuple[float, float]:
        """The rate, twice."""
        return self.lr, self.lr

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

    @property
    def limits(self) -> tuple[float, float]:
        """The lower and the higher of the first and the last rate."""
        last = self(self.milestones[-1]) if self.milestones else self.base_lr
        return min(self.base_lr, last), max(self.base_lr, last)

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

    @property
    def limits(self) -> tuple[float, float]:
        """0 and the first rate."""
        return 0.0, self.base_lr

    def __call__(self, iteration: int) -> float:
        return self.base_lr * math.pow(self.gamma, iteration)


class Ramp(Fields, ABC):
    """The way from ``start`` to ``end`` in ``steps`` intervals, then ``end`` for ever."""

    start: float
    end: float
    steps: int

    def __post_init__(self) -> None:
        self._set(
            start=non_negative("start", self.start),
            end=non_negative("end", self.end),
            steps=count("steps", self.steps),
        )

    @property
    def length(self) -> int:
        """``steps``: from there on it holds ``end``."""
        return self.steps

    @property
    def limits(self) -> tuple[float, float]:
        """The lower and the higher end."""
        return min(self.start, self.end), max(self.start, self.end)

    @abstractmethod
    def __call__(self, iteration: int) -> float:
        """The value at an iteration."""


@dataclass(frozen=True)
class Linear(Ramp):
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

    def __call__(self, iteration: int) -> float:
        if iteration >= self.steps:
            return self.end
        return linear(self.start, self.end, iteration, self.steps)


@dataclass(frozen=True)
class Geometric(Ramp):
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
        super().__post_init__()
        positive("start", self.start)
        positive("end", self.end)

    def __call__(self, iteration: int) -> float:
        if iteration >= self.steps:
            return self.end
        return geometric(self.start, self.end, iteration, self.steps)


@dataclass(frozen=True)
class Cosine(Ramp):
    """Cosine annealing: half a wave from ``start`` to ``end``, then ``end`` for ever.

    Args:
        start: the value at iteration 0, at least 0.
        end: the value from iteration ``steps`` on, at least 0; it may lie above ``start``.
        steps: intervals between the two, at least 1 (torch's ``T_max``).

    Source: arXiv:1608.03983, equation 5, without restarts. torch's CosineAnnealingLR rises again
    after ``T_max``; this one holds.

    >>> [round(Cosine(1.0, 0.0, steps=4)(t), 3) for t in range(6)]
    [1.0, 0.854, 0.5, 0.146, 0.0, 0.0]
    """

    start: float
    end: float
    steps: int

    def __call__(self, iteration: int) -> float:
        if iteration >= self.steps:
            return self.end
        return cosine(self.start, self.end, iteration, self.steps)


@dataclass(frozen=True)
class Polynomial(Ramp):
    """The power of a line: ``end + (start - end) * (1 - t / steps) ** power``, then ``end``.

    Args:
        start: the value at iteration 0, at least 0.
        end: the value from iteration ``steps`` on, at least 0.
        steps: intervals between the two, at least 1.
        power: above 0; 1 is a line, 2 a parabola that is level at its end, 0.5 steep there.

    >>> [Polynomial(1.0, 0.0, steps=4, power=2.0)(t) for t in range(6)]
    [1.0, 0.5625, 0.25, 0.0625, 0.0, 0.0]
    """

    start: float
    end: float
    steps: int
    power: float

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set(power=positive("power", self.power))

    def __call__(self, iteration: int) -> float:
        if iteration >= self.steps:
            return self.end
        left = (self.steps - iteration) / self.steps
        return part(self.end, self.start, math.pow(left, self.power))
