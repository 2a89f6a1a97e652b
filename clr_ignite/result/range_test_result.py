"""``RangeTestResult``: what a range test recorded, the bounds it suggests, its files."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from clr_ignite._checks import count, non_negative, whole
from clr_ignite._smoothing import MISSING, moving_average, running_median
from clr_ignite.pictures import Picture, better
from clr_ignite.result import files
from clr_ignite.result.curves import Drawn, picture_of
from clr_ignite.result.implied import Implied, Policy, implied_by, said_of_groups
from clr_ignite.result.reading import Rule, suggested
from clr_ignite.suggestions import Bounds

Rates = float | tuple[float, ...]


@dataclass(kw_only=True, eq=False, repr=False)
class RangeTestResult(Drawn):
    """The record of a range test, a row for each optimizer step, and views of it.

    Args:
        start_lr, end_lr: the sweep, one number, or one for each param group.
        num_iter: steps asked for.
        step_mode: ``"linear"`` or ``"exponential"``.
        hold: steps for which each rate was kept.
        suspended: names of the handlers that were put aside during the test.
        epoch_length: optimizer steps in a pass over the training data; None where unknown.

    Attributes:
        stop_reason: ``"completed"``, ``"diverged"`` or ``"terminated"``; None while it runs.
        stop_detail: the same as a sentence with the rate.
        iteration: the 1-based step of each row.
        lr: the rate that each step used, before ``lr_mult``; NaN where the step was skipped.
        loss: its raw training loss.
        training: metrics of the training batches by name, one value a row, NaN where missing.
        evaluation: the same of the held-out data; see also ``result[name]``.
        group_lr: the rates that each param group used, one sequence a group.
    """

    start_lr: Rates
    end_lr: Rates
    num_iter: int
    step_mode: str
    hold: int = 1
    suspended: Sequence[str] = ()
    epoch_length: int | None = None
    stop_reason: str | None = None
    stop_detail: str = ""
    iteration: array[int] = field(default_factory=lambda: array("q"))
    lr: array[float] = field(default_factory=lambda: array("d"))
    loss: array[float] = field(default_factory=lambda: array("d"))
    training: dict[str, array[float]] = field(default_factory=dict)
    evaluation: dict[str, array[float]] = field(default_factory=dict)
    group_lr: tuple[array[float], ...] = ()

    def __post_init__(self) -> None:
        self.num_iter, self.hold = whole("num_iter", self.num_iter), count("hold", self.hold)
        self.suspended = tuple(self.suspended)

    def __len__(self) -> int:
        return len(self.iteration)

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__}: {len(self)} of {self.num_iter} steps, "
            f"{self.start_lr} to {self.end_lr} {self.step_mode}, {self.stop_reason}>"
        )

    def __eq__(self, other: object) -> bool:
        """Equal records; a missing cell equals a missing cell."""
        if not isinstance(other, RangeTestResult):
            return NotImplemented
        last = repr(self.loss[-1:]) == repr(other.loss[-1:])  # tells most of them apart at once
        return last and repr(self.to_dict()) == repr(other.to_dict())

    def __getitem__(self, name: str) -> tuple[list[float], list[float]]:
        """A held-out metric by its name: the rates after which it was measured, and its values."""
        if name not in self.evaluation:
            known = ", ".join(self.evaluation) or "none (a test's evaluator= and eval_data= do)"
            raise KeyError(f"no held-out metric {name!r}; recorded: {known}")
        # By way of lists: an array that NumPy looks into cannot grow, and training may be going on.
        rates, values = self.lr.tolist(), self.evaluation[name].tolist()
        pairs = zip(rates, values, strict=False)  # a row may be half there
        measured = [(rate, value) for rate, value in pairs if value == value]
        return [rate for rate, _ in measured], [value for _, value in measured]

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names of the held-out metrics."""
        return tuple(self.evaluation)

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
        self.lr.append(MISSING if lr is None else lr)
        self.loss.append(MISSING if loss is None else loss)
        rates = (lr,) if group_lr is None else group_lr
        self.group_lr = self.group_lr or tuple(array("d") for _ in rates)
        for column, rate in zip(self.group_lr, rates, strict=True):
            column.append(MISSING if rate is None else rate)
        if self.training or self.evaluation:
            for named in (*self.training.values(), *self.evaluation.values()):
                named.append(MISSING)
        if training or evaluation:
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
        for columns, cells in ((self.training, training), (self.evaluation, evaluation)):
            for name, value in (cells or {}).items():
                if name not in columns:
                    columns[name] = array("d", [MISSING]) * len(self)
                columns[name][row] = value

    def smoothed_loss(self, beta: float = 0.98) -> list[float]:
        """A bias-corrected exponential moving average of the finite losses; NaN where not finite.

        Args:
            beta: weight of the past, at least 0 and below 1; 0 smooths nothing.
        """
        beta = non_negative("beta", beta)
        if beta >= 1:
            raise ValueError(f"beta must be at least 0 and below 1, got {beta}")
        return moving_average(self.loss, beta)

    def median_loss(self, width: int = 15) -> list[float]:
        """A running median of the finite losses, centered, narrower at the ends; else NaN.

        Args:
            width: losses in the window, odd, at least 1.
        """
        width = count("width", width)
        if width % 2 == 0:
            raise ValueError(f"width must be odd, got {width}")
        return running_median(self.loss, width)

    def plateaus(self) -> tuple[list[float], list[float], list[float]]:
        """With ``hold`` steps a rate: each rate, its losses' mean and standard deviation."""
        held = [self.loss[first : first + self.hold] for first in range(0, len(self), self.hold)]
        means, spreads = ([float(of(losses)) for losses in held] for of in (np.mean, np.std))
        return list(self.lr[:: self.hold]), means, spreads

    def suggest(
        self,
        metric: str | None = None,
        *,
        rule: Rule | None = None,
        higher_is_better: bool | None = None,
    ) -> Bounds:
        """A pair of rates for a cyclical schedule and one for a whole training, with the reason.

        By default the held-out loss is read, or the training loss where there is none or where it
        falls on far beyond the other's lowest point, by
        :func:`~clr_ignite.suggestions.bounds_below_minimum`; accuracy, which depends more on the
        length of the test than on its rates, by the paper's rule where it is asked for. After a
        test with a range for each param group the rates are the first group's; the reason says so.

        Args:
            metric: the held-out metric to read, by its name.
            rule: a function of rates and values to ask instead, such as those of
                ``clr_ignite.suggestions``; it returns Bounds or one rate.
            higher_is_better: which way ``metric`` is better; by default told by its name.

        Raises:
            KeyError: no such metric.
            ValueError: a metric whose name does not tell which way it is better.
        """
        return said_of_groups(suggested(self, metric, rule, higher_is_better), self)

    def schedule(
        self, step_size: int | None = None, policy: Policy = "triangular", total: int | None = None
    ) -> Implied | list[Implied]:
        """The schedule that the suggested bounds imply, for :class:`~clr_ignite.ScheduleHandler`.

        After a test with a range for each param group it is a list with a schedule for each: the
        bounds are the first group's, the others have the rates that they had beside them.

        Args:
            step_size: half a cycle, in optimizer steps. By default 4 epochs of the loader that the
                test ran on: the paper advises 2 to 10 and takes 4 for CIFAR-10.
            policy: ``"onecycle"`` ends at a hundredth of ``base_lr`` after ``total`` iterations.
            total: for ``"onecycle"``; by default an eighth longer than the cycle.

        Raises:
            ValueError: a bound is missing; the message carries the reason. No ``step_size`` where
                the test's loader had no length.
        """
        return implied_by(self.suggest(), self, step_size, policy, total)

    def picture(self, metric: str | None = None) -> Picture:
        """What :meth:`plot` draws, as data."""
        known = metric is None or better(metric) is not None
        return picture_of(self, self.suggest(metric if known else None), metric)

    def columns(self) -> dict[str, Sequence[float]]:
        """The CSV's columns, missing cells NaN."""
        return files.columns_of(self)

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain numbers, strings and lists."""
        return files.values_of(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> RangeTestResult:
        """The reverse of :meth:`to_dict`."""
        return cls(**files.fields_of(values))

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
