"""What an import loads, seen in a fresh interpreter, and that lazy names are where they were."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_result import result_of

HELP = """
import runpy
sys.argv[1:] = ["--help"]
try:
    runpy.run_module("clr_ignite.cifar10", run_name="__main__")
except SystemExit as end:
    assert not end.code
"""
READ = """
from clr_ignite import RangeTestResult
assert len(RangeTestResult.from_json("result.json")) == 10
"""


def loaded(code: str, folder: Path) -> set[str]:
    """The packages beside clr_ignite and the standard library that ``code`` loads."""
    asked = f"import sys\nbefore = set(sys.modules)\n{code}\nprint(*set(sys.modules) - before)"
    done = subprocess.run(
        [sys.executable, "-c", asked], cwd=folder, capture_output=True, text=True, check=True
    )
    packages = {name.partition(".")[0] for name in done.stdout.splitlines()[-1].split()}
    cython = {name for name in packages if "cython" in name}  # of NumPy 1, without a file
    return packages - cython - sys.stdlib_module_names - {"clr_ignite"}


@pytest.mark.parametrize(
    ("code", "allowed"),
    [
        ("import clr_ignite; from clr_ignite.schedules.text import parse_schedule", set()),
        ("from clr_ignite.live.visdom_assets import main", set()),
        (HELP, set()),
        (READ, {"numpy"}),
    ],
)
def test_light_things_load_little(code: str, allowed: set[str], tmp_path: Path) -> None:
    result_of(10).to_json(tmp_path / "result.json")
    assert loaded(code, tmp_path) <= allowed


def test_what_is_loaded_would_be_seen(tmp_path: Path) -> None:
    assert "numpy" in loaded("import clr_ignite; clr_ignite.suggestions", tmp_path)


def test_modules_are_attributes_without_an_import_of_their_own(tmp_path: Path) -> None:
    code = "import clr_ignite\nfor name in {}: assert getattr(clr_ignite, name).__name__"
    loaded(code.format(["plots", "result", "schedules", "suggestions"]), tmp_path)


@pytest.mark.parametrize("package", ["clr_ignite", "clr_ignite.live"])
def test_names_are_the_objects_that_type_checkers_see(package: str) -> None:
    module = importlib.import_module(package)
    assert module.__file__ is not None
    (typed,) = (
        node.body
        for node in ast.parse(Path(module.__file__).read_text()).body
        if isinstance(node, ast.If)
    )
    seen = {}
    for statement in typed:
        assert isinstance(statement, ast.ImportFrom) and statement.module
        home = importlib.import_module(statement.module)
        seen |= {alias.name: getattr(home, alias.name) for alias in statement.names}
    assert {name: getattr(module, name) for name in module.__all__} == seen
    assert set(module.__all__) <= set(dir(module))
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'nonsense'"):
        _ = module.nonsense
