"""The cyclical policies; public through ``clr_ignite.schedules``."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

from clr_ignite._checks import (
    Fields,
    check_bounds,
    check_schedule,
    choice,
    count,
    non_negative,
    positive,
    shown,
    shrinking,
)
from clr_ignite.schedules.protocol import Schedule, length, limits
from clr_ignite.schedules.protocol import ends_cycle as cycle_ends
from clr_ignite.schedules.shapes import linear


def step_size_from_epochs(epochs: float, iterations_per_epoch: int) -> int:
    """Half a cycle of ``epochs`` epochs, in iterations, rounded, at least 1.

    The paper (section 3.2) finds 2 to 10 epochs good: ``step_size_from_epochs(4, len(loader))``.

    >>> step_size_from_epochs(4, 500)
    2000
    """
    per_epoch = count("iterations_per_epoch", iterations_per_epoch)
    return max(1, round(Fraction(positive("epochs", epochs)) * per_epoch))


class Swing(Fields, ABC):
    """What rises from ``base_lr`` to ``max_lr`` and comes back."""

    base_lr: float
    max_lr: float

    def __post_init__(self) -> None:
        self._set(
            base_lr=non_negative("base_lr", self.base_lr),
            max_lr=non_negative("max_lr", self.max_lr),
        )
        check_bounds(self.base_lr, self.max_lr)

    @property
    def limits(self) -> tuple[float, float]:
        """``base_lr`` and ``max_lr``."""
        return self.base_lr, self.max_lr

    @abstractmethod
    def __call__(self, iteration: int) -> float:
        """The rate at an iteration."""

    def momentum(self, high: float, low: float) -> Schedule:
        """The momentum that is ``high`` where the rate is ``base_lr`` and ``low`` where it is
        ``max_lr`` (the paper of 1cycle: 0.95 and 0.85).

        Raises:
            ValueError: unless ``0 <= low <= high < 1``.
        """
        return Opposite(self, high, low)


def check_momenta(high: float, low: float) -> None:
    """Refuse momenta that are not in order or reach 1."""
    if not non_negative("low", low) <= positive("high", high) < 1:
        raise ValueError(
            f"momentum must satisfy 0 <= low <= high < 1, got high {high} and low {low}"
        )


@dataclass(frozen=True)
class Cycle(Swing):
    """Bounds and half-length shared by the cyclical policies."""

    base_lr: float
    max_lr: float
    step_size: int

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set(step_size=count("step_size", self.step_size))

    def ends_cycle(self, done: int) -> bool:
        """Whether a cycle ends after ``done`` iterations, where the rate is back at its base."""
        return done % (2 * self.step_size) == 0

    def _rise(self, iteration: int) -> int:
        """Iterations away from the nearest cycle end: 0 at the base, ``step_size`` at the peak."""
        step_size = self.step_size
        position = iteration % (2 * step_size)
        return position if position <= step_size else 2 * step_size - position


@dataclass(frozen=True)
class Triangular(Cycle):
    """Rise linearly from ``base_lr`` to ``max_lr`` and back, again and again.

    Args:
        base_lr: lower boundary, reached at iterations 0, 2s, 4s, ...; at least 0.
        max_lr: upper boundary, reached at iterations s, 3s, ...; at least ``base_lr``.
        step_size: half a cycle s, in iterations (not epochs), at least 1.

    Source: arXiv:1506.01186, section 3.1.

    >>> [Triangular(0.0, 1.0, step_size=2)(t) for t in range(6)]
    [0.0, 0.5, 1.0, 0.5, 0.0, 0.5]
    """

    def __call__(self, iteration: int) -> float:
        return linear(self.base_lr, self.max_lr, self._rise(iteration), self.step_size)


@dataclass(frozen=True)
class Triangular2(Cycle):
    """Triangular, with the distance from ``base_lr`` to the peak halved after each cycle.

    Arguments as for :class:`Triangular`; the first cycle has its full height.

    Source: arXiv:1506.01186, section 3.1.

    >>> [Triangular2(0.0, 1.0, step_size=1)(t) for t in range(7)]
    [0.0, 1.0, 0.0, 0.5, 0.0, 0.25, 0.0]
    """

    def __call__(self, iteration: int) -> float:
        cycle = iteration // (2 * self.step_size)
        peak = self.max_lr
        if cycle:
            # ldexp takes any number of halvings; 2.0 ** cycle overflows after 1,024 cycles.
            peak = self.base_lr + math.ldexp(self.max_lr - self.base_lr, -int(cycle))
        return linear(self.base_lr, peak, self._rise(iteration), self.step_size)


@dataclass(frozen=True)
class ExpRange(Cycle):
    """Triangular, declining by ``gamma ** iteration``.

    Args:
        base_lr, max_lr, step_size: as for :class:`Triangular`.
        gamma: the decline an iteration, above 0 and at most 1.
        scale: ``"bounds"`` shrinks both boundaries, as the paper says ("each boundary value
            declines"); ``"amplitude"`` shrinks only the distance above ``base_lr``, as torch's and
            Keras's CyclicLR do.

    Source: arXiv:1506.01186, section 3.1.

    >>> [ExpRange(1.0, 3.0, step_size=1, gamma=0.5)(t) for t in range(4)]
    [1.0, 1.5, 0.25, 0.375]
    >>> [ExpRange(1.0, 3.0, 1, 0.5, scale="amplitude")(t) for t in range(4)]
    [1.0, 2.0, 1.0, 1.25]
    """

    gamma: float
    scale: Literal["bounds", "amplitude"] = "bounds"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set(gamma=shrinking("gamma", self.gamma))
        choice("scale", self.scale, ("bounds", "amplitude"))

    @property
    def limits(self) -> tuple[float, float]:
        """0 and ``max_lr`` where both boundaries shrink, else both boundaries."""
        return (0.0 if self.scale == "bounds" else self.base_lr), self.max_lr

    def __call__(self, iteration: int) -> float:
        decline = math.pow(self.gamma, iteration)
        rise = self._rise(iteration)
        if self.scale == "bounds":
            return decline * linear(self.base_lr, self.max_lr, rise, self.step_size)
        height = decline * (self.max_lr - self.base_lr)
        return self.base_lr + height * (rise / self.step_size)


@dataclass(frozen=True)
class Opposite(Fields):
    """The momentum opposite to a rate: ``high`` where the rate is lowest, ``low`` at its peak.

    ``Triangular(...).momentum(0.95, 0.85)`` makes it.

    Args:
        schedule: the rate; what it swings between are its ``base_lr`` and ``max_lr``, or its limits
            where it has no such names. Below its ``base_lr`` the momentum stays ``high``.
        high: the momentum beside ``base_lr``, below 1.
        low: the momentum beside ``max_lr``, at least 0 and at most ``high``.

    Source: arXiv:1803.09820, section 4.3.

    >>> momentum = Opposite(Triangular(0.0, 1.0, step_size=2), high=0.75, low=0.25)
    >>> [momentum(t) for t in range(6)]
    [0.75, 0.5, 0.25, 0.5, 0.75, 0.5]
    """

    schedule: Schedule
    high: float
    low: float
    _base: float = field(init=False, repr=False, compare=False)
    _span: float = field(init=False, repr=False, compare=False)
    _drop: float = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_schedule("schedule", self.schedule)
        check_momenta(self.high, self.low)
        rate = self.schedule
        ends = (rate.base_lr, rate.max_lr) if isinstance(rate, Swing) else limits(rate)
        if ends is None:
            raise TypeError(f"schedule must have limits, a pair of rates; {shown(rate)} has none")
        base, peak = ends
        self._set(high=float(self.high), low=float(self.low), _base=base, _span=peak - base)
        self._set(_drop=self.high - self.low)

    @property
    def length(self) -> int | None:
        """The schedule's own."""
        return length(self.schedule)

    @property
    def limits(self) -> tuple[float, float]:
        """``low`` and ``high``."""
        return self.low, self.high

    def ends_cycle(self, done: int) -> bool:
        """Whether a cycle of the schedule ends there."""
        return cycle_ends(self.schedule, done)

    def __call__(self, iteration: int) -> float:
        above = self.schedule(iteration) - self._base
        if above <= 0:
            return self.high
        share = above / self._span
        if share <= 0.5:
            return self.high - self._drop * share
        return self.low + self._drop * (1 - share) if share < 1 else self.low
