"""Batches that the trainer's step leaves out have no part in any row of a range test."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from ignite.engine import Engine
from torch import Tensor, nn

from clr_ignite import LRRangeTest

BAD = 99.0


class Toy:
    """One parameter whose gradient is the batch; the step gives the batch as the loss."""

    def __init__(self, step: Callable[[Toy, float], Any], **options: Any) -> None:
        self.model = nn.Linear(1, 1, bias=False)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1, **options)
        self.trainer = Engine(lambda engine, batch: step(self, batch))
        self.backwards = 0

    def backward(self, batch: float) -> None:
        self.backwards += 1
        (batch * self.model.weight.sum()).backward()

    def losses(self, data: list[float], rows: int) -> list[float]:
        saved = {"model": self.model, "optimizer": self.optimizer}
        test = LRRangeTest(self.optimizer, 0.0, 0.1, rows, to_save=saved, diverge_th=None)
        self.result = test.run(self.trainer, data)
        return list(self.result.loss)


def before_all(toy: Toy, batch: float) -> float:
    if batch != BAD:
        toy.optimizer.zero_grad()
        toy.backward(batch)
        toy.optimizer.step()
    return batch


def before_backward(toy: Toy, batch: float) -> float:
    toy.optimizer.zero_grad()
    if batch != BAD:
        toy.backward(batch)
        toy.optimizer.step()
    return batch


def before_backward_in_place(toy: Toy, batch: float) -> float:
    toy.optimizer.zero_grad(set_to_none=False)
    if batch != BAD:
        toy.backward(batch)
        toy.optimizer.step()
    return batch


def after_backward(toy: Toy, batch: float) -> float:
    toy.optimizer.zero_grad()
    toy.backward(batch)
    if batch != BAD:
        toy.optimizer.step()
    return batch


def after_backward_in_place(toy: Toy, batch: float) -> float:
    toy.model.zero_grad(set_to_none=False)
    toy.backward(batch)
    if toy.model.weight.grad.norm() < BAD:
        toy.optimizer.step()
    return batch


def cleared_at_the_end(toy: Toy, batch: float) -> float:
    toy.backward(batch)
    if batch != BAD:
        toy.optimizer.step()
    toy.optimizer.zero_grad()
    return batch


def without_gradients(toy: Toy, batch: float) -> float:
    if batch != BAD:
        toy.optimizer.step()
    return batch


def giving_none(toy: Toy, batch: float) -> float | None:
    if batch == BAD:
        return None
    return before_all(toy, batch)


def giving_something_else(toy: Toy, batch: float) -> Any:
    return before_backward(toy, batch) if batch != BAD else {"skipped": True}


def in_a_closure(toy: Toy, batch: float) -> float:
    def closure() -> Tensor:
        toy.optimizer.zero_grad()
        toy.backward(batch)
        return torch.tensor(batch)

    if batch != BAD:
        toy.optimizer.step(closure)
    return batch


GUARDS = [
    before_all,
    before_backward,
    before_backward_in_place,
    after_backward,
    after_backward_in_place,
    cleared_at_the_end,
    without_gradients,
    giving_none,
    giving_something_else,
    in_a_closure,
]


@pytest.mark.parametrize("guard", GUARDS)
@pytest.mark.parametrize("data", [[1, 2, BAD, 3], [BAD, 1, BAD, BAD, 2, 3], [1, 2, 3, BAD, BAD]])
def test_a_batch_that_is_left_out_is_in_no_row(guard: Any, data: list[float]) -> None:
    assert Toy(guard).losses(data, 9) == [1, 2, 3] * 3


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("cleared", ["before", "after"])
@pytest.mark.parametrize("guarded", ["before", "after"])
def test_of_accumulated_batches_those_stepped_on_are_in_the_row(
    in_place: bool, cleared: str, guarded: str
) -> None:
    """Four batches for a step; a bad one is passed over, or takes the gathered ones with it."""

    def step(toy: Toy, batch: float) -> float:
        def clear() -> None:
            toy.optimizer.zero_grad(set_to_none=not in_place)

        if cleared == "before" and toy.turn % 4 == 0:
            clear()
        toy.turn += 1
        if batch != BAD:
            toy.backward(batch)
        elif guarded == "after":
            toy.backward(batch)
            clear()
        if toy.turn % 4 == 0:
            toy.optimizer.step()
            if cleared == "after":
                clear()
        return batch

    toy: Any = Toy(step)
    toy.turn = 0
    found = toy.losses([1, 3, 5, 7, 2, BAD, 4, 6], 4)
    assert found == [4, 4 if guarded == "before" else 5] * 2


def test_another_optimizers_turn_is_in_no_row() -> None:
    """Alternating updates: the gradients of the other's turn are dropped before one's own."""

    def step(toy: Toy, batch: float) -> float:
        toy.optimizer.zero_grad()
        toy.backward(batch)
        if batch > 0:
            toy.optimizer.step()
        return batch

    assert Toy(step).losses([-1, 5, -2, -3, 6], 4) == [5, 6, 5, 6]


def test_gradients_of_a_graph_that_are_made_outside_autograd_count() -> None:
    """A CUDA graph's replay adds to the same tensor, whose version stays."""

    def step(toy: Toy, batch: float) -> float:
        weight = toy.model.weight
        weight.grad = torch.zeros(1, 1) if weight.grad is None else weight.grad
        weight.grad.numpy()[:] += batch
        if batch > 2:
            toy.optimizer.step()
            weight.grad.zero_()
        return batch

    assert Toy(step).losses([1, 2, 6], 2) == [3, 3]


