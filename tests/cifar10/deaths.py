"""Run by tests/cifar10/test_deaths.py: a command dies at every point at which it touches the disk.

    python -m tests.cifar10.deaths FOLDER EVERY [--twice]

A process of its own, forked for each death: nothing runs in it after ``os._exit``, no ``finally``
either. Points are before and after each fsync, rename and removal, at each opening for writing, and
before each fsync with the file's last bytes missing; every EVERY-th of them is tried. Then the same
command runs to its end (with --twice after another death), and the folder is held against that of a
command never touched. Prints JSON: for each command
its points, deaths, files, and what is wrong.
"""

from __future__ import annotations

import json
import os
import random
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure

from clr_ignite.cifar10.__main__ import main
from clr_ignite.cifar10.cli import options
from clr_ignite.cifar10.data import DataSet, load
from clr_ignite.cifar10.reproducing import jobs
from clr_ignite.cifar10.runs import environment

# 23 images in batches of 5: evaluations at 3 and 6 end neither an epoch (4) nor a cycle (10).
COMMANDS = {
    "train": "train --model quick --batch-size 5 --schedule Triangular(0.001,0.005,5) "
    "--iterations 8 --eval-every 3",
    "range-test": "range-test --model quick --batch-size 5 --iterations 6 --eval-every 4 "
    "--hold-out 3",
    "compare": "compare --vary weight_decay=0,0.1 --model quick --batch-size 5 --iterations 4 "
    "--eval-every 2 --hold-out 3 --threads 1",
    "reproduce": "reproduce quick-caffe --data digits --iterations 2 --eval-every 1 --threads 1",
}
TORN = 7  # bytes missing
DEAD = 9


def be_quick(images: int) -> None:
    """Little data, no look at git, and pictures that are written but not drawn."""
    torch.set_num_threads(1)
    whole = load("digits")
    few = DataSet(
        "digits",
        whole.classes,
        whole.train.take(torch.arange(200, 200 + images)),
        whole.test.take(torch.arange(5)),
    )
    options.load = jobs.load = lambda *_: few  # type: ignore[attr-defined]
    environment.commit = lambda: "0" * 40
    Figure.savefig = lambda self, path, **_: Path(path).write_bytes(b"\x89PNG")  # type: ignore


def die_at(wanted: int, folder: Path) -> Callable[[], int]:
    """End this process at the point of that number; a function that counts the points so far."""
    passed = 0

    def point(before: Callable[[], object] = lambda: None) -> None:
        nonlocal passed
        if passed == wanted:
            before()
            os._exit(DEAD)
        passed += 1

    def around(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            point()
            done = real(*args, **options)
            point()
            return done

        return call

    fsync = around(os.fsync)

    def sync(handle: int) -> None:
        status = os.fstat(handle)
        if stat.S_ISREG(status.st_mode):
            point(lambda: os.truncate(f"/proc/self/fd/{handle}", max(0, status.st_size - TORN)))
        fsync(handle)

    def opened(event: str, args: tuple[Any, ...]) -> None:
        if event == "open" and str(args[0]).startswith(str(folder)) and args[2] & os.O_ACCMODE:
            point()

    os.fsync, os.replace, os.unlink = sync, around(os.replace), around(os.unlink)
    sys.addaudithook(opened)
    return lambda: passed


def words(command: str, out: Path) -> list[str]:
    return [*COMMANDS[command].split(), "--no-progress", "--out", str(out)]


def run(command: str, out: Path, dies_at: int = -1) -> int:
    """The command in a process of its own; its exit code, or the points it passed."""
    count = out.with_name(f"{out.name}.points")
    child = os.fork()
    if child == 0:
        passed = die_at(dies_at, out)
        code = main(words(command, out))
        count.write_text(str(passed()))
        os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if dies_at < 0:
        assert code == 0, f"{command} ended with {code}"
        return int(count.read_text())
    return code


def contents(out: Path) -> dict[str, Any]:
    """Every file by name, comparable with ``==``; seconds aside."""
    found: dict[str, Any] = {}
    for path in sorted(path for path in out.rglob("*") if path.is_file()):
        name = str(path.relative_to(out))
        if path.suffix == ".pt":
            state = torch.load(path, weights_only=True) | {"seconds": 0}
            found[name] = repr(plain(state))
        elif path.name == "result.json":
            found[name] = json.loads(path.read_text()) | {"seconds": 0}
        else:
            found[name] = path.read_bytes()
    return found


def plain(value: Any) -> Any:
    """Tensors as lists of exact numbers."""
    if isinstance(value, torch.Tensor):
        return (str(value.dtype), value.tolist())
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    return [plain(one) for one in value] if isinstance(value, list | tuple) else value


def differences(expected: dict[str, Any], found: dict[str, Any]) -> list[str]:
    names = expected.keys() | found.keys()
    return sorted(name for name in names if expected.get(name) != found.get(name))


def every_death(command: str, folder: Path, every: int, *, twice: bool) -> dict[str, Any]:
    main(words(command, folder / "warm"))  # what torch sets up once, forked processes share
    points = run(command, folder / "whole")
    expected = contents(folder / "whole")
    chance = random.Random(0)
    deaths, wrong = 0, {}
    for at in range(0, points, every):
        out = folder / str(at)
        deaths += run(command, out, at) == DEAD
        if twice:
            deaths += run(command, out, chance.randrange(points)) == DEAD
        try:
            run(command, out)
            differ = differences(expected, contents(out))
        except AssertionError as error:
            differ = [str(error)]
        if differ:
            wrong[at] = differ
    found = {"points": points, "deaths": deaths, "every": every}
    return found | {"files": sorted(expected), "wrong": wrong}


if __name__ == "__main__":
    where, stride, *more = sys.argv[1:]
    answer, sys.stdout = sys.stdout, open(os.devnull, "w")
    found = {}
    for command in COMMANDS:
        be_quick(123 if command == "reproduce" else 23)
        folder = Path(where) / command
        # Its tests are those of range-test: of the many points of several a few will do.
        every = 4 * int(stride) if command == "compare" else int(stride)
        found[command] = every_death(command, folder, every, twice="--twice" in more)
    print(json.dumps(found), file=answer)
