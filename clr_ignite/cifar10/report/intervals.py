"""What so many seeds tell: the 95 % interval of a mean, and of a difference of two.

Student's t throughout, which takes the runs to be drawn from a normal distribution; the difference
of two rows after Welch, "The generalization of Student's problem when several different population
variances are involved", Biometrika 34, 1947.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

PROBABILITY = 0.95


@dataclass(frozen=True)
class Interval:
    """An estimate and what it may be.

    Args:
        center: the estimate.
        half: half of the interval's width, at least 0.
    """

    center: float
    half: float

    @property
    def low(self) -> float:
        return self.center - self.half

    @property
    def high(self) -> float:
        return self.center + self.half

    @property
    def verdict(self) -> str:
        """Of a difference: ``above``, ``below``, or ``not told apart`` where 0 lies within."""
        if self.low <= 0 <= self.high:
            return "not told apart"
        return "above" if self.low > 0 else "below"

    def less(self, figure: float) -> Interval:
        """The same of what is ``figure`` lower: a mean held against a figure without a spread."""
        return Interval(self.center - figure, self.half)


def of_mean(values: Sequence[float]) -> Interval | None:
    """The interval of the mean; None of a single value.

    >>> interval = of_mean([82.0, 82.2, 82.4])
    >>> f"{interval.low:.2f} to {interval.high:.2f}"
    '81.70 to 82.70'
    """
    if len(values) < 2:
        return None
    error = statistics.stdev(values) / len(values) ** 0.5
    return Interval(statistics.mean(values), _students_t(len(values) - 1) * error)


def of_one_more(values: Sequence[float]) -> Interval | None:
    """Where one more value would lie; None of a single value."""
    mean = of_mean(values)
    return None if mean is None else Interval(mean.center, mean.half * (len(values) + 1) ** 0.5)


def of_difference(values: Sequence[float], others: Sequence[float]) -> Interval | None:
    """The interval of the mean of ``values`` less that of ``others``; None where one is single.

    >>> of_difference([82.0, 82.2, 82.4], [81.0, 81.2, 81.4]).verdict
    'above'
    """
    if min(len(values), len(others)) < 2:
        return None
    center = statistics.mean(values) - statistics.mean(others)
    of_each = [(statistics.variance(one) / len(one), len(one) - 1) for one in (values, others)]
    variance = sum(part for part, _ in of_each)
    if variance == 0:
        return Interval(center, 0.0)
    degrees = variance**2 / sum(part**2 / freedom for part, freedom in of_each)
    return Interval(center, _students_t(degrees) * variance**0.5)


def _students_t(degrees: float) -> float:
    """The two-sided quantile of Student's distribution."""
    from scipy.special import stdtrit  # a tenth of the import time of scipy.stats

    return float(stdtrit(degrees, (1 + PROBABILITY) / 2))
