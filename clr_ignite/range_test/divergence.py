"""When a range test's loss has diverged: sound for any sign and scale of the loss."""

from __future__ import annotations

import math
from dataclasses import dataclass

_BETA = 0.9  # of the smoothing: about ten steps


@dataclass
class Divergence:
    """Follows the losses of a test and says when to stop.

    A loss that is not finite has diverged. So has a smoothed loss (bias-corrected exponential
    moving average) above ``best + (threshold - 1) * scale``, where ``best`` is the lowest smoothed
    loss so far and ``scale`` the larger of its magnitude and of what the loss had fallen from its
    first value: for a positive loss that has not fallen yet, ``threshold`` times the best. Where
    both are zero the magnitude of the first loss that is not zero is the scale.

    Args:
        threshold: above 1; None: nothing counts as divergence.
    """

    threshold: float | None
    _average: float = 0.0
    _weight: float = 0.0
    _first: float | None = None
    _size: float = 0.0  # of the first loss that is not zero
    _best: float = math.inf

    def reached(self, loss: float) -> bool:
        """Take the next loss; True where the test should stop."""
        if self.threshold is None:
            return False
        if not math.isfinite(loss):
            return True
        self._average = _BETA * self._average + (1 - _BETA) * loss
        self._weight = _BETA * self._weight + (1 - _BETA)
        smoothed = self._average / self._weight
        if self._first is None:
            self._first = smoothed
        if not self._size:
            self._size = abs(loss)
        if smoothed <= self._best:  # most steps of most tests
            self._best = smoothed
            return False
        scale = max(abs(self._best), self._first - self._best) or self._size
        return smoothed > self._best + (self.threshold - 1) * scale
