"""The report: its tables by what they hold, its pictures by their data."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from clr_ignite import RangeTestResult
from clr_ignite.cifar10 import report
from clr_ignite.cifar10.experiments import EXPERIMENTS, Experiment
from clr_ignite.cifar10.report import write
from clr_ignite.cifar10.report.differences import differences
from clr_ignite.cifar10.report.groups import grouped, read_run
from clr_ignite.cifar10.report.plates import plates_of
from clr_ignite.cifar10.runs.result import result_of
from clr_ignite.cifar10.runs.run_folder import RunError, RunFolder
from clr_ignite.schedules import Triangular
from tests.cifar10.folders import finished_run, swept


@pytest.fixture(autouse=True)
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports without pictures, the data of which test_report_pictures.py looks at."""
    monkeypatch.setattr(write, "_draw", lambda *everything: None)


def test_the_report_says_where_convolutions_were_rounded(tmp_path: Path) -> None:
    run = finished_run(tmp_path / "decay", "full-decay", 0, [0.5, 0.7])
    config = json.loads((run / "config.json").read_text())
    other = {"device": "GPU Y", "tf32": True, "threads": 2}
    config["environments"].append(config["environments"][0] | other)
    (run / "config.json").write_text(json.dumps(config))
    text = report.write_report([run], tmp_path / "report")
    assert "cpu, X, 1 thread, torch 2" in text
    assert "GPU Y, TensorFloat-32, 2 threads, torch 2" in text


@pytest.mark.parametrize("repeatable", [True, False])
def test_the_report_says_whether_a_gpus_bits_repeat(tmp_path: Path, repeatable: bool) -> None:
    run = finished_run(tmp_path / "decay", "full-decay", 0, [0.5, 0.7])
    config = json.loads((run / "config.json").read_text())
    other = {"device": "GPU Y", "tf32": True, "repeatable": repeatable, "threads": 2}
    config["environments"].append(config["environments"][0] | other)
    (run / "config.json").write_text(json.dumps(config))
    text = report.write_report([run], tmp_path / "report")
    said = "repeatable" if repeatable else "not repeatable"
    assert f"GPU Y, TensorFloat-32, {said}, 2 threads" in text
    assert text.count("repeatable") == 1 and "| a, b |" in text  # the places differ


def test_the_report_says_how_far_rows_are_apart_and_what_has_not_run(tmp_path: Path) -> None:
    runs = [
        finished_run(tmp_path / "decay", "full-decay", 0, [0.5, 0.7]),
        # The mean of two is 0.8 for the first time at the second of five evaluations.
        finished_run(tmp_path / "tri-0", "full-triangular2", 0, [0.7, 0.9, 0.8, 0.9, 0.9]),
        finished_run(tmp_path / "tri-1", "full-triangular2", 1, [0.85, 0.7, 0.85, 0.9, 0.91]),
        finished_run(tmp_path / "fixed-0", "full-fixed", 0, [0.9, 0.81]),
        finished_run(tmp_path / "fixed-1", "full-fixed", 1, [0.9, 0.79]),
    ]
    text = report.write_report(runs, tmp_path / "report")
    fixed, triangular2, decay = text.splitlines()[2:5]  # in the table's order
    assert fixed.startswith("| full-fixed | 70,000 | no cycle ended | 80.00 ± 1.41 (n = 2) | ")
    assert "| 90.50 ± 0.71 (n = 2) | 84.15 to 96.85 | 81.4 (" in triangular2
    assert "| 70.00 (single run) | - | 78.5 (" in decay
    assert [line for line in text.splitlines() if line.count(" | ") == 5][1:] == [
        "| full-fixed | published 81.4 | -1.40 | -14.11 to +11.31 | not told apart | - |",
        "| full-triangular2 | published 81.4 | +9.10 | +2.75 to +15.45 "
        "| above, as single runs may be | - |",
        "| full-triangular2 | full-fixed | +10.50 | +3.58 to +17.42 | above | 10,000 |",
        "| full-triangular2 | full-decay | +20.50 | - | - | 5,000 |",
        "| full-decay | published 78.5 | -8.50 | - | - | - |",
        "| full-decay | full-fixed | -10.00 | - | - | not reached |",
    ]
    missing = re.search("^Not run: (.*).$", text, re.M)
    there = {"full-decay", "full-triangular2", "full-fixed"}
    assert missing and set(missing[1].split(", ")) == set(EXPERIMENTS) - there


