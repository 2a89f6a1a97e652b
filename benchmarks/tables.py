"""CSVs that fill up by tasks and seeds: what is in them already is not run again."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

Row = dict[str, Any]
Tables = dict[str, list[Row]]
Fields = Mapping[str, Sequence[str]]  # by file, its columns, ``task`` and ``seed`` among them


def read(out: Path, fields: Fields) -> Tables:
    found: Tables = {}
    for file in fields:
        path = out / file
        found[file] = list(csv.DictReader(path.open(newline=""))) if path.exists() else []
    return found


def write(out: Path, fields: Fields, tables: Mapping[str, Sequence[Row]]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for file, rows in tables.items():
        ordered = sorted(rows, key=lambda row: (row["task"], int(row["seed"])))
        with (out / file).open("w", newline="") as handle:
            writer = csv.DictWriter(
                handle, fields[file], extrasaction="ignore", lineterminator="\n"
            )
            writer.writeheader()
            writer.writerows(ordered)


def fill(
    out: Path,
    fields: Fields,
    tables: Tables,
    unit: Callable[[Any, str, int, Sequence[Row]], Tables],
    tasks: Mapping[str, Any],
    seeds: int,
    workers: int,
) -> None:
    """Add the rows of every task and seed that are missing, and write the files after each.

    Args:
        unit: given a task, its name, a seed and the rows there are of the two, the others.
    """
    begun, units = time.monotonic(), [(n, s) for s in range(seeds) for n in tasks]
    with ProcessPoolExecutor(workers) as pool:
        jobs = {}
        for name, seed in units:
            have = [
                row for rows in tables.values() for row in rows
                if row["task"] == name and int(row["seed"]) == seed
            ]  # fmt: skip
            jobs[pool.submit(unit, tasks[name], name, seed, have)] = name, seed
        for number, job in enumerate(as_completed(jobs), 1):
            for file, rows in job.result().items():
                tables[file] += rows
            write(out, fields, tables)
            name, seed = jobs[job]
            spent = (time.monotonic() - begun) / 60
            print(f"{number}/{len(units)} {name}, seed {seed}: {spent:.1f} min", flush=True)
