"""The table of experiments: those of papers, of Caffe's files and of the first port, and ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from clr_ignite.cifar10._experiment import Experiment
from clr_ignite.cifar10._trapezoid import trapezoid
from clr_ignite.schedules import (
    Chain,
    Exponential,
    ExpRange,
    Fixed,
    Linear,
    MultiStep,
    OneCycle,
    Schedule,
    Triangular,
    Triangular2,
)

__all__ = ["CAFFE_FIXED", "EXPERIMENTS", "TABLE2", "Experiment", "Row"]


@dataclass(frozen=True)
class Row:
    """A row of somebody's table.

    Args:
        experiment: what is trained.
        published: the accuracy printed there, in percent; None for a row of our own.
        source: where.
        against: the row whose final accuracy this one's iterations are held against.
    """

    experiment: Experiment
    published: float | None
    source: str
    against: str


TABLE2 = Chain(
    (Triangular2(0.001, 0.005, 2_000), 16_000),
    (Triangular2(0.0001, 0.0005, 1_000), 6_000),
    (Triangular2(0.00001, 0.00005, 500), 3_000),
)
CAFFE_FIXED = MultiStep(0.001, (60_000, 65_000), 0.1)
_DECAY = Linear(0.007, 0.001, 4_000)
_ONE_CYCLE = OneCycle(0.0005, 0.005, 4_290, 9_750, 0.000005)  # 11 + 11 + 3 epochs of 390

_SMITH = "arXiv:1506.01186, Table 1"
_OURS = "a row of our own"


def _full(
    schedule: Schedule, iterations: int, published: float | None, source: str, **changes: Any
) -> Row:
    """Caffe's full net as its files have it."""
    experiment = Experiment(schedule=schedule, iterations=iterations, **changes)
    return Row(experiment, published, source, "full-fixed")


def _in_order(row: Row, against: str) -> Row:
    """``row`` with the images in one order in every epoch, as Caffe reads them."""
    return replace(row, experiment=replace(row.experiment, order="fixed"), against=against)


_PAPER = {
    "full-fixed": _full(CAFFE_FIXED, 70_000, 81.4, _SMITH),
    "full-triangular2": _full(TABLE2, 25_000, 81.4, f"{_SMITH} with Table 2"),
    "full-decay": _full(_DECAY, 25_000, 78.5, _SMITH),
    "full-exp-range": _full(ExpRange(0.001, 0.006, 2_000, 0.99994), 42_000, 82.2, _SMITH),
    "full-exp": _full(Exponential(0.001, 0.99994), 70_000, 79.1, _SMITH),
}
_CONTROLS = {
    # Table 2's drops by ten at the same iterations, without its cycles.
    "full-decay-drops": _full(
        Chain((_DECAY, 16_000), (Fixed(0.0001), 6_000), (Fixed(0.00001), 3_000)),
        25_000,
        None,
        _OURS,
    ),
    "full-exp-range-amplitude": _full(
        ExpRange(0.001, 0.006, 2_000, 0.99994, scale="amplitude"), 42_000, None, _OURS
    ),
    "full-fixed-order": _in_order(_PAPER["full-fixed"], "full-fixed"),
    "full-triangular2-order": _in_order(_PAPER["full-triangular2"], "full-fixed-order"),
}
_LATER = {
    "full-1cycle": _full(
        _ONE_CYCLE,
        9_750,
        81.3,
        "arXiv:1803.09820, Table 1 (mean of 4)",
        batch_size=128,
        momentum=_ONE_CYCLE.momentum(0.95, 0.85),
        nesterov=True,
        weight_decay=0.003,
    ),
}


def _own(iterations: int, shape: Mapping[str, float], **changes: Any) -> Row:
    """A rise, a level and a fall to 0, evaluated with averaged weights; every setting was chosen
    on 5,000 held-out training images, as results/README.md says."""
    rate, momentum = trapezoid(iterations, **shape)
    return _full(rate, iterations, None, _OURS, momentum=momentum, **changes)


_SGD = {"max_lr": 0.005, "rise": 0.15, "level": 0.5, "momentum": 0.85}
_MUON = {"max_lr": 0.01, "rise": 0.05, "level": 0.2, "momentum": 0.85}

# A tenth and a fifth of the images of the fixed run.
_TRAPEZOIDS = {
    name: _own(length, _SGD, ema_decay=decay, batch_size=50, nesterov=True, weight_decay=0.001)
    for name, length, decay in (
        ("full-trapezoid", 14_000, 0.995),
        ("full-trapezoid-28k", 28_000, 0.9975),
    )
}
# A tenth of the images, a fourteenth and fewer; the average spans the same share of each run.
_MUONS = {
    f"full-muon-{length}": _own(
        length,
        _MUON,
        ema_decay=round(1 - 50 / length, 4),
        optimizer="muon",
        multipliers=False,
        weight_decay=0.08,
    )
    for length in (1_500, 2_000, 2_500, 5_000, 7_000)
}

_PORT = "coxy1989/clr, headline runs (mean of 5)"
_PORT_TABLES = "coxy1989/clr, results of January 2019 (single run)"


def _port(
    schedule: Schedule,
    iterations: int,
    published: float | None,
    source: str,
    *,
    against: str = "quick-ancestor-fixed",
    **changes: Any,
) -> Row:
    """The quick net as the first PyTorch port has it."""
    port = {"model": "quick", "pixels": "unit", "pooling": "floor", "init": "torch"}
    experiment = Experiment(schedule=schedule, iterations=iterations, **port | changes)
    return Row(experiment, published, source, against)


