"""Commands in processes of their own, to be killed at any moment, on little data."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from PIL import Image

from clr_ignite.cifar10.__main__ import main
from clr_ignite.cifar10.runs.run_folder import RunFolder


def pictures_in(folder: Path) -> Path:
    """Class folders of 120 pictures of noise to train on and 20 to test on, the same each time."""
    noise = torch.Generator().manual_seed(0)
    for split, count in (("train", 60), ("test", 10)):
        for name in ("cat", "dog"):
            place = folder / "pictures" / split / name
            place.mkdir(parents=True, exist_ok=True)
            for number in range(count):
                pixels = torch.randint(256, (32, 32, 3), dtype=torch.uint8, generator=noise)
                Image.fromarray(pixels.numpy()).save(place / f"{number}.png")
    return folder / "pictures"


def _words(command: str, out: Path) -> list[str]:
    return [*command.split(), "--threads", "1", "--no-progress", "--out", str(out)]


def start(command: str, out: Path) -> subprocess.Popen[str]:
    """The command in a process, and a process group, of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "clr_ignite.cifar10", *_words(command, out)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(command: str, out: Path) -> None:
    """The same command to its end, in this process, without a word of complaint."""
    threads = torch.get_num_threads()
    try:
        with contextlib.redirect_stderr(io.StringIO()) as said:
            assert (main(_words(command, out)), said.getvalue()) == (0, "")
    finally:
        torch.set_num_threads(threads)


def wait_for(there: Callable[[], object], seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.01)


def wait_for_a_checkpoint(process: subprocess.Popen[str], out: Path) -> None:
    while not list(out.rglob("checkpoint.pt")):
        assert process.poll() is None
        time.sleep(0.01)


def last_iterations(out: Path) -> int:
    """Of all runs below ``out``, together."""
    return sum(RunFolder(path.parent).last_iteration() for path in out.rglob("metrics.csv"))


def children_of(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(word) for word in (task / "children").read_text().split()]
    return found


def processes_of(pid: int) -> list[int]:
    """The process and all that it started."""
    return [pid, *(one for child in children_of(pid) for one in processes_of(child))]


def is_worker(pid: int) -> bool:
    return b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
