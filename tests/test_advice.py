"""The measurement of advice: its tasks, what counts as lost, its page."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from benchmarks.advice.report import gain_lost, table, write_report
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


def rows_of(tool: str, way: str, losses: dict[str, float]) -> list[dict[str, str]]:
    key = {"tool": tool, "way": way, "test_steps": "300", "seed": "0"}
    return [key | {"task": task, "loss": str(loss)} for task, loss in losses.items()]


def test_the_page_has_means_of_tasks_and_counts_no_answer_as_1(tmp_path: Path) -> None:
    grid = [
        {
            "task": task,
            "seed": "0",
            "untrained": "1.2",
            "way": "constant",
            "lr": "0.1",
            "loss": loss,
        }
        for task in ("wine", "muon", "digits-mlp")
        for loss in ("0.2", "0.9")
    ]
    answers = rows_of("clr_ignite, held-out loss", "pair", {"wine": 0.3, "muon": 0.4})
    answers += rows_of("other", "constant", {"wine": 0.8, "digits-mlp": 0.2})
    answers += rows_of("other", "none", {"muon": math.nan})
    tables = {"grid.csv": grid, "answers.csv": answers}
    shown = table(tables, "300", SHOW).splitlines()
    assert shown[2] == "| clr_ignite, held-out loss, pair | 0 | 0% | 0.150 | 0.150 | 0.20 |"
    assert shown[3] == "| other, constant | 1 | 100% | 0.800 | 0.800 | 1.00 |"
    assert table(tables, "300", RULE).splitlines()[2:] == [
        "| other, constant | 0 | 0% | 0.000 | 0.000 | 0.00 |"
    ]
    page = write_report(tmp_path, tables)
    assert (
        "| held-out loss, 300 | 0.150 | 0.025 | 0.20 | 0.15 | 0.150 (clr_ignite, held-out" in page
    )
    assert (tmp_path / "advice.md").read_text() == page
    assert (tmp_path / "advice.png").read_bytes().startswith(b"\x89PNG")