def test_a_run_that_ends_in_mid_cycle_is_held_against_others_at_its_last_cycle_end(
    tmp_path: Path,
) -> None:
    for seed in (0, 1):
        for name in ("full-exp-range", "full-exp-range-amplitude"):
            accuracies = [0.8 + seed / 10, 0.7 - seed / 100]
            finished_run(tmp_path / f"{name}-{seed}", name, seed, accuracies, cycle_ends=[1])
    found = differences(grouped([read_run(path) for path in tmp_path.iterdir()]))
    assert [(one.row, one.other) for one in found] == [
        ("full-exp-range", "published 82.2"),
        ("full-exp-range at 21,000", "published 82.2"),
        ("full-exp-range-amplitude", "full-exp-range"),
        ("full-exp-range-amplitude at 21,000", "full-exp-range at 21,000"),
    ]
    assert [one.center for one in found] == pytest.approx([-12.7, 2.8, 0, 0])


def test_seeds_that_diverged_are_named_and_not_averaged(tmp_path: Path) -> None:
    def row(path: Path, number: int, **changes: float) -> None:
        lines = (path / "metrics.csv").read_text().splitlines()
        cells = dict(zip(lines[0].split(","), lines[number].split(","), strict=True))
        lines[number] = ",".join(str(v) for v in (cells | changes).values())
        (path / "metrics.csv").write_text("\n".join(lines) + "\n")
        folder = RunFolder(path)
        folder.write_json(folder.result, result_of(folder, EXPERIMENTS["full-exp"].experiment, 1.0))

    accuracies = {"bad": [0.6, 0.1], "one": [0.7, 0.8], "two": [0.7, 0.9]}
    paths = [
        finished_run(tmp_path / name, "full-exp", seed, found)
        for seed, (name, found) in enumerate(accuracies.items())
    ]
    for path in paths:
        row(path, 1, cycle_end=1)
    for path in paths[1:]:
        row(path, 2, cycle_end=1)
    row(paths[0], 2, train_loss=float("nan"), iteration=36_000)  # where it stopped
    line = report.write_report(paths, tmp_path / "report").splitlines()[2]
    assert "| full-exp, 1 of 3 diverged | 70,000 | 85.00 ± 7.07 (n = 2) | 85.00 ± 7.07 (" in line
    group = grouped([read_run(path) for path in paths])[0]
    assert group.curve == pytest.approx({35_000: 0.7, 70_000: 0.85})
    assert group.ends == [35_000, 70_000]
    alone = grouped([read_run(paths[0])])[0]
    assert alone.accuracy == 0.1  # where all diverged that is what there is


def test_runs_and_range_tests_of_the_same_name_are_told_apart(tmp_path: Path) -> None:
    five, seven = (Experiment(schedule=Triangular(0.001, 0.006, s), iterations=8) for s in (5, 7))
    plain = replace(five, multipliers=False)
    paths = [
        finished_run(tmp_path / str(number), repr(one.schedule), 0, [0.1], experiment=one)
        for number, one in enumerate((five, plain, seven))
    ]
    for name in ("first", "second"):
        paths.append(tmp_path / name / "sweep")
        paths[-1].mkdir(parents=True)
        swept(paths[-1] / "range_test.json")
    text = report.write_report(paths, tmp_path / "report")
    triangular = "Triangular(base_lr=0.001, max_lr=0.006, step_size=5)"
    cells = [line.split(" | ")[0] for line in text.splitlines()[2:5]]
    assert cells == [
        f"| {triangular}, multipliers True",
        f"| {triangular}, multipliers False",
        f"| {triangular.replace('5)', '7)')}",
    ]
    (drawn,) = plates_of(grouped([read_run(path) for path in paths[:3]]))
    assert list(drawn.rows) == [
        "Triangular(0.001, 0.006, 5), multipliers True",
        "Triangular(0.001, 0.006, 5), multipliers False",
        "Triangular(0.001, 0.006, 7)",
    ]
    assert "Range test sweep, 0" in text and "Range test sweep (2), 0" in text
    assert "](sweep%20%282%29.png)" in text


