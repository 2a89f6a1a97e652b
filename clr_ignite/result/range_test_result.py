"""``RangeTestResult``: what a range test recorded, the bounds it suggests, its files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from clr_ignite import plots
from clr_ignite._checks import choice, count, non_negative
from clr_ignite.result import files
from clr_ignite.result.record import MISSING, Record
from clr_ignite.schedules import OneCycle, Triangular, Triangular2
from clr_ignite.suggestions import Bounds, bounds_from_loss, smith_bounds

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class RangeTestResult(Record):
    """The record of a range test, a row for each optimizer step, and views of it.

    Arguments and attributes as for :class:`clr_ignite.result.record.Record`. Equal records are
    equal results.
    """

    def __getitem__(self, name: str) -> tuple[list[float], list[float]]:
        """A held-out metric by its name: the rates after which it was measured, and its values."""
        if name not in self._evaluation:
            known = ", ".join(self._evaluation) or "none"
            raise KeyError(f"no held-out metric {name!r}; recorded: {known}")
        pairs = zip(self.lr, self._evaluation[name], strict=True)
        measured = [(lr, value) for lr, value in pairs if not np.isnan(value)]
        return [lr for lr, _ in measured], [value for _, value in measured]

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names of the held-out metrics."""
        return tuple(self._evaluation)

    def smoothed_loss(self, beta: float = 0.98) -> list[float]:
        """A bias-corrected exponential moving average of the finite losses; NaN where not finite.

        Args:
            beta: weight of the past, at least 0 and below 1; 0 smooths nothing.
        """
        beta = non_negative("beta", beta)
        if beta >= 1:
            raise ValueError(f"beta must be at least 0 and below 1, got {beta}")
        average, weight, smoothed = 0.0, 0.0, []
        for loss in self.loss:
            if not np.isfinite(loss):
                smoothed.append(MISSING)
                continue
            average = beta * average + (1 - beta) * loss
            weight = beta * weight + (1 - beta)
            smoothed.append(average / weight)
        return smoothed

    def median_loss(self, width: int = 15) -> list[float]:
        """A running median of the finite losses, centered, narrower at the ends; else NaN.

        Args:
            width: losses in the window, odd, at least 1.
        """
        width = count("width", width)
        if width % 2 == 0:
            raise ValueError(f"width must be odd, got {width}")
        losses = np.asarray(self.loss)
        finite = np.isfinite(losses)
        known, half = losses[finite], width // 2
        medians = np.full(len(losses), MISSING)
        medians[finite] = [
            np.median(known[max(0, at - half) : at + half + 1]) for at in range(len(known))
        ]
        found: list[float] = medians.tolist()
        return found

    def plateaus(self) -> tuple[list[float], list[float], list[float]]:
        """With ``hold`` steps a rate: each rate, its losses' mean and standard deviation."""
        rates, means, spreads = [], [], []
        for first in range(0, len(self), self.hold):
            losses = np.asarray(self.loss[first : first + self.hold])
            rates.append(self.lr[first])
            means.append(float(losses.mean()))
            spreads.append(float(losses.std()))
        return rates, means, spreads

    def suggest(self, metric: str | None = None) -> Bounds:
        """``base_lr`` and ``max_lr`` by the paper's rule, with the reason in words.

        Args:
            metric: the held-out metric to read, higher is better; by default ``"accuracy"`` where
                it was recorded, else the training loss.
        """
        if metric is None and "accuracy" in self._evaluation:
            metric = "accuracy"
        if metric is not None:
            found = smith_bounds(*self[metric])
        else:
            found = bounds_from_loss(self.lr, self.loss)
        if self.stop_reason == "diverged":
            return Bounds(found.base_lr, found.max_lr, f"{found.reason} ({self.stop_detail})")
        return found

    def schedule(
        self,
        step_size: int | None = None,
        policy: Literal["triangular", "triangular2", "onecycle"] = "triangular",
        total: int | None = None,
    ) -> Triangular | Triangular2 | OneCycle:
        """The schedule that the suggested bounds imply.

        Args:
            step_size: half a cycle, in optimizer steps. By default 4 epochs of the loader that the
                test ran on: the paper advises 2 to 10 and takes 4 for CIFAR-10.
            policy: ``"onecycle"`` ends at a hundredth of ``base_lr`` after ``total`` iterations.
            total: for ``"onecycle"``; by default an eighth longer than the cycle.

        Raises:
            ValueError: a bound is missing; the message carries the reason. No ``step_size`` where
                the test's loader had no length.
        """
        choice("policy", policy, ("triangular", "triangular2", "onecycle"))
        bounds = self.suggest()
        if bounds.base_lr is None or bounds.max_lr is None:
            raise ValueError(f"the range test supports no pair of bounds: {bounds.reason}")
        pair = bounds.base_lr, bounds.max_lr
        step_size = self._four_epochs() if step_size is None else count("step_size", step_size)
        if policy == "onecycle":
            length = total if total is not None else 2 * step_size + max(2, step_size // 4)
            return OneCycle(*pair, step_size, length, bounds.base_lr / 100)
        return (Triangular if policy == "triangular" else Triangular2)(*pair, step_size)

    def _four_epochs(self) -> int:
        if self.epoch_length is None:
            raise ValueError(
                "step_size must be given, such as 4 * len(train_loader): the length of an epoch "
                "is not in the record of this test"
            )
        return 4 * self.epoch_length

    def plot(self, where: str | Path | Axes | None = None, metric: str | None = None) -> Axes:
        """Draw loss and held-out metrics against the rate with the suggested pair.

        Args:
            where: a file to write, or Axes to draw on; new Axes by default.
            metric: the one held-out metric to draw; by default accuracy alone where there is one,
                else all of them.
        """
        path = where if isinstance(where, str | Path) else None
        names = [metric] if metric else ["accuracy"] if "accuracy" in self.metrics else self.metrics
        bounds = self.suggest(metric)
        axes = plots.plot_range_test(
            (self.lr, self.loss),
            smoothed=self.smoothed_loss(),
            metrics={name: self[name] for name in names},
            bounds=(bounds.base_lr, bounds.max_lr),
            log=self.step_mode == "exponential",
            axes=None if isinstance(where, str | Path) else where,
        )
        if path is not None:
            plots.save(axes, path)
        return axes

    def to_csv(self, path: str | Path) -> None:
        """Write the rows: iteration, lr, loss, train_<name>, eval_<name>; missing cells empty.

        ``group_lr_<i>`` columns follow where there are several param groups.
        """
        files.write_csv(Path(path), self.columns())

    def to_json(self, path: str | Path) -> None:
        """Write everything; :meth:`from_json` gives an equal result."""
        files.write_json(Path(path), self.to_dict())

    @classmethod
    def from_json(cls, path: str | Path) -> RangeTestResult:
        """Read what :meth:`to_json` wrote.

        Raises:
            ValueError: anything else, naming the file and the field.
        """
        return cls.from_dict(files.read_json(Path(path)))
