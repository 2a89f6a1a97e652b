"""Shapes: the way from one value to another in so many steps, exact at both ends, never outside."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

_QUARTER = math.pi / 2
Shape = Callable[[float, float, float, float], float]
Cooldown = Literal["linear", "cosine", "1-sqrt", "exponential"]


def linear(start: float, end: float, done: float, steps: float) -> float:
    """Point ``done`` of ``steps`` on the line from ``start`` to ``end``."""
    if 2 * done <= steps:
        return start + (end - start) * (done / steps)
    return end - (end - start) * ((steps - done) / steps)


def cosine(start: float, end: float, done: float, steps: float) -> float:
    """Half a wave of the cosine, level at both ends."""
    # sin(x / 2) ** 2 is (1 - cos x) / 2 without the digits that the difference loses near an end.
    if 2 * done <= steps:
        sine = math.sin(_QUARTER * done / steps)
        return start + (end - start) * (sine * sine)
    sine = math.sin(_QUARTER * (steps - done) / steps)
    return end - (end - start) * (sine * sine)


def one_minus_sqrt(start: float, end: float, done: float, steps: float) -> float:
    """``1 - sqrt(done / steps)`` of the way still to go: steep at first (arXiv:2405.18392)."""
    share = done / steps
    return part(end, start, ((steps - done) / steps) / (1 + math.sqrt(share)))


def geometric(start: float, end: float, done: float, steps: float) -> float:
    """Equal ratios, a line on a log axis; both ends above 0."""
    share = done / steps
    # Neither power can overflow, as end / start can; rounded, they may pass an end by a hair.
    value = math.pow(start, 1 - share) * math.pow(end, share)
    low, high = (start, end) if start < end else (end, start)
    return low if value < low else high if value > high else value


def part(start: float, end: float, share: float) -> float:
    """The value at ``share`` (0 to 1) of the way from ``start`` to ``end``."""
    if share <= 0.5:
        return start + (end - start) * share
    return end - (end - start) * (1 - share)


COOLDOWNS: dict[str, Shape] = {
    "linear": linear,
    "cosine": cosine,
    "1-sqrt": one_minus_sqrt,
    "exponential": geometric,
}