def test_an_earlier_report_among_the_folders_is_passed_over(tmp_path: Path) -> None:
    run = finished_run(tmp_path / "decay", "full-decay", 0, [0.5, 0.7])
    text = report.write_report([run], tmp_path / "report")
    assert report.write_report([run, tmp_path / "report"], tmp_path / "other") == text
    with pytest.raises(RunError, match="no run and no range test, only reports"):
        report.write_report([tmp_path / "report"], tmp_path / "other")


def test_the_report_joins_runs_on_the_same_data_under_two_names(tmp_path: Path) -> None:
    runs = []
    for seed, accuracy in enumerate((0.7, 0.8)):
        runs.append(finished_run(tmp_path / str(seed), "full-decay", seed, [accuracy]))
        config = json.loads((runs[-1] / "config.json").read_text())
        config["data"] |= {"name": f"folder {seed}", "train": "ab", "test": "cd"}
        (runs[-1] / "config.json").write_text(json.dumps(config))
    assert "75.00 ± 7.07 (n = 2)" in report.write_report(runs, tmp_path / "report")
    config["data"]["train"] = "other pictures"
    (runs[-1] / "config.json").write_text(json.dumps(config))
    assert "70.00 (single run)" in report.write_report(runs, tmp_path / "report")


def test_the_report_shows_range_tests(tmp_path: Path) -> None:
    (tmp_path / "range").mkdir()
    swept(tmp_path / "range/range_test.json")
    text = report.write_report([tmp_path / "range"], tmp_path / "report")
    assert text.startswith(
        "\nRange test range, 0 to 0.02 in 80 steps, by accuracy and the paper's rule: base_lr 0.002"
    )
    assert "](range.png)" in text


def test_a_range_test_without_accuracy_is_shown_by_its_loss(tmp_path: Path) -> None:
    result = RangeTestResult.from_json(swept(tmp_path / "range_test.json"))
    result.evaluation.clear()
    result.to_json(tmp_path / "range_test.json")
    text = report.write_report([tmp_path], tmp_path / "report")
    assert "in 80 steps: base_lr" in text and "training loss is lowest" in text


def test_a_range_test_is_called_what_its_folder_is_also_from_inside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "range").mkdir()
    swept(tmp_path / "range/range_test.json")
    monkeypatch.chdir(tmp_path / "range")
    assert "Range test range, 0" in report.write_report([Path(".")], Path("../report"))


def test_a_bar_in_a_name_is_no_column(tmp_path: Path) -> None:
    run = finished_run(tmp_path / "own", "full-decay", 0, [0.5, 0.7])
    config = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps(config | {"name": "mine|yours"}))
    lines = report.write_report([run], tmp_path / "report").splitlines()
    assert lines[2].startswith(r"| mine\|yours | 25,000 | ")


def test_the_report_shows_published_values_on_cifar10_alone(tmp_path: Path) -> None:
    path = finished_run(tmp_path / "run", "full-triangular2", 0, [0.7])
    run = read_run(path)
    assert run.name == "full-triangular2" and run.entry is not None and run.entry.published == 81.4
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps(config | {"data": {"classes": ["0", "1"]}}))
    assert (read_run(path).name, read_run(path).entry) == ("full-triangular2", None)


def test_a_run_is_called_what_its_folder_says(tmp_path: Path) -> None:
    """A folder of an earlier version says nothing: it is called as the table calls its equal."""
    path = finished_run(tmp_path / "run", "full-decay", 0, [0.7])
    config = json.loads((path / "config.json").read_text())
    assert "name" not in config and read_run(path).name == "full-decay"
    (path / "config.json").write_text(json.dumps(config | {"name": "mine"}))
    assert (read_run(path).name, read_run(path).entry) == ("mine", None)
    del config["experiment"]["order"]  # nor did earlier versions know all settings
    (path / "config.json").write_text(json.dumps(config))
    assert read_run(path).name == "full-decay"
