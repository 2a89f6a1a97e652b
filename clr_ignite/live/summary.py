"""The text beside a run's curves: where it is, how good it was, when it will be over."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping


class Summary:
    """Held-out metrics so far: the best accuracy and loss, the last of any other."""

    def __init__(self) -> None:
        self._metrics: dict[str, tuple[str, float]] = {}

    def note(self, name: str, value: float) -> None:
        """Keep a metric's value if it is the best or, where better is not known, the last."""
        better: Callable[[float, float], float] | None = None
        if "loss" in name:
            better = min
        elif "accuracy" in name:
            better = max
        if better is None:
            self._metrics[name] = "last", value
        else:
            _, before = self._metrics.get(name, ("", value))
            self._metrics[name] = "best", better(value, before)

    def text(
        self, iteration: int, rate: float, total: int | None, started: Mapping[str, float]
    ) -> str:
        """HTML of a few lines.

        Args:
            total: iterations in the whole run, for the time left.
            started: ``time`` (monotonic) and ``iteration`` of the first step that was seen.
        """
        lines = [f"iteration {iteration:,}" + (f" of {total:,}" if total else "")]
        lines.append(f"learning rate {rate:.6g}")
        lines += [f"{which} {name} {value:.4f}" for name, (which, value) in self._metrics.items()]
        done = iteration - started["iteration"]
        if total and done:
            left = (time.monotonic() - started["time"]) / done * (total - iteration)
            lines.append(f"about {left / 60:.1f} minutes left")
        return "<br>".join(lines)
