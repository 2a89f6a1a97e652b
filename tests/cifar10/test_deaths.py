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

from tests.cifar10.deaths import COMMANDS, contents, differences
from tests.cifar10.processes import finish, last_iterations, start

ROOT = Path(__file__).parent.parent.parent
# What is left of a command's fewest points: were the hooks blind, there would be none.
POINTS = {"train": 60, "range-test": 80, "compare": 160, "reproduce": 60}


@pytest.fixture(
    scope="module",
    params=[("31",), pytest.param(("1", "--twice"), marks=pytest.mark.slow)],
    ids=" ".join,
)
def found(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, Any]]:
    """By command, what its deaths led to; one start serves all commands."""
    folder = str(tmp_path_factory.mktemp("deaths"))
    done = subprocess.run(
        [sys.executable, "-m", "tests.cifar10.deaths", folder, *request.param],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    answer: dict[str, dict[str, Any]] = json.loads(done.stdout)
    return answer


@pytest.mark.parametrize("command", COMMANDS)
def test_dead_wherever_it_touches_the_disk(command: str, found: dict[str, dict[str, Any]]) -> None:
    one = found[command]
    assert one["wrong"] == {}
    assert one["points"] >= POINTS[command]
    assert one["deaths"] >= -(-one["points"] // one["every"])


def newest(out: Path, name: str) -> int:
    """When the last of the files of that name was written, in ns; 0 before."""
    return max((path.stat().st_mtime_ns for path in out.rglob(name)), default=0)


KILLED: dict[str, tuple[str, Callable[[Path], int]]] = {
    # 1,437 digits in batches of 10: evaluations end neither an epoch nor, but for a few, a cycle.
    "train": (
        "train --model quick --batch-size 10 --schedule Triangular(0.001,0.005,25) "
        "--iterations 300 --eval-every 7",
        last_iterations,
    ),
    "range-test": (
        "range-test --batch-size 10 --iterations 400 --hold-out 100 --eval-every 30",
        lambda out: newest(out, "checkpoint.pt"),
    ),
    "reproduce": (
        "reproduce quick-caffe quick-ancestor-triangular --data digits --iterations 90 "
        "--eval-every 7 --workers 2",
        last_iterations,
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("command", KILLED)
def test_ten_kills(command: str, tmp_path: Path) -> None:
    whole, cut, chance = tmp_path / "whole", tmp_path / "cut", random.Random(command)
    words, progress = KILLED[command]
    for _ in range(10):
        before = progress(cut)
        with start(words, cut) as process:
            while progress(cut) == before:
                assert process.poll() is None, "the run is too short for ten kills"
                time.sleep(0.005)
            time.sleep(chance.uniform(0, 0.1))
            process.send_signal(signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL
    for place in (cut, whole):
        finish(words, place)
    assert differences(contents(whole), contents(cut)) == []
