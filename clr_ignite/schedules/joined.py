"""Schedules joined in time: ``Chain``, ``Repeat``, ``Warmup``; public in the package."""

from __future__ import annotations

from dataclasses import dataclass, field

from clr_ignite._checks import Fields, check_schedule, count, non_negative, shown
from clr_ignite.schedules.protocol import Schedule, common_limits, ends_cycle, length, limits
from clr_ignite.schedules.shapes import linear


@dataclass(frozen=True, init=False, repr=False)
class Chain(Fields):
    """Schedules one after another, each counting from its own zero; the last one runs on.

    The paper's Table 2 in one expression::

        Chain((Triangular2(0.001, 0.005, 2_000), 16_000),
              (Triangular2(0.0001, 0.0005, 1_000), 6_000),
              (Triangular2(0.00001, 0.00005, 500), 3_000))

    Args:
        stages: pairs ``(schedule, iterations)``, at least one; a stage of 0 iterations is left out,
            unless it is the last.

    >>> from clr_ignite.schedules import Fixed, Linear
    >>> [Chain((Fixed(1.0), 2), (Linear(0.0, 1.0, 2), 2))(t) for t in range(6)]
    [1.0, 1.0, 0.0, 0.5, 1.0, 1.0]
    """

    stages: tuple[tuple[Schedule, int], ...]

    def __init__(self, *stages: tuple[Schedule, int]) -> None:
        if not stages:
            raise ValueError("stages must hold at least one (schedule, iterations) pair, got none")
        for stage in stages:
            if not (isinstance(stage, tuple) and len(stage) == 2):
                raise TypeError(f"stages must be (schedule, iterations) pairs, got {shown(stage)}")
            check_schedule("stages", stage[0])
        self._set(stages=tuple((one, count("iterations", n, least=0)) for one, n in stages))

    def __repr__(self) -> str:
        return f"Chain({', '.join(map(repr, self.stages))})"

    def __call__(self, iteration: int) -> float:
        for schedule, iterations in self.stages:
            if iteration < iterations:
                return schedule(iteration)
            iteration -= iterations
        return schedule(iteration + iterations)

    @property
    def length(self) -> int:
        """The stages' iterations together."""
        return sum(iterations for _, iterations in self.stages)

    @property
    def limits(self) -> tuple[float, float] | None:
        """The lowest and the highest of all stages."""
        return common_limits(*(schedule for schedule, _ in self.stages))

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


@dataclass(frozen=True)
class Repeat(Fields):
    """The first iterations of a schedule again and again, each time from its own zero.

    Args:
        schedule: any schedule.
        iterations: of one turn, at least 1; by default the schedule's own length.
        times: turns, at least 1, after which the value at the end of a turn stays; None for ever.

    >>> from clr_ignite.schedules import Linear
    >>> [Repeat(Linear(1.0, 0.0, 2), times=2)(t) for t in range(6)]
    [1.0, 0.5, 1.0, 0.5, 0.0, 0.0]
    """

    schedule: Schedule
    iterations: int | None = None
    times: int | None = None
    _turn: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_schedule("schedule", self.schedule)
        iterations = length(self.schedule) if self.iterations is None else self.iterations
        if iterations is None:
            raise ValueError(
                "iterations must be given, the length of one turn: "
                f"{shown(self.schedule)} has no length"
            )
        turn = count("iterations", iterations)
        self._set(iterations=turn, _turn=turn)
        if self.times is not None:
            self._set(times=count("times", self.times))

    @property
    def length(self) -> int | None:
        """All turns together, None where they never end."""
        return None if self.times is None else self.times * self._turn

    @property
    def limits(self) -> tuple[float, float] | None:
        """The schedule's own."""
        return limits(self.schedule)

    def ends_cycle(self, done: int) -> bool:
        """Whether a turn ends there, or a cycle within it."""
        if self.times is not None and done > self.times * self._turn:
            return False
        own = (done - 1) % self._turn + 1
        return own == self._turn or ends_cycle(self.schedule, own)

    def __call__(self, iteration: int) -> float:
        if self.times is not None and iteration >= self.times * self._turn:
            return self.schedule(self._turn)
        return self.schedule(iteration % self._turn)


@dataclass(frozen=True)
class Warmup(Fields):
    """A line or a constant before a schedule, which then counts from its own zero.

    There are two conventions, both of Ignite's ``create_lr_scheduler_with_warmup``:

    - ``Warmup(schedule, n, start)``: the line leads to the schedule's first value, which comes
      once, at iteration n. It is Ignite's where ``warmup_end_value`` is that value, with
      ``warmup_duration=n + 1``, and that of timm (``warmup_prefix=True``), optax, transformers.
    - ``Warmup(schedule, n, start, end)``: the line reaches ``end`` within the warm-up, at iteration
      n - 1, and the schedule follows at n. It is Ignite's where ``warmup_end_value`` differs from
      the schedule's first value, with ``warmup_duration=n``. ``end=start`` is a constant warm-up.

    A warm-up that lies over the schedule instead of before it is a ``Product`` with a ramp to 1.

    Args:
        schedule: any schedule.
        iterations: of the warm-up, at least 0.
        start: the rate at iteration 0, at least 0.
        end: the rate at iteration ``iterations - 1``; by default the line leads on to the schedule.

    >>> from clr_ignite.schedules import Fixed, Linear
    >>> [Warmup(Linear(4.0, 0.0, 2), 4)(t) for t in range(8)]
    [0.0, 1.0, 2.0, 3.0, 4.0, 2.0, 0.0, 0.0]
    >>> [Warmup(Fixed(4.0), 3, start=1.0, end=2.0)(t) for t in range(5)]
    [1.0, 1.5, 2.0, 4.0, 4.0]
    """

    schedule: Schedule
    iterations: int
    start: float = 0.0
    end: float | None = None

    def __post_init__(self) -> None:
        check_schedule("schedule", self.schedule)
        self._set(
            iterations=count("iterations", self.iterations, least=0),
            start=non_negative("start", self.start),
        )
        if self.end is None:
            non_negative("schedule(0)", self.schedule(0))
            return
        self._set(end=non_negative("end", self.end))
        if self.iterations == 1 and self.start != self.end:
            raise ValueError(
                f"iterations must be at least 2 for a line from start ({self.start}) to end "
                f"({self.end}), got 1"
            )

    @property
    def length(self) -> int | None:
        """The warm-up's iterations and the schedule's, None where that has no end."""
        after = length(self.schedule)
        return None if after is None else self.iterations + after

    @property
    def limits(self) -> tuple[float, float] | None:
        """The lowest and the highest of the warm-up and the schedule."""
        after = limits(self.schedule)
        if after is None or not self.iterations:
            return after
        end = self.start if self.end is None else self.end
        return min(self.start, end, after[0]), max(self.start, end, after[1])

    def ends_cycle(self, done: int) -> bool:
        """Whether a cycle of the schedule ends there."""
        return ends_cycle(self.schedule, done - self.iterations)

    def __call__(self, iteration: int) -> float:
        own = iteration - self.iterations
        if own >= 0:
            return self.schedule(own)
        if self.end is None:
            return linear(self.start, self.schedule(0), iteration, self.iterations)
        return linear(self.start, self.end, iteration, self.iterations - 1 or 1)
