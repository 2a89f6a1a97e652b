"""Each example, run as a user runs it: from an empty folder, in a process of its own."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from clr_ignite import RangeTestResult
from clr_ignite.cifar10.__main__ import main
from tests.cifar10.processes import pictures_in

EXAMPLES = Path(__file__).parent.parent / "examples"
NAMES = ("china", "flower")  # scikit-learn's photographs


def run(name: str, folder: Path, *options: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning:clr_ignite", EXAMPLES / name, *options],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def is_png(path: Path) -> bool:
    return path.read_bytes().startswith(b"\x89PNG")


def test_quickstart(tmp_path: Path) -> None:
    text = run("quickstart.py", tmp_path)
    assert re.search(r"base_lr [\d.e-]+, max_lr [\d.e-]+: held-out loss is lowest", text)
    accuracy = {
        name: float(percent)
        for name, percent in re.findall(r"^(\w.*?)\s+([\d.]+)% of the test images", text, re.M)
    }
    assert accuracy.keys() == {"triangular", "fixed at base_lr", "fixed at max_lr"}
    assert accuracy["triangular"] > 90 and accuracy["triangular"] > accuracy["fixed at base_lr"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["accuracy.png", "range_test.png"]
    assert all(map(is_png, tmp_path.iterdir()))
    assert len((EXAMPLES / "quickstart.py").read_text().splitlines()) < 60


def test_range_test(tmp_path: Path) -> None:
    text = run("range_test.py", tmp_path, "--iterations", "40")
    result = RangeTestResult.from_json(tmp_path / "range_test.json")
    assert len(result) == 40 and len(result["accuracy"][0]) == 40
    assert text.strip() == str(result.suggest("accuracy"))
    assert is_png(tmp_path / "range_test.png")
    assert len((tmp_path / "range_test.csv").read_text().splitlines()) == 41


def test_cifar10_clr(tmp_path: Path) -> None:
    """120 pictures in batches of 100 are an epoch of one batch: cycles end at 8 and 16."""
    (tmp_path / "empty").mkdir()
    pictures = ("--data", "folder", "--folder", str(pictures_in(tmp_path)))
    text = run("cifar10_clr.py", tmp_path / "empty", *pictures, "--cycles", "2")
    assert re.findall(r"iteration (\d+): [\d.]+% of the test images", text) == ["8", "16"]
    assert list((tmp_path / "empty").iterdir()) == []


@pytest.mark.slow
def test_cifar10_clr_learns_the_digits(tmp_path: Path) -> None:
    text = run("cifar10_clr.py", tmp_path, "--cycles", "1")
    (accuracy,) = re.findall(r"iteration 112: ([\d.]+)% of the test images", text)
    assert float(accuracy) > 80


def test_resume(tmp_path: Path) -> None:
    before, after = run("resume.py", tmp_path).splitlines()
    assert before.split()[4:] == (
        "0.0010 0.0016 0.0023 0.0029 0.0035 0.0041 0.0047 0.0054 0.0060 0.0054".split()
    )
    assert after.split()[4:6] == ["0.0047", "0.0041"]


def test_compare_fastai(tmp_path: Path) -> None:
    lines = run("compare_fastai.py", tmp_path).splitlines()
    rates = {line.split("  ")[0]: line.split()[2:] for line in lines[1:]}
    used, recorded = rates["FastaiLRFinder: used"], rates["FastaiLRFinder: recorded"]
    assert used[0] == "0.070" and used[1:] == recorded[:-1]
    assert rates["LRRangeTest: used"] == rates["LRRangeTest: recorded"]
    assert rates["LRRangeTest: used"] == "0.010 0.020 0.030 0.040 0.050 0.060".split()


def test_visdom_live(tmp_path: Path) -> None:
    """Without a server: it warns and trains; with one it is looked at in tests/test_browser.py."""
    text = run("visdom_live.py", tmp_path, "--visdom", "http://127.0.0.1:9", "--epochs", "4")
    (accuracy,) = re.findall(r"([\d.]+)% of the held-out images; drawn at http://127.0.0.1:9", text)
    assert float(accuracy) > 80


def check_own_data(folder: Path, text: str, iterations: int) -> float:
    """The accuracy that its report gives."""
    classes = sorted(str(path.relative_to(folder)) for path in folder.glob("own/data/*/*"))
    assert classes == [f"own/data/{split}/{name}" for split in ("test", "train") for name in NAMES]
    (accuracy,) = re.findall(
        rf"^([\d.]+) % \(test\) at iteration {iterations}, a cycle end", text, re.M
    )
    bounds = RangeTestResult.from_json(folder / "own/range-test/range_test.json").suggest()
    schedule = f"Triangular(base_lr={bounds.base_lr}, max_lr={bounds.max_lr}"
    assert schedule in (folder / "own/triangular/config.json").read_text()
    assert "| Triangular(base_lr=" in (folder / "own/report/report.md").read_text()
    return float(accuracy)


def test_own_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its commands in this process, cut short."""
    plain_run = subprocess.run
    short = {
        "range-test": ["--iterations", "60", "--eval-every", "3"],
        "train": ["--iterations", "100"],
        "report": [],
    }

    def run_here(words: list[str], **options: Any) -> object:
        if words[:3] != [sys.executable, "-m", "clr_ignite.cifar10"]:
            return plain_run(words, **options)
        return main([*words[3:], *short.pop(words[3])])

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["own_data.py"])
    monkeypatch.setattr(subprocess, "run", run_here)
    runpy.run_path(str(EXAMPLES / "own_data.py"), run_name="__main__")
    assert check_own_data(tmp_path, capsys.readouterr().out, 100) > 80
    assert short == {}


@pytest.mark.slow
def test_own_data_in_full(tmp_path: Path) -> None:
    """Two classes of its own pictures, through the command line alone."""
    assert check_own_data(tmp_path, run("own_data.py", tmp_path), 500) > 95


def test_every_example_has_its_test() -> None:
    names = {path.stem for path in EXAMPLES.glob("*.py")}
    assert {f"test_{name}" for name in names} <= set(globals())


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_examples_use_public_names_only(path: Path) -> None:
    assert not re.search(r"clr_ignite\S*\._|import _", path.read_text())
