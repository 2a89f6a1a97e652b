"""A comparison in processes that are killed, or that share its folder: bit for bit the same."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.comparing_script import SEEDS, SETTINGS, compared

pytestmark = pytest.mark.slow
TESTS = len(SETTINGS) * len(SEEDS)


def start(out: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.comparing_script", str(out)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def said(process: subprocess.Popen[str]) -> tuple[list[str], Any]:
    """The tests that a process began, and the comparison that it came to."""
    text, _ = process.communicate(timeout=200)
    assert process.returncode == 0
    *begun, last = text.splitlines()
    return begun, json.loads(last)


@pytest.fixture(scope="module")
def whole() -> Any:
    return json.loads(json.dumps(compared(None).to_dict()))


def test_killed_again_and_again(tmp_path: Path, whole: Any) -> None:
    deaths = 0
    for ended in (0, 0, 1, 3, 5):  # tests, after which it is killed in the midst of the next one
        process = start(tmp_path)
        marks = "[0-9]-*.pt"
        before = newest(tmp_path, marks)
        while len(list(tmp_path.glob("[0-9]-*.json"))) < ended or newest(tmp_path, marks) <= before:
            assert process.poll() is None, "it was faster than its death"
            time.sleep(0.002)
        process.kill()
        assert process.wait() == -9
        deaths += 1
    begun, found = said(start(tmp_path))
    assert found == whole and deaths == 5
    assert len(begun) == TESTS - 5  # what had ended was read
    assert not list(tmp_path.glob("*.pt"))


def test_two_processes_share_the_tests(tmp_path: Path, whole: Any) -> None:
    both = [start(tmp_path), start(tmp_path)]
    (mine, one), (others, other) = map(said, both)
    assert one == other == whole
    assert mine and others and len({*mine, *others}) == len(mine) + len(others) == TESTS


def test_three_processes_are_killed_in_turn_and_started_again(tmp_path: Path, whole: Any) -> None:
    three, chance = [start(tmp_path) for _ in range(3)], random.Random(0)
    for number in range(6):
        before = newest(tmp_path, "[0-9]-*.*")
        while newest(tmp_path, "[0-9]-*.*") == before:
            assert any(one.poll() is None for one in three), "they were faster than their deaths"
            time.sleep(0.002)
        time.sleep(chance.uniform(0, 0.1))
        one = three[number % 3]
        one.kill()
        assert one.wait() in (-9, 0)
        three[number % 3] = start(tmp_path)
    assert [found for _, found in map(said, three)] == [whole] * 3
    assert len(list(tmp_path.glob("[0-9]-*.json"))) == TESTS
    assert not list(tmp_path.glob("*.pt")) and not list(tmp_path.glob(".*.tmp*"))


def newest(out: Path, pattern: str) -> int:
    return max((path.stat().st_mtime_ns for path in out.glob(pattern)), default=0)
