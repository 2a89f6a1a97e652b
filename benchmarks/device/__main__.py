"""Correctness, repeatability, speed and rows of the reproduction on a GPU, within a time.

    python -m benchmarks.device --out FOLDER [--folder CIFAR-10] [--seconds 570]

Each part has a process of its own and a share of the time, so that one that hangs or dies costs
no other. FOLDER/device.jsonl grows by a line a measurement; started again, what is there is not
measured again, and rows go on from their run folders. --quick runs all but graphs and compiled
forms on a CPU, to see that it works.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import torch

from benchmarks.device.place import Place
from benchmarks.device.record import Record
from clr_ignite._files import write_text
from clr_ignite.cifar10.runs.environment import environment

# By part, the share of the whole time that it may take; what it leaves is the next ones'.
# What decides comes first: the other nets and poolings, most of them to be compiled, and the rows
# are what a second call goes on with.
SHARES = {"correct": 0.25, "repeats": 0.15, "speed": 0.4, "others": 0.1, "rows": 1.0}
# The rows of the paper's table that lack seeds, the shortest first.
ROWS = ("full-triangular2", "full-exp-range", "full-fixed")


def main(arguments: list[str] | None = None) -> None:
    options = _options(arguments)
    place = Place(options.out, options.quick, options.workers, options.folder)
    record = Record(options.out / "device.jsonl")
    if options.part:
        importlib.import_module(f"benchmarks.device.{options.part}").run(record, place)
        return
    if not (place.quick or torch.cuda.is_available()):
        sys.exit("torch finds no CUDA device: --quick shows on a CPU that the rest works")
    options.out.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the parts end too
    end = time.monotonic() + options.seconds
    where = environment(place.device)
    where.pop("repeatable", None)  # each form has its own
    record.add("place", time.strftime("%Y-%m-%d %H:%M:%S"), **where)
    for part, share in SHARES.items():
        one = {"all of it": _part(part, arguments)}
        for name, command in (_rows(options, place) if part == "rows" else one).items():
            seconds = min(end - time.monotonic(), share * options.seconds)
            _within(command, record, part, name, seconds)
        write_text(options.out / "device.md", record.page())
    print(record.page())


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.device", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--folder", type=Path, help="CIFAR-10 as class folders; else no rows")
    parser.add_argument("--seconds", type=float, default=570, help="for all of it (default 570)")
    parser.add_argument("--workers", type=int, default=16, help="processes at once (default 16)")
    parser.add_argument("--seeds", default="5-19", help="of the rows (default 5-19)")
    parser.add_argument("--quick", action="store_true", help="on a CPU, a few iterations")
    parser.add_argument("--part", choices=[part for part in SHARES if part != "rows"])
    return parser.parse_args(arguments)


def _part(part: str, arguments: list[str] | None) -> list[str]:
    own = sys.argv[1:] if arguments is None else arguments
    return [sys.executable, "-m", "benchmarks.device", *own, "--part", part]


def _rows(options: argparse.Namespace, place: Place) -> dict[str, list[str]]:
    """Commands that run what is missing of the table's rows, by the row's name."""
    data = ["--data", "digits"] if place.quick else ["--data", "folder", "--folder", place.folder]
    short = ["--iterations", "4", "--eval-every", "4"] if place.quick else ["--eval-every", "1000"]
    if not place.quick and place.folder is None:
        return {}
    return {
        row: [
            *(sys.executable, "-m", "clr_ignite.cifar10", "reproduce", row, *map(str, data)),
            *("--seeds", options.seeds, *short, "--device", str(place.device)),
            *("--workers", str(options.workers), "--no-progress", "--out", str(place.out / "runs")),
        ]
        for row in ROWS
    }


def _within(command: list[str], record: Record, part: str, name: str, seconds: float) -> None:
    """Run ``command`` and all that it starts; what has not ended by then is ended."""
    if seconds <= 0:
        record.add(part, name, error="not begun: no time left")
        return
    start = time.monotonic()
    # cuBLAS reads it once a process, and the first form measured may be one that does not set it.
    where = {"CUBLAS_WORKSPACE_CONFIG": ":4096:8"} | os.environ
    started = subprocess.Popen(command, start_new_session=True, env=where)
    try:
        code = started.wait(timeout=seconds)
        error = {"error": f"exit code {code}"} if code else {}
    except subprocess.TimeoutExpired:
        error = {"error": f"ended after {seconds:.0f} s, its share of the time"}
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(started.pid, signal.SIGKILL)
        started.wait()
    record.add(part, name, seconds=time.monotonic() - start, **error)


if __name__ == "__main__":
    main()
