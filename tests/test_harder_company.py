"""Plateaus, groups with ranges of their own, and the things that trainings come with."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from ignite.engine import Engine, Events
from ignite.handlers import (
    Checkpoint,
    EMAHandler,
    LRScheduler,
    ProgressBar,
    TerminateOnNan,
    global_step_from_engine,
)
from ignite.handlers.param_scheduler import LinearCyclicalScheduler
from torch import Tensor, nn
from torch.nn import functional as F

from clr_ignite import LRRangeTest, ScheduleHandler
from clr_ignite.schedules import Fixed, Geometric, Linear
from tests.rigs import Rig, same, state_of


def test_hold_keeps_each_rate_and_the_last_is_end_lr() -> None:
    rig = Rig()
    result = rig.test(num_iter=12, hold=3).run(rig.trainer, rig.loader)
    levels = [Linear(0.0, 0.1, 3)(level) for level in range(4)]
    assert list(result.lr) == rig.used == [rate for rate in levels for _ in range(3)]
    rates, means, spreads = result.plateaus()
    assert rates == levels
    held = torch.tensor(list(result.loss), dtype=torch.float64).view(4, 3)
    assert means == pytest.approx(held.mean(dim=1).tolist())
    assert spreads == pytest.approx(held.std(dim=1, correction=0).tolist())


@pytest.mark.parametrize("step_mode", ["linear", "exponential"])
def test_groups_sweep_ranges_of_their_own(step_mode: Any) -> None:
    rig = Rig()
    weights = [p for p in rig.model.parameters() if p.ndim > 1]
    others = [p for p in rig.model.parameters() if p.ndim == 1]
    groups = [{"params": weights, "lr": 0.3}, {"params": others, "lr": 0.4, "lr_mult": 2.0}]
    rig.optimizer = torch.optim.SGD(groups, momentum=0.9)
    used: list[list[float]] = []
    rig.optimizer.register_step_pre_hook(
        lambda o, *_: used.append([g["lr"] for g in o.param_groups])
    )
    test = rig.test(start_lr=[0.001, 0.01], end_lr=(0.1, 0.2), step_mode=step_mode)
    result = test.run(rig.trainer, rig.loader)
    kind = Linear if step_mode == "linear" else Geometric
    expected = [[kind(0.001, 0.1, 11)(t), 2 * kind(0.01, 0.2, 11)(t)] for t in range(12)]
    assert used == expected
    assert [list(row) for row in zip(*result.group_lr, strict=True)] == expected
    assert list(result.lr) == [row[0] for row in expected]
    assert (result.start_lr, result.end_lr) == ((0.001, 0.01), (0.1, 0.2))
    assert [g["lr"] for g in rig.optimizer.param_groups] == [0.3, 0.4]


def test_groups_with_ranges_of_their_own_do_not_share_a_tensor_rate() -> None:
    rig = Rig()
    weights, biases = list(rig.model.parameters())[::2], list(rig.model.parameters())[1::2]
    groups = [{"params": weights}, {"params": biases}]
    optimizer = torch.optim.SGD(groups, lr=torch.tensor(0.5))
    saved = {"model": rig.model, "optimizer": optimizer}
    test = LRRangeTest(optimizer, [0.0, 0.0], [0.1, 0.2], 4, to_save=saved)
    with pytest.raises(ValueError, match="share one tensor as their lr"):
        test.run(rig.trainer, rig.loader)


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"hold": 5}, ValueError, r"hold must divide num_iter \(12\) into two .*, got 5"),
        ({"hold": 12}, ValueError, "hold must divide .*, got 12"),
        ({"hold": 0}, ValueError, "hold must be at least 1, got 0"),
        ({"start_lr": [0.0, 0.0]}, ValueError, r"one for each of 1 param groups, got \(0.0, 0.0\)"),
        ({"end_lr": []}, ValueError, r"end_lr must hold a rate for each param group, got \[\]"),
        ({"start_lr": [0.2]}, ValueError, r"start_lr must be below end_lr \(0.1\), got 0.2"),
        ({"end_lr": [-1]}, ValueError, "end_lr must be greater than 0, got -1"),
        ({"end_lr": "fast"}, TypeError, "end_lr must be a number, got 'fast'"),
    ],
)
def test_bad_plans_are_named(changes: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        Rig().test(**changes)


def test_a_step_that_a_grad_scaler_skips_is_a_row_without_a_rate() -> None:
    rig = Rig()
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    before = state_of(rig)

    def step(engine: Engine, batch: tuple[Tensor, Tensor]) -> float:
        rig.optimizer.zero_grad()
        loss = F.cross_entropy(rig.model(batch[0]), batch[1])
        scaler.scale(loss).backward()
        if engine.state.iteration == 4:
            next(rig.model.parameters()).grad.fill_(float("inf"))
        scaler.step(rig.optimizer)
        scaler.update()
        return loss.item()

    saved = {"model": rig.model, "optimizer": rig.optimizer, "scaler": scaler}
    result = rig.test(to_save=saved).run(Engine(step), rig.loader)
    rates = [Linear(0.0, 0.1, 11)(t) for t in range(12)]
    assert len(result) == 12 and rig.used == rates[:3] + rates[4:]
    assert [lr if lr == lr else None for lr in result.lr] == [*rates[:3], None, *rates[4:]]
    assert all(loss == loss for loss in result.loss)
    assert scaler.get_scale() == 4.0 and same(state_of(rig), before)


def test_bfloat16_autocast() -> None:
    rig = Rig()

    def step(engine: Engine, batch: tuple[Tensor, Tensor]) -> Tensor:
        rig.optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = F.cross_entropy(rig.model(batch[0]), batch[1])
        loss.backward()
        rig.optimizer.step()
        return loss

    before = state_of(rig)
    result = rig.test().run(Engine(step), rig.loader)
    assert len(result) == 12 and same(state_of(rig), before)


def test_a_closure_is_one_step() -> None:
    rig = Rig(make=torch.optim.LBFGS, max_iter=3)

    def step(engine: Engine, batch: tuple[Tensor, Tensor]) -> Tensor:
        def closure() -> Tensor:
            rig.optimizer.zero_grad()
            loss = F.cross_entropy(rig.model(batch[0]), batch[1])
            loss.backward()
            return loss

        return rig.optimizer.step(closure)

    before = state_of(rig)
    result = rig.test().run(Engine(step), rig.loader)
    assert list(result.lr) == rig.used and len(rig.used) == 12
    assert same(state_of(rig), before)


def test_several_optimizers_with_one_under_test() -> None:
    rig = Rig()
    head = nn.Linear(3, 3)
    other = torch.optim.Adam(head.parameters(), lr=0.01)
    head_before = [p.detach().clone() for p in head.parameters()]
    other_rates: list[float] = []
    other.register_step_pre_hook(lambda o, *_: other_rates.append(o.param_groups[0]["lr"]))

    def step(engine: Engine, batch: tuple[Tensor, Tensor]) -> float:
        loss = F.cross_entropy(head(rig.model(batch[0])), batch[1])
        for optimizer in (rig.optimizer, other):
            optimizer.zero_grad()
        loss.backward()
        for optimizer in (rig.optimizer, other):
            optimizer.step()
        return loss.item()

    saved = {"model": rig.model, "optimizer": rig.optimizer, "head": head, "other": other}
    result = rig.test(to_save=saved).run(Engine(step), rig.loader)
    assert list(result.lr) == rig.used and other_rates == [0.01] * 12
    assert same([p.detach() for p in head.parameters()], head_before) and not other.state


def test_tied_weights_and_hidden_buffers() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False)
            self.b.weight = self.a.weight
            self.register_buffer("calls", torch.zeros(1), persistent=False)

        def forward(self, x: Tensor) -> Tensor:
            self.calls += 1
            return self.b(torch.relu(self.a(x)))

    rig = Rig()
    rig.model = Tied()
    rig.optimizer = torch.optim.SGD(rig.model.parameters(), lr=0.1)
    before = rig.model.a.weight.detach().clone()
    rig.test().run(rig.trainer, rig.loader)
    assert torch.equal(rig.model.a.weight, before) and rig.model.b.weight is rig.model.a.weight
    assert rig.model.calls.item() == 0


def crowd(rig: Rig, folder: Any) -> None:
    """Handlers that people attach, all of which would leave traces of a test."""
    trainer = rig.trainer
    ScheduleHandler(rig.optimizer, lr=Fixed(0.05)).attach(trainer)
    momentum = LinearCyclicalScheduler(rig.optimizer, "momentum", 0.8, 0.9, 10)
    trainer.add_event_handler(Events.ITERATION_STARTED, momentum)
    weight_decay = torch.optim.lr_scheduler.LambdaLR(
        torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0), lambda t: 0.9**t
    )
    trainer.add_event_handler(Events.ITERATION_COMPLETED, LRScheduler(weight_decay))
    trainer.add_event_handler(Events.ITERATION_COMPLETED, TerminateOnNan())
    EMAHandler(rig.model, momentum=0.1).attach(trainer, name="ema")
    ProgressBar(persist=True).attach(trainer, output_transform=lambda loss: {"loss": loss})
    saver = Checkpoint(
        {"model": rig.model}, str(folder), n_saved=None,
        global_step_transform=global_step_from_engine(trainer),
    )  # fmt: skip
    trainer.add_event_handler(Events.ITERATION_COMPLETED(every=2), saver)


def test_a_crowd_of_handlers_notices_nothing(tmp_path: Any) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    rig, untouched = Rig(), Rig()
    crowd(rig, tmp_path / "a")
    crowd(untouched, tmp_path / "b")
    result = rig.test(**rig.with_evaluator()).run(rig.trainer, rig.loader)
    assert len(result) == 12 and list((tmp_path / "a").iterdir()) == []
    assert len(result.suspended) >= 7
    for one in (rig, untouched):
        del one.losses[:]
        torch.manual_seed(5)  # both draw their dropout from the global generator
        one.trainer.run(one.loader, max_epochs=2)
    assert rig.losses == untouched.losses
    assert same(state_of(rig)["parameters"], state_of(untouched)["parameters"])
    names = [sorted(path.name for path in (tmp_path / x).iterdir()) for x in "ab"]
    assert names[0] == names[1] and len(names[0]) == 5


def test_a_trainer_in_mid_training() -> None:
    rig, untouched = Rig(), Rig()
    for one in (rig, untouched):
        one.trainer.load_state_dict({"iteration": 12_345, "epoch_length": 5, "max_epochs": 2_470})
        torch.manual_seed(5)  # both draw their dropout from the global generator
        one.trainer.run(one.loader)
    result = rig.test().run(rig.trainer, rig.loader)
    assert len(result) == 12 and list(result.iteration) == list(range(1, 13))
    assert same(state_of(rig), state_of(untouched))
    del rig.losses[5:]  # the test's own
    for one in (rig, untouched):
        torch.manual_seed(6)
        one.trainer.run(one.loader, max_epochs=2_472)
    assert rig.losses == untouched.losses and rig.trainer.state.iteration == 12_360


def test_an_ema_in_to_save_is_put_back() -> None:
    rig = Rig()
    handler = EMAHandler(rig.model, momentum=0.5)
    handler.attach(rig.trainer)
    content = [p.detach().clone() for p in handler.ema_model.parameters()]
    test = LRRangeTest(
        rig.optimizer, 0.0, 0.1, 12, keep=[handler], diverge_th=None,
        to_save={"model": rig.model, "optimizer": rig.optimizer, "ema": handler.ema_model},
    )  # fmt: skip
    result = test.run(rig.trainer, rig.loader)
    assert not any("EMA" in name for name in result.suspended)
    assert same([p.detach() for p in handler.ema_model.parameters()], content)
