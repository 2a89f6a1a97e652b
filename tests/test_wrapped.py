"""Optimizers around others: the test goes where steps happen, or says what to give it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from ignite.engine import Engine
from torch import Tensor, nn

from clr_ignite import LRRangeTest, ScheduleHandler
from clr_ignite.optimizers.wrapped import RateChanged
from clr_ignite.schedules import Linear


class Accelerated(torch.optim.Optimizer):
    """As accelerate wraps: everything by delegation, no call of torch's own constructor."""

    def __init__(self, optimizer: Any) -> None:
        self.optimizer, self.scaler, self.skips = optimizer, None, 0

    state = property(lambda self: self.optimizer.state)
    param_groups = property(lambda self: self.optimizer.param_groups)
    defaults = property(lambda self: self.optimizer.defaults)

    def zero_grad(self, set_to_none: bool = True) -> None:
        self.optimizer.zero_grad(set_to_none)

    def step(self, closure: Any = None) -> None:
        self.optimizer.step(closure)


class Lookahead(torch.optim.Optimizer):
    """As timm wraps: the same list of groups, and none of torch's hooks."""

    def __init__(self, base: Any, alpha: float = 0.5, k: int = 2) -> None:
        self._base_optimizer, self.alpha, self.k, self.count = base, alpha, k, 0
        self.param_groups, self.state = base.param_groups, base.state
        self.slow = [p.detach().clone() for g in base.param_groups for p in g["params"]]

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        self._base_optimizer.step(closure)
        self.count += 1
        if self.count % self.k == 0:
            fast = [p for g in self.param_groups for p in g["params"]]
            for slow, p in zip(self.slow, fast, strict=True):
                slow.lerp_(p, self.alpha)
                p.copy_(slow)


class TwoSteps(torch.optim.Optimizer):
    """SAM as it is written mostly: nobody calls ``step``."""

    def __init__(self, params: Any, base: Any, **options: Any) -> None:
        super().__init__(params, {"rho": 0.05, **options})
        self.base_optimizer = base(self.param_groups, **options)
        self.param_groups = self.base_optimizer.param_groups

    @torch.no_grad()
    def first_step(self) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                self.state[p]["old"] = p.detach().clone()
                p.add_(p.grad, alpha=group["rho"])

    @torch.no_grad()
    def second_step(self) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                p.copy_(self.state[p]["old"])
        self.base_optimizer.step()


class Alone(torch.optim.Optimizer):
    """Neither hooks nor an optimizer inside."""

    def __init__(self, params: Any, lr: float) -> None:
        self.param_groups, self.state = [{"params": list(params), "lr": lr}], {}

    @torch.no_grad()
    def step(self) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                p.sub_(p.grad, alpha=group["lr"])


class Apart(torch.optim.Optimizer):
    """Groups of its own, beside those of the optimizer that steps."""

    def __init__(self, base: Any) -> None:
        super().__init__([p for g in base.param_groups for p in g["params"]], {"lr": 0.1})
        self.inner = [base]

    def step(self, closure: Any = None) -> None:
        self.inner[0].step()


def sgd(params: Any) -> Any:
    return torch.optim.SGD(params, lr=0.1, momentum=0.9)


MAKES: dict[str, Any] = {
    "accelerated": lambda params: Accelerated(sgd(params)),
    "twice": lambda params: Accelerated(Lookahead(sgd(params))),
    "lookahead": lambda params: Lookahead(sgd(params)),
    "two steps": lambda params: TwoSteps(params, torch.optim.SGD, lr=0.1, momentum=0.9),
    "alone": lambda params: Alone(params, 0.1),
}


def training(make: Any, rows: int = 8) -> tuple[Engine, LRRangeTest, list[float]]:
    torch.manual_seed(0)
    model = nn.Linear(4, 2)
    optimizer = make(model.parameters())
    losses: list[float] = []

    def step(engine: Engine, batch: Tensor) -> float:
        def passed() -> Tensor:
            model.zero_grad()
            loss = model(batch).square().mean()
            loss.backward()
            return loss

        loss = passed()
        if hasattr(optimizer, "first_step"):
            optimizer.first_step()
            passed()
            optimizer.second_step()
        else:
            optimizer.step()
        losses.append(loss.item())
        return loss.item()

    saved = {"model": model, "optimizer": optimizer}
    test = LRRangeTest(optimizer, 0.0, 0.1, rows, to_save=saved, diverge_th=None)
    return Engine(step), test, losses


DATA = [torch.randn(8, 4, generator=torch.Generator().manual_seed(i)) for i in range(3)]


