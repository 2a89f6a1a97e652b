"""The measurement of settings chosen by range tests: its tasks, its rows, its page."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from benchmarks.advice.tasks import problem
from benchmarks.advice.training import range_test
from benchmarks.settings import __main__ as runner
from benchmarks.settings.curves import LENGTH, cells, curve
from benchmarks.settings.tasks import COMMON, DECAYS, DEFAULT, RULE, SHOW, decayed, kind, peaks

TASKS = {**RULE, **SHOW}


def test_half_of_the_tasks_only_show_and_each_half_has_all_kinds_of_decay() -> None:
    assert len(RULE) == len(SHOW) == 6 and len(TASKS) == 12
    for half in (RULE, SHOW):
        kinds = [kind(problem(task, 0)) for task in half.values()]
        assert {name: kinds.count(name) for name in DECAYS} == dict.fromkeys(DECAYS, 2)


@pytest.mark.parametrize("name", TASKS)
def test_a_task_has_three_parts_and_other_weights_have_the_same(name: str) -> None:
    first, other = problem(TASKS[name], 1), problem(TASKS[name], 1, weights=101)
    assert first.test is not None and other.test is not None
    parts = [first.train[0], first.held_out[0], first.test[0]]
    for one, same in zip(parts, [other.train[0], other.held_out[0], other.test[0]], strict=True):
        assert torch.equal(one, same)
    weights = zip(first.model.parameters(), other.model.parameters(), strict=True)
    assert any(not torch.equal(one, another) for one, another in weights)
    assert abs(len(parts[1]) - len(parts[2])) <= 1


def test_a_decay_is_set_on_a_copy() -> None:
    start = problem(RULE["few-digits"], 0)
    assert kind(start) is torch.optim.AdamW
    assert decayed(start, 0.5).optimizer.param_groups[0]["weight_decay"] == 0.5
    assert start.optimizer.param_groups[0]["weight_decay"] == DEFAULT[torch.optim.AdamW]


def test_the_default_and_the_common_decay_are_among_those_compared() -> None:
    assert all(DEFAULT[kind] in DECAYS[kind] and COMMON[kind] in DECAYS[kind] for kind in DECAYS)
    assert peaks(problem(RULE["noisy-digits"], 0))[::3] == pytest.approx([1e-3, 10**-1.5, 1])


@pytest.mark.parametrize(
    ("mode", "start", "end"), [("exponential", 1e-6, 10.0), ("linear", 0, 0.3)]
)
def test_a_curve_is_read_back_with_its_rates(
    mode: runner.StepMode, start: float, end: float
) -> None:
    result = range_test(problem(RULE["noisy-digits"], 0), start, end, LENGTH, 0, mode)
    row = dict.fromkeys(runner.FIELDS["curves.csv"], "") | cells(result)
    rates, values = curve(row)
    assert rates == pytest.approx(result["loss"][0])
    assert values == pytest.approx(result["loss"][1], abs=1e-5)
    assert curve(row | {"loss_50": ""}) == (rates[:-1], values[:-1])  # as where it diverged


def test_a_task_and_seed_give_their_rows_once(monkeypatch: pytest.MonkeyPatch) -> None:
    decays = DECAYS[torch.optim.SGD][::4]
    monkeypatch.setitem(DECAYS, torch.optim.SGD, decays)
    monkeypatch.setattr(runner, "LENGTH", 50)
    task = replace(RULE["noisy-digits"], steps=8)
    found = runner.unit(task, "noisy-digits", 0, [])
    assert {file: len(rows) for file, rows in found.items()} == {
        "grid.csv": 1 + 7 * len(decays),
        "curves.csv": 2 * 3 * len(decays),
        "answers.csv": 2 * len(decays),
    }
    for file, rows in found.items():
        assert all(set(row) <= set(runner.FIELDS[file]) for row in rows)
    own, kept = found["answers.csv"][:2]  # of no decay, which is the default
    assert own | {"rates": ""} == kept | {"rates": ""} and own["held_out"] > 0
    assert runner.unit(task, "noisy-digits", 0, sum(found.values(), [])) == {}