_PORT_BOUNDS = (0.0025, 0.01, 2_000)
_PORT_POLICIES: Mapping[str, tuple[Schedule, int, float, float]] = {
    # Schedule, iterations, accuracy there with and without multipliers (biases at twice the rate).
    "fixed": (CAFFE_FIXED, 70_000, 76.00, 75.48),
    "exp": (Exponential(0.01, 0.99994), 70_000, 78.73, 78.27),
    "triangular": (Triangular(*_PORT_BOUNDS), 35_000, 76.34, 75.13),
    "triangular2": (Triangular2(*_PORT_BOUNDS), 35_000, 76.40, 76.21),
    "decay": (Linear(0.01, 0.0025, 4_000), 35_000, 76.12, 75.90),
}


def _port_tables() -> dict[str, Row]:
    rows = {
        "quick-ancestor-triangular": _port(
            Triangular(*_PORT_BOUNDS), 20_000, 75.9, _PORT, multipliers=False
        ),
        "quick-ancestor-fixed": _port(CAFFE_FIXED, 70_000, 75.9, _PORT, multipliers=False),
    }
    for name, (schedule, iterations, with_them, without) in _PORT_POLICIES.items():
        for suffix, published, multipliers in (("-mults", with_them, True), ("", without, False)):
            long = "-35k" if name == "triangular" else ""  # the headline stops at 20,000
            rows.setdefault(
                f"quick-ancestor-{name}{long}{suffix}",
                _port(schedule, iterations, published, _PORT_TABLES, multipliers=multipliers),
            )
    # What the port called exp_range was a second run of exp; this is the policy itself.
    policy = ExpRange(*_PORT_BOUNDS, 0.99994)
    for suffix, multipliers in (("-mults", True), ("", False)):
        name = f"quick-ancestor-exp-range{suffix}"
        rows[name] = _port(policy, 70_000, None, _OURS, multipliers=multipliers)
    return rows


def _port_first_tries() -> dict[str, Row]:
    """The port's first net and settings, those of the paper's Table 1 as the port read it."""
    source = "coxy1989/clr, first runs (single run)"
    policies: dict[str, tuple[Schedule, int, float]] = {
        "fixed": (Fixed(0.001), 70_000, 75.47),
        "triangular2": (Triangular2(0.001, 0.006, 2_000), 25_000, 74.47),
        "decay": (_DECAY, 25_000, 72.03),
        "exp": (Exponential(0.001, 0.99994), 70_000, 68.68),
        "exp-range": (ExpRange(0.001, 0.006, 2_000, 0.99994), 42_000, 75.69),
    }
    return {
        f"quick-ancestor-early-{name}": _port(
            *policy,
            source,
            against="quick-ancestor-early-fixed",
            model="early-quick",
            init="caffe",
            multipliers=False,
        )
        for name, policy in policies.items()
    }


_SOLVERS: Mapping[str, tuple[dict[str, Any], tuple[float, float], tuple[float, ...]]] = {
    # Arguments, bounds and the paper's accuracies: fixed at the lower bound, triangular for 25,000
    # iterations and, of two, for 70,000.
    "nesterov": ({"nesterov": True}, (0.001, 0.006), (82.1, 81.3)),
    "adam": ({"optimizer": "adam"}, (0.0005, 0.002), (81.4, 79.8, 81.1)),
    "rmsprop": ({"optimizer": "rmsprop", "momentum": 0.0}, (0.0001, 0.0003), (75.2, 72.8, 75.1)),
    "adagrad": ({"optimizer": "adagrad", "momentum": 0.0}, (0.003, 0.035), (74.6, 76.0)),
    "adadelta": ({"optimizer": "adadelta", "momentum": 0.0}, (0.01, 0.1), (67.3, 67.3)),
}


def _solvers() -> dict[str, Row]:
    """Other ways to step; the paper gives bounds and lengths, Caffe's drops and 2,000 are ours."""
    rows = {}
    source = "arXiv:1506.01186, section 4.1"
    for name, (arguments, (low, high), accuracies) in _SOLVERS.items():
        policy = Triangular(low, high, 2_000)
        runs: dict[str, tuple[Schedule, int]] = {
            "fixed": (MultiStep(low, (60_000, 65_000), 0.1), 70_000),
            "triangular": (policy, 25_000),
            "triangular-70k": (policy, 70_000),
        }
        for (suffix, run), accuracy in zip(runs.items(), accuracies, strict=False):
            rows[f"full-{name}-{suffix}"] = _full(*run, accuracy, source, **arguments)
    return rows


_QUICK = Experiment(schedule=MultiStep(0.001, (4_000,), 0.1), iterations=5_000, model="quick")
_LOG = Row(_QUICK, 75.33, "Caffe examples/cifar10, log in the readme", "quick-caffe")
_CAFFE = {"quick-caffe": _LOG, "quick-caffe-order": _in_order(_LOG, "quick-caffe-order")}

EXPERIMENTS: Mapping[str, Row] = (
    _PAPER
    | _CONTROLS
    | _LATER
    | _TRAPEZOIDS
    | _MUONS
    | _CAFFE
    | _port_tables()
    | _port_first_tries()
    | _solvers()
)
