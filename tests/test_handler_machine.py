"""Random programs of trainings and handlers, each step's rates held against a plain model."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from ignite.engine import Engine, Events
from torch import nn

from clr_ignite import LRRangeTest, ScheduleHandler
from clr_ignite.schedules import Chain, Fixed, Linear, OneCycle, Schedule, Triangular, Triangular2

SCHEDULES: list[Schedule] = [
    Triangular(0.1, 0.5, 3),
    Triangular2(0.0, 0.4, 2),
    OneCycle(0.1, 0.6, 4, 15, 0.01),
    Chain((Linear(0.2, 0.3, 4), 5), (Fixed(0.05), 1)),
    lambda t: 1 / (2 + t),
]
KINDS: dict[str, Any] = {
    "sgd": lambda groups: torch.optim.SGD(groups, lr=0.1, momentum=0.9),
    "adam": lambda groups: torch.optim.Adam(groups, lr=0.1),
    "tensor": lambda groups: torch.optim.Adam(
        groups, lr=torch.tensor(0.1, dtype=torch.float64), foreach=False
    ),
}
VALUES = ("lr", "momentum", "weight_decay", "lr_mult")
mults = st.sampled_from([None, 0.0, 0.5, 2.0])
indices = st.integers(0, 5)
actions = st.sampled_from(
    ["terminate", "interrupt", "end epoch", "add group", "save", "load", "set", "detach", "attach"]
)


def values_of(group: dict[str, Any]) -> dict[str, float]:
    """What a param group holds, momentum under one name for all optimizers."""
    shown = {"momentum": group["betas"][0]} if "betas" in group else {}
    shown |= {name: group[name] for name in VALUES if name in group}
    return {name: float(value) for name, value in shown.items()}


class Model:
    """What an optimizer's groups should hold, kept by hand from what the program did."""

    def __init__(self, kind: str, given: list[float | None]) -> None:
        self.parameters = nn.ParameterList(nn.Parameter(torch.ones(1)) for _ in given)
        groups = [
            {"params": [p]} | ({} if mult is None else {"lr_mult": mult})
            for p, mult in zip(self.parameters, given, strict=True)
        ]
        self.optimizer: torch.optim.Optimizer = KINDS[kind](groups)
        self.groups = [self.fresh(mult) for mult in given]
        self.saved: tuple[Any, list[dict[str, float]]] | None = None

    def fresh(self, mult: float | None) -> dict[str, float]:
        values = {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.0}
        return values if mult is None else values | {"lr_mult": mult}

    def add_group(self, mult: float | None, scheduled: bool) -> None:
        """``scheduled``: with the others' rate, since another one would be refused."""
        self.parameters.append(nn.Parameter(torch.ones(1)))
        others = [group["lr"] for group in self.groups if "lr_mult" not in group]
        # A rate of its own: torch's default may be a tensor that other groups have changed.
        rate = others[0] if scheduled and others and mult is None else 0.1
        group: dict[str, Any] = {"params": [self.parameters[-1]], "lr": rate}
        self.optimizer.add_param_group(group if mult is None else group | {"lr_mult": mult})
        self.groups.append(self.fresh(mult) | {"lr": rate})

    def write(self, name: str, value: float) -> None:
        for group in self.groups:
            group[name] = value * (group.get("lr_mult", 1.0) if name == "lr" else 1.0)

    @property
    def rates_differ(self) -> bool:
        return len({group["lr"] for group in self.groups if "lr_mult" not in group}) > 1


