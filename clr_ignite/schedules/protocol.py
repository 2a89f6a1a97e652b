"""What a schedule is, and what it may know of itself; public through ``clr_ignite.schedules``.

A schedule of one's own says as much as it likes: a method ``ends_cycle(done)``, an attribute
``length``, an attribute ``limits``. What it does not say counts as unknown.
"""

from __future__ import annotations

from collections.abc import Callable

Schedule = Callable[[int], float]


def ends_cycle(schedule: Schedule, done: int) -> bool:
    """Whether a cycle of ``schedule`` ends after exactly ``done`` iterations; False without cycles.

    >>> from clr_ignite.schedules import Fixed
    >>> [done for done in range(1, 13) if ends_cycle(Fixed(0.1), done)]
    []
    """
    method: Callable[[int], bool] | None = getattr(schedule, "ends_cycle", None)
    return done > 0 and method is not None and method(done)


def length(schedule: Schedule) -> int | None:
    """The iterations of the run that ``schedule`` is written for; None where it has no end.

    From iteration ``length(schedule)`` on a ramp, a decay or a 1cycle holds its last value.

    >>> from clr_ignite.schedules import Cosine, Triangular
    >>> length(Cosine(0.1, 0.0, steps=500)), length(Triangular(0.001, 0.006, 500))
    (500, None)
    """
    found: int | None = getattr(schedule, "length", None)
    return found


def limits(schedule: Schedule) -> tuple[float, float] | None:
    """The lowest and the highest value that the arguments of ``schedule`` allow, None if unknown.

    >>> from clr_ignite.schedules import OneCycle
    >>> limits(OneCycle(0.01, 0.1, step_size=400, total=1_000, final_lr=0.0))
    (0.0, 0.1)
    """
    found: tuple[float, float] | None = getattr(schedule, "limits", None)
    return found


def common_limits(*schedules: Schedule) -> tuple[float, float] | None:
    """The limits that hold for every one of ``schedules``, None if one's are unknown."""
    known = [pair for pair in map(limits, schedules) if pair is not None]
    if len(known) < len(schedules):
        return None
    return min(low for low, _ in known), max(high for _, high in known)
