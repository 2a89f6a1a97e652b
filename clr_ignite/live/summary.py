"""The text beside a run's curves: where it is, how good it was, when it will be over."""

from __future__ import annotations

import math
import time
from typing import Any

from clr_ignite.pictures import better


class Summary:
    """Where a run is, and its held-out metrics: the last values and the best so far.

    Args:
        total: iterations in the whole run, for the time left; None where that is not known.

    Attributes:
        changed: set by whatever is noted, for whoever draws to clear.
    """

    def __init__(self, total: int | None) -> None:
        self.total, self.changed = total, False
        self._first: tuple[int, float] | None = None  # iteration and time of the first step seen
        self._at, self._rate = 0, math.nan
        self._last: dict[str, tuple[int, float]] = {}
        self._best: dict[str, tuple[int, float]] = {}

    def step(self, iteration: int, rate: Any) -> None:
        """A step was taken at ``rate``, a number, a tensor, or None where there is none."""
        self._at, self._rate, self.changed = iteration, rate, True
        if self._first is None:
            self._first = iteration, time.monotonic()

    def note(self, iteration: int, name: str, value: float) -> None:
        """A metric was measured."""
        self._last[name] = iteration, value
        self.changed = True
        way = better(name)
        before = self._best.get(name, (0, math.nan))[1]
        if way and math.isfinite(value):
            if math.isnan(before) or (value < before if way == "lower" else value > before):
                self._best[name] = iteration, value

    def text(self) -> str:
        """HTML of a few lines."""
        lines = []
        if self._first:
            of = f" of {self.total:,}" if self.total else ""
            lines = [f"iteration {self._at:,}{of}"]
            if self._rate is not None:
                lines.append(f"learning rate {float(self._rate):.6g}")
        for name, (at, value) in list(self._last.items()):
            line = f"{name} {value:.4f} at iteration {at:,}"
            if name in self._best:
                best_at, best = self._best[name]
                line += f", best {best:.4f} at {best_at:,}"
            lines.append(line)
        if self.total and self._first and self._first[0] < self._at < self.total:
            first, began = self._first
            left = (time.monotonic() - began) / (self._at - first) * (self.total - self._at)
            lines.append(f"about {left / 60:.1f} minutes left")
        return "<br>".join(lines)
