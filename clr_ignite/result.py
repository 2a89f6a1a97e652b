"""``RangeTestResult``: what a range test recorded, the bounds it suggests, its files."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from clr_ignite import _result_files, plots
from clr_ignite.schedules import OneCycle, Triangular, Triangular2
from clr_ignite.suggestions import Bounds, bounds_from_loss, smith_bounds

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Rates = float | tuple[float, ...]
_MISSING = float("nan")


class RangeTestResult:
    """The record of a range test, a row for each optimizer step, and views of it.

    Args:
        start_lr, end_lr: the sweep, one number, or one for each param group.
        num_iter: steps asked for.
        step_mode: ``"linear"`` or ``"exponential"``.
        hold: steps for which each rate was kept.
        suspended: names of the handlers that were put aside during the test.

    Attributes:
        iteration: the 1-based step of each row.
        lr: the rate that each step used, before ``lr_mult``; NaN where the step was skipped.
        loss: its raw training loss.
        training: metrics of the training batches by name, one value a row, NaN where missing.
        group_lr: the rates that each param group used, one sequence a group.
        stop_reason: ``"completed"``, ``"diverged"`` or ``"terminated"``; None while it runs.
        stop_detail: the same as a sentence with the rate.
    """

    def __init__(
        self,
        *,
        start_lr: Rates,
        end_lr: Rates,
        num_iter: int,
        step_mode: str,
        hold: int = 1,
        suspended: Sequence[str] = (),
    ) -> None:
        self.start_lr, self.end_lr = start_lr, end_lr
        self.num_iter, self.step_mode, self.hold = num_iter, step_mode, hold
        self.suspended = tuple(suspended)
        self.stop_reason: str | None = None
        self.stop_detail = ""
        self.iteration = array("q")
        self.lr, self.loss = array("d"), array("d")
        self.training: dict[str, array[float]] = {}
        self.group_lr: tuple[array[float], ...] = ()
        self._evaluation: dict[str, array[float]] = {}

    def __len__(self) -> int:
        return len(self.iteration)

    def __repr__(self) -> str:
        return (
            f"<RangeTestResult: {len(self)} of {self.num_iter} steps, "
            f"{self.start_lr} to {self.end_lr} {self.step_mode}, {self.stop_reason}>"
        )

    def __eq__(self, other: object) -> bool:
        """Equal records; a missing cell equals a missing cell."""
        if not isinstance(other, RangeTestResult):
            return NotImplemented
        return repr(self.to_dict()) == repr(other.to_dict())

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

    def add_row(
        self,
        *,
        iteration: int,
        lr: float | None,
        loss: float | None,
        group_lr: Sequence[float | None] | None = None,
        training: Mapping[str, float] | None = None,
        evaluation: Mapping[str, float] | None = None,
    ) -> None:
        """Append a step; None and names left out are missing cells."""
        self.iteration.append(iteration)
        self.lr.append(_cell(lr))
        self.loss.append(_cell(loss))
        rates = [_cell(lr)] if group_lr is None else [_cell(rate) for rate in group_lr]
        if not self.group_lr:
            self.group_lr = tuple(array("d") for _ in rates)
        for column, rate in zip(self.group_lr, rates, strict=True):
            column.append(rate)
        for columns in (self.training, self._evaluation):
            for column in columns.values():
                column.append(_MISSING)
        self.amend(len(self) - 1, training=training, evaluation=evaluation)

    def amend(
        self,
        row: int,
        *,
        loss: float | None = None,
        training: Mapping[str, float] | None = None,
        evaluation: Mapping[str, float] | None = None,
    ) -> None:
        """Fill cells of a row already there."""
        if loss is not None:
            self.loss[row] = loss
        for columns, cells in ((self.training, training), (self._evaluation, evaluation)):
            for name, value in (cells or {}).items():
                if name not in columns:
                    columns[name] = array("d", [_MISSING]) * len(self)
                columns[name][row] = value

    def smoothed_loss(self, beta: float = 0.98) -> list[float]:
        """A bias-corrected exponential moving average of the finite losses; NaN where not finite.

        Args:
            beta: weight of the past, at least 0 and below 1; 0 smooths nothing.
        """
        if not 0 <= beta < 1:
            raise ValueError(f"beta must be at least 0 and below 1, got {beta}")
        average, weight, smoothed = 0.0, 0.0, []
        for loss in self.loss:
            if not np.isfinite(loss):
                smoothed.append(_MISSING)
                continue
            average = beta * average + (1 - beta) * loss
            weight = beta * weight + (1 - beta)
            smoothed.append(average / weight)
        return smoothed

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
        step_size: int,
        policy: Literal["triangular", "triangular2", "onecycle"] = "triangular",
        total: int | None = None,
    ) -> Triangular | Triangular2 | OneCycle:
        """The schedule that the suggested bounds imply.

        Args:
            step_size: half a cycle, in iterations.
            policy: ``"onecycle"`` ends at a hundredth of ``base_lr`` after ``total`` iterations.
            total: for ``"onecycle"``; by default an eighth longer than the cycle.

        Raises:
            ValueError: a bound is missing; the message carries the reason.
        """
        bounds = self.suggest()
        if bounds.base_lr is None or bounds.max_lr is None:
            raise ValueError(f"the range test supports no pair of bounds: {bounds.reason}")
        pair = bounds.base_lr, bounds.max_lr
        if policy == "onecycle":
            length = total if total is not None else 2 * step_size + max(2, step_size // 4)
            return OneCycle(*pair, step_size, length, bounds.base_lr / 100)
        if policy not in ("triangular", "triangular2"):
            raise ValueError(
                f"policy must be 'triangular', 'triangular2' or 'onecycle', got {policy!r}"
            )
        return (Triangular if policy == "triangular" else Triangular2)(*pair, step_size)

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
        _result_files.write_csv(Path(path), self.columns())

    def to_json(self, path: str | Path) -> None:
        """Write everything; :meth:`from_json` gives an equal result."""
        _result_files.write_json(Path(path), self.to_dict())

    @classmethod
    def from_json(cls, path: str | Path) -> RangeTestResult:
        """Read what :meth:`to_json` wrote.

        Raises:
            ValueError: anything else, naming the file and the field.
        """
        return cls.from_dict(_result_files.read_json(Path(path)))

    def columns(self) -> dict[str, Sequence[float]]:
        """The CSV's columns by name, missing cells NaN."""
        columns: dict[str, Sequence[float]] = {
            "iteration": self.iteration,
            "lr": self.lr,
            "loss": self.loss,
        }
        columns |= {f"train_{name}": column for name, column in self.training.items()}
        columns |= {f"eval_{name}": column for name, column in self._evaluation.items()}
        if len(self.group_lr) > 1:
            columns |= {f"group_lr_{i}": column for i, column in enumerate(self.group_lr)}
        return columns

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain numbers, strings and lists."""
        settings = ("start_lr", "end_lr", "num_iter", "step_mode", "hold", "suspended")
        found = {name: getattr(self, name) for name in settings}
        found |= {"stop_reason": self.stop_reason, "stop_detail": self.stop_detail}
        return found | {"columns": {name: list(c) for name, c in self.columns().items()}}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> RangeTestResult:
        """The reverse of :meth:`to_dict`."""
        known = dict(values)
        columns = {name: array("d", cells) for name, cells in known.pop("columns").items()}
        stopped = {name: known.pop(name) for name in ("stop_reason", "stop_detail")}
        for name in ("start_lr", "end_lr"):
            known[name] = tuple(known[name]) if isinstance(known[name], list) else known[name]
        result = cls(**known)
        result.stop_reason, result.stop_detail = stopped["stop_reason"], stopped["stop_detail"]
        result.iteration = array("q", map(int, columns["iteration"]))
        result.lr, result.loss = columns["lr"], columns["loss"]
        for prefix, into in (("train_", result.training), ("eval_", result._evaluation)):
            into |= {n.removeprefix(prefix): c for n, c in columns.items() if n.startswith(prefix)}
        groups = [c for n, c in columns.items() if n.startswith("group_lr_")]
        result.group_lr = tuple(groups) or ((array("d", result.lr),) if len(result) else ())
        return result


def _cell(value: float | None) -> float:
    return _MISSING if value is None else float(value)
