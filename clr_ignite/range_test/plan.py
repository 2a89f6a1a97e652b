"""What a range test is asked to do: which rate at which step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from clr_ignite._checks import Fields, choice, count, non_negative, positive
from clr_ignite.schedules import Geometric, Linear, Schedule

Rates = float | tuple[float, ...]


@dataclass(frozen=True)
class Plan(Fields):
    """The checked arguments of a sweep; rates are one number, or one for each param group.

    Raises:
        TypeError, ValueError: naming the argument, the rule and the value.
    """

    start_lr: Any
    end_lr: Any
    num_iter: int
    step_mode: str
    hold: int

    def __post_init__(self) -> None:
        self._set(
            start_lr=_rates("start_lr", self.start_lr, non_negative),
            end_lr=_rates("end_lr", self.end_lr, positive),
            num_iter=count("num_iter", self.num_iter, least=2),
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
                raise ValueError("start_lr must be above 0 with exponential spacing, got 0")
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
                    f"{name} must be one rate or one for each of {groups} param groups, got {given}"
                )
        return list(zip(_spread(self.start_lr, groups), _spread(self.end_lr, groups), strict=True))

    def schedules(self, groups: int) -> list[Schedule]:
        """For each param group: the 0-based step -> its rate."""
        kind = Linear if self.step_mode == "linear" else Geometric
        intervals = self.num_iter // self.hold - 1
        sweeps = [kind(start, end, intervals) for start, end in self.ranges(groups)]
        if self.hold == 1:
            return list(sweeps)
        return [lambda step, sweep=sweep: sweep(step // self.hold) for sweep in sweeps]  # type: ignore[misc]


def _rates(name: str, value: Any, check: Callable[[str, float], float]) -> Rates:
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        if not value:
            raise ValueError(f"{name} must hold a rate for each param group, got {value!r}")
        return tuple(check(name, rate) for rate in value)
    single: Any = value
    return check(name, single)


def _groups(*rates: Rates) -> int:
    return max(len(rate) if isinstance(rate, tuple) else 1 for rate in rates)


def _spread(rates: Rates, groups: int) -> tuple[float, ...]:
    return rates if isinstance(rates, tuple) else (rates,) * groups
