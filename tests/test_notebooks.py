"""The notebooks of ``docs/``: their outputs are there, and their code runs."""

from __future__ import annotations

import base64
import copy
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.scripts import script

DOCS = Path(__file__).parent.parent / "docs"
NOTEBOOKS = sorted((DOCS / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def runner() -> ModuleType:
    return script("docs/run_notebooks.py")


def kinds(notebook: dict[str, Any]) -> list[list[list[str]]]:
    """Of each cell's outputs, what they hold."""
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    return [[sorted(o.get("data", {"printed": 0})) for o in cell["outputs"]] for cell in cells]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: str(path.stem))
def test_a_notebooks_pictures_are_in_it(path: Path) -> None:
    notebook = json.loads(path.read_text())
    shown = [kind for cell in kinds(notebook) for kind in cell]
    assert ["image/png", "text/plain"] in shown and ["printed"] in shown
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                assert base64.b64decode(output["data"]["image/png"]).startswith(b"\x89PNG")
    assert path.stat().st_size < 500_000


def test_a_cells_prints_and_last_value_are_its_outputs(runner: ModuleType) -> None:
    names: dict[str, Any] = {}
    assert runner.run_cell("x = 1\nprint(x)\nx + 1", names) == ("1\n", 2)
    assert runner.run_cell("y = x", names) == ("", None)
    assert runner.outputs("", None, 1) == []
    with pytest.raises(ZeroDivisionError):
        runner.run_cell("x / 0", names)


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: str(path.stem))
def test_a_notebook_runs(path: Path, runner: ModuleType) -> None:
    notebook = json.loads(path.read_text())
    assert kinds(runner.run(copy.deepcopy(notebook))) == kinds(notebook)
