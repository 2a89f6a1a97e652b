"""The rooms of the house: what may import what, and how long a file or a function may get."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "clr_ignite"

# From the ground up; a room imports only from rooms above it in this list. _engine stands above
# handlers, which asks it what else is attached to an Engine: only _engine knows Ignite's insides.
ROOMS = [
    "_checks",
    "_files",
    "_ramps",
    "_cyclical",
    "schedules",
    "_two_knees",
    "suggestions",
    "plots",
    "_result_files",
    "_record",
    "result",
    "_engine",
    "handlers",
    "_snapshot",
    "_endless",
    "_interrupts",
    "_divergence",
    "_plan",
    "_ranks",
    "_scalars",
    "_sweep",
    "_checkpoint",
    "_arguments",
    "range_test",
    "repeated",
    "_windows",
    "_visdom",
    "_summary",
    "live",
    "visdom_assets",
    "__init__",
    "cifar10.__init__",
    "cifar10._schedule_text",
    "cifar10.models",
    "cifar10._run_folder",
    "cifar10._folder",
    "cifar10.data",
    "cifar10.batches",
    "cifar10._experiment",
    "cifar10._trapezoid",
    "cifar10._row",
    "cifar10._port_rows",
    "cifar10.experiments",
    "cifar10._cuda_graph",
    "cifar10._muon",
    "cifar10.parts",
    "cifar10._claim",
    "cifar10.training",
    "cifar10.range_testing",
    "cifar10._pictures",
    "cifar10._groups",
    "cifar10.report",
    "cifar10.jobs",
    "cifar10._places",
    "cifar10._run_lines",
    "cifar10.reproducing",
    "cifar10._requests",
    "cifar10.commands",
    "cifar10.command_line",
    "cifar10.__main__",
]
# Third-party packages at the top of a file; those inside functions are loaded when needed.
OUTSIDE = {
    "suggestions": {"numpy"},
    "_two_knees": {"numpy"},
    "plots": {"numpy"},
    "result": {"numpy"},
    "_engine": {"ignite"},
    "handlers": {"torch", "ignite"},
    "_snapshot": {"torch", "numpy"},
    "_ranks": {"torch", "ignite"},
    "_scalars": {"torch"},
    "_checkpoint": {"torch", "ignite", "numpy"},
    "_sweep": {"torch", "ignite"},
    "_arguments": {"torch", "ignite"},
    "range_test": {"torch", "ignite"},
    "repeated": {"numpy"},
    "_windows": {"numpy"},
    "live": {"torch", "ignite"},
    "cifar10.models": {"torch"},
    "cifar10._folder": {"numpy"},
    "cifar10.data": {"torch", "numpy"},
    "cifar10.batches": {"torch", "numpy"},
    "cifar10._cuda_graph": {"torch"},
    "cifar10._muon": {"torch"},
    "cifar10.parts": {"torch", "ignite"},
    "cifar10._run_folder": {"torch"},
    "cifar10._claim": {"torch"},
    "cifar10.training": {"torch", "ignite"},
    "cifar10.range_testing": {"torch"},
    "cifar10.jobs": {"torch"},
    "cifar10._run_lines": {"tqdm"},
    "cifar10._requests": {"torch"},
    "cifar10.commands": {"ignite", "tqdm"},
}


def room_of(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


def imported(tree: ast.Module) -> Iterator[str]:
    """Full names imported at the top level of a module, type checking aside."""
    for node in tree.body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def faults(room: str, source: str) -> list[str]:
    """What ``source``, standing in ``room``, imports against the table."""
    found = []
    for name in imported(ast.parse(source)):
        top, _, inner = name.partition(".")
        if top == "clr_ignite":
            target = max(
                (r for r in ROOMS if inner == r or inner.startswith(f"{r}.")),
                key=len,
                default="__init__" if inner != "cifar10" else "cifar10.__init__",
            )
            if ROOMS.index(target) >= ROOMS.index(room):
                found.append(f"{room} imports {name} from below")
        elif top not in sys.stdlib_module_names and top not in OUTSIDE.get(room, set()):
            found.append(f"{room} imports {top}")
    return found


def sources() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def test_every_file_is_a_room_and_imports_only_from_above() -> None:
    assert [f for path in sources() for f in faults(room_of(path), path.read_text())] == []


@pytest.mark.parametrize(
    ("room", "line"),
    [
        ("schedules", "import torch"),
        ("schedules", "from clr_ignite.handlers import ScheduleHandler"),
        ("suggestions", "from clr_ignite import result"),
        ("result", "from clr_ignite.range_test import LRRangeTest"),
        ("plots", "import matplotlib"),
        ("cifar10.data", "import torchvision"),
        ("cifar10.training", "from clr_ignite.cifar10 import report"),
        ("range_test", "from clr_ignite import LRRangeTest"),
    ],
)
def test_a_planted_import_is_found(room: str, line: str) -> None:
    source = (PACKAGE / f"{room.replace('.', '/')}.py").read_text()
    assert faults(room, source) == []
    assert len(faults(room, f"{source}\n{line}\n")) == 1


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


def code_lines(function: ast.FunctionDef) -> int:
    """Lines of the body, without its docstring and its signature."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return 0 if not body else (body[-1].end_lineno or 0) - body[0].lineno + 1