@pytest.mark.parametrize("kind", MAKES)
@pytest.mark.parametrize("epochs", [0, 2])
def test_steps_are_seen_and_nothing_is_left_behind(kind: str, epochs: int) -> None:
    trainer, test, losses = training(MAKES[kind])
    plain, _, expected = training(MAKES[kind])
    for one in (trainer, plain):
        if epochs:
            one.run(DATA, max_epochs=epochs)
    before = dict(vars(test.optimizer))
    result = test.run(trainer, DATA)
    assert list(result.lr) == [Linear(0.0, 0.1, 7)(t) for t in range(8)]
    assert vars(test.optimizer).keys() == before.keys()
    del losses[len(expected) :]
    for one in (trainer, plain):
        one.run(DATA, max_epochs=4)
    assert losses == expected


@pytest.mark.parametrize("kind", MAKES)
def test_schedules_go_through(kind: str) -> None:
    trainer, test, _ = training(MAKES[kind])
    ScheduleHandler(test.optimizer, lr=Linear(0.1, 0.2, 2)).attach(trainer)
    trainer.run(DATA)
    assert test.optimizer.param_groups[0]["lr"] == 0.2


def test_the_base_given_and_the_wrapper_stepped() -> None:
    base = None

    def make(params: Any) -> Any:
        nonlocal base
        base = sgd(params)
        return Lookahead(base)

    trainer, test, _ = training(make)
    saved = {"wrapper": test.optimizer, **test.to_save, "optimizer": base}
    assert base is not None
    assert len(LRRangeTest(base, 0.0, 0.1, 8, to_save=saved).run(trainer, DATA)) == 8


@pytest.mark.parametrize("wrapper", [Accelerated, Lookahead])
@pytest.mark.parametrize("kind", ["ASGD", "Rprop"])
def test_an_inner_optimizer_that_does_not_use_its_rate_is_named(wrapper: Any, kind: str) -> None:
    trainer, test, _ = training(lambda params: wrapper(getattr(torch.optim, kind)(params, lr=0.1)))
    with pytest.warns(UserWarning, match=f"{kind}: it"):
        ScheduleHandler(test.optimizer, lr=Linear(0.1, 0.2, 5)).attach(trainer)
    with pytest.warns(UserWarning, match=f"{kind}: it"):
        test.run(trainer, DATA)


def test_an_inner_optimizer_with_rates_of_its_own_is_named() -> None:
    trainer, test, _ = training(lambda params: Apart(torch.optim.Adam(params, lr=0.7)))
    with pytest.raises(RateChanged, match=r"the Adam inside this Apart .* 0\.7: give .* that Adam"):
        test.run(trainer, DATA)


class Several(torch.optim.Optimizer):
    """As heavyball's SplitOpt: the rates are those of the optimizers inside."""

    def __init__(self, params: Any) -> None:
        matrix, bias = list(params)
        super().__init__([matrix, bias], {})
        self.optimizers = [sgd([matrix]), torch.optim.AdamW([bias], lr=0.01)]

    def step(self, closure: Any = None) -> None:
        for one in self.optimizers:
            one.step()


def test_a_wrapper_without_rates_is_refused_with_those_inside_which_can_be_tested() -> None:
    trainer, test, _ = training(Several)
    with pytest.raises(ValueError, match="this Several has no rate .*: give the SGD or AdamW insi"):
        test.run(trainer, DATA)
    wrapper: Any = test.optimizer
    inner = wrapper.optimizers[0]
    result = LRRangeTest(inner, 0.0, 0.1, 8, to_save={**test.to_save, "inner": inner}).run(
        trainer, DATA
    )
    assert len(result) == 8 and wrapper.optimizers[1].param_groups[0]["lr"] == 0.01


def test_a_scaler_inside_a_wrapper_is_known() -> None:
    trainer, test, _ = training(MAKES["accelerated"])
    optimizer: Any = test.optimizer
    scaler = optimizer.scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    plain = step = optimizer.step

    def scaled() -> None:
        scaler.scale(torch.ones(()))
        if len(test.result or ()) == 3:
            optimizer.param_groups[0]["params"][0].grad.fill_(float("inf"))
        scaler.step(optimizer.optimizer)
        scaler.update()

    optimizer.step = scaled
    result = test.run(trainer, DATA)
    assert plain is step and len(result) == 8 and [lr != lr for lr in result.lr].index(True) == 3


class NoOptimizer:
    """As schedulefree's wrapper and Lightning's: not of torch's class."""

    def __init__(self, base: Any) -> None:
        self.base = base


class NoGroups(torch.optim.Optimizer):
    def __init__(self, base: Any) -> None:
        self.base = base


@pytest.mark.parametrize("kind", [NoOptimizer, NoGroups])
def test_what_is_no_optimizer_is_refused_with_the_one_inside(kind: Any) -> None:
    model = nn.Linear(1, 1)
    wrapper = kind(sgd(model.parameters()))
    words = (
        f"must be a torch.optim.Optimizer with param_groups, got .*{kind.__name__}.*give the SGD"
    )
    with pytest.raises(TypeError, match=words):
        ScheduleHandler(wrapper, lr=Linear(0.1, 0.2, 2))
    with pytest.raises(TypeError, match=words):
        LRRangeTest(wrapper, to_save={"model": model, "optimizer": wrapper})
