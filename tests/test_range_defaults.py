"""A range test of which only the optimizer and ``to_save`` are given: range, steps, spacing, how
often it evaluates, and the schedule that follows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ignite.engine import Engine
from torch.nn import functional as F

from clr_ignite import LRRangeTest, RangeTestResult, ScheduleHandler, repeat_range_test
from clr_ignite.range_test.plan import Plan
from clr_ignite.schedules import Triangular
from tests.rigs import Rig
from tests.test_result import result_of


def bare(rig: Rig, *arguments: Any, **options: Any) -> LRRangeTest:
    saved = {"model": rig.model, "optimizer": rig.optimizer}
    return LRRangeTest(rig.optimizer, *arguments, to_save=saved, **options)


def test_one_call_is_enough() -> None:
    rig = Rig()
    result = bare(rig, diverge_th=None).run(rig.trainer, rig.loader)
    assert (len(result), result.step_mode) == (300, "exponential")
    assert rig.used[0] == 1e-6 and rig.used[-1] == 10.0
    assert rig.used[1] / rig.used[0] == pytest.approx(1e7 ** (1 / 299), rel=1e-12)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, (1e-6, 10.0, "exponential")),
        ({"start_lr": 1e-3}, (1e-3, 10.0, "exponential")),
        ({"end_lr": 0.5}, (1e-6, 0.5, "exponential")),
        ({"start_lr": 1e-3, "end_lr": 0.5}, (1e-3, 0.5, "linear")),
        ({"start_lr": 0.0, "end_lr": 0.5}, (0.0, 0.5, "linear")),
        ({"step_mode": "linear"}, (1e-6, 10.0, "linear")),
        ({"start_lr": 0.0, "step_mode": "linear"}, (0.0, 10.0, "linear")),
        ({"end_lr": [0.1, 1.0]}, (1e-6, (0.1, 1.0), "exponential")),
        ({"start_lr": 1e-3, "end_lr": 0.5, "step_mode": "exponential"}, (1e-3, 0.5, "exponential")),
    ],
)  # fmt: skip
def test_spacing_is_linear_where_both_ends_are_given(given: Any, expected: Any) -> None:
    plan = Plan(**given)
    assert (plan.start_lr, plan.end_lr, plan.step_mode) == expected
    assert plan.num_iter == 300


def test_ends_given_by_position_stay_linear() -> None:
    assert bare(Rig(), 0.0, 0.02, 4000).plan == Plan(0.0, 0.02, 4000, "linear", 1)


def test_from_0_alone_says_how_to_go_on() -> None:
    with pytest.raises(ValueError, match=r"above 0 .* got 0: give .* 1e-06, or both ends and step"):
        Plan(start_lr=0.0)


@pytest.mark.parametrize(("steps", "every"), [(2, 1), (50, 1), (99, 1), (300, 6), (4000, 80)])
def test_about_fifty_evaluations_however_long_the_test(steps: int, every: int) -> None:
    rig = Rig()
    test = bare(rig, 0.0, 0.1, steps, evaluator=rig.evaluator, eval_data=rig.held)
    assert test.every == every


def test_a_repeated_test_has_the_same_defaults() -> None:
    rig = Rig()
    saved = {"model": rig.model, "optimizer": rig.optimizer}
    (result,) = repeat_range_test(
        lambda seed: (rig.trainer, rig.loader, rig.optimizer, saved), [0]
    ).results
    assert (result.start_lr, result.end_lr, result.num_iter) == (1e-6, 10.0, 300)


def test_the_schedule_of_a_test_takes_four_epochs_a_half_cycle() -> None:
    rig = Rig()
    assert rig.test().run(rig.trainer, rig.loader).epoch_length == len(rig.loader) == 5
    result = result_of(80, epoch_length=5)
    assert result.schedule() == result.schedule(20)
    assert result.schedule(policy="onecycle") == result.schedule(20, "onecycle")


@pytest.mark.parametrize("accumulated", [2, 3])
def test_with_accumulation_an_epoch_is_its_optimizer_steps(accumulated: int) -> None:
    rig = Rig()

    def step(engine: Engine, batch: tuple[torch.Tensor, torch.Tensor]) -> float:
        loss = F.cross_entropy(rig.model(batch[0]), batch[1])
        loss.backward()
        if engine.state.iteration % accumulated == 0:
            rig.optimizer.step()
        return loss.item()

    batches = list(rig.loader) * 2
    assert rig.test().run(Engine(step), batches).epoch_length == 10 // accumulated


def test_a_loader_without_a_length_needs_a_step_size(tmp_path: Path) -> None:
    class Stream:
        def __iter__(self) -> Iterator[Any]:
            return iter([(torch.randn(4, 4), torch.tensor([0, 1, 2, 0]))])

    rig = Rig()
    assert rig.test().run(rig.trainer, Stream()).epoch_length is None
    with pytest.raises(ValueError, match=r"step_size must be given, such as 4 \* len"):
        result_of(80).schedule()


def test_the_length_of_an_epoch_is_kept_in_json_and_old_files_are_read(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    result_of(epoch_length=7).to_json(path)
    assert RangeTestResult.from_json(path).epoch_length == 7
    values = json.loads(path.read_text())
    del values["epoch_length"]
    path.write_text(json.dumps(values))
    assert RangeTestResult.from_json(path) == result_of()
    for wrong in (0, -1, 2.5, True, "7"):
        path.write_text(json.dumps(values | {"epoch_length": wrong}))
        with pytest.raises(ValueError, match="field 'epoch_length' holds"):
            RangeTestResult.from_json(path)


RANGES = {
    "one ratio": ([1e-4, 1e-3], [0.1, 1.0], "exponential"),
    "a ratio that grows": ([1e-4, 1e-4, 1e-6], [0.1, 1.0, 0.01], "exponential"),
    "one end": (1e-4, [0.1, 0.4], "exponential"),
    "linear, from 0": ([0.0, 0.0], [0.1, 0.02], "linear"),
    "linear": ([0.0, 0.01, 0.0], [0.1, 0.02, 1.0], "linear"),
}


@pytest.mark.parametrize("policy", ["triangular", "triangular2", "onecycle"])
@pytest.mark.parametrize("ranges", RANGES)
def test_groups_with_ranges_of_their_own_train_at_rates_that_were_tested_together(
    ranges: str, policy: Any
) -> None:
    start, end, mode = RANGES[ranges]
    plan = Plan(start, end, 81, mode)
    sweeps = plan.schedules(len(end))
    result = RangeTestResult(
        start_lr=plan.start_lr, end_lr=plan.end_lr, num_iter=81, step_mode=mode
    )
    for row in range(81):
        rates = [sweep(row) for sweep in sweeps]
        height = min(1.0, max(0.0, (row - 20) / 40))
        result.add_row(
            iteration=row + 1,
            lr=rates[0],
            group_lr=rates,
            loss=2.3 - height,
            evaluation={"accuracy": height, "loss": 2.3 - height},
        )
    schedules = result.schedule(7, policy)
    bounds = result.suggest()
    assert isinstance(schedules, list) and len(schedules) == len(end)
    others = ", ".join(f"{schedule.max_lr:.3g}" for schedule in schedules[1:])
    assert "the first param group's" in bounds.reason and f"others had {others}," in bounds.reason
    assert (schedules[0].base_lr, schedules[0].max_lr) == (bounds.base_lr, bounds.max_lr)
    for at in (0, 7):  # the base, the peak
        rates = [schedule(at) for schedule in schedules]
        # On the sweep, rates lie on one line, in logs where it is exponential.
        line = np.log if mode == "exponential" else np.asarray
        rows = [np.interp(line(rates[0]), line(result.lr), line(c)) for c in result.group_lr]
        assert line(rates) == pytest.approx(rows, rel=1e-9, abs=1e-12)


def test_such_schedules_run_and_keep_the_tested_ratio() -> None:
    rig = Rig()
    first, *others = rig.model.parameters()
    groups = [{"params": [first]}, {"params": others, "lr_mult": 3.0}]
    rig.optimizer = torch.optim.SGD(groups, lr=0.1)
    test = bare(rig, [1e-5, 1e-4], [1.0, 10.0], 100, "exponential", diverge_th=None)
    result = test.run(rig.trainer, rig.loader)
    assert result.group_lr[1][50] == pytest.approx(30 * result.group_lr[0][50], rel=1e-12)
    schedules = [Triangular(1e-3, 1e-2, 3), Triangular(1e-2, 1e-1, 3)]
    ScheduleHandler(rig.optimizer, lr=schedules).attach(rig.trainer)
    rig.trainer.run(rig.loader)
    one, other = (group["lr"] for group in rig.optimizer.param_groups)
    assert other == pytest.approx(30 * one, rel=1e-12)
    again = RangeTestResult.from_dict(json.loads(json.dumps(result.to_dict())))
    assert (again.start_lr, again.end_lr) == ((1e-5, 1e-4), (1.0, 10.0))


def test_one_range_for_each_of_one_group_is_one_schedule() -> None:
    result = result_of(80, start_lr=(0.0,), end_lr=(0.02,))
    assert result.schedule(5) == result_of(80).schedule(5)
