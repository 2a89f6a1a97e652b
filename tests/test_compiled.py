"""Around a compiled optimizer step a range test compiles nothing, and training keeps its bits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
import torch._dynamo
from ignite.engine import Engine, Events
from torch import Tensor, nn
from torch._dynamo.utils import counters

from clr_ignite import LRRangeTest

SLOW = pytest.mark.slow
OLD = not hasattr(torch.compiler, "set_stance")
NEEDS_STANCES = pytest.mark.skipif(OLD, reason="torch before 2.6")
DATA = [torch.randn(8, 4, generator=torch.Generator().manual_seed(i)) for i in range(4)]


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    torch._dynamo.reset()
    counters.clear()
    yield
    torch._dynamo.reset()


def graphs() -> int:
    return int(counters["stats"]["unique_graphs"])


def _compiled(function: Any) -> Any:
    return torch.compile(function, backend="eager")


class Stepper:
    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self.optimizer = optimizer

    @_compiled
    def update(self) -> None:
        self.optimizer.step()


def given(optimizer: torch.optim.Optimizer) -> Any:
    step_of = _compiled(lambda one: one.step())
    return lambda: step_of(optimizer)


@_compiled
def moved(parameter: Tensor, gradient: Tensor, rate: float) -> None:
    parameter.sub_(rate * gradient)


class Inside(torch.optim.SGD):
    """As some libraries' optimizers: what updates a parameter is a compiled function."""

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for parameter in group["params"]:
                moved(parameter, parameter.grad, group["lr"])


OTHERS = {
    "a method": lambda optimizer: Stepper(optimizer).update,
    "an argument": given,
    "inside": lambda optimizer: optimizer.step,
}


def training(rate: Any, around: str) -> tuple[Engine, LRRangeTest]:
    torch.manual_seed(0)
    model = nn.Linear(4, 2)
    kind = Inside if around == "inside" else torch.optim.Adam
    optimizer = kind(model.parameters(), rate() if callable(rate) else rate)

    def update() -> None:
        optimizer.step()

    kinds = {"the step": optimizer.step, "a function": update}
    fast = OTHERS[around](optimizer) if around in OTHERS else _compiled(kinds[around])

    def step(engine: Engine, batch: Tensor) -> float:
        optimizer.zero_grad()
        loss = model(batch).square().mean()
        loss.backward()
        fast()
        return loss.item()

    saved = {"model": model, "optimizer": optimizer}
    return Engine(step), LRRangeTest(optimizer, 0.0, 0.2, 8, to_save=saved, diverge_th=None)


CASES = [
    pytest.param(rate, warm, around, marks=() if (warm, around) == (0, "the step") else SLOW)
    for rate in (0.1, lambda: torch.tensor(0.1))
    for warm in (0, 1)
    for around in ("the step", "a function")
]
CASES += [
    pytest.param(0.1, 1, around, marks=() if around == "inside" else SLOW) for around in OTHERS
]


@NEEDS_STANCES
@pytest.mark.parametrize(("rate", "warm", "around"), CASES)
def test_it_makes_no_graphs_and_leaves_the_step_as_it_was(
    rate: Any, warm: int, around: str
) -> None:
    def losses(tested: bool) -> tuple[list[float], int]:
        torch._dynamo.reset()
        counters.clear()
        trainer, test = training(rate, around)
        if warm:
            trainer.run(DATA)
        if tested:
            before = graphs()
            result = test.run(trainer, DATA)
            assert len(result) == 8 and graphs() == before
        found: list[float] = []
        handler = lambda engine: found.append(engine.state.output)  # noqa: E731
        trainer.add_event_handler(Events.ITERATION_COMPLETED, handler)
        trainer.run(DATA, max_epochs=4)
        return found, graphs()

    assert losses(True) == losses(False)


@pytest.mark.parametrize("around", ["the step", "a function"])
def test_a_torch_that_cannot_is_refused_in_words(
    around: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(torch.compiler, "set_stance", raising=False)
    trainer, test = training(0.1, around)
    with pytest.raises(RuntimeError, match="from torch 2.6 on, and this is .*not compiled"):
        test.run(trainer, DATA)


@SLOW
@NEEDS_STANCES
def test_a_stance_of_the_users_own_comes_back() -> None:
    trainer, test = training(0.1, "the step")
    with torch.compiler.set_stance("force_eager"):
        test.run(trainer, DATA)
        trainer.run(DATA)
        assert graphs() == 0  # still eager
    trainer.run(DATA, max_epochs=2)
    assert graphs() == 1
