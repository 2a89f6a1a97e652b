"""Momentum opposite to a cyclical rate, in one line, whatever the schedule and the optimizer."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from ignite.engine import Engine

from clr_ignite import LRRangeTest, RangeTestResult, RepeatedResult, ScheduleHandler
from clr_ignite.schedules import (
    CosineRestarts,
    Cyclic,
    ExpRange,
    OneCycle,
    OneCycleTwoPhase,
    Triangular,
    Triangular2,
)
from tests.rigs import Rig
from tests.test_handlers import record
from tests.test_repeated import made

CYCLICAL: list[Any] = [
    Triangular(0.01, 0.05, 3),
    Triangular2(0.01, 0.05, 3),
    ExpRange(0.01, 0.05, 3, 0.9, scale="amplitude"),
    Cyclic(0.01, 0.05, 6),
    CosineRestarts(0.01, 0.05, 6),
    OneCycle(0.01, 0.05, 3, 9, 0.001),
    OneCycleTwoPhase(0.01, 0.05, 3, 9, 0.001),
]
MAKES = [
    (torch.optim.SGD, {"momentum": 0.0}),
    (torch.optim.SGD, {"nesterov": True, "foreach": True}),
    (torch.optim.RMSprop, {"momentum": 0.9}),
    (torch.optim.Adam, {"fused": True}),
    (torch.optim.AdamW, {"foreach": True}),
    (torch.optim.NAdam, {}),
    (torch.optim.RAdam, {}),
    (torch.optim.Adamax, {}),
]


@pytest.mark.parametrize("clr", CYCLICAL, ids=lambda clr: type(clr).__name__)
def test_it_is_high_at_the_base_and_low_at_the_peak(clr: Any) -> None:
    momentum = clr.momentum(0.95, 0.85)
    for step in range(9):
        rate = clr(step)
        if rate >= 0.01 and not isinstance(clr, OneCycleTwoPhase):
            share = (rate - 0.01) / (0.05 - 0.01)
            assert momentum(step) == pytest.approx(0.95 - 0.1 * share), step
    peak = max(range(9), key=clr)
    assert clr(peak) == pytest.approx(0.05, rel=0.3) and momentum(peak) == min(
        map(momentum, range(9))
    )


@pytest.mark.parametrize(("make", "options"), MAKES)
def test_every_optimizer_with_momentum_uses_it(make: Any, options: dict[str, Any]) -> None:
    rig = Rig(make, **options)
    betas = "betas" in rig.optimizer.param_groups[0]
    rest = rig.optimizer.param_groups[0]["betas"][1:] if betas else ()
    used = record(rig.optimizer, "betas" if betas else "momentum")
    clr = Triangular(0.01, 0.05, 3)
    ScheduleHandler(rig.optimizer, lr=clr, momentum=clr.momentum(0.95, 0.85)).attach(rig.trainer)
    rig.trainer.run(rig.loader, max_epochs=2)
    expected = [clr.momentum(0.95, 0.85)(step) for step in range(10)]
    assert [values[0] for values in used] == expected
    if betas:
        assert rig.optimizer.param_groups[0]["betas"] == (expected[-1], *rest)


def test_an_optimizer_without_momentum_is_named() -> None:
    rig = Rig(torch.optim.Adagrad)
    clr = Triangular(0.01, 0.05, 3)
    with pytest.raises(ValueError, match="Adagrad has no hyperparameter 'momentum'; it has "):
        ScheduleHandler(rig.optimizer, lr=clr, momentum=clr.momentum(0.95, 0.85))


@pytest.mark.parametrize("policy", ["triangular", "triangular2", "onecycle"])
def test_it_comes_from_a_range_tests_schedule_too(policy: Any) -> None:
    test = made(0.002, 0.008)
    assert isinstance(test, RangeTestResult)
    for result in (test, RepeatedResult([0, 1], [test, test])):
        clr: Any = result.schedule(10, policy)
        momentum = clr.momentum(0.95, 0.85)
        assert [momentum(0), momentum(10), momentum(20)] == pytest.approx([0.95, 0.85, 0.95])


def test_groups_with_ranges_of_their_own_share_one_momentum() -> None:
    rig = Rig()
    head, *others = rig.model.parameters()
    groups = [{"params": [head]}, {"params": others}]
    optimizer = torch.optim.AdamW(groups, lr=0.01)
    saved = {"model": rig.model, "optimizer": optimizer}
    trainer = Engine(lambda engine, batch: _step(rig, optimizer, batch))
    test = LRRangeTest(optimizer, [1e-4, 1e-5], [10.0, 1.0], 60, "exponential", to_save=saved)
    clr: Any = test.run(trainer, rig.loader).schedule(2)
    used = record(optimizer, "betas")
    first, second = clr
    ScheduleHandler(optimizer, lr=clr, momentum=first.momentum(0.95, 0.85)).attach(trainer)
    trainer.run(rig.loader, max_epochs=1)
    assert second.max_lr == pytest.approx(0.1 * first.max_lr)
    for step, values in enumerate(used):
        assert values == [first.momentum(0.95, 0.85)(step)] * 2
        assert values == pytest.approx([second.momentum(0.95, 0.85)(step)] * 2)


def _step(rig: Rig, optimizer: torch.optim.Optimizer, batch: Any) -> float:
    rig.model.train()
    loss = torch.nn.functional.cross_entropy(rig.model(batch[0]), batch[1])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()
