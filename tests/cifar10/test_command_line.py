"""The command line in a process of its own or through ``main``: what it writes, says, refuses."""

from __future__ import annotations

import builtins
import configparser
import contextlib
import errno
import importlib
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from clr_ignite import RangeTestResult
from clr_ignite.cifar10.__main__ import main
from clr_ignite.cifar10.cli import options
from clr_ignite.cifar10.cli.command_line import build_parser
from clr_ignite.cifar10.cli.speaking import describe
from clr_ignite.cifar10.data import DataSet, load
from clr_ignite.cifar10.experiments import EXPERIMENTS
from clr_ignite.cifar10.report import write_report
from clr_ignite.cifar10.report.groups import read_run
from clr_ignite.cifar10.runs.run_folder import RunError, RunFolder
from tests.cifar10.folders import finished_run, swept

COMMANDS = (
    "range-test",
    "compare",
    "train",
    "preview",
    "experiments",
    "reproduce",
    "report",
    "replay",
)


@pytest.fixture(autouse=True)
def little_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """110 digits to train on: the commands are the same, only faster."""
    whole = load("digits")

    def few(source: str, folder: Path | None) -> DataSet:
        if source != "digits":
            return load(source, folder)
        train, test = (
            images.take(torch.arange(count))
            for images, count in ((whole.train, 110), (whole.test, 60))
        )
        return DataSet("digits", whole.classes, train, test)

    monkeypatch.setattr(options, "load", few)


FIXED = ("train", "--out", "x", "--schedule", "Fixed(0.1)", "--iterations", "2")


def train(out: Path, *options: str) -> int:
    words = ["train", "--model", "quick", "--batch-size", "10", "--no-progress", "--out", str(out)]
    if not {"--schedule", "--bounds", "--experiment"} & set(options):
        words += ["--schedule", "Triangular(0.001, 0.005, 4)"]
    return main([*words, *options])


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_an_example_that_parses(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    (example,) = re.findall(r"example:\n  python -m clr_ignite.cifar10 (.*)", text)
    import shlex

    from clr_ignite.cifar10.cli.command_line import build_parser

    assert build_parser().parse_args(shlex.split(example)).name == command


def test_the_package_says_what_there_is_and_passes_commands_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    script = configparser.ConfigParser()
    script.read(Path(__file__).parents[2] / "setup.cfg")
    name, _, place = script["options.entry_points"]["console_scripts"].partition("=")
    module, _, function = place.strip().partition(":")
    package = getattr(importlib.import_module(module), function)
    assert name.strip() == "clr-ignite" and package([]) == 0
    text = capsys.readouterr().out
    for line in re.findall(r"^  (from .*?)  ", text, re.M):
        exec(line)
    assert "clr-ignite --help" in text and "python -m clr_ignite.visdom_assets" in text
    assert package(["experiments"]) == 0
    assert capsys.readouterr().out.startswith("row ")
    assert package(["report", "nowhere"]) == 2
    assert capsys.readouterr().err.startswith("clr-ignite report: nowhere holds no run")
    with pytest.raises(SystemExit):
        package(["preview", "--help"])
    assert "clr-ignite preview --schedule" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("option", "way"),
    [
        ("--bathc-size=20", "did you mean --batch-size?"),
        ("--eval_every", "did you mean --eval-every?"),
        ("--lr", "clr-ignite train --help lists what there is"),
        ("stray", "clr-ignite train --help lists what there is"),
    ],
)
def test_an_unknown_option_has_a_way_out(
    option: str, way: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["train", option, "--out", "x"], prog="clr-ignite")
    said = capsys.readouterr().err
    assert said.endswith(f"clr-ignite train: error: unrecognized arguments: {option}: {way}\n")


