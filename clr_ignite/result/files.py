"""Files of a range test: CSV and JSON, written whole or not at all, read strictly."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import math
import reprlib
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clr_ignite._checks import check_fields
from clr_ignite._files import parse_json, read_text, write_text

if TYPE_CHECKING:
    from clr_ignite.result.range_test_result import RangeTestResult

_KIND = "clr_ignite range test"
_NUMBERS = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}
_NAMES = {"iteration", "lr", "loss"}
_HUGE = 2**1024  # from here on a whole number is no float
_FIELDS = {
    "start_lr": (int, float, list),
    "end_lr": (int, float, list),
    "num_iter": (int,),
    "step_mode": (str,),
    "hold": (int,),
    "suspended": (list,),
    "epoch_length": (int, type(None)),
    "stop_reason": (str, type(None)),
    "stop_detail": (str,),
    "columns": (dict,),
}


def columns_of(record: RangeTestResult) -> dict[str, Sequence[float]]:
    """The CSV's columns by name, missing cells NaN."""
    groups = record.group_lr if len(record.group_lr) > 1 else ()
    return {
        "iteration": record.iteration,
        "lr": record.lr,
        "loss": record.loss,
        **{f"train_{name}": column for name, column in record.training.items()},
        **{f"eval_{name}": column for name, column in record.evaluation.items()},
        **{f"group_lr_{number}": column for number, column in enumerate(groups)},
    }


def values_of(record: RangeTestResult) -> dict[str, Any]:
    """The record as plain numbers, strings and lists, its rows by column."""
    columns = {name: list(cells) for name, cells in columns_of(record).items()}
    settings = {name: getattr(record, name) for name in _FIELDS if name != "columns"}
    return settings | {"columns": columns}


def fields_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """The record's fields out of what :func:`values_of` gave, or :func:`read_json`."""
    fields = dict(values)
    columns = {name: array("d", cells) for name, cells in fields.pop("columns").items()}
    for name in ("start_lr", "end_lr"):
        fields[name] = tuple(fields[name]) if isinstance(fields[name], list) else fields[name]
    named = {
        prefix: {n.removeprefix(prefix): c for n, c in columns.items() if n.startswith(prefix)}
        for prefix in ("train_", "eval_", "group_lr_")
    }
    alone = (columns["lr"][:],) if columns["lr"] else ()
    return fields | {
        "iteration": array("q", map(int, columns["iteration"])),
        "lr": columns["lr"],
        "loss": columns["loss"],
        "training": named["train_"],
        "evaluation": named["eval_"],
        "group_lr": tuple(named["group_lr_"].values()) or alone,
    }


def write_csv(path: Path, columns: Mapping[str, Sequence[float | str]]) -> None:
    """A header and a line a row; NaN is an empty cell but in ``loss``, where it is a fact."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in zip(*columns.values(), strict=True):
        writer.writerow(_cell(*pair) for pair in zip(columns, row, strict=True))
    write_text(path, text.getvalue())


def _cell(name: str, value: float | str) -> str:
    if isinstance(value, str):
        return value
    return "" if math.isnan(value) and name != "loss" else repr(value)


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Valid JSON: numbers that JSON lacks become the strings NaN, Infinity and -Infinity."""
    write_object(path, _KIND, in_json(values))


def write_object(path: Path, kind: str, values: Mapping[str, Any]) -> None:
    """A JSON object that says its ``kind``."""
    write_text(path, json.dumps({"kind": kind, **values}, allow_nan=False) + "\n")


def in_json(values: Mapping[str, Any]) -> dict[str, Any]:
    """What :func:`values_of` gave, in numbers and strings that JSON has."""
    columns = {name: list(map(_to_json, cells)) for name, cells in values["columns"].items()}
    return {**values, "columns": columns}


def read_json(path: Path) -> dict[str, Any]:
    """What ``write_json`` wrote; a ValueError names the file and the field otherwise."""
    with reading(path, _KIND) as values:
        return check_values(values)


def check_values(values: dict[str, Any]) -> dict[str, Any]:
    """What :func:`values_of` gave, read from outside; a ValueError names the field otherwise."""
    values = {"epoch_length": None, **values}  # earlier files have none
    if values.keys() != _FIELDS.keys():
        names = ", ".join(sorted(values.keys() ^ _FIELDS.keys()))
        raise ValueError(f"missing or unknown fields: {names}")
    check_fields(values, _FIELDS)
    for name, allowed in _VALUES.items():
        if not allowed(values[name]):
            raise ValueError(f"field {name!r} holds {reprlib.repr(values[name])}")
    return values | {"columns": _columns(values["columns"])}


def _is_rate(value: object) -> bool:
    """A finite number, or several."""
    if isinstance(value, list):
        return bool(value) and not any(isinstance(one, list) or not _is_rate(one) for one in value)
    return not isinstance(value, bool) and isinstance(value, int | float) and abs(value) < _HUGE


_VALUES: Mapping[str, Callable[[Any], bool]] = {
    "start_lr": _is_rate,
    "end_lr": _is_rate,
    "num_iter": lambda steps: steps >= 0,
    "hold": lambda steps: steps > 0,
    "epoch_length": lambda steps: steps is None or steps > 0,
    "step_mode": lambda mode: mode in ("linear", "exponential"),
    "suspended": lambda names: all(isinstance(name, str) for name in names),
    "stop_reason": lambda reason: reason in (None, "completed", "diverged", "terminated"),
}


def _columns(columns: dict[str, Any]) -> dict[str, list[float]]:
    missing = _NAMES - columns.keys()
    if missing:
        raise ValueError(f"missing columns: {', '.join(sorted(missing))}")
    read = {}
    for name, cells in columns.items():
        if name not in _NAMES and not name.startswith(("train_", "eval_", "group_lr_")):
            raise ValueError(f"unknown column {name!r}")
        if not isinstance(cells, list) or len(cells) != len(columns["lr"]):
            raise ValueError(f"column {name!r} is not a list as long as 'lr'")
        read[name] = [_from_json(name, cell) for cell in cells]
    groups = [name for name in columns if name.startswith("group_lr_")]
    if groups != [f"group_lr_{number}" for number in range(len(groups))]:
        raise ValueError(f"columns of groups are {', '.join(groups)}")
    for cell in read["iteration"]:
        if not 0 < cell < 2**63 or cell != int(cell):
            raise ValueError(f"column 'iteration' holds {cell!r}")
    return read


def _to_json(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _from_json(column: str, cell: object) -> float:
    if isinstance(cell, str) and cell in _NUMBERS:
        return _NUMBERS[cell]
    if isinstance(cell, bool) or not isinstance(cell, int | float) or abs(cell) >= _HUGE:
        raise ValueError(f"column {column!r} holds {reprlib.repr(cell)}")
    return cell


@contextlib.contextmanager
def reading(path: Path, kind: str) -> Iterator[dict[str, Any]]:
    """The object of that ``kind`` in a file, without saying so; errors in the block name ``path``.

    Raises:
        ValueError: something else is there.
    """
    try:
        values = parse_json(read_text(path))
        if not isinstance(values, dict) or values.pop("kind", None) != kind:
            raise ValueError(f"not a {kind.removeprefix('clr_ignite ')}'s file")
        yield values
    except ValueError as error:  # JSON's and Unicode's errors among them
        raise ValueError(f"{path} cannot be read: {error}") from error
