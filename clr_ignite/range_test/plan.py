"""What a range test is asked to do: which rate at which step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from clr_ignite._checks import Fields, choice, count, non_negative, positive, shown
from clr_ignite.schedules import Geometric, Linear, Schedule

Rates = float | tuple[float, ...]

# Seven decades: the rates of SGD and Adam, of small nets and large ones, lie well inside, and a
# test that diverges costs nothing beyond. 300 steps are 43 a decade, a minute for most trainers.
_START_LR, _END_LR, _NUM_ITER = 1e-6, 10.0, 300


@dataclass(frozen=True)
class Plan(Fields):
    """The checked arguments of a sweep; rates are one number, or one for each param group.

    What is None becomes its default: 1e-6, 10, 300 steps, and linear spacing where both ends were
    given, exponential where one was not.

    Raises:
        TypeError, ValueError: naming the argument, the rule and the value.
    """

    start_lr: Any = None
    end_lr: Any = None
    num_iter: Any = None
    step_mode: Any = None
    hold: int = 1

    def __post_init__(self) -> None:
        both = self.start_lr is not None and self.end_lr is not None
        self._set(
            start_lr=_rates("start_lr", _or(self.start_lr, _START_LR), non_negative),
            end_lr=_rates("end_lr", _or(self.end_lr, _END_LR), positive),
            num_iter=count("num_iter", _or(self.num_iter, _NUM_ITER), least=2),
            step_mode=_or(self.step_mode, "linear" if both else "exponential"),
            hold=count("hold", self.hold),
        )
        choice("step_mode", self.step_mode, ("linear", "exponential"))
        if self.num_iter % self.hold or self.num_iter == self.hold:
            raise ValueError(
                f"hold must divide num_iter ({self.num_iter}) into two rates or more, "
                f"got {self.hold}"
            )
        for start, end in self.ranges(_groups(self.start_lr, self.end_lr)):
            if self.step_mode == "exponential" and start == 0:
                raise ValueError(
                    "start_lr must be above 0 with exponential spacing, got 0: give a small rate "
                    f"such as {_START_LR}, or both ends and step_mode='linear'"
                )
            if start >= end:
                raise ValueError(f"start_lr must be below end_lr ({end}), got {start}")

    @property
    def per_group(self) -> bool:
        """Whether groups have ranges of their own."""
        return isinstance(self.start_lr, tuple) or isinstance(self.end_lr, tuple)

    def ranges(self, groups: int) -> list[tuple[float, float]]:
        """First and last rate of each of so many param groups.

        Raises:
            ValueError: another number of rates was given.
        """
        for name in ("start_lr", "end_lr"):
            given = getattr(self, name)
            if isinstance(given, tuple) and len(given) != groups:
                raise ValueError(
                    f"{name} must be one rate or one for each of {groups} param groups, "
                    f"got {shown(given)}"
                )
        return list(zip(_spread(self.start_lr, groups), _spread(self.end_lr, groups), strict=True))

    @cached_property
    def rates(self) -> list[float]:
        """The first group's rate at each step."""
        groups = _groups(self.start_lr, self.end_lr)
        return list(map(self._sweeps(self.ranges(groups)[:1])[0], range(self.num_iter)))

    def schedules(self, groups: int) -> list[Schedule]:
        """For each param group: the 0-based step -> its rate."""
        ranges = self.ranges(groups)
        # A list is quicker to ask than a schedule, but one for each of many groups is large.
        return self._sweeps(ranges) if self.per_group else [self.rates.__getitem__] * groups

    def _sweeps(self, ranges: list[tuple[float, float]]) -> list[Schedule]:
        kind = Linear if self.step_mode == "linear" else Geometric
        intervals = self.num_iter // self.hold - 1
        sweeps = [kind(start, end, intervals) for start, end in ranges]
        if self.hold == 1:
            return list(sweeps)
        return [lambda step, sweep=sweep: sweep(step // self.hold) for sweep in sweeps]  # type: ignore[misc]


def _or(value: Any, default: Any) -> Any:
    return default if value is None else value


def _rates(name: str, value: Any, check: Callable[[str, float], float]) -> Rates:
    if getattr(value, "ndim", None) == 1:  # an array or a tensor
        value = value.tolist()
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        if not value:
            raise ValueError(f"{name} must hold a rate for each param group, got {shown(value)}")
        return tuple(check(name, rate) for rate in value)
    single: Any = value
    return check(name, single)


def _groups(*rates: Rates) -> int:
    return max(len(rate) if isinstance(rate, tuple) else 1 for rate in rates)


def _spread(rates: Rates, groups: int) -> tuple[float, ...]:
    return rates if isinstance(rates, tuple) else (rates,) * groups