def test_sparse_gradients_are_accumulated() -> None:
    table = nn.Embedding(3, 2, sparse=True)
    optimizer = torch.optim.SGD(table.parameters(), lr=0.1)

    def step(engine: Engine, batch: int) -> float:
        table(torch.tensor([batch % 3])).sum().backward()
        if engine.state.iteration % 3 == 0:
            optimizer.step()
            optimizer.zero_grad()
        return float(batch)

    test = LRRangeTest(optimizer, 0.0, 0.1, 2, to_save={"table": table, "optimizer": optimizer})
    assert list(test.run(Engine(step), [1, 2, 6]).loss) == [3, 3]


def test_nothing_stays_on_the_parameters() -> None:
    toy = Toy(after_backward)
    toy.losses([1, 2, BAD], 5)
    assert toy.model.weight._backward_hooks is None
    toy.optimizer.zero_grad()
    toy.backward(1.0)
    assert toy.model.weight.grad.item() == 1.0


@pytest.mark.parametrize(
    ("bad", "output", "reason", "words"),
    [
        (math.nan, lambda batch: batch, "diverged", "250 .*, the last with a loss of nan"),
        (math.nan, lambda batch: None, "terminated", "250 batches in a row without a step"),
        (BAD, lambda batch: batch, "terminated", "a loss of 99, after a rate of 0.05"),
    ],
)
def test_a_step_that_leaves_all_out_ends_the_test(
    bad: float, output: Any, reason: str, words: str
) -> None:
    def step(toy: Toy, batch: float) -> Any:
        toy.optimizer.zero_grad()
        if not 0 < batch < BAD:
            return output(batch)
        toy.backward(batch)
        toy.optimizer.step()
        return batch

    toy = Toy(step)
    assert toy.losses([1.0, 2.0] + [bad] * 20_000, 3)[:2] == [1.0, 2.0]
    assert toy.result.stop_reason == reason and len(toy.result) == 2
    assert re.search(words, toy.result.stop_detail)


def test_gradients_that_gather_for_ever_end_the_test_later() -> None:
    def step(toy: Toy, batch: float) -> float:
        toy.backward(batch)
        return batch

    toy = Toy(step)
    with pytest.raises(RuntimeError, match="no step in 1000 iterations"):
        toy.losses([1.0] * 3, 5)


def test_an_accumulated_batch_without_a_loss_is_an_error() -> None:
    def step(toy: Toy, batch: float) -> Any:
        toy.backward(batch)
        if toy.backwards % 2:
            return "no loss"
        toy.optimizer.step()
        toy.optimizer.zero_grad()
        return batch

    with pytest.raises(TypeError, match="output_transform must give a number .*'no loss'"):
        Toy(step).losses([1.0], 5)
