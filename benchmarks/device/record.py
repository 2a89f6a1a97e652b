"""What was measured, a line of JSON each, on the disk before the next measurement begins."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.page import table


class Record:
    """A file of lines that grows; a torn last one is as if it had not been written.

    Args:
        path: the file, which need not be there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def rows(self, part: str | None = None) -> list[dict[str, Any]]:
        """All lines, or those of a part; where a measurement was made again, its last one."""
        found: dict[tuple[str, str], dict[str, Any]] = {}
        for line in self.path.read_text().splitlines() if self.path.exists() else ():
            with contextlib.suppress(ValueError):
                row = json.loads(line)
                found[row["part"], row["name"]] = row
        return [row for row in found.values() if part in (None, row["part"])]

    def add(self, part: str, name: str, **found: Any) -> None:
        line = json.dumps({"part": part, "name": name, **found})
        with self.path.open("a") as file:
            file.write(f"\n{line}")  # after what a torn line may have left
            file.flush()
            os.fsync(file.fileno())
        print(line, flush=True)

    @contextlib.contextmanager
    def measuring(self, part: str, name: str) -> Iterator[dict[str, Any] | None]:
        """Gives a dict that becomes the measurement's line; an error becomes it otherwise, and the
        next one goes on. None: it was made before, without an error."""
        if any(row["name"] == name and "error" not in row for row in self.rows(part)):
            yield None
            return
        with self.making(part, name) as found:
            yield found

    @contextlib.contextmanager
    def making(self, part: str, name: str) -> Iterator[dict[str, Any]]:
        """As ``measuring``, whether it was made before or not."""
        found: dict[str, Any] = {}
        try:
            yield found
        except Exception as error:
            found["error"] = f"{type(error).__name__}: {error}".partition("\n")[0]
        self.add(part, name, **found)

    def page(self) -> str:
        """A table for each part."""
        text = ""
        for part in dict.fromkeys(row["part"] for row in self.rows()):
            rows = [
                [
                    row["name"],
                    "; ".join(f"{k} {_short(v)}" for k, v in row.items() if k not in _KEYS),
                ]
                for row in self.rows(part)
            ]
            text += f"## {part}\n\n{table(['measurement', 'found'], rows)}"
        return text


_KEYS = ("part", "name")


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