def test_range_test_then_train_between_its_bounds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "range"
    words = ["range-test", "--model", "quick", "--batch-size", "10", "--no-progress"]
    words += ["--iterations", "40", "--eval-every", "8", "--hold-out", "20", "--out", str(out)]
    assert main(words) == 0
    assert {path.name for path in out.iterdir()} == {
        ".lock", "config.json", "range_test.csv", "range_test.json", "range_test.png"
    }  # fmt: skip
    result = RangeTestResult.from_json(out / "range_test.json")
    assert (len(result), result.lr[0], result.lr[-1]) == (40, 0.0, 0.02)
    assert result["accuracy"][0] == [result.lr[row - 1] for row in (8, 16, 24, 32, 40)]
    first = capsys.readouterr().out.splitlines()
    assert first[0] == "Linear(start=0.0, end=0.02, steps=39), accuracy every 8 steps"
    assert [line.partition(":")[0] for line in first[1:6]] == [
        f"step {row} of 40" for row in (8, 16, 24, 32, 40)
    ]
    accuracy, loss = result["accuracy"][1][0], result.loss[7]
    assert first[1].endswith(f": {100 * accuracy:.2f} % (held-out), loss {loss:.4g}, rate 0.00359")
    assert first[6].startswith("completed: all 40 steps") and "base_lr" in first[7]
    written = (out / "range_test.json").stat().st_mtime_ns
    assert main(words) == 0  # read, not run again
    assert capsys.readouterr().out.splitlines() == [first[0], *first[6:]]
    assert (out / "range_test.json").stat().st_mtime_ns == written
    assert main([*words, "--again"]) == 0
    assert (out / "range_test.json").stat().st_mtime_ns > written
    capsys.readouterr()
    assert main([*words, "--seed", "1"]) == 2
    assert "another --seed: 0 there, 1 asked for" in capsys.readouterr().err
    assert main([*words, "--eval-every", "9", "--hold-out", "21", "--end-lr", "0.3"]) == 2
    said = capsys.readouterr().err
    assert "another --eval-every: 8 there, 9 asked for" in said
    assert "another --hold-out: 20 there, 21 asked for" in said
    assert "another --start-lr, --end-lr, --iterations or --step-mode: Linear(start=0.0, e" in said
    config = json.loads((out / "config.json").read_text())
    assert config["experiment"]["schedule"] == "Linear(start=0.0, end=0.02, steps=39)"
    assert config["experiment"]["held_out"] == 20

    swept(tmp_path / "range_test.json")
    assert train(tmp_path / "run", "--bounds", str(tmp_path), "--step-size", "3") == 0
    assert re.search(
        r"Triangular\(base_lr=0\.00\d+, max_lr=0\.00\d+, step", capsys.readouterr().out
    )
    rows = RunFolder(tmp_path / "run").rows()
    assert rows[-1]["iteration"] == 30  # five cycles
    assert [row["iteration"] for row in rows if row["cycle_end"]] == [6, 12, 18, 24, 30]


def test_an_interrupted_range_test_leaves_its_rows(tmp_path: Path, monkeypatch: Any) -> None:
    from clr_ignite.cifar10 import range_testing

    class Interrupted(range_testing.LRRangeTest):
        def run(self, trainer: Any, data: Any) -> Any:
            def stop(result: RangeTestResult) -> None:
                if len(result) == 7:
                    raise KeyboardInterrupt

            self.on_row = stop
            return super().run(trainer, data)

    monkeypatch.setattr(range_testing, "LRRangeTest", Interrupted)
    words = ["range-test", "--batch-size", "10", "--no-progress", "--iterations", "20"]
    assert main([*words, "--out", str(tmp_path)]) == 130
    assert len((tmp_path / "range_test.csv").read_text().splitlines()) == 8
    assert not (tmp_path / "range_test.json").exists()


def test_a_broken_off_range_test_goes_on(tmp_path: Path, monkeypatch: Any) -> None:
    from clr_ignite.cifar10 import range_testing

    words = ["range-test", "--batch-size", "10", "--no-progress", "--iterations", "20"]
    assert main([*words, "--out", str(tmp_path / "whole")]) == 0
    real = range_testing.LRRangeTest

    def stop(result: RangeTestResult) -> None:
        if len(result) == 7:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(
            range_testing,
            "LRRangeTest",
            lambda *args, **options: real(*args, **(options | {"on_row": stop})),
        )
        assert main([*words, "--out", str(tmp_path / "cut")]) == 130
    assert main([*words, "--out", str(tmp_path / "cut")]) == 0
    name = "range_test.csv"
    assert (tmp_path / "cut" / name).read_text() == (tmp_path / "whole" / name).read_text()
    assert not (tmp_path / "cut/checkpoint.pt").exists()


def test_a_range_test_killed_after_its_last_step_is_not_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from clr_ignite.cifar10 import range_testing
    from clr_ignite.range_test import checkpoint

    def die(*_: Any) -> None:
        raise KeyboardInterrupt

    words = ["range-test", "--batch-size", "10", "--no-progress", "--iterations", "20"]
    words += ["--out", str(tmp_path)]
    monkeypatch.setattr(checkpoint.SweepFile, "remove", die)
    assert main(words) == 130
    monkeypatch.setattr(range_testing, "build", lambda *_, **__: pytest.fail("run again"))
    assert main(words) == 0
    assert len((tmp_path / "range_test.csv").read_text().splitlines()) == 21
    assert (tmp_path / "range_test.png").exists() and not (tmp_path / "checkpoint.pt").exists()


