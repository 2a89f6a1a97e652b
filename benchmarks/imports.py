"""How long it takes until a light task is done, beside an import that loads torch and Ignite."""

from __future__ import annotations

import functools
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.page import in_turns, table
from clr_ignite import RangeTestResult

TITLE = "Imports"

_TASKS = {
    "`import clr_ignite.schedules`": "import clr_ignite.schedules",
    "reading a range test of 4,000 rows": (
        "from clr_ignite import RangeTestResult; RangeTestResult.from_json('test.json')"
    ),
    "`python -m clr_ignite.cifar10 --help`": (
        "import runpy, sys; sys.argv[1:] = ['--help']; "
        "runpy.run_module('clr_ignite.cifar10', run_name='__main__')"
    ),
}
_EAGER = "import clr_ignite.range_test, clr_ignite.live.plotter; "


def section(*, quick: bool) -> str:
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        _record(4_000).to_json(Path(folder) / "test.json")
        for name, code in _TASKS.items():
            candidates = {text: _candidate(text, folder) for text in (code, _EAGER + code)}
            seconds, ratios = in_turns(candidates, 2 if quick else 9, clock=_cpu_of_children)
            rows.append([name, f"{seconds:.3f} s", f"× {ratios[_EAGER + code]:.1f}"])
    head = ["", "CPU time", "with torch and Ignite loaded first"]
    return (
        "CPU time of a fresh interpreter, its start included; beside it the same where the whole\n"
        "library is loaded first, as `import clr_ignite` once did.\n\n" + table(head, rows)
    )


def _candidate(code: str, folder: str) -> Callable[[], Callable[[], object]]:
    command = [sys.executable, "-c", code]
    run = functools.partial(
        subprocess.run, command, cwd=folder, stdout=subprocess.DEVNULL, check=True
    )
    return lambda: run


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _record(rows: int) -> RangeTestResult:
    record = RangeTestResult(start_lr=0.0, end_lr=0.02, num_iter=rows, step_mode="linear")
    for row in range(rows):
        record.add_row(iteration=row + 1, lr=0.02 * row / rows, loss=2.3 - row / rows)
    return record
