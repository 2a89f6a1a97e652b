"""compare: range tests of several settings as run folders, the table, the choice, how to train."""

from __future__ import annotations

import csv
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from clr_ignite import ComparedResult, RangeTestResult
from clr_ignite.cifar10.__main__ import main
from clr_ignite.cifar10.cli import options
from clr_ignite.cifar10.data import DataSet, load
from clr_ignite.cifar10.reproducing import jobs
from tests.cifar10.test_command_line import watching

ROOT = ("compare", "--model", "quick", "--no-progress", "--threads", "1", "--hold-out", "20")
SHORT = ("--batch-size", "10", "--epochs", "1", "--eval-every", "1", "--diverge-th", "0")


@pytest.fixture(autouse=True)
def little_data(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """110 digits to train on."""
    whole = load("digits")
    few = DataSet(
        "digits",
        whole.classes,
        *(s.take(torch.arange(n)) for s, n in ((whole.train, 110), (whole.test, 20))),
    )
    monkeypatch.setattr(options, "load", lambda *_: few)
    monkeypatch.setattr(jobs, "load", lambda *_: few)
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def test_two_settings_two_seeds_and_how_to_train(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*ROOT, *SHORT, "--vary", "weight_decay=0.004,0.5", "--seeds", "0,2"]
    assert main([*words, "--out", str(tmp_path)]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    names = [f"weight_decay={decay}-{seed}" for decay in ("0.004", "0.5") for seed in (0, 2)]
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == names
    tests = [RangeTestResult.from_json(tmp_path / name / "range_test.json") for name in names]
    assert [len(test) for test in tests] == [9] * 4
    compared = ComparedResult.from_json(tmp_path / "comparison.json")
    assert [list(one.results) for one in compared.results.values()] == [tests[:2], tests[2:]]
    assert compared.settings == {
        "weight_decay=0.004": {"weight_decay": 0.004},
        "weight_decay=0.5": {"weight_decay": 0.5},
    }
    assert compared.current == "weight_decay=0.004"  # the default
    assert str(compared) in said.out
    assert "weight_decay=0.5, seed 2: iteration 9 of 9: " in said.out
    with open(tmp_path / "comparison.csv") as file:
        assert len(list(csv.DictReader(file))) == 36
    assert (tmp_path / "comparison.png").read_bytes().startswith(b"\x89PNG")

    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/range_test.json")}
    assert main([*words, "--out", str(tmp_path)]) == 0
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert str(compared) in capsys.readouterr().out


def test_the_command_that_it_prints_trains_with_what_was_chosen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        *ROOT,
        "--vary",
        "batch-size=10,30",
        "--epochs",
        "4",
        "--nesterov",
        "--end-lr",
        "0.004",
    ]
    assert main([*words, "--vary", "weight_decay=0", "--out", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    compared = ComparedResult.from_json(tmp_path / "comparison.json")
    steps = [one.results[0].num_iter for one in compared.results.values()]
    assert steps == [36, 12] and list(compared.batch_sizes.values()) == [10, 30]
    (line,) = re.findall(r"^train with it: python -m clr_ignite.cifar10 (.*)$", text, re.M)
    command = shlex.split(line)
    chosen = compared.choose().name
    assert chosen is not None
    size = str(compared.batch_sizes[chosen])
    assert command[command.index("--batch-size") + 1] == size
    assert command[command.index("--weight-decay") + 1] == "0.0" and "--nesterov" in command
    assert main([*command, "--iterations", "3", "--no-progress"]) == 0
    bounds = compared.suggest()
    trained = f"Triangular(base_lr={bounds.base_lr}, max_lr={bounds.max_lr}"
    assert trained in capsys.readouterr().out
    renamed = shutil.copy(tmp_path / "comparison.json", tmp_path / "by another name.json")
    command[command.index("--bounds") + 1] = str(renamed)
    words = [*command, "--iterations", "2", "--no-progress", "--out", str(tmp_path / "again")]
    assert main(words) == 0 and trained in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["--vary", "weight_decay=0.1"], "must name at least two settings, got weight_decay=0.1"),
        (["--vary", "weight_decay=0.1,0.10"], "must name different settings: weight_decay=0.1 and"),
        (["--vary", "weight_decay=0.1,0.1"], "--vary must name each value once"),
        (["--vary", "weight_decay=0.1,much"], "--vary weight_decay must be numbers"),
        (["--vary", "weight_decay=0.1,-1"], "--weight-decay must not be negative, got -1.0"),
        (["--vary", "decay=0.1,1"], "--vary must be 'model', "),
        (["--vary", "optimizer=sgd,adom"], "did you mean 'adam'?"),
        (["--vary", "nesterov=true,perhaps"], "--vary nesterov must be 'true' or 'false'"),
        (["--vary", "momentum=0.9,1.5"], "--momentum must be below 1, got 1.5"),
        (["--vary", "momentum=0,1", "--vary", "momentum=0.5"], "once, got momentum twice"),
        (["--vary", "batch_size=10,0"], "--batch-size must be at least 1, got 0"),
        (["--vary", "momentum=0.5,0.9", "--epochs", "0"], "--epochs must be greater than 0"),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_is_named(
    words: list[str], error: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*ROOT, *words, "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert said.startswith("python -m clr_ignite.cifar10 compare: ") and error in said
    assert not (tmp_path / "out").exists()


def test_what_varies_has_a_form(capsys: pytest.CaptureFixture[str]) -> None:
    for text in ("weight_decay", "weight_decay=", "weight_decay=1,,2"):
        with pytest.raises(SystemExit):
            main([*ROOT, "--vary", text, "--out", "x"])
        assert "written as weight_decay=0.001,0.003" in capsys.readouterr().err


def test_a_folder_of_another_range_is_refused_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*ROOT, *SHORT, "--vary", "momentum=0,0.9", "--out", str(tmp_path)]
    assert main(words) == 0
    assert main([*words, "--end-lr", "0.5"]) == 2
    said = capsys.readouterr().err
    assert "2 of 2 runs failed: momentum=0, seed 0: AnotherRun: " in said
    assert "another schedule: Linear(start=0.0, end=0.02" in said


def test_without_bounds_nothing_is_advised(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*ROOT, *SHORT, "--vary", "momentum=0,0.9", "--out", str(tmp_path)]
    assert main([*words, "--end-lr", "1e-9"]) == 0
    text = capsys.readouterr().out
    assert "no setting's held-out loss carries a rate to train at" in text
    assert text.endswith(
        "no bounds to train between: try another range, more steps or other settings\n"
    )


def test_without_matplotlib_all_but_the_pictures_is_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [*ROOT, *SHORT, "--vary", "momentum=0,0.9", "--out", str(tmp_path)]
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "matplotlib.figure", None)
        with pytest.warns(UserWarning, match="no picture is drawn: plots need .*pip install"):
            assert main(words) == 0
    assert str(ComparedResult.from_json(tmp_path / "comparison.json")) in capsys.readouterr().out
    assert not list(tmp_path.rglob("*.png"))
    assert main(words) == 0  # finished, and drawn at last
    names = ("momentum=0-0/range_test.png", "momentum=0.9-0/range_test.png", "comparison.png")
    assert all((tmp_path / name).exists() for name in names)


def test_a_finished_one_is_told_where_nothing_can_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*ROOT, *SHORT, "--vary", "momentum=0,0.9", "--out", str(tmp_path)]
    assert main(words) == 0
    before = capsys.readouterr().out
    with watching(tmp_path) as written:
        assert main(words) == 0
    assert written == [] and capsys.readouterr().out.endswith(before[before.index("setting ") :])
