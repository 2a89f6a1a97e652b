"""The rows of the first PyTorch port, coxy1989/clr."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from clr_ignite.cifar10.experiments.entry import CAFFE_FIXED, OURS, PAPERS_DECAY, Entry
from clr_ignite.cifar10.experiments.experiment import Experiment
from clr_ignite.schedules import (
    Exponential,
    ExpRange,
    Fixed,
    Linear,
    Schedule,
    Triangular,
    Triangular2,
)

_PORT = "coxy1989/clr, headline runs (mean of 5)"
_PORT_TABLES = "coxy1989/clr, results of January 2019 (single run)"


def _port(
    title: str,
    schedule: Schedule,
    iterations: int,
    published: float | None,
    source: str,
    *,
    against: str = "quick-ancestor-fixed",
    **changes: Any,
) -> Entry:
    """The quick net as the first PyTorch port has it."""
    port = {"model": "quick", "pixels": "unit", "pooling": "floor", "init": "torch"}
    experiment = Experiment(schedule=schedule, iterations=iterations, **port | changes)
    return Entry(experiment, published, source, against, title)


_PLAIN: dict[str, Any] = {"multipliers": False}
_PORT_BOUNDS = (0.0025, 0.01, 2_000)
_PORT_POLICIES: Mapping[str, tuple[Schedule, int, float, float]] = {
    # Schedule, iterations, accuracy there with and without multipliers (biases at twice the rate).
    "fixed": (CAFFE_FIXED, 70_000, 76.00, 75.48),
    "exp": (Exponential(0.01, 0.99994), 70_000, 78.73, 78.27),
    "triangular": (Triangular(*_PORT_BOUNDS), 35_000, 76.34, 75.13),
    "triangular2": (Triangular2(*_PORT_BOUNDS), 35_000, 76.40, 76.21),
    "decay": (Linear(0.01, 0.0025, 4_000), 35_000, 76.12, 75.90),
}


def port_tables() -> dict[str, Entry]:
    """The headline and the tables, with and without multipliers."""
    rows = {
        "quick-ancestor-triangular": _port(
            "triangular for 20,000", Triangular(*_PORT_BOUNDS), 20_000, 75.9, _PORT, **_PLAIN
        ),
        "quick-ancestor-fixed": _port("fixed rate", CAFFE_FIXED, 70_000, 75.9, _PORT, **_PLAIN),
    }
    for name, (schedule, iterations, with_them, without) in _PORT_POLICIES.items():
        for suffix, published, multipliers in (("-mults", with_them, True), ("", without, False)):
            long = "-35k" if name == "triangular" else ""  # the headline stops at 20,000
            row = _port(
                _titled(name, multipliers),
                schedule,
                iterations,
                published,
                _PORT_TABLES,
                multipliers=multipliers,
            )
            rows.setdefault(f"quick-ancestor-{name}{long}{suffix}", row)
    # What the port called exp_range was a second run of exp; this is the policy itself.
    policy = ExpRange(*_PORT_BOUNDS, 0.99994)
    for suffix, multipliers in (("-mults", True), ("", False)):
        name = f"quick-ancestor-exp-range{suffix}"
        rows[name] = _port(
            _titled("exp_range", multipliers), policy, 70_000, None, OURS, multipliers=multipliers
        )
    return rows


def _titled(policy: str, multipliers: bool) -> str:
    title = {"fixed": "fixed rate", "exp": "exp from 0.01"}.get(policy, policy)
    return title + ", with multipliers" * multipliers


def port_first_tries() -> dict[str, Entry]:
    """The port's first net and settings, those of the paper's Table 1 as the port read it."""
    source = "coxy1989/clr, first runs (single run)"
    policies: dict[str, tuple[Schedule, int, float]] = {
        "fixed": (Fixed(0.001), 70_000, 75.47),
        "triangular2": (Triangular2(0.001, 0.006, 2_000), 25_000, 74.47),
        "decay": (PAPERS_DECAY, 25_000, 72.03),
        "exp": (Exponential(0.001, 0.99994), 70_000, 68.68),
        "exp-range": (ExpRange(0.001, 0.006, 2_000, 0.99994), 42_000, 75.69),
    }
    titles = {"fixed": "fixed rate", "exp-range": "exp_range"}
    rows = {
        f"quick-ancestor-early-{name}": _port(
            titles.get(name, name),
            *policy,
            source,
            against="quick-ancestor-early-fixed",
            model="early-quick",
            init="caffe",
            multipliers=False,
        )
        for name, policy in policies.items()
    }
    # The same from torch's own initial weights: whether the port's runs began there.
    for name in ("triangular2", "decay"):
        row = rows[f"quick-ancestor-early-{name}"]
        started = replace(row.experiment, init="torch")
        title = f"{name}, torch's initial weights"
        rows[f"quick-ancestor-early-{name}-torch"] = Entry(started, None, OURS, row.against, title)
    return rows
