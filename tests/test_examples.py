"""Each example, run as a user runs it: from an empty folder, in a process of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from clr_ignite import RangeTestResult

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
    assert re.search(r"base_lr [\d.e-]+, max_lr [\d.e-]+: accuracy", text)
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
    text = run("range_test.py", tmp_path, "--iterations", "120")
    result = RangeTestResult.from_json(tmp_path / "range_test.json")
    assert len(result) == 120 and len(result["accuracy"][0]) == 40
    assert text.strip() == str(result.suggest())
    assert is_png(tmp_path / "range_test.png")
    assert len((tmp_path / "range_test.csv").read_text().splitlines()) == 121


def test_cifar10_clr(tmp_path: Path) -> None:
    text = run("cifar10_clr.py", tmp_path, "--cycles", "1")
    (accuracy,) = re.findall(r"iteration 112: ([\d.]+)% of the test images", text)
    assert float(accuracy) > 80
    assert list(tmp_path.iterdir()) == []


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


def test_own_data(tmp_path: Path) -> None:
    """Two classes of its own pictures, through the command line alone."""
    text = run("own_data.py", tmp_path)
    classes = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.glob("own/data/*/*"))
    assert classes == [f"own/data/{split}/{name}" for split in ("test", "train") for name in NAMES]
    (accuracy,) = re.findall(r"^([\d.]+) % \(test\) at iteration 500, a cycle end", text, re.M)
    assert float(accuracy) > 95
    bounds = RangeTestResult.from_json(tmp_path / "own/range-test/range_test.json").suggest()
    report = (tmp_path / "own/report/report.md").read_text()
    assert f"Triangular(base_lr={bounds.base_lr}, max_lr={bounds.max_lr}" in report


def test_every_example_has_its_test() -> None:
    names = {path.stem for path in EXAMPLES.glob("*.py")}
    assert {f"test_{name}" for name in names} <= set(globals())


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_examples_use_public_names_only(path: Path) -> None:
    assert not re.search(r"clr_ignite\S*\._|import _", path.read_text())
