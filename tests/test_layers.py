"""The rooms of the house: what may import what, where names are found, how long a file may get."""

from __future__ import annotations

import ast
import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "clr_ignite"

# Public import paths; a path that has been public stays.
PUBLIC = {
    "clr_ignite": "ComparedResult LRRangeTest RangeTestResult RepeatedResult ScheduleHandler "
    "compare_range_tests cycle_end repeat_range_test",
    "clr_ignite.any_loop": "lambda_lr",
    "clr_ignite.comparing": "ComparedResult compare_range_tests",
    "clr_ignite.handlers": "ScheduleHandler cycle_end",
    "clr_ignite.live": "VisdomPlotter",
    "clr_ignite.plots": "new_axes plot_bands plot_curves plot_range_test plot_schedules save",
    "clr_ignite.range_test": "LRRangeTest",
    "clr_ignite.repeated": "RepeatedResult repeat_range_test",
    "clr_ignite.result": "RangeTestResult",
    "clr_ignite.schedules": "Chain Cosine CosineRestarts Cyclic Exponential ExpRange Fixed "
    "Geometric InverseSqrt Linear MultiStep OneCycle OneCycleTwoPhase Opposite Polynomial Product "
    "Repeat Schedule Stretch Strict Triangular Triangular2 Warmup WarmupStableDecay ends_cycle "
    "length limits step_size_from_epochs torch_one_cycle",
    "clr_ignite.suggestions": "Bounds Choice Standing bounds_from_loss choose_setting minimum "
    "slide smith_bounds steepest valley",
    "clr_ignite.visdom_assets": "AssetError in_place install main static_folder",
    "clr_ignite.cifar10.batches": "Batches EvalBatches Pixels hold_out",
    "clr_ignite.cifar10.command_line": "build_parser",
    "clr_ignite.cifar10.commands": "compare describe preview range_test replay report reproduce "
    "train",
    "clr_ignite.cifar10.data": "DataError DataSet Images load",
    "clr_ignite.cifar10.experiments": "CAFFE_FIXED EXPERIMENTS FAMILIES TABLE2 Entry Experiment "
    "Row",
    "clr_ignite.cifar10.jobs": "Job loaded",
    "clr_ignite.cifar10.models": "CaffeFull CaffeQuick",
    "clr_ignite.cifar10.parts": "Parts build",
    "clr_ignite.cifar10.range_testing": "range_test",
    "clr_ignite.cifar10.report": "mean_and_spread write_report",
    "clr_ignite.cifar10.reproducing": "jobs_of reproduce",
    "clr_ignite.cifar10.training": "summary train",
}


@pytest.mark.parametrize("module", PUBLIC)
def test_every_public_path_is_there(module: str) -> None:
    found = importlib.import_module(module)
    assert [name for name in PUBLIC[module].split() if not hasattr(found, name)] == []


def contracts(folder: Path) -> subprocess.CompletedProcess[str]:
    """The contracts of setup.cfg, held against the package in ``folder``."""
    command = ["lint-imports", "--no-cache", str(ROOT / "setup.cfg")]
    tool = Path(sys.executable).with_name(command[0])
    return subprocess.run(
        [tool, *command[1:]],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder), "COLUMNS": "200"},
        capture_output=True,
        text=True,
    )


def test_every_file_is_in_a_room_and_imports_only_from_below() -> None:
    done = contracts(ROOT)
    assert "0 broken" in done.stdout, done.stdout


@pytest.mark.parametrize(
    ("file", "line", "broken"),
    [
        ("no_trace/engine.py", "from clr_ignite import plots", "library"),
        ("cifar10/models.py", "from clr_ignite.cifar10 import training", "reproduction"),
        ("schedules/ramps.py", "import numpy", "standard library"),
        ("result/files.py", "from clr_ignite import _scalars", "without torch"),
        ("cifar10/runs/run_folder.py", "import clr_ignite.range_test", "range tests"),
        ("cifar10/report/write.py", "from clr_ignite.cifar10 import training", "trains nothing"),
        ("helpers.py", "", "library"),  # a file that is in no room
    ],
)
def test_a_planted_import_is_found(tmp_path: Path, file: str, line: str, broken: str) -> None:
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PACKAGE, tmp_path / "clr_ignite", ignore=ignored)
    with (tmp_path / "clr_ignite" / file).open("a") as source:
        source.write(f"\n{line}\n")
    done = contracts(tmp_path)
    assert done.returncode == 1
    found = [line for line in done.stdout.splitlines() if line.endswith("BROKEN")]
    assert len(found) == 1 and broken in found[0], done.stdout + done.stderr


@pytest.mark.parametrize("folder", ["clr_ignite", "examples"])
def test_files_and_functions_stay_short(folder: str) -> None:
    long = []
    for path in sorted((ROOT / folder).rglob("*.py")):
        text = path.read_text()
        if len(text.splitlines()) > 260:
            long.append(f"{path.name}: {len(text.splitlines())} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef) and (lines := code_lines(node)) > 30:
                long.append(f"{path.name}, {node.name}: {lines} lines")
    assert long == []


def test_a_room_has_at_most_twelve_files() -> None:
    rooms = {path.parent for path in PACKAGE.rglob("*.py")}
    assert [room.name for room in rooms if len(list(room.glob("[!_]*.py"))) > 12] == []


def code_lines(function: ast.FunctionDef) -> int:
    """Lines of the body, without its docstring and its signature."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return 0 if not body else (body[-1].end_lineno or 0) - body[0].lineno + 1