@pytest.mark.parametrize(("policy", "iterations"), [("triangular2", 30), ("onecycle", 8)])
def test_policies_of_the_bounds(tmp_path: Path, policy: str, iterations: int) -> None:
    bounds = swept(tmp_path / "r.json")
    words = ["--bounds", str(bounds), "--step-size", "3", "--policy", policy]
    assert train(tmp_path / "run", *words) == 0
    assert RunFolder(tmp_path / "run").rows()[-1]["iteration"] == iterations


def test_a_step_size_not_given_is_four_epochs(tmp_path: Path) -> None:
    bounds = swept(tmp_path / "r.json")
    assert train(tmp_path / "run", "--bounds", str(bounds), "--iterations", "2") == 0
    config = json.loads((tmp_path / "run/config.json").read_text())
    assert "step_size=44" in config["experiment"]["schedule"]  # 11 batches an epoch


def test_options_reach_the_run(tmp_path: Path) -> None:
    words = ["--iterations", "3", "--pixels", "unit", "--pooling", "floor", "--init", "torch"]
    words += ["--no-multipliers", "--momentum", "Linear(0.95, 0.85, 3)", "--weight-decay", "0.001"]
    words += [
        "--order",
        "fixed",
        "--ema-decay",
        "0.5",
        "--nesterov",
        "--hold-out",
        "20",
        "--seed",
        "7",
        "--eval-every",
        "2",
    ]
    assert train(tmp_path, *words) == 0
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["experiment"] | {"schedule": ""} == {
        "schedule": "", "iterations": 3, "model": "quick", "pixels": "unit", "batch_size": 10,
        "momentum": "Linear(start=0.95, end=0.85, steps=3)", "nesterov": True,
        "weight_decay": 0.001, "multipliers": False, "pooling": "floor", "init": "torch",
        "order": "fixed", "held_out": 20, "optimizer": "sgd", "ema_decay": 0.5,
    }  # fmt: skip
    assert (config["seed"], config["eval_every"]) == (7, 2)
    environment = config["environments"][0]
    assert environment["threads"] == torch.get_num_threads()
    assert environment["torch"] == torch.__version__ and environment["commit"]
    assert [row["iteration"] for row in RunFolder(tmp_path).rows()] == [2, 3]


def test_a_row_of_the_table_by_name(tmp_path: Path) -> None:
    words = ["--experiment", "full-triangular2", "--iterations", "1", "--model", "full"]
    assert train(tmp_path, *words, "--optimizer", "adam") == 0
    config = json.loads((tmp_path / "config.json").read_text())["experiment"]
    expected = EXPERIMENTS["full-triangular2"].experiment.to_dict()
    assert config == expected | {"iterations": 1, "batch_size": 10, "optimizer": "adam"}


def test_the_progress_bar_is_on_by_default_on_a_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["train", "--schedule", "Fixed(0.001)", "--iterations", "2", "--batch-size", "10"]
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert main([*words, "--out", str(tmp_path / "a")]) == 0
    out, err = capsys.readouterr()
    assert "2/2" in err and "iteration 2 of 2" not in out
    assert main([*words, "--no-progress", "--out", str(tmp_path / "b")]) == 0
    out, err = capsys.readouterr()
    assert err == "" and "iteration 2 of 2" in out


def test_without_a_terminal_a_run_says_its_schedule_and_each_evaluation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[str] = []
    write = builtins.print

    def said(*words: Any, flush: bool = False, **options: Any) -> None:
        if flush:
            flushed.append(str(words[0]))
        write(*words, **options)

    monkeypatch.setattr(builtins, "print", said)
    words = ["train", "--model", "quick", "--batch-size", "10", "--out", str(tmp_path)]
    words += ["--schedule", "Triangular(0.001, 0.005, 2)", "--eval-every", "3"]
    assert main([*words, "--iterations", "6"]) == 0
    out, err = capsys.readouterr()
    rows = RunFolder(tmp_path).rows()
    assert err == "" and out.splitlines()[:-1] == flushed
    assert flushed[0] == "Triangular(base_lr=0.001, max_lr=0.005, step_size=2)"
    assert [line.partition(":")[0] for line in flushed[1:]] == [
        f"iteration {at} of 6" for at in (3, 4, 6)
    ]
    accuracy, loss = 100 * rows[0]["eval_accuracy"], rows[0]["eval_loss"]
    assert flushed[1].endswith(f": {accuracy:.2f} % (test), loss {loss:.4g}, rate 0.005")
    assert main([*words, "--iterations", "6"]) == 0  # finished: nothing but the schedule, the end
    assert capsys.readouterr().out.splitlines() == [flushed[0], out.splitlines()[-1]]


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ({"ended_at_cycle_end": True}, "80.00 % (test) at iteration 9, a cycle end"),
        ({"diverged": True}, "diverged: 80.00 % (test) at iteration 9"),
        ({"cycle_end_iteration": None}, "no cycle that ends within the run"),
        ({}, "in mid-cycle; at the last cycle end, iteration 8: 70.00 %"),
    ],
)
def test_how_a_run_ended_is_said(result: dict[str, Any], words: str) -> None:
    known = {
        "accuracy": 0.8, "iterations": 9, "evaluated_on": "test", "diverged": False,
        "ended_at_cycle_end": False, "cycle_end_iteration": 8, "cycle_end_accuracy": 0.7,
    }  # fmt: skip
    assert words in describe(known | result)


