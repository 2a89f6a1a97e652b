"""Schedules of long runs: a warm-up, a stretch, a cool-down; public in ``clr_ignite.schedules``."""

from __future__ import annotations

import math
from dataclasses import dataclass

from clr_ignite._checks import Fields, choice, count, non_negative, positive
from clr_ignite.schedules.shapes import COOLDOWNS, Cooldown, linear


@dataclass(frozen=True)
class WarmupStableDecay(Fields):
    """Warm-up, stable, decay (a trapezoid): rise to ``max_lr``, stay there, cool down.

    Args:
        max_lr: the rate after the warm-up, at least 0.
        warmup: iterations of the line from ``start_lr``, at least 0; ``max_lr`` comes after them.
        stable: iterations at ``max_lr``, at least 0.
        decay: iterations of the cool-down, at least 1; its first is still at ``max_lr``, and
            ``final_lr`` comes after its last, at iteration ``warmup + stable + decay``, and stays.
        cooldown: ``"linear"``, ``"cosine"``, ``"1-sqrt"`` or ``"exponential"`` (equal ratios).
        start_lr: the rate at iteration 0, at most ``max_lr``.
        final_lr: at most ``max_lr``; above 0 for an exponential cool-down.

    Source: arXiv:2404.06395, section 4; arXiv:2405.18392 for 1-sqrt.

    >>> [WarmupStableDecay(4.0, warmup=2, stable=1, decay=2)(t) for t in range(7)]
    [0.0, 2.0, 4.0, 4.0, 2.0, 0.0, 0.0]
    """

    max_lr: float
    warmup: int
    stable: int
    decay: int
    cooldown: Cooldown = "linear"
    start_lr: float = 0.0
    final_lr: float = 0.0

    def __post_init__(self) -> None:
        self._set(
            max_lr=non_negative("max_lr", self.max_lr),
            warmup=count("warmup", self.warmup, least=0),
            stable=count("stable", self.stable, least=0),
            decay=count("decay", self.decay),
            start_lr=non_negative("start_lr", self.start_lr),
            final_lr=non_negative("final_lr", self.final_lr),
        )
        check_cooldown(self.cooldown, self.final_lr)
        for name in ("start_lr", "final_lr"):
            if (value := getattr(self, name)) > self.max_lr:
                raise ValueError(f"{name} must be at most max_lr ({self.max_lr}), got {value}")

    @property
    def length(self) -> int:
        """The three parts together."""
        return self.warmup + self.stable + self.decay

    @property
    def limits(self) -> tuple[float, float]:
        """The lower of both ends, and ``max_lr``."""
        return min(self.start_lr, self.final_lr), self.max_lr

    def ends_cycle(self, done: int) -> bool:
        """Whether ``done`` is the whole run, where the cool-down ends."""
        return done == self.length

    def __call__(self, iteration: int) -> float:
        if iteration < self.warmup:
            return linear(self.start_lr, self.max_lr, iteration, self.warmup)
        done = iteration - self.warmup - self.stable
        if done <= 0:
            return self.max_lr
        if done >= self.decay:
            return self.final_lr
        return COOLDOWNS[self.cooldown](self.max_lr, self.final_lr, done, self.decay)


@dataclass(frozen=True)
class InverseSqrt(Fields):
    """Inverse square root: a warm-up, ``max_lr * sqrt(timescale / (t - warmup + timescale))``, and
    a cool-down if the run's end is known.

    Args:
        max_lr: the rate at iteration ``warmup``, at least 0.
        warmup: iterations of the line from 0, at least 0.
        timescale: iterations after the warm-up in which the rate falls to ``max_lr / sqrt(2)``, at
            least 1; by default ``warmup``, which makes it ``max_lr * sqrt(warmup / t)``.
        total: iterations in the whole run, for a cool-down; None for none.
        decay: iterations of the cool-down, the last of ``total``; it begins at the rate that the
            root has there, and 0 comes after its last, at iteration ``total``, and stays.
        cooldown: ``"linear"``, ``"cosine"`` or ``"1-sqrt"``.

    Source: arXiv:1706.03762, section 5.3; the cool-down, arXiv:2106.04560, section 3.2.

    >>> [InverseSqrt(4.0, warmup=4)(t) for t in (0, 2, 4, 16, 64)]
    [0.0, 2.0, 4.0, 2.0, 1.0]
    >>> [InverseSqrt(4.0, warmup=4, total=18, decay=2)(t) for t in (4, 16, 17, 18, 19)]
    [4.0, 2.0, 1.0, 0.0, 0.0]
    """

    max_lr: float
    warmup: int
    timescale: int | None = None
    total: int | None = None
    decay: int = 0
    cooldown: Cooldown = "linear"

    def __post_init__(self) -> None:
        warmup = count("warmup", self.warmup, least=0)
        timescale = warmup if self.timescale is None else self.timescale
        if self.timescale is None and not warmup:
            raise ValueError("timescale must be given where warmup is 0, got None")
        self._set(
            max_lr=non_negative("max_lr", self.max_lr),
            warmup=warmup,
            timescale=count("timescale", timescale),
            decay=count("decay", self.decay, least=0 if self.total is None else 1),
        )
        check_cooldown(self.cooldown, final=0.0)
        if self.total is not None:
            self._set(total=count("total", self.total, least=warmup + self.decay))
        elif self.decay:
            raise ValueError(f"total must be given for a cool-down of {self.decay}, got None")

    @property
    def length(self) -> int | None:
        """``total``."""
        return self.total

    @property
    def limits(self) -> tuple[float, float]:
        """0 and ``max_lr``."""
        return 0.0, self.max_lr

    def ends_cycle(self, done: int) -> bool:
        """Whether ``done`` is the whole run, where the cool-down ends."""
        return done == self.total

    def __call__(self, iteration: int) -> float:
        if iteration < self.warmup:
            return linear(0.0, self.max_lr, iteration, self.warmup)
        if self.total is None or iteration <= self.total - self.decay:
            return self._root(iteration)
        if iteration >= self.total:
            return 0.0
        begin = self.total - self.decay
        return COOLDOWNS[self.cooldown](self._root(begin), 0.0, iteration - begin, self.decay)

    def _root(self, iteration: int) -> float:
        assert self.timescale is not None  # filled in at construction
        share = self.timescale / (iteration - self.warmup + self.timescale)
        return self.max_lr * math.sqrt(share)


def check_cooldown(cooldown: str, final: float) -> None:
    """Refuse a shape that is not known, or equal ratios down to 0."""
    choice("cooldown", cooldown, tuple(COOLDOWNS))
    if cooldown == "exponential":
        positive("final_lr of an exponential cooldown", final)
