"""Range tests and comparisons that lie on disk, by folder or file."""

from __future__ import annotations

from pathlib import Path

from clr_ignite.cifar10.runs import COMPARISON, RANGE_TEST
from clr_ignite.comparing import ComparedResult
from clr_ignite.comparing.files import is_comparison
from clr_ignite.result import RangeTestResult

Measured = RangeTestResult | ComparedResult


def measured_file(path: Path) -> Path:
    """In a folder the file of its comparison or its range test; a file as it is."""
    if not path.is_dir():
        return path
    compared = path / COMPARISON
    return compared if compared.exists() else path / RANGE_TEST


def read_measured(path: Path) -> Measured:
    """What a file holds, whatever it is called.

    Raises:
        ValueError: neither of the two.
    """
    return (ComparedResult if is_comparison(path) else RangeTestResult).from_json(path)


def read_bounds(path: Path) -> Measured:
    """What ``--bounds`` names.

    Raises:
        ValueError: something else.
    """
    rule = "--bounds must be the folder of a range test or a comparison, or its JSON file"
    file = measured_file(path)
    if not file.is_file():  # a device has no end
        raise ValueError(f"{rule}, got {path}")
    try:
        return read_measured(file)
    except ValueError as error:
        raise ValueError(f"{rule}: {error}") from error
