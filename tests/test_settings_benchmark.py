"""The measurement of settings chosen by range tests: its tasks, its rows, its page."""

from __future__ import annotations

import pytest
import torch

from benchmarks.advice.tasks import problem
from benchmarks.settings.tasks import COMMON, DECAYS, DEFAULT, RULE, SHOW, decayed, kind, peaks

TASKS = {**RULE, **SHOW}


def test_half_of_the_tasks_only_show_and_each_half_has_all_kinds_of_decay() -> None:
    assert len(RULE) == len(SHOW) == 6 and len(TASKS) == 12
    for half in (RULE, SHOW):
        kinds = [kind(problem(task, 0)) for task in half.values()]
        assert {name: kinds.count(name) for name in DECAYS} == dict.fromkeys(DECAYS, 2)


@pytest.mark.parametrize("name", [name for name in TASKS if name != "few-frames"])
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