def test_a_range_test_takes_the_runs_own_momentum_and_decay(tmp_path: Path) -> None:
    words = ["range-test", "--experiment", "full-1cycle", "--iterations", "3", "--batch-size", "10"]
    own = ["--momentum", "0.8", "--weight-decay", "0.001", "--out", str(tmp_path), "--no-progress"]
    assert main([*words, *own]) == 0
    experiment = json.loads((tmp_path / "config.json").read_text())["experiment"]
    assert (experiment["momentum"], experiment["weight_decay"]) == (0.8, 0.001)
    assert experiment["nesterov"] is True  # the row's


def test_epochs_are_those_of_the_rows_batches(tmp_path: Path) -> None:
    """110 images, batches of 50: two an epoch, with 4 held out as well."""
    row = ["--experiment", "full-trapezoid", "--momentum", "0.9", "--no-progress"]
    assert main(["range-test", *row, "--out", str(tmp_path / "sweep")]) == 0
    bounds = str(swept(tmp_path / "bounds.json"))
    words = ["--bounds", bounds, "--iterations", "2", "--out", str(tmp_path / "run")]
    assert main(["train", *row, *words]) == 0
    schedules = [
        json.loads((tmp_path / name / "config.json").read_text())["experiment"]["schedule"]
        for name in ("sweep", "run")
    ]
    assert schedules[0].endswith("steps=15)")  # eight epochs
    assert schedules[1].endswith("step_size=8)")  # four


def test_preview_draws_a_schedule(tmp_path: Path) -> None:
    out = tmp_path / "sub/schedule.png"
    words = ["preview", "--schedule", "Triangular(0.1, 0.2, 5)", "--iterations", "20"]
    assert main([*words, "--out", str(out)]) == 0
    assert out.read_bytes().startswith(b"\x89PNG")
    bounds = str(swept(tmp_path / "r.json"))
    words = ["preview", "--bounds", bounds, "--iterations", "20", "--out", str(tmp_path / "b.png")]
    assert main(words) == 2  # how long is a step without data?
    assert main([*words, "--step-size", "5"]) == 0
    assert main([*words[:-2], "--step-size", "5", "--out", str(tmp_path / "b")]) == 2


def test_the_experiments_are_listed_by_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["experiments"]) == 0
    header, *lines = capsys.readouterr().out.splitlines()
    assert header.split() == ["row", "iterations", "published,", "%", "source"]
    assert [line.split()[0] for line in lines] == list(EXPERIMENTS)
    assert lines[0].split()[:4] == ["full-fixed", "70,000", "81.4", "arXiv:1506.01186,"]


