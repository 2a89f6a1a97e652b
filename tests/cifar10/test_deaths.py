"""Killed at any moment and started again: bit for bit the run never touched, and nothing left."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clr_ignite.cifar10.runs.run_folder import RunFolder
from tests.cifar10.deaths import COMMANDS, contents, differences

ROOT = Path(__file__).parent.parent.parent
# What is left of a command's fewest points: were the hooks blind, there would be none.
POINTS = {"train": 60, "range-test": 80, "reproduce": 60}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    "options", [("17",), pytest.param(("1", "--twice"), marks=pytest.mark.slow)], ids=" ".join
)
def test_dead_wherever_it_touches_the_disk(
    command: str, options: tuple[str, ...], tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.cifar10.deaths", command, str(tmp_path), *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["wrong"] == {}
    assert found["points"] >= POINTS[command]
    assert found["deaths"] >= -(-found["points"] // int(options[0]))


def newest(out: Path, name: str) -> int:
    """When the last of the files of that name was written, in ns; 0 before."""
    return max((path.stat().st_mtime_ns for path in out.rglob(name)), default=0)


def last_iterations(out: Path) -> int:
    return sum(RunFolder(path.parent).last_iteration() for path in out.rglob("metrics.csv"))


KILLED: dict[str, tuple[str, Callable[[Path], int]]] = {
    # 1,437 digits in batches of 10: evaluations end neither an epoch nor, but for a few, a cycle.
    "train": (
        "train --model quick --batch-size 10 --schedule Triangular(0.001,0.005,25) "
        "--iterations 300 --eval-every 7 --threads 1",
        last_iterations,
    ),
    "range-test": (
        "range-test --batch-size 10 --iterations 400 --hold-out 100 --eval-every 30 --threads 1",
        lambda out: newest(out, "checkpoint.pt"),
    ),
    "reproduce": (
        "reproduce quick-caffe quick-ancestor-triangular --data digits --iterations 90 "
        "--eval-every 7 --threads 1 --workers 2",
        last_iterations,
    ),
}


def start(command: str, out: Path) -> subprocess.Popen[bytes]:
    words = [*KILLED[command][0].split(), "--no-progress", "--out", str(out)]
    return subprocess.Popen(
        [sys.executable, "-m", "clr_ignite.cifar10", *words], stdout=subprocess.DEVNULL
    )


@pytest.mark.slow
@pytest.mark.parametrize("command", KILLED)
def test_ten_kills(command: str, tmp_path: Path) -> None:
    whole, cut, chance = tmp_path / "whole", tmp_path / "cut", random.Random(command)
    assert start(command, whole).wait() == 0
    for _ in range(10):
        process, progress = start(command, cut), KILLED[command][1]
        before = progress(cut)
        while progress(cut) == before:
            assert process.poll() is None, "the run is too short for ten kills"
            time.sleep(0.005)
        time.sleep(chance.uniform(0, 0.1))
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    assert start(command, cut).wait() == 0
    assert differences(contents(whole), contents(cut)) == []
