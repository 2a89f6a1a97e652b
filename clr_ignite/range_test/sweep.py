"""One sweep of a range test: sets rates, watches the optimizer's steps, records rows, stops."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from ignite.engine import Engine, Events

from clr_ignite._scalars import Value, floats
from clr_ignite.optimizers.compiled import keep_compiled
from clr_ignite.optimizers.pending import Pending, never_stepped
from clr_ignite.optimizers.rates import Group, factor, factor_keys, put_rates, rounded
from clr_ignite.optimizers.wrapped import RateChanged, check_inner_rates, watch_steps
from clr_ignite.range_test.divergence import Divergence
from clr_ignite.range_test.ranks import any_rank, batch_size, mean_over_ranks, several_ranks
from clr_ignite.result import RangeTestResult
from clr_ignite.schedules import Schedule

_BLOCK = 50  # rows whose losses are read from an accelerator in one go

Batch = tuple[dict[str, Any], int]  # values by name, samples


class Sweep:
    """The state of a running test; ``started`` and ``completed`` are its Engine handlers.

    Args:
        schedules: for each param group, step (0-based) -> the rate before ``lr_mult``.
        outputs: ``loss`` and the training metrics, by name: functions of the trainer's output.
        evaluate: returns the held-out metrics; None without an evaluator.
        every: rows between evaluations.
        on_row: called with the result after each row.
        scalers: GradScalers that may skip the optimizer's step.
        first: called after the first row.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        schedules: list[Schedule],
        result: RangeTestResult,
        *,
        outputs: Mapping[str, Callable[[Any], Value]],
        divergence: Divergence,
        evaluate: Callable[[], Mapping[str, float]] | None,
        every: int,
        on_row: Callable[[RangeTestResult], None] | None,
        scalers: Sequence[torch.amp.GradScaler] = (),
        first: Callable[[], None] = lambda: None,
    ) -> None:
        self.optimizer, self.schedules, self.result = optimizer, schedules, result
        self.outputs, self.divergence = outputs, divergence
        self.evaluate, self.every, self.on_row = evaluate, every, on_row
        self.scalers, self.first = scalers, first
        self._several = several_ranks()
        self._rates: list[float] = []  # of the step to come, before lr_mult
        self._keys = factor_keys(optimizer)
        self._set: list[float] = []  # what the groups were given
        self._stepped = False
        self._scales: list[float] = []
        self._pending: Pending[Batch | Exception | None] = Pending(
            optimizer
        )  # batches since the last step
        self._unread: list[tuple[int, dict[str, Any], int]] = []

    def attach(self, trainer: Engine, stack: contextlib.ExitStack) -> None:
        """Act on ``trainer``'s private run; ``stack`` undoes what outlasts it."""
        keep_compiled(trainer, self.optimizer, stack)  # before hooks lead its search to this sweep
        for end in watch_steps(self.optimizer, self.before_step):
            stack.callback(end)
        trainer.add_event_handler(Events.ITERATION_STARTED, self.started)
        trainer.add_event_handler(Events.ITERATION_COMPLETED, self.completed)
        stack.callback(self.read)

    def started(self, engine: Engine) -> None:
        """Before a batch: set the rate of the step to come."""
        groups = self.optimizer.param_groups
        if self._set:
            self._compare(groups, "between two steps")
        step = len(self.result.iteration)
        self._set = self._rates = [schedule(step) for schedule in self.schedules]
        if self._keys:
            used = zip(groups, self._rates, strict=True)
            self._set = [rate * factor(group, self._keys) for group, rate in used]
        put_rates(groups, self._set)
        self._stepped = False
        if self.scalers:
            self._scales = [scaler.get_scale() for scaler in self.scalers]

    def before_step(self, stepping: torch.optim.Optimizer, *_: object) -> None:
        """Before a step of the optimizer, or of one inside it: the rate that is really used."""
        self._compare(self.optimizer.param_groups, "in its step")
        if stepping is not self.optimizer:
            check_inner_rates(self.optimizer, stepping, self._set)
        self._stepped = True
        if self._pending.parts:
            self._pending.drop_lost()

    def completed(self, engine: Engine) -> None:
        """After a batch: record, where the optimizer stepped; evaluate; stop."""
        skipped = False
        if not self._stepped:
            skipped = self._skipped()
            if not skipped:
                self._wait(engine)
                return
        values, samples = self._worth(engine)
        if self._pending.since:
            batches = [*_readable(self._pending.taken()), (values, samples)]
            values, samples = _mean([one for one, _ in batches]), sum(size for _, size in batches)
        self._record(values, samples, skipped)
        row = len(self.result)
        if row == 1:
            self.first()
        last = row == self.result.num_iter
        if last or len(self._unread) >= _BLOCK:
            self.read()
        if self.evaluate and (last or row % self.every == 0 or self.result.stop_reason):
            self.result.amend(row - 1, evaluation=self.evaluate())
        if last and self.result.stop_reason is None:
            self.finish("completed", f"all {row} steps were taken, up to {self._rates[0]:.3g}")
        if self.on_row is not None:
            self.on_row(self.result)
        stopped = self._several and any_rank(bool(engine.should_terminate))
        if stopped or self.result.stop_reason:
            engine.terminate()

    def read(self) -> None:
        """Bring what is on a device to the host, and judge the losses in their order."""
        unread, self._unread = self._unread, []
        rows = _to_host([values for _, values, _ in unread])
        if self._several:
            rows = mean_over_ranks(rows, [samples for _, _, samples in unread])
        for (row, _, _), values in zip(unread, rows, strict=True):
            loss = values.pop("loss")
            self.result.amend(row, loss=loss, training=values)
            self._judge(row, loss)

    def _judge(self, row: int, loss: float) -> None:
        if self.result.stop_reason is None and self.divergence.reached(loss):
            rate = self.result.lr[row]
            self.finish("diverged", f"the loss reached {loss:.3g} at a rate of {rate:.3g}")

    def finish(self, reason: str, detail: str) -> None:
        self.result.stop_reason, self.result.stop_detail = reason, detail

    def _skipped(self) -> bool:
        """Whether a GradScaler met gradients that are not finite: it lowers its scale then."""
        now = [scaler.get_scale() for scaler in self.scalers]
        return any(after < before for before, after in zip(self._scales, now, strict=True))

    def _worth(self, engine: Engine) -> Batch:
        """What a batch gave, and how much it weighs among those of other ranks."""
        output, values = engine.state.output, {}
        for name, function in self.outputs.items():  # no comprehension: it runs at every step
            values[name] = function(output)
        return values, batch_size(engine.state.batch) if self._several else 0

    def _wait(self, engine: Engine) -> None:
        """After a batch without a step, which may or may not have a part in the next one."""
        worth: Batch | Exception | None = None  # a step that returns None leaves its batch out
        if engine.state.output is not None:
            try:
                worth = self._worth(engine)
            except Exception as error:  # of no account if the batch is left out
                worth = error
        self._pending.add(worth)
        if self._pending.hopeless(engine.state.epoch_length):
            self._give_up(worth)
            engine.terminate()

    def _give_up(self, last: Batch | Exception | None) -> None:
        """Say why there is no further step."""
        batches = self._pending.since
        if not len(self.result):
            names = self.result.suspended
            raise RuntimeError(never_stepped(self.optimizer, batches, names))
        self.read()
        if self.result.stop_reason is None:
            (loss,) = floats([last[0]["loss"]]) if isinstance(last, tuple) else (None,)
            reason = "terminated" if loss is None or math.isfinite(loss) else "diverged"
            words = f"{batches} batches in a row without a step of the optimizer"
            words += "" if loss is None else f", the last with a loss of {loss:.3g},"
            self.finish(reason, f"{words} after a rate of {self.result.lr[-1]:.3g}")

    def _record(self, values: dict[str, Any], samples: int, skipped: bool) -> None:
        row = len(self.result)
        lr = None if skipped else self._rates[0]
        rates = [None] * len(self._set) if skipped else self._set
        for value in values.values():
            if type(value) is not float:
                self.result.add_row(iteration=row + 1, lr=lr, loss=None, group_lr=rates)
                self._unread.append((row, values, samples))
                return
        if self._several:
            (values,) = mean_over_ranks([values], [samples])
        loss = values.pop("loss")
        self.result.add_row(iteration=row + 1, lr=lr, loss=loss, group_lr=rates, training=values)
        self._judge(row, loss)

    def _compare(self, groups: list[Group], when: str) -> None:
        """Refuse a rate other than the one that was set."""
        if len(groups) != len(self._set):
            raise RateChanged(f"a test of {len(self._set)} param groups now has {len(groups)}")
        for at, group in enumerate(groups):
            found, given = group["lr"], self._set[at]
            if found is not given and float(found) != rounded(given, found):
                raise RateChanged(
                    f"the test set a rate of {rounded(given, found)}, but {when} the optimizer "
                    f"had {float(found)}: something else, such as a scheduler in the trainer's "
                    "step, sets it as well"
                )


def _readable(waiting: list[Batch | Exception | None]) -> list[Batch]:
    """The batches among what waited for a step, or the error of one that could not be read."""
    for one in waiting:
        if isinstance(one, Exception):
            raise one
    return [one for one in waiting if isinstance(one, tuple)]


def _mean(batches: list[dict[str, Any]]) -> dict[str, Any]:
    """The mean of each value over the micro-batches of a step."""
    return {name: sum(batch[name] for batch in batches) / len(batches) for name in batches[0]}


def _to_host(rows: list[dict[str, Any]]) -> list[dict[str, float]]:
    """The rows as floats, with one transfer for all that lies on a device."""
    fetched = iter(floats([value for row in rows for value in row.values()]))
    return [{name: next(fetched) for name in row} for row in rows]
