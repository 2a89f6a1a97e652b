"""Facts about Ignite and torch in docs/company.md: a release that changes one fails here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from ignite.engine import Engine, Events
from ignite.handlers import Checkpoint, EMAHandler, LRScheduler
from ignite.handlers.checkpoint import BaseSaveHandler
from torch import nn
from torch.optim import lr_scheduler

from clr_ignite import ScheduleHandler
from clr_ignite.schedules import Fixed

SCHEDULERS: dict[str, Callable[[Any], Any]] = {
    "LinearLR": lambda o: lr_scheduler.LinearLR(o, 0.1, 1.0, total_iters=5),
    "ConstantLR": lambda o: lr_scheduler.ConstantLR(o, 0.5, total_iters=3),
    "ExponentialLR": lambda o: lr_scheduler.ExponentialLR(o, 0.5),
    "MultiplicativeLR": lambda o: lr_scheduler.MultiplicativeLR(o, lambda step: 0.5),
    "PolynomialLR": lambda o: lr_scheduler.PolynomialLR(o, 6),
    "CosineAnnealingLR": lambda o: lr_scheduler.CosineAnnealingLR(o, 6),
    "CosineAnnealingWarmRestarts": lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 3),
    "StepLR": lambda o: lr_scheduler.StepLR(o, 3),
    "MultiStepLR": lambda o: lr_scheduler.MultiStepLR(o, [2, 4]),
    "LambdaLR": lambda o: lr_scheduler.LambdaLR(o, lambda step: 1 / (1 + step)),
    "CyclicLR": lambda o: lr_scheduler.CyclicLR(o, 0.1, 1.0, 3, cycle_momentum=False),
    "OneCycleLR": lambda o: lr_scheduler.OneCycleLR(o, 1.0, total_steps=10, cycle_momentum=False),
}


def optimizer() -> torch.optim.SGD:
    return torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)


def torchs(make: Callable[[Any], Any]) -> list[float]:
    stepped = optimizer()
    scheduler, rates = make(stepped), []
    for _ in range(7):
        rates.append(stepped.param_groups[0]["lr"])
        stepped.step()
        scheduler.step()
    return rates


def ignites(make: Callable[[Any], Any]) -> list[float]:
    stepped, rates = optimizer(), []

    def step(engine: Engine, batch: Any) -> None:
        stepped.step()
        rates.append(stepped.param_groups[0]["lr"])

    trainer = Engine(step)
    trainer.add_event_handler(Events.ITERATION_STARTED, LRScheduler(make(stepped)))
    trainer.run(range(7))
    return rates


@pytest.mark.filterwarnings("ignore")
def test_ignites_scheduler_gives_other_rates_for_seven_of_twelve() -> None:
    differ = [name for name, make in SCHEDULERS.items() if ignites(make) != torchs(make)]
    assert differ == list(SCHEDULERS)[:7]
    warm_up = ignites(SCHEDULERS["LinearLR"])
    assert warm_up[0] == pytest.approx(0.01) and warm_up[-2:] == pytest.approx([0.1, 0.1])
    assert ignites(SCHEDULERS["ConstantLR"]) == [0.25, 0.25, 0.25, 0.5, 0.5, 0.5, 0.5]
    assert ignites(SCHEDULERS["CosineAnnealingLR"])[0] > 1.07
    with pytest.raises(NotImplementedError):
        ignites(
            lambda o: lr_scheduler.SequentialLR(
                o, [SCHEDULERS["LinearLR"](o), SCHEDULERS["ExponentialLR"](o)], [3]
            )
        )


def test_one_tensor_rate_shared_by_two_groups() -> None:
    def shared() -> Any:
        groups = [{"params": [nn.Parameter(torch.zeros(1))], "lr_mult": m} for m in (1.0, 0.5)]
        return torch.optim.Adam(groups, lr=torch.tensor(1.0), foreach=False)

    both = shared()
    lr_scheduler.LambdaLR(both, [lambda step: 1.0, lambda step: 0.5])
    assert [float(group["lr"]) for group in both.param_groups] == [0.5, 0.5]
    both, trainer = shared(), Engine(lambda engine, batch: None)
    ScheduleHandler(both, lr=Fixed(1.0)).attach(trainer)
    trainer.run([0])
    assert [float(group["lr"]) for group in both.param_groups] == [1.0, 0.5]


def test_a_checkpoint_keeps_a_first_score_that_is_nan() -> None:
    saved: list[str] = []

    class Names(BaseSaveHandler):
        def __call__(self, checkpoint: Any, filename: str, metadata: Any = None) -> None:
            saved.append(filename)

        def remove(self, filename: str) -> None: ...

    scores = iter([float("nan"), 0.5, 0.9])
    keeper = Checkpoint(
        {"model": nn.Linear(1, 1)},
        Names(),
        n_saved=1,
        score_function=lambda engine: next(scores),
        score_name="score",
    )
    trainer = Engine(lambda engine, batch: None)
    trainer.add_event_handler(Events.ITERATION_COMPLETED, keeper)
    trainer.run(range(3))
    assert saved == ["model_score=nan.pt"]


@pytest.mark.parametrize(("name", "first"), [("ema_momentum", 0.9), ("mine", 0.1)])
def test_momentum_warm_up_works_under_its_default_name_alone(name: str, first: float) -> None:
    average = EMAHandler(nn.Linear(1, 1), momentum=0.1, momentum_warmup=0.9, warmup_iters=5)
    trainer = Engine(lambda engine, batch: None)
    average.attach(trainer, name=name)
    used: list[float] = []
    trainer.add_event_handler(
        Events.ITERATION_COMPLETED, lambda engine: used.append(getattr(engine.state, name))
    )
    trainer.run(range(7))
    assert used[0] == pytest.approx(first) and used[-1] == pytest.approx(0.1)
