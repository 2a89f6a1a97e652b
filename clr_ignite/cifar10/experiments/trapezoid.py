"""The shape of our own rows: a rate that rises, stays and falls to 0, its momentum opposite."""

from __future__ import annotations

from clr_ignite.schedules import Chain, Fixed, Linear

_SLOWEST = 0.95  # the momentum where the rate is 0


def trapezoid(
    iterations: int,
    max_lr: float,
    *,
    rise: float,
    level: float,
    momentum: float,
    middle: float = 0.5,
) -> tuple[Chain, Chain]:
    """Rate and momentum over ``iterations``, in straight pieces.

    Args:
        rise: share of the run in which the rate goes from a tenth of ``max_lr`` up to it.
        level: share for which it stays there; what is left is the fall to 0.
        momentum: beside ``max_lr``; 0.95 beside a rate of 0, and in proportion between.
        middle: share of ``max_lr`` left half-way through the fall; 0.5 is one straight line.
    """
    knots = [(0.0, max_lr / 10), (rise, max_lr), (rise + level, max_lr)]  # share of the run, rate
    if middle != 0.5:
        knots.append(((1 + rise + level) / 2, middle * max_lr))
    knots.append((1.0, 0.0))

    def beside(rate: float) -> float:
        return _SLOWEST - (_SLOWEST - momentum) * rate / max_lr

    rates, momenta = [], []
    for (begin, first), (end, last) in zip(knots, knots[1:], strict=False):
        length = round(end * iterations) - round(begin * iterations)
        if length:
            rates.append((_straight(first, last, length), length))
            momenta.append((_straight(beside(first), beside(last), length), length))
    return Chain(*rates), Chain(*momenta)


def _straight(first: float, last: float, length: int) -> Fixed | Linear:
    return Fixed(first) if first == last else Linear(first, last, length)
