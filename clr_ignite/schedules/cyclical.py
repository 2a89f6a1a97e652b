"""The cyclical policies; public through ``clr_ignite.schedules``."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from clr_ignite._checks import (
    Fields,
    check_bounds,
    choice,
    count,
    non_negative,
    positive,
    shrinking,
)
from clr_ignite.schedules.ramps import Chain, Linear, between


def step_size_from_epochs(epochs: float, iterations_per_epoch: int) -> int:
    """Half a cycle of ``epochs`` epochs, in iterations, rounded, at least 1.

    The paper (section 3.2) finds 2 to 10 epochs good: ``step_size_from_epochs(4, len(loader))``.

    >>> step_size_from_epochs(4, 500)
    2000
    """
    per_epoch = count("iterations_per_epoch", iterations_per_epoch)
    return max(1, round(Fraction(positive("epochs", epochs)) * per_epoch))


@dataclass(frozen=True)
class Cycle(Fields):
    """Bounds and half-length shared by the cyclical policies."""

    base_lr: float
    max_lr: float
    step_size: int

    def __post_init__(self) -> None:
        self._set(
            base_lr=non_negative("base_lr", self.base_lr),
            max_lr=non_negative("max_lr", self.max_lr),
            step_size=count("step_size", self.step_size),
        )
        check_bounds(self.base_lr, self.max_lr)

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
        return between(self.base_lr, self.max_lr, self._rise(iteration), self.step_size)


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
        return between(self.base_lr, peak, self._rise(iteration), self.step_size)


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

    def __call__(self, iteration: int) -> float:
        decline = math.pow(self.gamma, iteration)
        rise = self._rise(iteration)
        if self.scale == "bounds":
            return decline * between(self.base_lr, self.max_lr, rise, self.step_size)
        height = decline * (self.max_lr - self.base_lr)
        return self.base_lr + height * (rise / self.step_size)


@dataclass(frozen=True)
class OneCycle(Cycle):
    """One triangle, then a line down to ``final_lr`` ("annihilation") at the last iteration.

    Args:
        base_lr: the rate at iteration 0 and again at ``2 * step_size``.
        max_lr: the rate at iteration ``step_size``; the paper takes ``base_lr`` a tenth of it.
        step_size: half the cycle, in iterations.
        total: iterations in the whole run, at least ``2 * step_size + 2``; the rate is ``final_lr``
            at iteration ``total - 1`` and, if the run goes on, after it.
        final_lr: at most ``base_lr``; the paper goes several orders of magnitude below it.

    Source: arXiv:1803.09820, section 4.

    >>> [OneCycle(1.0, 3.0, step_size=2, total=7, final_lr=0.0)(t) for t in range(8)]
    [1.0, 2.0, 3.0, 2.0, 1.0, 0.5, 0.0, 0.0]
    """

    total: int
    final_lr: float

    def __post_init__(self) -> None:
        super().__post_init__()
        least = 2 * self.step_size + 2
        self._set(
            total=count("total", self.total, least=least),
            final_lr=non_negative("final_lr", self.final_lr),
        )
        if self.final_lr > self.base_lr:
            raise ValueError(
                f"final_lr must be at most base_lr ({self.base_lr}), got {self.final_lr}"
            )

    def __call__(self, iteration: int) -> float:
        after = iteration - 2 * self.step_size
        if after < 0:
            return between(self.base_lr, self.max_lr, self._rise(iteration), self.step_size)
        steps = self.total - 1 - 2 * self.step_size
        return between(self.base_lr, self.final_lr, min(after, steps), steps)

    def ends_cycle(self, done: int) -> bool:
        """Whether ``done`` is the whole run: the one cycle with its annihilation."""
        return done == self.total

    def momentum(self, high: float, low: float) -> Chain:
        """The momentum that falls from ``high`` to ``low`` as the rate rises, comes back as it
        falls, and stays ``high`` during the annihilation (the paper: 0.95 and 0.85).

        Raises:
            ValueError: unless ``0 <= low <= high < 1``.
        """
        if not non_negative("low", low) <= positive("high", high) < 1:
            raise ValueError(f"momentum must satisfy 0 <= low <= high < 1, got {low} and {high}")
        down, up = Linear(high, low, self.step_size), Linear(low, high, self.step_size)
        return Chain((down, self.step_size), (up, self.step_size))