class Attached:
    """A handler on a trainer, and the plain reading of what it promises."""

    def __init__(
        self, trainer: Engine, model: Model, schedules: dict[str, Schedule], start: int, every: int
    ) -> None:
        self.trainer, self.model, self.schedules = trainer, model, schedules
        self.start, self.every = start, every
        self.handler = ScheduleHandler(model.optimizer, **schedules)

    def iteration(self, number: int) -> None:
        if number > self.start:
            for name, schedule in self.schedules.items():
                self.model.write(name, schedule((number - self.start - 1) // self.every))


class Trainings(RuleBasedStateMachine):
    """Two trainers, up to three optimizers, and all that may happen to them."""

    def __init__(self) -> None:
        super().__init__()
        self.models: list[Model] = []
        self.attached: list[Attached] = []
        self.planned: dict[int, tuple[str, int]] = {}
        self.steps = 0
        self.testing = False
        self.trainers = [Engine(self.step), Engine(self.step)]
        for trainer in self.trainers:
            trainer.add_event_handler(Events.ITERATION_STARTED, self.started)

    def started(self, engine: Engine) -> None:
        """Attached first, so it runs before the handlers; the model does not look at them."""
        for one in self.attached:
            if one.trainer is engine:
                one.iteration(engine.state.iteration)

    def step(self, engine: Engine, batch: int) -> float:
        for model in self.models:
            for parameter in model.parameters:
                parameter.grad = torch.ones(1)
            model.optimizer.step()
        self.steps += 1
        action, which = self.planned.pop(self.steps, ("", 0))
        if not self.testing:
            self.act(engine, action, which)
        return 1.0

    def compare(self, model: Model) -> None:
        """The optimizer's pre-hook: what the step uses."""
        if not self.testing:
            assert [values_of(g) for g in model.optimizer.param_groups] == model.groups

    def act(self, engine: Engine, action: str, which: int) -> None:
        """Something that happens inside a step."""
        model = self.models[which % len(self.models)]
        if action == "terminate":
            engine.terminate()
        elif action == "interrupt":
            engine.interrupt()
        elif action == "end epoch":
            engine.terminate_epoch()
        elif action == "add group":
            scheduled = any(o.model is model and "lr" in o.schedules for o in self.attached)
            model.add_group((None, 0.5)[which % 2], scheduled)
        elif action == "save":
            model.saved = copy.deepcopy((model.optimizer.state_dict(), model.groups))
        elif action == "load":
            self.load(model)
        elif action == "set":
            self.set_by_hand(model, which / 10)
        elif action == "detach":
            self.detach(which)
        elif action == "attach":
            schedules = {"lr": SCHEDULES[which % len(SCHEDULES)]}
            self.attach(engine, model, schedules, which % 3, 1 + which % 2)

    def load(self, model: Model) -> None:
        if model.saved is not None and len(model.saved[1]) == len(model.groups):
            model.optimizer.load_state_dict(model.saved[0])
            model.groups = copy.deepcopy(model.saved[1])

    def set_by_hand(self, model: Model, value: float) -> None:
        for group in model.optimizer.param_groups:
            if isinstance(group["lr"], torch.Tensor):
                group["lr"].fill_(value)
            else:
                group["lr"] = value
        for expected in model.groups:
            expected["lr"] = value

    def detach(self, which: int) -> None:
        if self.attached:
            one = self.attached.pop(which % len(self.attached))
            one.handler.detach(one.trainer)

    def attach(
        self, trainer: Engine, model: Model, schedules: dict[str, Any], start: int, every: int
    ) -> None:
        one = Attached(trainer, model, schedules, start, every)
        others = [o for o in self.attached if (o.trainer, o.model) == (trainer, model)]
        taken = any(o.schedules.keys() & schedules.keys() for o in others)
        unequal = "lr" in schedules and model.rates_differ
        if taken or unequal:
            reasons = ["already set by"] * taken + ["lr_mult"] * unequal  # either, where both hold
            with pytest.raises(ValueError, match="|".join(reasons)):
                one.handler.attach(trainer, start=start, accumulation_steps=every)
        else:
            one.handler.attach(trainer, start=start, accumulation_steps=every)
            self.attached.append(one)

    @initialize(kind=st.sampled_from(list(KINDS)), given=st.lists(mults, min_size=1, max_size=3))
    def begin(self, kind: str, given: list[float | None]) -> None:
        self.new_optimizer(kind, given)

    @precondition(lambda self: len(self.models) < 3)
    @rule(kind=st.sampled_from(list(KINDS)), given=st.lists(mults, min_size=1, max_size=2))
    def new_optimizer(self, kind: str, given: list[float | None]) -> None:
        model = Model(kind, given)
        model.optimizer.register_step_pre_hook(lambda *_: self.compare(model))
        self.models.append(model)

    @rule(
        trainer=st.integers(0, 1),
        which=indices,
        names=st.sets(st.sampled_from(VALUES[:3]), min_size=1),
        schedule=st.sampled_from(SCHEDULES),
        start=st.integers(0, 4),
        every=st.integers(1, 3),
    )
    def attach_one(
        self,
        trainer: int,
        which: int,
        names: set[str],
        schedule: Schedule,
        start: int,
        every: int,
    ) -> None:
        model = self.models[which % len(self.models)]
        schedules = dict.fromkeys(sorted(names), schedule)
        self.attach(self.trainers[trainer], model, schedules, start, every)

    @precondition(lambda self: self.attached)
    @rule(which=indices)
    def attach_twice(self, which: int) -> None:
        one = self.attached[which % len(self.attached)]
        with pytest.raises(ValueError, match=r"already (attached|set)|lr_mult"):
            one.handler.attach(one.trainer)

    @precondition(lambda self: self.attached)
    @rule(which=indices)
    def detach_one(self, which: int) -> None:
        self.detach(which)

    @rule(which=indices, action=st.sampled_from(["add group", "save", "load", "set"]))
    def between_runs(self, which: int, action: str) -> None:
        self.act(self.trainers[0], action, which)

    @rule(
        trainer=st.integers(0, 1),
        length=st.integers(1, 6),
        epochs=st.integers(1, 4),
        on=st.booleans(),
        planned=st.dictionaries(st.integers(1, 12), st.tuples(actions, indices), max_size=3),
    )
    def run(
        self,
        trainer: int,
        length: int,
        epochs: int,
        on: bool,
        planned: dict[int, tuple[str, int]],
    ) -> None:
        engine, before = self.trainers[trainer], self.steps
        length = engine.state.epoch_length if on and engine.state.epoch_length else length
        epochs += engine.state.epoch if on else 0
        self.planned = {before + at: action for at, action in planned.items()}
        try:
            engine.run(list(range(length)), max_epochs=epochs)
        except ValueError as error:  # Ignite's own rules about resuming
            assert "epoch" in str(error) and self.steps == before

    @rule(trainer=st.integers(0, 1), iteration=st.integers(0, 40), length=st.integers(1, 6))
    def load_trainer(self, trainer: int, iteration: int, length: int) -> None:
        engine = self.trainers[trainer]
        if engine._internal_run_generator is None:
            state = {"iteration": iteration, "epoch_length": length, "max_epochs": 99}
            engine.load_state_dict(state)

    @rule(trainer=st.integers(0, 1), which=indices, steps=st.integers(2, 8))
    def range_test(self, trainer: int, which: int, steps: int) -> None:
        model = self.models[which % len(self.models)]
        saved = {f"model {i}": one.parameters for i, one in enumerate(self.models)}
        saved |= {f"optimizer {i}": one.optimizer for i, one in enumerate(self.models)}
        weights = [parameter.detach().clone() for parameter in model.parameters]
        test = LRRangeTest(model.optimizer, 0.01, 3.0, steps, to_save=saved, diverge_th=None)
        self.testing = True
        if model.rates_differ:
            with pytest.raises(ValueError, match="lr_mult"):
                test.run(self.trainers[trainer], [1, 2, 3])
        else:
            result = test.run(self.trainers[trainer], [1, 2, 3])
            assert list(result.lr) == [Linear(0.01, 3.0, steps - 1)(t) for t in range(steps)]
        self.testing = False
        assert all(map(torch.equal, model.parameters, weights))

    @invariant()
    def values_are_the_models(self) -> None:
        for model in self.models:
            self.compare(model)


# Shrinking a failure takes minutes: the quick run shows it as it came, the long one small.
QUICK = settings(max_examples=30, stateful_step_count=25, deadline=None, phases=[Phase.generate])
LONG = settings(max_examples=1_500, stateful_step_count=60, deadline=None)


def test_random_programs() -> None:
    run_state_machine_as_test(Trainings, settings=QUICK)


@pytest.mark.slow
def test_many_long_random_programs() -> None:
    run_state_machine_as_test(
        Trainings, settings=settings(LONG, suppress_health_check=list(HealthCheck))
    )
