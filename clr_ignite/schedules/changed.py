"""Schedules changed: ``Product``, ``Stretch``, ``Strict``; public in ``clr_ignite.schedules``."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from clr_ignite._checks import Fields, check_schedule, count, shown
from clr_ignite.schedules.protocol import Schedule, ends_cycle, length, limits


@dataclass(frozen=True, init=False, repr=False)
class Product(Fields):
    """Schedules multiplied: a shape times a share.

    ``Product(Triangular(0.001, 0.006, 500), Linear(1.0, 0.0, 5_000))`` is triangles under a line
    that falls; ``Product(Linear(0.1, 1.0, 100), schedule)`` a warm-up that lies over a schedule.

    Args:
        schedules: at least one; their limits must keep the product finite.

    >>> from clr_ignite.schedules import Fixed, Linear
    >>> [Product(Fixed(2.0), Linear(1.0, 0.0, 4))(t) for t in range(6)]
    [2.0, 1.5, 1.0, 0.5, 0.0, 0.0]
    """

    schedules: tuple[Schedule, ...]

    def __init__(self, *schedules: Schedule) -> None:
        if not schedules:
            raise ValueError("schedules must hold at least one schedule, got none")
        for schedule in schedules:
            check_schedule("schedules", schedule)
        self._set(schedules=schedules)
        if self.limits is not None and not math.isfinite(self.limits[1]):
            raise ValueError(f"schedules must have a finite product, got {shown(self)}")

    def __repr__(self) -> str:
        return f"Product({', '.join(map(repr, self.schedules))})"

    @property
    def length(self) -> int | None:
        """The shortest of those that have one."""
        return min((n for n in map(length, self.schedules) if n is not None), default=None)

    @property
    def limits(self) -> tuple[float, float] | None:
        """The products of the lower and of the upper limits."""
        low = high = 1.0
        for pair in map(limits, self.schedules):
            if pair is None:
                return None
            low, high = low * pair[0], high * pair[1]
        return low, high

    def ends_cycle(self, done: int) -> bool:
        """Whether a cycle of one of the schedules ends there."""
        return any(ends_cycle(schedule, done) for schedule in self.schedules)

    def __call__(self, iteration: int) -> float:
        value = 1.0
        for schedule in self.schedules:
            value *= schedule(iteration)
        return value


@dataclass(frozen=True)
class Stretch(Fields):
    """A schedule slowed down or sped up to another length, its shape unchanged.

    Args:
        schedule: one that has a length, such as a ramp, a 1cycle or a ``Chain``; it is asked
            between its iterations too.
        length: the new length, in iterations, at least 1.

    >>> from clr_ignite.schedules import Linear
    >>> [Stretch(Linear(1.0, 0.0, steps=2), length=4)(t) for t in range(6)]
    [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]
    """

    schedule: Schedule
    length: int
    _own: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_schedule("schedule", self.schedule)
        own = _length(self.schedule)
        self._set(length=count("length", self.length), _own=own)

    @property
    def limits(self) -> tuple[float, float] | None:
        """The schedule's own."""
        return limits(self.schedule)

    def ends_cycle(self, done: int) -> bool:
        """Whether a cycle of the schedule ends there, or has ended since the iteration before."""
        if not hasattr(self.schedule, "ends_cycle"):
            return False
        before, after = (n * self._own // self.length for n in (done - 1, done))
        return any(ends_cycle(self.schedule, own) for own in range(before + 1, after + 1))

    def __call__(self, iteration: int) -> float:
        return self.schedule(iteration * self._own / self.length)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Strict(Fields):
    """A schedule that refuses a run beyond its length instead of holding its last value.

    Iteration ``length`` itself is answered: schedulers ask for it after the last step of a run.

    Args:
        schedule: one that has a length; ``Chain((schedule, iterations))`` gives any schedule one.

    Raises:
        ValueError: when called beyond the length.

    >>> from clr_ignite.schedules import Linear
    >>> Strict(Linear(1.0, 0.0, 2))(3)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    ValueError: iteration must be at most 2, the length of Linear(...), got 3
    """

    schedule: Schedule
    _last: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_schedule("schedule", self.schedule)
        self._set(_last=_length(self.schedule))

    @property
    def length(self) -> int:
        """The schedule's own."""
        return self._last

    @property
    def limits(self) -> tuple[float, float] | None:
        """The schedule's own."""
        return limits(self.schedule)

    def ends_cycle(self, done: int) -> bool:
        """Whether a cycle of the schedule ends there."""
        return ends_cycle(self.schedule, done)

    def __call__(self, iteration: int) -> float:
        if iteration > self._last:
            raise ValueError(
                f"iteration must be at most {self._last}, the length of {shown(self.schedule)}, "
                f"got {iteration}"
            )
        return self.schedule(iteration)


def _length(schedule: Schedule) -> int:
    found = length(schedule)
    if found is None:
        raise ValueError(
            f"schedule must have a length; {shown(schedule)} has none: "
            "Chain((schedule, iterations)) gives it one"
        )
    return found
