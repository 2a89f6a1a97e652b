"""``ScheduleHandler``: writes schedules into an optimizer at each iteration of an Ignite Engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import torch
from ignite.engine import Engine, Events
from ignite.handlers.param_scheduler import ParamGroupScheduler, ParamScheduler

from clr_ignite._checks import count, function, instance, shown
from clr_ignite.no_trace.engine import attached_handlers, check_engine
from clr_ignite.schedules import Schedule, ends_cycle


class ScheduleHandler:
    """Sets hyperparameters of an optimizer from schedules, at every ITERATION_STARTED.

    It keeps no state: the value at Engine iteration i (1-based) is
    ``schedule((i - 1 - start) // accumulation_steps)``, so a resumed Engine resumes its schedule
    and a new run that restarts the iteration restarts the schedule. Handlers attached later, the
    optimizer's step and everything at ITERATION_COMPLETED see the value in use.

    A param group's ``lr_mult`` (1 where absent) scales its ``lr`` and nothing else. ``momentum``
    writes ``momentum``, or the first of ``betas`` where the optimizer has betas. A value that is a
    tensor is filled in place. Nothing that was not asked for is touched.

    Args:
        optimizer: any ``torch.optim.Optimizer``.
        schedules: by hyperparameter name (``lr=``, ``momentum=``, ``weight_decay=``, ...), each a
            callable from the 0-based iteration to a value.

    Raises:
        TypeError: an argument that is not an optimizer or not callable.
        ValueError: no schedule, or a hyperparameter that the optimizer does not have.

    Example::

        clr = Triangular(base_lr=0.001, max_lr=0.006, step_size=2000)
        ScheduleHandler(optimizer, lr=clr).attach(trainer)
    """

    def __init__(self, optimizer: torch.optim.Optimizer, **schedules: Schedule) -> None:
        instance("optimizer", optimizer, torch.optim.Optimizer, "a torch.optim.Optimizer")
        if not schedules:
            raise ValueError("schedules must name at least one hyperparameter, such as lr=...")
        for name, schedule in schedules.items():
            function(name, schedule, "a callable iteration -> value, such as Fixed(0.1)")
        self.optimizer = optimizer
        self.schedules = dict(schedules)
        self._writers = tuple((_writer(name), schedule) for name, schedule in schedules.items())
        for name in schedules:
            self._check_known(name)

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
            check_group_rates(self.optimizer)
        if trainer.has_event_handler(self._write, Events.ITERATION_STARTED):
            raise ValueError("this ScheduleHandler is already attached to the trainer")
        self._check_alone(trainer)
        trainer.add_event_handler(Events.STARTED, self._check_alone)
        trainer.add_event_handler(
            Events.ITERATION_STARTED, self._write, start + 1, accumulation_steps
        )

    def detach(self, trainer: Engine) -> None:
        """Undo :meth:`attach`; the optimizer keeps the values that it has."""
        trainer.remove_event_handler(self._check_alone, Events.STARTED)
        trainer.remove_event_handler(self._write, Events.ITERATION_STARTED)

    def _write(self, engine: Engine, first: int, accumulation_steps: int) -> None:
        step = engine.state.iteration - first
        if step < 0:
            return
        if accumulation_steps > 1:
            step //= accumulation_steps
        # The groups are read anew each time: load_state_dict replaces the list and the dicts.
        groups = self.optimizer.param_groups
        for write, schedule in self._writers:
            write(groups, float(schedule(step)))  # a NumPy number would end up in checkpoints

    def _check_known(self, name: str) -> None:
        for group in self.optimizer.param_groups:
            known = set(group) - {"params", "param_names", "lr_mult"}
            if "betas" in group:
                known.add("momentum")
            if name not in known:
                raise ValueError(
                    f"{type(self.optimizer).__name__} has no hyperparameter {name!r}; "
                    f"it has {', '.join(sorted(known))}"
                )

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
    function("schedule", schedule, "a callable iteration -> value")
    start = count("start", start, least=0)
    accumulation_steps = count("accumulation_steps", accumulation_steps)

    def ends(engine: Engine, event: int) -> bool:
        steps, rest = divmod(event - start, accumulation_steps)
        return rest == 0 and ends_cycle(schedule, steps)

    return ends


def check_group_rates(optimizer: torch.optim.Optimizer, or_else: str = "") -> None:
    """Refuse groups of differing rates without ``lr_mult``: one schedule would make them equal.

    Args:
        or_else: another way out, in words.
    """
    rates = [float(group["lr"]) for group in optimizer.param_groups if "lr_mult" not in group]
    if len(set(rates)) > 1:
        raise ValueError(
            f"the groups' rates differ ({shown(rates)[1:-1]}) and one schedule would make them "
            f"equal: give each group an 'lr_mult', the factor on the schedule's rate{or_else}"
        )


def put_rates(groups: list[dict[str, Any]], rates: Sequence[float]) -> None:
    """Set each group's rate, a tensor in place.

    torch gives groups without a rate of their own one and the same tensor; where their rates
    differ, such a group gets its own.
    """
    filled: dict[int, float] = {}
    for group, rate in zip(groups, rates, strict=True):
        held = group["lr"]
        if _is_tensor(held) and filled.setdefault(id(held), rate) != rate:
            group["lr"] = held.clone()
        put(group, "lr", rate)


def put(group: dict[str, Any], name: str, value: float) -> None:
    """Fill a tensor in place: torch.compile and CUDA graphs hold on to the object."""
    if _is_tensor(group[name]):
        group[name].fill_(value)
    else:
        group[name] = value


def _is_tensor(value: object) -> bool:
    # float first: asking a float whether it is a Tensor takes longer than all the rest.
    return type(value) is not float and isinstance(value, torch.Tensor)


def _writer(name: str) -> Callable[[list[dict[str, Any]], float], None]:
    """What writes a value of the hyperparameter ``name`` into all groups."""
    return {"lr": _put_rates, "momentum": _put_momenta}.get(name, partial(_put_all, name))


# The common case of both, a float, is in line: it runs for every group at every iteration.
def _put_rates(groups: list[dict[str, Any]], value: float) -> None:
    for group in groups:
        rate = value * float(group["lr_mult"]) if "lr_mult" in group else value
        if type(group["lr"]) is float:
            group["lr"] = rate
        else:
            put_rates(groups, [value * float(g.get("lr_mult", 1.0)) for g in groups])
            return


def _put_momenta(groups: list[dict[str, Any]], value: float) -> None:
    for group in groups:
        if "betas" in group:
            _put_first_beta(group, value)
        elif type(group["momentum"]) is float:
            group["momentum"] = value
        else:
            put(group, "momentum", value)


def _put_all(name: str, groups: list[dict[str, Any]], value: float) -> None:
    for group in groups:
        put(group, name, value)


def _put_first_beta(group: dict[str, Any], value: float) -> None:
    first, *rest = group["betas"]
    if isinstance(first, torch.Tensor):
        first.fill_(value)
    else:
        group["betas"] = (value, *rest)


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
