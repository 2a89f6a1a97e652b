"""The benchmarks run, and what their pages claim holds on a small sample."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def suggestions() -> ModuleType:
    spec = importlib.util.spec_from_file_location("simulated", ROOT / "benchmarks/suggestions.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rms(text: str) -> dict[str, tuple[float, float]]:
    """By method, the RMS errors of base_lr and max_lr in a table of the page."""
    rows = [line.strip("| ").split(" | ") for line in text.splitlines()[2:] if line]
    return {row[0]: (float(row[3]), float(row[7])) for row in rows}


def check(tables: dict[str, tuple[float, float]]) -> None:
    ours = tables["smith_bounds (accuracy)"]
    peers = ("steepest", "minimum", "valley", "slide", "best accuracy, a quarter of it")
    for name in peers:
        assert ours[0] < tables[name][0] and ours[1] < tables[name][1], name


@pytest.mark.parametrize("axis", ["linear", "log"])
def test_ours_has_the_least_error_for_both_bounds(suggestions: ModuleType, axis: str) -> None:
    rows = []
    for shape in suggestions.SHAPES:
        for seed in range(1_000, 1_006):
            case = suggestions.simulate(axis, shape, 0.06, seed)
            truth = {name: case[name] for name in ("true_base", "true_max")}
            for method, (base, top) in suggestions.methods(case).items():
                key = {"axis": axis, "shape": shape, "method": method}
                rows.append(key | truth | {"base_lr": base, "max_lr": top})
    check(rms(suggestions.table(rows, list(suggestions.SHAPES), axis)))


def test_the_committed_page_says_so_too() -> None:
    page = (ROOT / "results/suggestions/suggestions.md").read_text()
    tables = re.findall(r"^## .* axis\n\n((?:\|.*\n)+)", page, re.M)
    assert len(tables) == 4
    for table in tables:
        check(rms(table))
