"""The measurement of advice: its tasks, what counts as lost, its page."""

from __future__ import annotations

import math

import pytest
import torch

from benchmarks.advice.report import gain_lost
from benchmarks.advice.tasks import RULE, SHOW, Batches, problem
from benchmarks.advice.training import fresh, held_out_loss, range_test, trained
from clr_ignite.schedules import Fixed

TASKS = {**RULE, **SHOW}


def test_half_of_the_tasks_only_show() -> None:
    assert len(RULE) == len(SHOW) == 9
    assert len(TASKS) == 18


@pytest.mark.parametrize(
    "name", ["digits-mlp", "small-batches", "accumulation", "muon", "wine", "normed-noise"]
)
def test_a_task_learns_and_a_seed_repeats_it(name: str) -> None:
    first, again = problem(TASKS[name], 0), problem(TASKS[name], 0)
    untrained = held_out_loss(fresh(first))
    after = trained(first, Fixed(0.03), 60, seed=0)
    assert after < 0.8 * untrained
    assert trained(again, Fixed(0.03), 60, seed=0) == after
    assert held_out_loss(first) == untrained  # what was trained was a copy


def test_a_range_test_goes_with_every_kind_of_step() -> None:
    result = range_test(problem(TASKS["accumulation"], 0), 1e-4, 0.1, 50, seed=0)
    assert len(result) == 50 and len(result["loss"][0]) == 50


def test_batches_are_whole_and_shuffled_anew() -> None:
    numbers = torch.arange(20)
    batches = Batches((numbers, numbers), 8, seed=0)
    passes = [[x.tolist() for x, _ in batches] for _ in range(2)]
    assert [len(batch) for batch in passes[0]] == [8, 8] and passes[0] != passes[1]


@pytest.mark.parametrize(
    ("loss", "lost"),
    [(0.2, 0.0), (1.2, 1.0), (0.7, 0.5), (0.1, -0.1), (50.0, 1.0), (math.nan, 1.0), (math.inf, 1)],
)
def test_gain_lost_is_0_at_the_grids_best_and_1_without_training(loss: float, lost: float) -> None:
    assert gain_lost(loss, 0.2, 1.2) == pytest.approx(lost)