@pytest.mark.parametrize(
    ("text", "iterations"),
    [
        ("Triangular(0, 0.1, 3)", 30),
        ("Cyclic(0, 0.1, 5)", 25),
        ("CosineRestarts(0, 0.1, 3, 2.0)", 93),  # 3, 6, 12, 24 and 48
        ("WarmupStableDecay(0.1, 2, 3, 4)", 9),
        ("Chain((Fixed(0.1), 5), (Fixed(0.01), 2))", 7),
    ],
)
def test_a_run_without_iterations_is_as_long_as_its_schedule(text: str, iterations: int) -> None:
    given = build_parser().parse_args(["train", "--out", "x", "--schedule", text])
    assert options.training_experiment(given, load("digits"))[0].iterations == iterations


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "--out", "x"], "one of --schedule, --bounds and --experiment is needed"),
        (["train", "--out", "x", "--schedule", "Cosine(1)"], "not a schedule: 'Cosine(1)'"),
        (["train", "--out", "x", "--schedule", "Fixed(0.1)"], "no cycles to count: give --iter"),
        (
            ["train", "--out", "x", "--schedule", "Fixed(0.1)", "--policy", "triangular"],
            "belong to --bounds",
        ),
        (
            ["train", "--out", "x", "--experiment", "quick-caffe", "--step-size", "7"],
            "belong to --bounds, not to --experiment",
        ),
        (["train", "--out", "x", "--schedule", "Fixed(1)", "--iterations", "0"], "at least 1"),
        (["train", "--out", "x", "--bounds", "none.json"], "none.json"),
        (["train", "--out", "x", "--data", "folder", "--schedule", "Fixed(1)"], "needs a folder"),
        (
            ["train", "--out", "x", "--data", "folder", "--folder", "nowhere", "--schedule", "a"],
            "no folder nowhere",
        ),
        ([*FIXED, "--hold-out", "110"], "--hold-out must be below the 110 images, got 110"),
        (["range-test", "--out", "x", "--start-lr", "0.1"], "--start-lr must be below --end-lr ("),
        (["range-test", "--out", "x", "--start-lr", "nan"], "--start-lr must be finite, got nan"),
        (["range-test", "--out", "x", "--end-lr", "0"], "--end-lr must be greater than 0"),
        (["range-test", "--out", "x", "--diverge-th", "nan"], "--diverge-th must be finite"),
        (["range-test", "--out", "x", "--diverge-th", "1"], "--diverge-th must be above 1, or 0"),
        (
            ["range-test", "--out", "x", "--step-mode", "exponential", "--start-lr", "0"],
            "--start-lr must be above 0 with exponential spacing, got 0: try 1e-6",
        ),
        (
            ["range-test", "--out", "x", "--iterations", "9", "--eval-every", "10"],
            "--eval-every must be at most the 9 iterations, got 10",
        ),
        ([*FIXED, "--momentum", "x"], "--momentum must be a number or a schedule: not a sched"),
        ([*FIXED, "--momentum", "2"], "--momentum must be below 1, got 2"),
        ([*FIXED, "--momentum", "Fixed(2)"], "momentum must be below 1, got Fixed(lr=2.0), 2 at"),
        ([*FIXED, "--weight-decay", "inf"], "--weight-decay must be finite, got inf"),
        ([*FIXED, "--ema-decay", "1"], "--ema-decay must be below 1, got 1"),
        (["train", "--out", "x", "--experiment", "full"], "no such rows: full; did you mean"),
        (["train", "--out", "x", "--bounds", "/dev/zero"], "--bounds must be the folder of"),
        (["train", "--out", "x", "--bounds", __file__], "--bounds must be the folder of a"),
        (["train", "--out", "x", "--bounds", "nowhere"], "or its JSON file, got nowhere"),
        (["train", "--out", "x", "--bounds", "."], "or its JSON file, got ."),
        (
            ["preview", "--schedule", "Fixed(1)", "--iterations", "9", "--out", "picture"],
            "--out must end in .png, or another of ",
        ),
        (["range-test", "--out", "x", "--hold-out", "0"], "--hold-out must be at least 1"),
        (["range-test", "--out", "x", "--iterations", "1"], "--iterations must be at least 2 in a"),
        (["range-test", "--out", "x", "--experiment", "full-1cycle"], "--momentum must be a numb"),
        (["report", "nowhere"], "nowhere holds no run"),
        (["train", "--out", "x", "--schedule", "Fixed(1)", "--device", "abacus"], "'abacus' c"),
        ([*FIXED, "--device", "meta"], "'meta' cannot be used here"),
        ([*FIXED, "--eval-every", "0"], "--eval-every must be at least 1, got 0"),
        ([*FIXED, "--threads", "0"], "--threads must be at least 1, got 0"),
        ([*FIXED, "--threads", "9" * 9], "--threads must be at most 1024"),
        ([*FIXED, "--batch-size", "0"], "--batch-size must be at least 1, got 0"),
        ([*FIXED, "--seed", "-1"], "--seed must be at least 0, got -1"),
        ([*FIXED, "--seed", "9" * 25], "--seed must be at most 4611686018427387904"),
        ([*FIXED, "--hold-out", "-1"], "--hold-out must be at least 0, got -1"),
        ([*FIXED, "--schedule", ""], "not a schedule: ''"),
        ([*FIXED, "--schedule", "Fixed(lr=1, lr=2)"], "(an argument is given twice)"),
        ([*FIXED, "--schedule", f"Fixed({'9' * 400})"], "lr must be finite, got 9999"),
        ([*FIXED, "--momentum", f"Fixed({'9' * 400})"], "lr must be finite, got 9999"),
        (["range-test", "--out", "x", "--eval-every", "0"], "--eval-every must be at least 1"),
        (["range-test", "--out", "x", "--batch-size", "0"], "--batch-size must be at least 1"),
        (["preview", "--schedule", "", "--iterations", "9"], "not a schedule: ''"),
        (
            ["preview", "--schedule", "Fixed(1)", "--iterations", "9" * 25],
            "--iterations must be at",
        ),
        (
            ["preview", "--bounds", "r.json", "--step-size", "0", "--iterations", "9"],
            "--step-size must be at least 1, got 0",
        ),
    ],
)
def test_a_request_that_is_refused_gives_one_line_and_code_2(
    words: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == "" and message in err and err.count("\n") == 1


@pytest.mark.parametrize(
    "words", [[], ["sing"], ["train"], ["train", "--out", "x", "--model", "huge"]]
)
def test_words_that_do_not_parse_give_code_2(words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2


def test_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--iterations", "10", "--eval-every", "4"]
    for seed in ("0", "1"):
        assert train(tmp_path / f"tri-{seed}", *words, "--seed", seed) == 0
    assert train(tmp_path / "fixed", *words, "--schedule", "Fixed(0.001)") == 0
    capsys.readouterr()
    runs = [str(tmp_path / name) for name in ("tri-0", "tri-1", "fixed")]
    assert main(["report", *runs, "--out", str(tmp_path / "report")]) == 0
    text = (tmp_path / "report/report.md").read_text()
    assert capsys.readouterr().out == text
    for picture in ("accuracy-quick.png", "schedules-quick.png"):
        assert (tmp_path / "report" / picture).read_bytes().startswith(b"\x89PNG")
    triangular, fixed = text.splitlines()[2:4]
    rows = [RunFolder(tmp_path / f"tri-{seed}").rows() for seed in (0, 1)]
    ends = [100 * next(r["eval_accuracy"] for r in one if r["iteration"] == 8) for one in rows]
    mean, spread = sum(ends) / 2, abs(ends[0] - ends[1]) / 2**0.5
    assert f"{mean:.2f} ± {spread:.2f} (n = 2), iteration 8" in triangular
    assert "](accuracy-quick.png)" in text and "](schedules-quick.png)" in text
    last = 100 * RunFolder(tmp_path / "fixed").rows()[-1]["eval_accuracy"]
    assert f"| no cycle ended | {last:.2f} (single run) | - | - | a |" in fixed
    assert "Not run" not in text  # digits have no table


def test_a_missing_package_is_named_with_the_extra_that_brings_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(options, "load", load)
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    assert main([*FIXED, "--out", str(tmp_path / "run")]) == 2
    said = capsys.readouterr().err
    assert "sklearn" in said and said.endswith(': pip install "clr_ignite[cifar10]"\n')


@pytest.mark.parametrize("first", ["train", "range-test"])
def test_a_run_and_a_range_test_do_not_share_a_folder(
    first: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not even where all that both have is the same."""
    words = "--iterations 3 --hold-out 5 --model quick --batch-size 10 --out".split()
    commands = {
        "train": ["train", *words, str(tmp_path), "--schedule", "Linear(0, 0.02, 2)"],
        "range-test": ["range-test", *words, str(tmp_path)],
    }
    assert main(commands.pop(first)) == 0
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    ((second, command),) = commands.items()
    capsys.readouterr()
    assert main(command) == 2
    what = {"train": "a run", "range-test": "a range test"}[first]
    assert f"{tmp_path} holds {what}; choose another folder" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert main([*command, "--again"]) == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nothing"], "no such rows: nothing; `python -m clr_ignite.cifar10 experiments` lists"),
        (["full-trangular2"], "full-trangular2; did you mean full-triangular2? `python -m"),
        (["full-fixed", "--workers", "0"], "--workers must be at least 1, got 0"),
        (["full-fixed", "--iterations", "0"], "--iterations must be at least 1, got 0"),
        (["full-fixed", "--data", "folder"], "--data folder needs a folder: say with --folder"),
    ],
)
def test_reproduce_looks_at_everything_first(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = [] if "--data" in words else ["--data", "digits"]
    assert main(["reproduce", *words, *data, "--out", str(tmp_path / "runs")]) == 2
    assert message in capsys.readouterr().err and not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    "text", ["", "a", "1-", "-1", "0,0", "3-2", "1.5", "0-99999999999", "9" * 30]
)
def test_seeds_that_are_none(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["reproduce", f"--seeds={text}"])
    assert ended.value.code == 2 and "argument --seeds: seeds" in capsys.readouterr().err


def test_reproduce(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    words = ["reproduce", "quick-caffe", "full-1cycle", "--data", "digits", "--iterations", "2"]
    words += ["--out", str(tmp_path), "--threads", "1"]
    assert main(words) == 0
    out, err = capsys.readouterr()
    assert "full-1cycle, seed 0: 100%" in err
    assert (tmp_path / "report/report.md").read_text() == out
    assert (tmp_path / "full-1cycle-0/result.json").exists()
    assert main([*words, "--no-progress"]) == 0
    assert "quick-caffe, seed 0: " in capsys.readouterr().out
    assert main([*words, "--no-progress", "--seeds", "1"]) == 0
    said = [line for line in capsys.readouterr().out.splitlines() if ", seed 1: " in line]
    lines = ("iteration 2 of 2: ", r"\d+.\d\d % \(test\) at iteration 2")
    for line, start in zip(said, (r"MultiStep\(", *lines, r"OneCycle\(", *lines), strict=True):
        assert re.match(f".*, seed 1: {start}", line)


def test_a_damaged_result_is_named(tmp_path: Path) -> None:
    path = finished_run(tmp_path / "run", "full-decay", 0, [0.7])
    whole = json.loads((path / "result.json").read_text())
    (path / "result.json").write_text(json.dumps(whole | {"accuracy": 0.75}))
    with pytest.raises(RunError, match=r"result\.json holds 0.75 as accuracy, where .* give 0.7:"):
        read_run(path)
    del whole["rows"]  # an earlier version's
    (path / "result.json").write_text(json.dumps(whole))
    assert read_run(path).summary["accuracy"] == 0.7


def test_a_damaged_row_is_noticed_wherever_it_is(tmp_path: Path) -> None:
    path = finished_run(tmp_path / "run", "full-decay", 0, [0.5, 0.7])
    text = (path / "metrics.csv").read_text()
    (path / "metrics.csv").write_text(text.replace("0.5", "0.4"))
    with pytest.raises(RunError, match=r"result\.json holds \w{64} as rows, where .* damaged"):
        read_run(path)


OWN = """
from clr_ignite.cifar10.experiments import EXPERIMENTS, Experiment
from clr_ignite.schedules import Triangular

mine = Experiment(schedule=Triangular(0.001, 0.005, 2), iterations=4, model="quick", batch_size=10)
row = EXPERIMENTS["quick-caffe"]
"""


def test_an_experiment_of_ones_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "my_rows.py"
    file.write_text(OWN)
    words = ["--threads", "1", "--no-progress", "--out"]
    assert main(["train", "--experiment", f"{file}:mine", *words, str(tmp_path / "run")]) == 0
    assert main(["report", str(tmp_path / "run"), "--out", str(tmp_path / "report")]) == 0
    assert "\n| mine | 4 | " in capsys.readouterr().out
    rows = [f"{file}:mine", f"{file}:row", "--data", "digits", "--iterations", "4"]
    assert main(["reproduce", *rows, *words, str(tmp_path / "all")]) == 0
    assert (tmp_path / "all/mine-0/result.json").exists()
    changed = ["--momentum", "0.8", *words, str(tmp_path / "other")]
    assert main(["train", "--experiment", f"{file}:mine", *changed]) == 0
    configs = [
        json.loads((tmp_path / f"{name}/config.json").read_text())
        for name in ("run", "all/mine-0", "all/row-0", "other")
    ]
    assert [config["name"] for config in configs] == ["mine", "mine", None, None]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nothing", "no such rows: nothing; `python -m"),
        ("{file}:other", "my_rows.py has no experiment other; it has mine, row"),
        ("{file}x.py:mine", "No such file or directory"),
        ("{pipe}:mine", "is a pipe where a file is needed"),
        ("{ends}:mine", r"ends.py cannot be run \(SystemExit: 0\)"),
        ("{bad}:mine", r"bad.py cannot be run \(ZeroDivisionError: division by zero\)"),
    ],
)
def test_an_experiment_that_is_not_there(
    text: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, bad = tmp_path / "my_rows.py", tmp_path / "bad.py"
    file.write_text(OWN)
    bad.write_text("1 / 0")
    (ends := tmp_path / "ends.py").write_text("import sys; sys.exit(0)")
    os.mkfifo(pipe := tmp_path / "pipe.py")
    asked = text.format(file=file, bad=bad, ends=ends, pipe=pipe)
    assert main(["train", "--experiment", asked, "--out", str(tmp_path / "run")]) == 2
    said = capsys.readouterr().err
    assert re.search(words, said) and said.count("\n") == 1


@pytest.mark.parametrize("words", [["train"], ["range-test", "--hold-out", "9"], ["report"]])
def test_what_is_finished_needs_no_lock_and_no_writing(words: list[str], tmp_path: Path) -> None:
    out = tmp_path / "run"
    common = ["--model", "quick", "--batch-size", "10", "--iterations", "4", "--no-progress"]
    if words[0] != "range-test":
        common += ["--schedule", "Fixed(0.001)"]
    made = words if words[0] != "report" else ["train"]
    assert main([*made, *common, "--out", str(out)]) == 0
    again = [*words, *common, "--out", str(out)]
    if words[0] == "report":
        again = ["report", str(out), "--out", str(tmp_path / "report")]
    (out / ".lock").unlink()
    before = {path: path.stat().st_ino for path in out.iterdir()}
    with watching(out) as written:
        assert main(again) == 0
    assert written == []
    assert {path: path.stat().st_ino for path in out.iterdir()} == before


@contextlib.contextmanager
def watching(folder: Path) -> Iterator[list[str]]:
    """Refuses to write into ``folder``, as a read-only file system, and notes who tried."""
    written: list[str] = []
    real = os.open

    def refuse(path: Any, flags: int, *args: Any, **options: Any) -> int:
        if str(path).startswith(str(folder)) and flags & os.O_ACCMODE:
            if ".tmp" not in str(path):  # a picture that may be drawn again
                written.append(str(path))
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
        return real(path, flags, *args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "open", refuse)
        yield written


def test_the_report_refuses_what_is_no_finished_run(tmp_path: Path) -> None:
    assert train(tmp_path / "a", "--iterations", "2") == 0
    with pytest.raises(RunError, match="same experiment and seed are given twice"):
        write_report([tmp_path / "a", tmp_path / "a"], tmp_path / "out")
    (tmp_path / "a/result.json").unlink()
    with pytest.raises(RunError, match="unfinished run: start it again"):
        read_run(tmp_path / "a")


def test_any_folder_of_classes_goes_all_the_way(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A user's own pictures of three classes: range test, training between its bounds, report."""
    from PIL import Image

    for split in ("train", "test"):
        for number, name in enumerate(("cat", "dog", "emu")):
            (tmp_path / "pets" / split / name).mkdir(parents=True)
            for i in range(12):
                color = (80 * number, 20 * i, 100)
                path = tmp_path / "pets" / split / name / f"{i}.png"
                Image.new("RGB", (32, 32), color).save(path)
    data = ["--data", "folder", "--folder", str(tmp_path / "pets"), "--model", "quick"]
    data += ["--batch-size", "10", "--no-progress"]
    sweep, run = tmp_path / "sweep", tmp_path / "run"
    words = ["--iterations", "80", "--hold-out", "6", "--diverge-th", "0", "--out", str(sweep)]
    assert main(["range-test", *data, *words]) == 0
    assert len(RangeTestResult.from_json(sweep / "range_test.json")) == 80
    bounds = swept(tmp_path / "bounds.json")  # so few pictures need not support a pair
    words = ["--bounds", str(bounds), "--step-size", "2", "--out", str(run)]
    assert main(["train", *data, *words]) == 0
    config = json.loads((run / "config.json").read_text())
    assert config["data"]["classes"] == ["cat", "dog", "emu"]
    state = RunFolder(run).load_checkpoint()
    assert state is not None and list(state["model"].values())[-1].shape == (3,)
    capsys.readouterr()
    assert main(["report", str(run), str(sweep), "--out", str(tmp_path / "report")]) == 0
    assert "Range test sweep, 0 to 0.02 in 80 steps" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("train --schedule Fixed(1e39)", "lr must be at most 3.4e+38, got 1e+39"),
        ("train --schedule Fixed(0.1) --weight-decay 1e308", "weight_decay must be at most"),
        ("range-test --end-lr 1e308 --weight-decay 0", "lr must be at most 3.4e+38, got 5e+307"),
    ],
)
def test_numbers_beyond_float32_are_named(
    words: str, named: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = f"--iterations 3 --model quick --batch-size 50 --no-progress --out {tmp_path / 'out'}"
    assert main([*words.split(), *more.split()]) == 2
    assert named in capsys.readouterr().err.splitlines()[-1]


def test_names_do_not_reach_the_terminal_as_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = tmp_path / "clear\x1b[2J\nscreen"
    odd.mkdir()
    swept(odd / "range_test.json")
    assert main(["report", str(odd), "--out", str(tmp_path / "report")]) == 0
    assert main(["report", str(odd / "nothing")]) == 2
    with pytest.raises(SystemExit):
        main(["report", str(odd), "--\x1b[2J"])
    out, err = capsys.readouterr()
    assert r"clear\x1b[2J\nscreen" in out and r"\x1b[2J" in err
    assert "\x1b" not in out + err
    assert "\x1b" not in (tmp_path / "report/report.md").read_text()
