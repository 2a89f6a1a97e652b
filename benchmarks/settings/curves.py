"""The held-out curve of a range test as a row of a CSV, and read back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from clr_ignite import RangeTestResult

START, END, LENGTH, POINTS = 1e-6, 10.0, 300, 50
LOSSES = [f"loss_{point}" for point in range(1, POINTS + 1)]


def cells(result: RangeTestResult) -> dict[str, object]:
    """The sweep and a loss after each fiftieth of it; fewer where the test diverged."""
    values = [round(value, 5) for value in result["loss"][1]]
    sweep = {"sweep": result.step_mode, "end_lr": result.end_lr}
    return sweep | dict(zip(LOSSES, values, strict=False))


def curve(row: Mapping[str, Any]) -> tuple[list[float], list[float]]:
    """Rates and losses."""
    values = [float(row[name]) for name in LOSSES if row[name]]
    end, steps = float(row["end_lr"]), LENGTH // POINTS * np.arange(1, len(values) + 1)
    part = (steps - 1) / (LENGTH - 1)
    rates = START * (end / START) ** part if row["sweep"] == "exponential" else end * part
    return rates.tolist(), values
