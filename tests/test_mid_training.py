"""A range test in mid-training: what the step sees, and what suspended handlers leave undone."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import pytest
import torch
from ignite.engine import Engine, Events
from ignite.handlers import EMAHandler
from ignite.metrics import Loss
from torch import Tensor

from tests.rigs import NEEDS_MAX_ITERS, Rig, same, state_of


@pytest.mark.parametrize("epochs", [0, 1, 3])
def test_the_step_sees_the_iteration_and_epoch_that_the_trainer_has(epochs: int) -> None:
    rig, untouched = Rig(), Rig()
    seen: dict[int, list[Any]] = {id(rig): [], id(untouched): []}
    for one in (rig, untouched):
        note = seen[id(one)].append
        one.meddle = lambda engine, loss, note=note: note(
            (engine.state.iteration, engine.state.epoch)
        )
        if epochs:
            one.trainer.run(one.loader, max_epochs=epochs)
    before = dict(vars(rig.trainer.state))
    result = rig.test(num_iter=12).run(rig.trainer, rig.loader)
    assert dict(vars(rig.trainer.state)) == before and list(result.iteration) == [*range(1, 13)]
    untouched.trainer.run(untouched.loader, max_epochs=epochs + 3)
    assert seen[id(rig)] == seen[id(untouched)][: 5 * epochs + 12]
    assert seen[id(rig)][-12:] == [(5 * epochs + 1 + t, epochs + 1 + t // 5) for t in range(12)]


@NEEDS_MAX_ITERS
def test_in_the_middle_of_an_epoch() -> None:
    rig = Rig()
    rig.trainer.run(rig.loader, max_iters=7)
    seen: list[tuple[int, int]] = []
    rig.meddle = lambda engine, loss: seen.append((engine.state.iteration, engine.state.epoch))
    rig.test(num_iter=6).run(rig.trainer, rig.loader)
    assert seen == [(8, 2), (9, 2), (10, 2), (11, 3), (12, 3), (13, 3)]


def test_data_without_a_length() -> None:
    class Stream:
        def __iter__(self) -> Any:
            return iter(list(Rig().loader))

    rig = Rig()
    rig.trainer.run(rig.loader, max_epochs=2)
    seen: list[int] = []
    rig.meddle = lambda engine, loss: seen.append(engine.state.iteration)
    assert len(rig.test(num_iter=6).run(rig.trainer, Stream())) == 6
    assert seen == [11, 12, 13, 14, 15, 16]


class Quiet(Rig):
    """A step that leaves the mode to whoever sets it."""

    def step(self, engine: Engine, batch: tuple[Tensor, Tensor]) -> float:
        loss = torch.nn.functional.cross_entropy(self.model(batch[0]), batch[1])
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.item()


def test_a_model_left_in_eval_mode_is_said() -> None:
    rig = Quiet()
    rig.trainer.add_event_handler(Events.EPOCH_STARTED, lambda engine: rig.model.train())
    rig.trainer.add_event_handler(Events.EPOCH_COMPLETED, lambda engine: rig.model.eval())
    rig.trainer.run(rig.loader)
    before = state_of(rig)
    words = "'model' took the step in eval mode: call train.*lambda.*EPOCH_STARTED.*keep="
    with pytest.warns(UserWarning, match=words) as caught:
        rig.test().run(rig.trainer, rig.loader)
    assert len(caught) == 1 and same(state_of(rig), before)


def test_an_evaluator_on_an_average_that_nobody_updates_is_said() -> None:
    rig = Rig()
    average = EMAHandler(rig.model, momentum=0.1)
    average.attach(rig.trainer)

    def evaluate(engine: Engine, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            return average.ema_model(batch[0]), batch[1]

    evaluator = Engine(evaluate)
    Loss(torch.nn.functional.cross_entropy).attach(evaluator, "loss")
    arguments = {"evaluator": evaluator, "eval_data": rig.held, "every": 4}
    with pytest.warns(UserWarning, match="no parameter of the optimizer, such as an average.*EMA"):
        fixed = rig.test(**arguments).run(rig.trainer, rig.loader)
    assert len(set(fixed["loss"][1])) == 1
    saved = {"model": rig.model, "optimizer": rig.optimizer, "average": average.ema_model}
    moving = rig.test(keep=[average], to_save=saved, **arguments)
    result = moving.run(rig.trainer, rig.loader)
    assert len(set(result["loss"][1])) == 3


class Adversary(Rig):
    """A second net with an optimizer of its own, stepped in the same step, and an average."""

    def __init__(self) -> None:
        super().__init__()
        self.other = torch.nn.Linear(3, 1)
        self.second = torch.optim.Adam(self.other.parameters(), lr=0.1)
        self.average, self.teacher = copy.deepcopy(self.model), copy.deepcopy(self.model).eval()
        self.scaler = torch.amp.GradScaler("cpu", growth_interval=2)

    def step(self, engine: Engine, batch: tuple[Tensor, Tensor]) -> float:
        loss = super().step(engine, batch)
        self.second.zero_grad()
        self.scaler.scale(self.other(self.teacher(batch[0])).square().mean()).backward()
        self.scaler.step(self.second)
        self.scaler.update()
        with torch.no_grad():
            for mine, own in zip(self.average.parameters(), self.model.parameters(), strict=True):
                mine.lerp_(own, 0.1)
        return loss


def test_what_the_step_changes_and_to_save_does_not_name_is_said() -> None:
    rig = Adversary()
    words = r"range test (\w+ and ){3}\w+ will not be as before"
    with pytest.warns(UserWarning, match=words) as caught:
        rig.test().run(rig.trainer, rig.loader)
    assert len(caught) == 1
    saved: dict[str, Any] = {"model": rig.model, "optimizer": rig.optimizer}
    missing = {"other": "Linear", "second": "Adam", "average": "Sequential", "scaler": "GradScaler"}
    for left_out, name in missing.items():
        others = {one: getattr(rig, one) for one in missing if one != left_out}
        with pytest.warns(UserWarning, match=f"range test {name} will not be as before"):
            rig.test(to_save=saved | others).run(rig.trainer, rig.loader)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        everything = saved | {one: getattr(rig, one) for one in missing}
        rig.test(to_save=everything).run(rig.trainer, rig.loader)
        nested = {**saved, "rest": [everything]}
        rig.test(to_save=nested).run(rig.trainer, rig.loader)


def test_where_nothing_is_missing_nothing_is_said() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rig = Quiet()
        rig.model.eval()  # on purpose: nobody is suspended
        rig.test().run(rig.trainer, rig.loader)
        rig = Rig()
        rig.trainer.add_event_handler(Events.EPOCH_STARTED, lambda engine: None)
        rig.test(**rig.with_evaluator()).run(rig.trainer, rig.loader)
        teacher = copy.deepcopy(rig.model)
        rig.evaluator = Engine(lambda engine, batch: (teacher(batch[0]), rig.model(batch[0]))[1])
        rig.test(evaluator=rig.evaluator, eval_data=rig.held, every=4).run(rig.trainer, rig.loader)
