"""Cycles of any shape and of growing length; public through ``clr_ignite.schedules``."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Literal

from clr_ignite._checks import choice, count, function, positive, shown, shrinking
from clr_ignite.schedules.cyclical import Swing
from clr_ignite.schedules.protocol import Schedule, limits
from clr_ignite.schedules.shapes import cosine, linear, part

_KEPT = 64  # beginnings of growing cycles that a schedule keeps; later ones are computed


class _Growing(Swing):
    """Cycles of ``cycle_size`` iterations, each ``cycle_mult`` times as long as the one before."""

    cycle_size: int
    cycle_mult: float
    _begins: tuple[float, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set(
            cycle_size=count("cycle_size", self.cycle_size),
            cycle_mult=positive("cycle_mult", self.cycle_mult),
        )
        if self.cycle_mult < 1:
            raise ValueError(f"cycle_mult must be at least 1, got {self.cycle_mult}")
        kept = _KEPT if self.cycle_mult > 1 else 0
        self._set(_begins=tuple(self._begin(number) for number in range(kept)))

    def _begin(self, number: int) -> float:
        """The first iteration of a cycle; rounded by itself, so that errors do not add up."""
        size, mult = self.cycle_size, self.cycle_mult
        if mult == 1:
            return size * number
        try:
            if mult.is_integer():  # whole numbers stay exact
                begin: int = size * (int(mult) ** number - 1) // (int(mult) - 1)
            else:
                begin = round(size * (math.expm1(number * math.log(mult)) / (mult - 1)))
            return begin if math.isfinite(begin) else math.inf
        except OverflowError:  # no run gets there
            return math.inf

    def _place(self, iteration: float) -> tuple[int, float, float]:
        """The cycle (from 0), the iterations since it began, and its length."""
        begins = self._begins
        if not begins:
            whole, position = divmod(iteration, self.cycle_size)
            return int(whole), position, self.cycle_size
        following = bisect_right(begins, iteration)
        if following == _KEPT:
            number, begin, end = self._far(iteration)
            return number, iteration - begin, end - begin
        begin = begins[following - 1]
        return following - 1, iteration - begin, begins[following] - begin

    def _far(self, iteration: float) -> tuple[int, float, float]:
        """The cycle beyond those kept, its first iteration and that of the next."""
        rate = math.log(self.cycle_mult)
        share = iteration * (self.cycle_mult - 1) / self.cycle_size
        number = max(_KEPT - 1, math.floor(math.log1p(share) / rate))
        while self._begin(number + 1) <= iteration:  # the logarithm may miss a beginning by one
            number += 1
        while self._begin(number) > iteration:
            number -= 1
        return number, self._begin(number), self._begin(number + 1)


@dataclass(frozen=True)
class CosineRestarts(_Growing):
    """Cosine annealing with warm restarts: from ``max_lr`` towards ``base_lr``, again and again.

    Args:
        base_lr: what each cycle falls to, at least 0; the restart comes instead of it.
        max_lr: the rate at the first iteration of the first cycle, at least ``base_lr``.
        cycle_size: iterations of the first cycle, at least 1 (torch's ``T_0``).
        cycle_mult: length of a cycle over that of the one before, at least 1 (``T_mult``); each
            cycle's beginning is rounded to a whole iteration.
        cycle_decay: a cycle's peak over the one before, above 0 and at most 1, as timm's; a peak
            never falls below ``base_lr``.

    Source: arXiv:1608.03983.

    >>> [round(CosineRestarts(0.0, 1.0, 2, cycle_mult=2.0)(t), 3) for t in range(7)]
    [1.0, 0.5, 1.0, 0.854, 0.5, 0.146, 1.0]
    """

    base_lr: float
    max_lr: float
    cycle_size: int
    cycle_mult: float = 1.0
    cycle_decay: float = 1.0
    _begins: tuple[float, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set(cycle_decay=shrinking("cycle_decay", self.cycle_decay))

    def ends_cycle(self, done: int) -> bool:
        """Whether the rate restarts after ``done`` iterations."""
        return self._place(done)[1] == 0

    def __call__(self, iteration: int) -> float:
        size: float = self.cycle_size
        if self.cycle_mult == 1 == self.cycle_decay:  # in line, as it is the common case
            return cosine(self.max_lr, self.base_lr, iteration % size, size)
        cycle, position, size = self._place(iteration)
        peak, base = self.max_lr, self.base_lr
        if self.cycle_decay < 1:
            peak *= math.pow(self.cycle_decay, cycle)
        return cosine(peak if peak > base else base, base, position, size)


@dataclass(frozen=True)
class Cyclic(_Growing):
    """Triangles of any form: odd cycles, unequal halves, growing, shrinking, from the top.

    Args:
        base_lr: the rate at the ends of a cycle, at least 0.
        max_lr: the peak, at least ``base_lr``.
        cycle_size: iterations of the (first) cycle, at least 1.
        rise: those of them in which the rate rises, above 0 and below ``cycle_size``; by default
            half. Where it is no whole number, the peak lies between two iterations, as Ignite's
            does for an odd cycle.
        cycle_mult: length of a cycle over that of the one before, at least 1.
        begin: ``"base"``, or ``"top"`` to leave out the first rise.
        amplitude: a schedule from the number of a cycle (from 0) to the share of its height, 0 to
            1: ``Exponential(1.0, 0.5)`` halves it each time, as :class:`Triangular2`.
        per: ``"cycle"``, or ``"iteration"`` to ask ``amplitude`` with the iteration, as torch's
            ``scale_mode="iterations"``.

    Raises:
        ValueError: when called, for an amplitude outside 0 to 1.

    >>> [round(Cyclic(0.0, 1.0, cycle_size=5)(t), 3) for t in range(6)]
    [0.0, 0.4, 0.8, 0.8, 0.4, 0.0]
    >>> [Cyclic(0.0, 1.0, 3, rise=1, begin="top")(t) for t in range(5)]
    [1.0, 0.5, 0.0, 1.0, 0.5]
    """

    base_lr: float
    max_lr: float
    cycle_size: int
    rise: float | None = None
    cycle_mult: float = 1.0
    begin: Literal["base", "top"] = "base"
    amplitude: Schedule | None = None
    per: Literal["cycle", "iteration"] = "cycle"
    _begins: tuple[float, ...] = field(init=False, repr=False, compare=False)
    _up: float = field(init=False, repr=False, compare=False)
    _skipped: float = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        rise = self.cycle_size / 2 if self.rise is None else positive("rise", self.rise)
        if not rise < max(self.cycle_size, 1):
            raise ValueError(f"rise must be below cycle_size ({self.cycle_size}), got {rise}")
        choice("begin", self.begin, ("base", "top"))
        choice("per", self.per, ("cycle", "iteration"))
        up = int(rise) if rise.is_integer() else rise  # an int added keeps an iteration exact
        self._set(rise=rise, _up=up, _skipped=up if self.begin == "top" else 0)
        if self.amplitude is not None:
            function("amplitude", self.amplitude, "a callable cycle -> share of the height")
            known = limits(self.amplitude)
            if known is not None and known[1] > 1:
                raise ValueError(f"amplitude must be at most 1, got {shown(self.amplitude)}")
            self._peak(0, 0)

    def ends_cycle(self, done: int) -> bool:
        """Whether the rate is back at its base after ``done`` iterations, for the first time."""
        return self._place(done + self._skipped)[0] > self._place(done - 1 + self._skipped)[0]

    def __call__(self, iteration: int) -> float:
        at, up, peak = iteration + self._skipped, self._up, self.max_lr
        cycle: float
        if self._begins:
            cycle, position, size = self._place(at)
            up *= size / self.cycle_size
        else:  # in line, as it is the common case
            size = self.cycle_size
            cycle, position = divmod(at, size)
        if self.amplitude is not None:
            peak = self._peak(int(cycle), iteration)
        if position <= up:
            return linear(self.base_lr, peak, position, up)
        return linear(self.base_lr, peak, size - position, size - up)

    def _peak(self, cycle: int, iteration: int) -> float:
        """The top of a cycle at its amplitude."""
        assert self.amplitude is not None
        at = cycle if self.per == "cycle" else iteration
        share = self.amplitude(at)
        if not 0 <= share <= 1:
            raise ValueError(f"amplitude must lie in 0 to 1, got {shown(share)} in {self.per} {at}")
        return part(self.base_lr, self.max_lr, share)
