"""Run the notebooks of this folder in place: ``python docs/run_notebooks.py [NOTEBOOK ...]``.

Each code cell's printed lines and last value, a picture where it has one, become its outputs, as
Jupyter would write them. Jupyter itself is not needed.
"""

from __future__ import annotations

import ast
import base64
import contextlib
import io
import json
import sys
from pathlib import Path
from typing import Any

NOTEBOOKS = sorted((Path(__file__).parent / "notebooks").glob("*.ipynb"))


def run_cell(code: str, names: dict[str, Any]) -> tuple[str, Any]:
    """What a cell prints, and the value of the expression that it ends with, if any."""
    tree = ast.parse(code)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(tree, "cell", "exec"), names)
        value = eval(compile(ast.Expression(last.value), "cell", "eval"), names) if last else None
    return printed.getvalue(), value


def outputs(printed: str, value: Any, count: int) -> list[dict[str, Any]]:
    """A cell's outputs in the notebook format, version 4."""
    found: list[dict[str, Any]] = []
    if printed:
        lines = printed.splitlines(keepends=True)
        found.append({"output_type": "stream", "name": "stdout", "text": lines})
    if value is not None:
        data = {"text/plain": repr(value).splitlines(keepends=True)}
        picture = getattr(value, "_repr_png_", lambda: None)()
        if picture:
            data["image/png"] = base64.b64encode(picture).decode()
        found.append(
            {
                "output_type": "execute_result",
                "execution_count": count,
                "metadata": {},
                "data": data,
            }
        )
    return found


def run(notebook: dict[str, Any]) -> dict[str, Any]:
    """The notebook with the outputs of its cells, run from the first to the last."""
    names: dict[str, Any] = {"__name__": "__main__"}
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    for count, cell in enumerate(cells, 1):
        printed, value = run_cell("".join(cell["source"]), names)
        cell["execution_count"], cell["outputs"] = count, outputs(printed, value, count)
    return notebook


def main() -> None:
    for path in map(Path, sys.argv[1:] or NOTEBOOKS):
        text = json.dumps(run(json.loads(path.read_text())), indent=1, ensure_ascii=False)
        path.write_text(text + "\n")


if __name__ == "__main__":
    main()
