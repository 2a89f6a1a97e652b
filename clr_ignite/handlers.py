"""``ScheduleHandler``: writes schedules into an optimizer at each iteration of an Ignite Engine."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from ignite.engine import Engine, Events
from ignite.handlers.param_scheduler import ParamGroupScheduler, ParamScheduler

from clr_ignite._checks import check_schedule, count
from clr_ignite.no_trace.engine import attached_handlers, check_engine
from clr_ignite.optimizers.probing import warn_of_unused_rate
from clr_ignite.optimizers.rates import FACTORS, RateWriter
from clr_ignite.optimizers.values import checked, each_writer, writer
from clr_ignite.optimizers.wrapped import check_optimizer
from clr_ignite.schedules import Schedule, ends_cycle


class ScheduleHandler:
    """Sets hyperparameters of an optimizer from schedules, at every ITERATION_STARTED.

    It keeps no state: the value at Engine iteration i (1-based) is
    ``schedule((i - 1 - start) // accumulation_steps)``, so a resumed Engine resumes its schedule
    and a new run that restarts the iteration restarts the schedule. Handlers attached later, the
    optimizer's step and everything at ITERATION_COMPLETED see the value in use.

    A param group's ``lr_mult`` (1 where absent; timm's ``lr_scale`` and DINOv2's ``lr_multiplier``
    too) scales its ``lr`` and nothing else. ``momentum``
    writes ``momentum``, or the first of ``betas`` where the optimizer has betas. A value that is a
    tensor is filled in place. Nothing that was not asked for is touched.

    Args:
        optimizer: any ``torch.optim.Optimizer``.
        schedules: by hyperparameter name (``lr=``, ``momentum=``, ``weight_decay=``, ...), each a
            callable from the 0-based iteration to a value, or a sequence with one for each param
            group.

    Raises:
        TypeError: an argument that is not an optimizer or not callable.
        ValueError: no schedule, a hyperparameter that the optimizer does not have, or another
            number of schedules than of param groups.

    Example::

        clr = Triangular(base_lr=0.001, max_lr=0.006, step_size=2000)
        ScheduleHandler(optimizer, lr=clr).attach(trainer)
    """

    def __init__(
        self, optimizer: torch.optim.Optimizer, **schedules: Schedule | Sequence[Schedule]
    ) -> None:
        check_optimizer(optimizer)
        if not schedules:
            raise ValueError("schedules must name at least one hyperparameter, such as lr=...")
        for name, given in schedules.items():
            for schedule in given if isinstance(given, list | tuple) else (given,):
                check_schedule(name, schedule)
        self.optimizer = optimizer
        self.schedules = dict(schedules)
        for name in schedules:
            self._check_known(name)
        self._rates = RateWriter(optimizer)
        self._writers = tuple(
            (name, self._rates.write if name == "lr" else writer(name), schedule)
            for name, schedule in schedules.items()
            if callable(schedule)
        )
        self._several = tuple(
            (name, self._rates.write_several if name == "lr" else each_writer(name), tuple(given))
            for name, given in schedules.items()
            if not callable(given)
        )
        self._check_numbers()

    def __repr__(self) -> str:
        arguments = "".join(f", {name}={schedule!r}" for name, schedule in self.schedules.items())
        return f"{type(self).__name__}({type(self.optimizer).__name__}{arguments})"

    def attach(self, trainer: Engine, start: int = 0, accumulation_steps: int = 1) -> None:
        """Act on ``trainer`` from now on.

        Args:
            trainer: the Engine whose iterations count.
            start: Engine iterations before the schedule begins, at least 0; until then nothing is
                written.
            accumulation_steps: Engine iterations for one optimizer step, at least 1; the schedule
                counts optimizer steps.

        Raises:
            ValueError: another handler on ``trainer`` already sets one of the hyperparameters of
                this optimizer (checked again when the run starts), or the groups' rates differ and
                no ``lr_mult`` says how they should relate.
        """
        check_engine("trainer", trainer)
        start = count("start", start, least=0)
        accumulation_steps = count("accumulation_steps", accumulation_steps)
        if "lr" in self.schedules:
            self._rates.check(several=not callable(self.schedules["lr"]))
            warn_of_unused_rate(self.optimizer)
        if trainer.has_event_handler(self._write, Events.ITERATION_STARTED):
            raise ValueError("this ScheduleHandler is already attached to the trainer")
        self._check_alone(trainer)
        trainer.add_event_handler(Events.STARTED, self._start)
        trainer.add_event_handler(
            Events.ITERATION_STARTED, self._write, start + 1, accumulation_steps
        )

    def detach(self, trainer: Engine) -> None:
        """Undo :meth:`attach`; the optimizer keeps the values that it has.

        Raises:
            ValueError: it is not attached.
        """
        check_engine("trainer", trainer)
        if not trainer.has_event_handler(self._write, Events.ITERATION_STARTED):
            raise ValueError("this ScheduleHandler is not attached to the trainer")
        trainer.remove_event_handler(self._start, Events.STARTED)
        trainer.remove_event_handler(self._write, Events.ITERATION_STARTED)

    def _write(self, engine: Engine, first: int, accumulation_steps: int) -> None:
        step = engine.state.iteration - first
        if step < 0:
            return
        if accumulation_steps > 1:
            step //= accumulation_steps
        # The groups are read anew each time: load_state_dict replaces the list and the dicts.
        groups = self.optimizer.param_groups
        for name, write, schedule in self._writers:
            value = schedule(step)
            if type(value) is not float or not 0.0 <= value < math.inf:
                value = checked(name, value, step)
            write(groups, value)
        if self._several:
            self._write_several(groups, step)

    def _write_several(self, groups: list[dict[str, Any]], step: int) -> None:
        self._check_numbers()
        for name, write, schedules in self._several:
            write(groups, [checked(name, schedule(step), step) for schedule in schedules])

    def _check_numbers(self) -> None:
        """Refuse another number of schedules than of groups, which may grow."""
        groups = len(self.optimizer.param_groups)
        for name, _, schedules in self._several:
            if len(schedules) != groups:
                raise ValueError(
                    f"{name} must be one schedule or one for each of {groups} param groups, "
                    f"got {len(schedules)}"
                )

    def _check_known(self, name: str) -> None:
        for group in self.optimizer.param_groups:
            known = set(group) - {"params", "param_names", *FACTORS}
            if "betas" in group:
                known.add("momentum")
            if name not in known:
                raise ValueError(
                    f"{type(self.optimizer).__name__} has no hyperparameter {name!r}; "
                    f"it has {', '.join(sorted(known))}"
                )

    def _start(self, engine: Engine) -> None:
        self._check_alone(engine)
        self._rates.start()

    def _check_alone(self, engine: Engine) -> None:
        for other, name in _setters(engine, self.optimizer):
            if other is not self and name in self.schedules:
                raise ValueError(
                    f"{name} of this {type(self.optimizer).__name__} is already set by "
                    f"{other!r} on the same trainer: detach one of the two"
                )


def cycle_end(
    schedule: Schedule, start: int = 0, accumulation_steps: int = 1
) -> Callable[[Engine, int], bool]:
    """An event filter that lets ITERATION_COMPLETED through where a cycle of ``schedule`` ends.

    There the rate is at its base and, by the paper, accuracy at its peak: the place for an
    evaluator, a Checkpoint or EarlyStopping. ``start`` and ``accumulation_steps`` as given to
    :meth:`ScheduleHandler.attach`.

    Example::

        at_cycle_end = Events.ITERATION_COMPLETED(event_filter=cycle_end(clr))
        trainer.add_event_handler(at_cycle_end, lambda engine: evaluator.run(val_loader))
    """
    check_schedule("schedule", schedule)
    start = count("start", start, least=0)
    accumulation_steps = count("accumulation_steps", accumulation_steps)

    def ends(engine: Engine, event: int) -> bool:
        steps, rest = divmod(event - start, accumulation_steps)
        return rest == 0 and ends_cycle(schedule, steps)

    return ends


def _setters(engine: Engine, optimizer: torch.optim.Optimizer) -> Iterator[tuple[object, str]]:
    """Ours and Ignite's schedulers attached to ``engine`` with what they set on ``optimizer``."""
    for handler in attached_handlers(engine):
        owner = getattr(handler, "__self__", handler)
        if isinstance(owner, ScheduleHandler) and owner.optimizer is optimizer:
            if handler == owner._write:
                yield from ((owner, name) for name in owner.schedules)
        # A ParamGroupScheduler is no ParamScheduler; it holds several.
        for part in owner.schedulers if isinstance(owner, ParamGroupScheduler) else (owner,):
            if isinstance(part, ParamScheduler) and part.optimizer is optimizer:
                yield owner, "momentum" if part.param_name == "betas" else part.param_name
