"""``LRRangeTest``: raise the learning rate step by step, record what happens, leave no trace."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import torch
from ignite.engine import Engine, Events

from clr_ignite._checks import count, several
from clr_ignite._scalars import scalar_of
from clr_ignite.no_trace.attached import Attached, own_run
from clr_ignite.no_trace.borrowing import borrow
from clr_ignite.no_trace.engine import step_function
from clr_ignite.no_trace.interrupts import Undoing, interrupts_wait
from clr_ignite.optimizers.unsaved import warn_of_unsaved
from clr_ignite.optimizers.wrapped import scalers_of
from clr_ignite.range_test.arguments import (
    check_evaluation,
    check_saved,
    check_swept,
    check_trainer,
    check_watching,
    endless,
    outputs,
    threshold,
)
from clr_ignite.range_test.checkpoint import Pauses, SweepFile
from clr_ignite.range_test.divergence import Divergence
from clr_ignite.range_test.endless import Endless, count_steps
from clr_ignite.range_test.evaluating import evaluation
from clr_ignite.range_test.mid_training import go_on, warn_of_suspended
from clr_ignite.range_test.observing import observing
from clr_ignite.range_test.plan import Plan
from clr_ignite.range_test.sweep import Sweep
from clr_ignite.result import RangeTestResult

_FOREVER = 2**62  # epochs; the sweep itself ends the run
_POINTS = 50  # of the held-out curve, by default
_SAVES = 20  # of a test with a checkpoint


class LRRangeTest:
    """The learning-rate range test of arXiv:1506.01186, section 3.3, on an Ignite trainer.

    Each optimizer step uses the next rate between ``start_lr`` and ``end_lr``; its training loss,
    and at intervals held-out metrics, are recorded with the rate that the step really used. After
    the test, however it ends, model, optimizer, random states, loader generators and both Engines
    are bit for bit as before. While it runs it is alone: handlers on built-in events are suspended
    (``result.suspended`` names them), but for Metrics and ``keep``.

    Args:
        optimizer: the optimizer under test; must be in ``to_save``.
        start_lr: rate of the first step, before ``lr_mult``, or a sequence with one for each param
            group; 0 is allowed with linear spacing. By default 1e-6.
        end_lr: rate of the last step, above ``start_lr``; one number or a sequence likewise. By
            default 10: seven decades hold the rates of SGD and Adam alike, and a test that
            diverges ends early.
        num_iter: optimizer steps, at least 2. By default 300, which is 43 a decade of the default
            range; the paper takes several epochs over a narrow one.
        step_mode: ``"linear"`` spacing, as in the paper, or ``"exponential"``. By default linear
            where both ends of the range are given, exponential where one is left out.
        to_save: what must be put back: every module with optimized parameters, the optimizer, and
            what else a step changes (a GradScaler, an EMA; dicts, tensors, random generators).
        output_transform: the trainer's output -> the batch's mean loss, a number or a tensor of
            one element.
        diverge_th: above 1; None: never stop for divergence. The test stops where the loss is not
            finite or, averaged over about ten steps, exceeds ``best + (diverge_th - 1) * scale``:
            ``best`` is its lowest average so far, ``scale`` the larger of that one's magnitude
            and of its fall from the first loss. For a positive loss that has not yet fallen by
            more than half, that is ``diverge_th`` times the best.
        evaluator: an Engine whose ``state.metrics`` are recorded after every ``every`` steps and
            after the last one.
        eval_data: what it runs on.
        every: steps between evaluations, at most ``num_iter``; by default a fiftieth of it, so
            that the curve has about 50 points however long the test.
        hold: steps for which each rate is kept, a divisor of ``num_iter``.
        training_metrics: further functions of the trainer's output, by name.
        keep: handlers (or objects whose methods they are) that act during the test too.
        on_row: called with the result after each row (on rank 0 of a distributed run); the last
            time its ``stop_reason`` is set, unless the trainer was terminated.
        progress: show a tqdm bar (there too).
        checkpoint: a file that the test writes now and then and removes at its end; a killed test,
            set up anew with the same arguments, goes on from it. In one process only.

    Raises:
        TypeError, ValueError: naming the argument, the rule and the value.

    Example::

        to_save = {"model": model, "optimizer": optimizer}
        result = LRRangeTest(optimizer, to_save=to_save).run(trainer, train_loader)
        base_lr, max_lr, reason = result.suggest()

        test = LRRangeTest(optimizer, 0.0, 0.02, 4000, to_save=to_save)  # linear, as in the paper
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        start_lr: float | Sequence[float] | None = None,
        end_lr: float | Sequence[float] | None = None,
        num_iter: int | None = None,
        step_mode: Literal["linear", "exponential"] | None = None,
        *,
        to_save: Mapping[str, Any],
        output_transform: Callable[[Any], Any] = lambda output: output,
        diverge_th: float | None = 4.0,
        evaluator: Engine | None = None,
        eval_data: Iterable[Any] | None = None,
        every: int | None = None,
        hold: int = 1,
        training_metrics: Mapping[str, Callable[[Any], Any]] | None = None,
        keep: Collection[object] = (),
        on_row: Callable[[RangeTestResult], None] | None = None,
        progress: bool = False,
        checkpoint: str | Path | None = None,
    ) -> None:
        check_saved(optimizer, to_save)
        check_evaluation(evaluator, eval_data)
        check_watching(on_row, progress, checkpoint)
        self.optimizer, self.to_save = optimizer, dict(to_save)
        self.plan = Plan(start_lr, end_lr, num_iter, step_mode, hold)
        self.diverge_th = threshold(diverge_th)
        self.evaluator, self.eval_data = evaluator, eval_data
        every = max(1, self.plan.num_iter // _POINTS) if every is None else count("every", every)
        self.every = every if evaluator is not None else self.plan.num_iter
        self.outputs = outputs(output_transform, training_metrics)
        self.keep, self.on_row = several("keep", keep, "handlers"), on_row
        self.progress, self.checkpoint = progress, checkpoint
        #: The record of the last run, there also after an exception.
        self.result: RangeTestResult | None = None
        self._check()

    def run(
        self,
        trainer: Engine,
        data: Iterable[Any],
        max_epochs: int | None = None,
        max_iters: int | None = None,
        epoch_length: int | None = None,
    ) -> RangeTestResult:
        """Run the test with ``trainer`` on ``data`` and return its record.

        The arguments are those of ``Engine.run``. The test ends by itself after its last step;
        ``max_epochs`` or ``max_iters`` can only end it earlier, where the trainer takes several
        batches for a step.

        An exception, KeyboardInterrupt among them, goes on to the caller unchanged once everything
        is back; :attr:`result` then holds the rows so far, all of them where a signal came after
        the last step, and a ``checkpoint`` is still there.

        Raises:
            TypeError, ValueError: data that cannot be iterated twice or is empty, a limit below
                ``num_iter`` batches, param groups of differing rates without ``lr_mult``, a loss
                that is no scalar.
            RuntimeError: the optimizer's rate was changed by something else.
        """
        check_trainer(trainer, self.evaluator)
        batches = endless(data, self.plan.num_iter, max_epochs, max_iters, epoch_length)
        check_swept(self.optimizer, self.plan)
        with Undoing() as stack, stack:
            with interrupts_wait():  # what is half set up could not be undone
                sweep, pauses = self._set_up(stack, trainer, batches)
            own_run(trainer)(batches, max_epochs=_FOREVER, epoch_length=batches.epoch_length)
            self._end(sweep, batches)
        if pauses is not None:  # last of all: a signal that comes before leaves the file
            pauses.file.remove()
        return sweep.result

    def attach(self, trainer: Engine) -> Attached:
        """Inside the block ``trainer.run(data)`` is the test: ``with test.attach(trainer):``.

        It takes what :meth:`run` takes and returns the trainer's state, as before the test.
        Without the block it does nothing and warns.
        """
        return Attached(trainer, self.run)

    def _set_up(
        self, stack: contextlib.ExitStack, trainer: Engine, batches: Endless
    ) -> tuple[Sweep, Pauses | None]:
        engines = [one for one in (trainer, self.evaluator) if one is not None]
        data, iteration = (batches.data, self.eval_data), trainer.state.iteration
        suspended = borrow(stack, engines, self.to_save.values(), data, self.keep)
        stack.callback(warn_of_unsaved([step_function(trainer), *self.keep], self.to_save.values()))
        go_on(trainer, iteration, batches.epoch_length, _FOREVER)
        pauses = self._pauses(batches)
        result, divergence = self._begun(pauses, suspended, batches.epoch_length)
        stack.callback(count_steps, result, batches, len(result))
        sweep = Sweep(
            self.optimizer,
            self.plan.schedules(len(self.optimizer.param_groups)),
            result,
            outputs={name: scalar_of(name, f) for name, f in self.outputs.items()},
            divergence=divergence,
            evaluate=evaluation(self.evaluator, self.eval_data, self.to_save.values()),
            every=self.every,
            on_row=stack.enter_context(
                observing(self.on_row, self.plan.num_iter if self.progress else None)
            ),
            scalers=scalers_of(self.optimizer, self.to_save.values()),
            first=warn_of_suspended(self.optimizer, self.to_save, self.evaluator, suspended),
        )
        sweep.attach(trainer, stack)
        if batches.limit is not None:
            trainer.add_event_handler(Events.ITERATION_COMPLETED, batches.stop)
        if pauses is not None:
            pauses.attach(trainer, sweep, max(1, self.plan.num_iter // _SAVES), _FOREVER)
        return sweep, pauses

    def _end(self, sweep: Sweep, batches: Endless) -> None:
        result = sweep.result
        if result.stop_reason is None:
            rate = f"after a rate of {result.lr[-1]:.3g}" if len(result) else "before any step"
            sweep.finish("terminated", f"{batches.ended_by} {rate}")

    def _pauses(self, batches: Endless) -> Pauses | None:
        if self.checkpoint is None:
            return None
        settings = asdict(self.plan) | {"every": self.every, "diverge_th": self.diverge_th}
        file = SweepFile(self.checkpoint, settings, self.to_save, len(self.optimizer.param_groups))
        return Pauses(file, batches, batches.data, self.eval_data)

    def _begun(
        self, pauses: Pauses | None, suspended: list[str], epoch_length: int | None
    ) -> tuple[RangeTestResult, Divergence]:
        """A fresh record, or that of the test broken off."""
        saved = pauses.saved if pauses is not None else None
        if saved is None:
            self.result = RangeTestResult(
                **asdict(self.plan), suspended=suspended, epoch_length=epoch_length
            )
            return self.result, Divergence(self.diverge_th)
        self.result = RangeTestResult.from_dict(saved["result"])
        divergence = Divergence(self.diverge_th)
        for loss in self.result.loss:
            divergence.reached(loss)
        return self.result, divergence

    def _check(self) -> None:
        self.plan.ranges(len(self.optimizer.param_groups))
        if self.every > self.plan.num_iter:
            steps = self.plan.num_iter
            raise ValueError(f"every must be at most num_iter ({steps}), got {self.every}")
