"""The measurement of settings chosen by range tests: its tasks, its rows, its page."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks.advice.tasks import problem
from benchmarks.advice.training import range_test
from benchmarks.settings import __main__ as runner
from benchmarks.settings.curves import LENGTH, LOSSES, cells, curve
from benchmarks.settings.report import (
    by_task,
    interval,
    outcome,
    summary,
    units,
    ways,
    write_report,
)
from benchmarks.settings.tasks import COMMON, DECAYS, DEFAULT, RULE, SHOW, decayed, kind, peaks
from benchmarks.settings.ways import ALONE, COMPARED, LINEAR, SEARCH, WAYS, Unit
from benchmarks.tables import read

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


# One seed: the loss falls deepest with 0.005, but 0.05 is best when trained with.
def tables_of(*tasks: str) -> dict[str, list[dict[str, str]]]:
    tables: dict[str, list[dict[str, str]]] = {file: [] for file in runner.FIELDS}
    for task in tasks:
        key = {"task": task, "seed": "0"}
        decays = [str(decay) for decay in DECAYS[torch.optim.SGD]]
        grid = tables["grid.csv"]
        grid.append(key | {"weight_decay": "", "lr": "0", "held_out": "2.2", "test": "2.0"})
        for place, decay in enumerate(decays):
            loss = {"held_out": str(0.9 - 0.1 * place), "test": str(1.0 - 0.1 * place)}
            grid += [key | {"weight_decay": decay, "lr": "0.1"} | loss] * 2
            for rates in ("own", "default's"):
                pair = {"rates": rates, "base_lr": "0.01", "max_lr": "0.1"}
                tables["answers.csv"].append(key | {"weight_decay": decay} | pair | loss)
            for weights, sweep in itertools.product((0, 100, 200), ("exponential", "linear")):
                fall = 1.5 if decay == "0.005" else 1.0
                values = [2.0 + weights / 1e4 - fall * max(0, min(k - 9, 40 - k)) / 16
                          for k in range(50)]  # fmt: skip
                row = key | {"weight_decay": decay, "weights": str(weights), "sweep": sweep}
                row |= {"end_lr": "10.0" if sweep == "exponential" else "0.3"}
                row |= dict(zip(LOSSES, map(str, values), strict=True))
                tables["curves.csv"].append(row)
    return tables


def test_random_search_is_averaged_over_all_its_draws() -> None:
    unit = Unit(tables_of("noisy-digits"), "noisy-digits", "0")
    lost = [unit.lost(row) for row in unit.grid]  # the one that a search would pick first
    for draws in (1, 2, 4, 10):
        every = [lost[min(drawn)] for drawn in itertools.combinations(range(len(lost)), draws)]
        assert unit.searched(draws) == pytest.approx(sum(every) / len(every))
    assert unit.searched(1_000) == pytest.approx(0)


def test_each_way_loses_and_costs_what_it_should() -> None:
    unit = Unit(tables_of("noisy-digits"), "noisy-digits", "0")
    assert (unit.default, unit.chosen(), unit.by_training()) == ("0.0", "0.005", "0.05")
    found = {way: (round(one.lost * 1.4, 6), one.steps)
             for way, one in ((way, of(unit)) for way, of in WAYS.items())}  # fmt: skip
    tests, training = 3 * LENGTH, 600
    assert found[COMPARED] == (0.1, 5 * tests + training)
    assert found[ALONE] == (0.4, tests + training)
    assert found["a training with each decay"] == (0, 5 * (tests + training))
    assert found["best of the grid's rates at the default decay"] == (0.4, 7 * training)
    assert found[SEARCH] == (round(1.4 * unit.searched(8), 6), 8 * training)


def test_a_decay_without_a_pair_loses_everything() -> None:
    tables = tables_of("noisy-digits")
    for row in tables["answers.csv"]:
        row["test"] = row["held_out"] = ""
    assert WAYS[ALONE](Unit(tables, "noisy-digits", "0")).lost == 1


def test_the_interval_is_students() -> None:
    assert interval([1.0, 2.0, 3.0]) == "+2.000 (-0.484 to +4.484)"  # 4.303 / sqrt(3) = 2.484
    assert interval([1.0]) == "+1.000"


def test_the_page_says_what_was_aimed_at_and_what_came_out(tmp_path: Path) -> None:
    page = write_report(tmp_path, tables_of("noisy-digits", "noisy-cancer"))
    assert "| comparing range tests | 0.071 | rate alone | 0.286 | 0.25 | +0.214 | 1, 0 |" in page
    assert "| comparing range tests | 8.5 | 0.071 | 0.071 | 0.07 |" in page
    assert (
        "| noisy-cancer | 200 patients, 20 % of the labels random, SGD | 0 | 0.005 | 0.05 |" in page
    )
    assert (tmp_path / "settings.md").read_text() == page
    assert (tmp_path / "settings.png").read_bytes().startswith(b"\x89PNG")


def test_the_committed_page_says_what_its_rows_say() -> None:
    folder = Path(__file__).parent.parent / "results/settings"
    all_units = units(read(folder, runner.FIELDS))
    page = (folder / "settings.md").read_text()
    assert {task: len(seeds) for task, seeds in all_units.items()} == dict.fromkeys(TASKS, 3)
    assert outcome(all_units, SHOW) in page and ways(all_units, SHOW) in page
    assert by_task(all_units) in page


def test_the_documentation_has_the_pages_numbers() -> None:
    root = Path(__file__).parent.parent
    all_units = units(read(root / "results/settings", runner.FIELDS))
    text = (root / "docs/comparing.md").read_text()
    for way, words in {
        ALONE: "the rate alone, at the framework's default decay",
        COMPARED: "comparing exponential tests from 1e-6 to 10",
        LINEAR: "comparing linear tests up to where the loss was lowest",
        SEARCH: "random search over rate and decay",
        "best of the grid's rates at the default decay": "the best of seven rates at the default "
        "decay",
    }.items():
        found = summary(way, all_units, SHOW)
        assert f"| {words} | {found.mean:.3f} | {found.trainings:.1f} |" in text
    left = [summary(way, all_units, SHOW).mean for way in (COMPARED, LINEAR, ALONE)]
    assert f"leave {left[0] / left[2]:.2f} of it" in text
    assert f"linear ones leave {left[1] / left[2]:.2f}" in text
