"""The training that follows an answer, and range tests on the same problem."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Literal

import torch
from ignite.engine import Engine
from ignite.metrics import Accuracy, Loss

from benchmarks.advice.tasks import Batches, Problem, Split
from clr_ignite import LRRangeTest, RangeTestResult
from clr_ignite.schedules import Schedule, Triangular


def triangle(peak: float, steps: int, base: float | None = None) -> Triangular:
    """Two cycles from ``base``, by default a tenth of the peak, in ``steps`` steps."""
    return Triangular(peak / 10 if base is None else base, peak, steps // 4)


def fresh(problem: Problem) -> Problem:
    """An untouched copy of net and optimizer; the data is shared."""
    model, optimizer = copy.deepcopy((problem.model, problem.optimizer))
    return replace(problem, model=model, optimizer=optimizer)


def held_out_loss(problem: Problem) -> float:
    """The loss on all held-out data, in eval mode."""
    return loss_on(problem, problem.held_out)


def loss_on(problem: Problem, split: Split) -> float:
    problem.model.eval()
    inputs, targets = split
    with torch.no_grad():
        return float(problem.loss(problem.model(inputs), targets))


def optimizer_steps(problem: Problem, seed: int) -> Callable[[], float]:
    """What takes one step of the optimizer and returns the loss of its batches, endlessly."""
    batches = Batches(problem.train, problem.batch_size, seed)

    def endless() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        while True:
            yield from batches

    source = endless()

    def step() -> float:
        total = 0.0
        for _ in range(problem.accumulation):
            inputs, targets = next(source)
            loss = problem.loss(problem.model(inputs), targets) / problem.accumulation
            loss.backward()
            total += float(loss.detach())
        update(problem)
        return total

    return step


def update(problem: Problem) -> None:
    if problem.clip is not None:
        torch.nn.utils.clip_grad_norm_(problem.model.parameters(), problem.clip)
    problem.optimizer.step()
    problem.optimizer.zero_grad()


def trained(problem: Problem, schedule: Schedule, steps: int, seed: int) -> float:
    """The held-out loss after training from scratch along ``schedule``; infinity if it diverged."""
    return finite(held_out_loss, after(problem, schedule, steps, seed))


def after(problem: Problem, schedule: Schedule, steps: int, seed: int) -> Problem | None:
    """A copy that has been trained along ``schedule``; None if it diverged."""
    problem = fresh(problem)
    step = optimizer_steps(problem, seed)
    problem.model.train()
    for index in range(steps):
        for group in problem.optimizer.param_groups:
            group["lr"] = schedule(index)
        if not math.isfinite(step()):
            return None
    return problem


def finite(loss: Callable[[Problem], float], problem: Problem | None) -> float:
    """Infinity for what diverged, and for a loss that is not a number."""
    found = math.inf if problem is None else loss(problem)
    return found if math.isfinite(found) else math.inf


def engine_of(problem: Problem) -> Engine:
    """A trainer whose output is the batch's loss, as a user would write it."""

    def step(engine: Engine, batch: tuple[torch.Tensor, torch.Tensor]) -> float:
        problem.model.train()
        inputs, targets = batch
        loss = problem.loss(problem.model(inputs), targets)
        (loss / problem.accumulation).backward()
        if engine.state.iteration % problem.accumulation == 0:
            update(problem)
        return loss.item()

    return Engine(step)


def evaluator_of(problem: Problem) -> Engine:
    """Held-out loss, and accuracy where there are classes."""

    def look(engine: Engine, batch: tuple[torch.Tensor, torch.Tensor]) -> object:
        problem.model.eval()
        with torch.no_grad():
            return problem.model(batch[0]), batch[1]

    evaluator = Engine(look)
    Loss(problem.loss).attach(evaluator, "loss")
    if problem.classes and problem.held_out[1].ndim == 1:
        Accuracy().attach(evaluator, "accuracy")
    return evaluator


def range_test(
    problem: Problem,
    start_lr: float,
    end_lr: float,
    num_iter: int,
    seed: int,
    step_mode: Literal["linear", "exponential"] = "exponential",
) -> RangeTestResult:
    """A range test with a held-out evaluation every fiftieth of it."""
    problem = fresh(problem)
    test = LRRangeTest(
        problem.optimizer,
        start_lr,
        end_lr,
        num_iter,
        step_mode,
        to_save={"model": problem.model, "optimizer": problem.optimizer},
        evaluator=evaluator_of(problem),
        eval_data=[problem.held_out],
        every=num_iter // 50,
    )
    return test.run(engine_of(problem), Batches(problem.train, problem.batch_size, seed))
