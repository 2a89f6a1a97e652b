"""Signals and full disks: one line, the right code, and a run that goes on afterwards."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.cifar10.deaths import contents, differences
from tests.cifar10.processes import (
    finish,
    pictures_in,
    processes_of,
    start,
    wait_for_a_checkpoint,
)

SWEEP = "range-test --model quick --batch-size 10 --iterations 200 --hold-out 60 --eval-every 70"
TABLE = "reproduce quick-caffe quick-ancestor-triangular --iterations 60"
TRAIN = "train --model quick --batch-size 10 --schedule Triangular(0.001,0.005,25) --iterations 60"
COMMANDS = {
    "range-test": SWEEP,
    "reproduce": f"{TABLE} --eval-every 7",
    "reproduce --workers 2": f"{TABLE} --eval-every 7 --workers 2",
    "train": f"{TRAIN} --eval-every 7",
}
slow = pytest.mark.slow
# One of them always, all of them in the slow suite.
COMMAND = [pytest.param(name, marks=[slow] * (name != "train")) for name in COMMANDS]


def words(command: str, folder: Path) -> str:
    return f"{COMMANDS[command]} --data folder --folder {pictures_in(folder)}"


@pytest.mark.parametrize("command", COMMAND)
@pytest.mark.parametrize(
    ("number", "code", "word"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")],
)
def test_a_signal_to_the_whole_group_ends_it_in_one_line(
    command: str, number: signal.Signals, code: int, word: str, tmp_path: Path
) -> None:
    """As Ctrl-C in a terminal: every process of the command gets it."""
    process = start(words(command, tmp_path), tmp_path / "cut")
    wait_for_a_checkpoint(process, tmp_path / "cut")
    os.killpg(process.pid, number)
    _, said = process.communicate()
    assert said == f"{word}; the same command goes on from its last checkpoint\n"
    assert process.returncode == code
    assert list((tmp_path / "cut").rglob("checkpoint.pt"))
    held_against_a_whole_run(command, tmp_path / "cut")


def fill_up(pid: int) -> None:
    """From now on the process and those it started may write 1,000 bytes a file."""
    for one in processes_of(pid):
        resource.prlimit(one, resource.RLIMIT_FSIZE, (1_000, 1_000))


@contextlib.contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root may mount a file system")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def held_against_a_whole_run(command: str, out: Path) -> None:
    for path in out.rglob("checkpoint.pt"):
        torch.load(path, weights_only=True)
    whole = out.with_name("whole")
    for place in (out, whole):
        finish(words(command, out.parent), place)
    assert differences(contents(whole), contents(out)) == []


@pytest.mark.parametrize("command", COMMAND)
def test_files_that_cannot_grow_give_one_line_and_the_run_goes_on(
    command: str, tmp_path: Path
) -> None:
    process = start(words(command, tmp_path), tmp_path / "cut")
    wait_for_a_checkpoint(process, tmp_path / "cut")
    fill_up(process.pid)
    _, said = process.communicate()
    assert process.returncode == 2
    assert said.count("\n") == 1 and "[Errno 27] File too large" in said
    held_against_a_whole_run(command, tmp_path / "cut")


@slow
@pytest.mark.parametrize("command", COMMANDS)
def test_a_full_disk_gives_one_line_and_the_run_goes_on(command: str, tmp_path: Path) -> None:
    """There is room for one checkpoint, not for the next one beside it."""
    (tmp_path / "cut").mkdir()
    with small_disk(tmp_path / "cut", "2500k" if command == "range-test" else "2m"):
        process = start(words(command, tmp_path), tmp_path / "cut")
        _, said = process.communicate()
        assert process.returncode == 2
        assert said.count("\n") == 1 and "[Errno 28] No space left on device" in said
        assert list((tmp_path / "cut").rglob("checkpoint.pt"))
        remount = ["mount", "-o", "remount,size=64m", str(tmp_path / "cut")]
        subprocess.run(remount, check=True)
        held_against_a_whole_run(command, tmp_path / "cut")
