"""What a range test measured, row by row: the numbers alone."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from typing import Any, Self

from clr_ignite._checks import count, whole

Rates = float | tuple[float, ...]
MISSING = float("nan")


class Record:
    """The rows of a range test, one for each optimizer step.

    Args:
        start_lr, end_lr: the sweep, one number, or one for each param group.
        num_iter: steps asked for.
        step_mode: ``"linear"`` or ``"exponential"``.
        hold: steps for which each rate was kept.
        suspended: names of the handlers that were put aside during the test.
        epoch_length: optimizer steps in a pass over the training data; None where unknown.

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
        epoch_length: int | None = None,
    ) -> None:
        self.start_lr, self.end_lr = start_lr, end_lr
        self.num_iter, self.hold = whole("num_iter", num_iter), count("hold", hold)
        self.step_mode = step_mode
        self.suspended, self.epoch_length = tuple(suspended), epoch_length
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
            f"<{type(self).__name__}: {len(self)} of {self.num_iter} steps, "
            f"{self.start_lr} to {self.end_lr} {self.step_mode}, {self.stop_reason}>"
        )

    def __eq__(self, other: object) -> bool:
        """Equal records; a missing cell equals a missing cell."""
        if not isinstance(other, Record):
            return NotImplemented
        return repr(self.to_dict()) == repr(other.to_dict())

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
        if not self.group_lr:
            self.group_lr = tuple(array("d") for _ in rates)
        for column, rate in zip(self.group_lr, rates, strict=True):
            column.append(MISSING if rate is None else rate)
        for columns in (self.training, self._evaluation):
            for column in columns.values():
                column.append(MISSING)
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
        for columns, cells in ((self.training, training), (self._evaluation, evaluation)):
            for name, value in (cells or {}).items():
                if name not in columns:
                    columns[name] = array("d", [MISSING]) * len(self)
                columns[name][row] = value

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
        found = {name: getattr(self, name) for name in (*settings, "epoch_length")}
        found |= {"stop_reason": self.stop_reason, "stop_detail": self.stop_detail}
        return found | {"columns": {name: list(c) for name, c in self.columns().items()}}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
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
