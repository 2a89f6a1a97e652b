"""The table of experiments: those of papers, of Caffe's files and of the first port, and ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from clr_ignite.cifar10.experiments.entry import CAFFE_FIXED, OURS, PAPERS_DECAY, Entry
from clr_ignite.cifar10.experiments.experiment import Experiment
from clr_ignite.cifar10.experiments.port_entries import port_first_tries, port_tables
from clr_ignite.cifar10.experiments.trapezoid import trapezoid
from clr_ignite.schedules import (
    Chain,
    Exponential,
    ExpRange,
    Fixed,
    MultiStep,
    OneCycle,
    Schedule,
    Triangular,
    Triangular2,
)

__all__ = ["CAFFE_FIXED", "EXPERIMENTS", "FAMILIES", "TABLE2", "Experiment", "Entry"]


def _table2(low: float, high: float) -> Chain:
    return Chain(
        (Triangular2(low, high, 2_000), 16_000),
        (Triangular2(low / 10, high / 10, 1_000), 6_000),
        (Triangular2(low / 100, high / 100, 500), 3_000),
    )


TABLE2 = _table2(0.001, 0.005)
_ONE_CYCLE = OneCycle(0.0005, 0.005, 4_290, 9_750, 0.000005)  # 11 + 11 + 3 epochs of 390

_SMITH = "arXiv:1506.01186, Table 1"


def _full(
    title: str,
    schedule: Schedule,
    iterations: int,
    published: float | None = None,
    source: str = OURS,
    **changes: Any,
) -> Entry:
    """Caffe's full net as its files have it."""
    experiment = Experiment(schedule=schedule, iterations=iterations, **changes)
    return Entry(experiment, published, source, "full-fixed", title)


def _in_order(row: Entry, against: str) -> Entry:
    """``row`` with the images in one order in every epoch, as Caffe reads them."""
    experiment = replace(row.experiment, order="fixed")
    title = f"{row.title.removesuffix(', shuffled')}, images in one order"
    return replace(row, experiment=experiment, against=against, title=title)


_PAPER = {
    "full-fixed": _full("SGD, fixed rate", CAFFE_FIXED, 70_000, 81.4, _SMITH),
    "full-triangular2": _full(
        "triangular2 (Table 2)", TABLE2, 25_000, 81.4, f"{_SMITH} with Table 2"
    ),
    "full-decay": _full("decay policy", PAPERS_DECAY, 25_000, 78.5, _SMITH),
    "full-exp-range": _full(
        "exp_range", ExpRange(0.001, 0.006, 2_000, 0.99994), 42_000, 82.2, _SMITH
    ),
    "full-exp": _full("exp", Exponential(0.001, 0.99994), 70_000, 79.1, _SMITH),
}
_CONTROLS = {
    # Table 2's drops by ten at the same iterations, without its cycles.
    "full-decay-drops": _full(
        "decay policy with Table 2's drops",
        Chain((PAPERS_DECAY, 16_000), (Fixed(0.0001), 6_000), (Fixed(0.00001), 3_000)),
        25_000,
    ),
    "full-exp-range-amplitude": _full(
        "exp_range, lower bound kept",
        ExpRange(0.001, 0.006, 2_000, 0.99994, scale="amplitude"),
        42_000,
    ),
    "full-fixed-order": _in_order(_PAPER["full-fixed"], "full-fixed"),
    "full-triangular2-order": _in_order(_PAPER["full-triangular2"], "full-fixed-order"),
}
_LATER = {
    "full-1cycle": _full(
        "1cycle, batch 128",
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


def _own(title: str, iterations: int, shape: Mapping[str, float], **changes: Any) -> Entry:
    """A rise, a level and a fall to 0, evaluated with averaged weights; every setting was chosen
    on 5,000 held-out training images, as results/README.md says."""
    rate, momentum = trapezoid(iterations, **shape)
    return _full(title, rate, iterations, momentum=momentum, **changes)


_SGD = {"max_lr": 0.005, "rise": 0.15, "level": 0.5, "momentum": 0.85}
_MUON = {"max_lr": 0.01, "rise": 0.05, "level": 0.2, "momentum": 0.85}

# A tenth and a fifth of the images of the fixed run.
_TRAPEZOIDS = {
    name: _own(
        f"rise and fall, {length:,} of batch 50",
        length,
        _SGD,
        ema_decay=decay,
        batch_size=50,
        nesterov=True,
        weight_decay=0.001,
    )
    for name, length, decay in (
        ("full-trapezoid", 14_000, 0.995),
        ("full-trapezoid-28k", 28_000, 0.9975),
    )
}
# A tenth of the images, a fourteenth and fewer; the average spans the same share of each run.
_MUONS = {
    f"full-muon-{length}": _own(
        f"Muon, {length:,} iterations",
        length,
        _MUON,
        ema_decay=round(1 - 50 / length, 4),
        optimizer="muon",
        multipliers=False,
        weight_decay=0.08,
    )
    for length in (1_500, 2_000, 2_500, 5_000, 7_000)
}

_SOLVERS: Mapping[str, tuple[dict[str, Any], tuple[float, float], tuple[float, ...]]] = {
    # Arguments, bounds and the paper's accuracies: fixed at the lower bound, triangular for 25,000
    # iterations and, of two, for 70,000.
    "Nesterov": ({"nesterov": True}, (0.001, 0.006), (82.1, 81.3)),
    "Adam": ({"optimizer": "adam"}, (0.0005, 0.002), (81.4, 79.8, 81.1)),
    "RMSprop": ({"optimizer": "rmsprop", "momentum": 0.0}, (0.0001, 0.0003), (75.2, 72.8, 75.1)),
    "AdaGrad": ({"optimizer": "adagrad", "momentum": 0.0}, (0.003, 0.035), (74.6, 76.0)),
    "AdaDelta": ({"optimizer": "adadelta", "momentum": 0.0}, (0.01, 0.1), (67.3, 67.3)),
}


def _solvers() -> dict[str, Entry]:
    """Other ways to step; the paper gives bounds and lengths, Caffe's drops and 2,000 are ours."""
    rows = {}
    source = "arXiv:1506.01186, section 4.1"
    for name, (arguments, (low, high), accuracies) in _SOLVERS.items():
        policy = Triangular(low, high, 2_000)
        runs: dict[str, tuple[str, Schedule, int]] = {
            "fixed": ("fixed rate", MultiStep(low, (60_000, 65_000), 0.1), 70_000),
            "triangular": ("triangular", policy, 25_000),
            "triangular-70k": ("triangular for 70,000", policy, 70_000),
        }
        for (suffix, run), accuracy in zip(runs.items(), accuracies, strict=False):
            way, schedule, iterations = run
            row = _full(f"{name}, {way}", schedule, iterations, accuracy, source, **arguments)
            rows[f"full-{name.lower()}-{suffix}"] = row
    # Table 2's drops between the same bounds: whether the paper's triangular runs had them.
    for name in ("Nesterov", "Adam"):
        arguments, bounds, _ = _SOLVERS[name]
        row = _full(f"{name}, with Table 2's drops", _table2(*bounds), 25_000, **arguments)
        rows[f"full-{name.lower()}-table2"] = row
    return rows


_QUICK = Experiment(schedule=MultiStep(0.001, (4_000,), 0.1), iterations=5_000, model="quick")
_LOG = Entry(
    _QUICK,
    75.33,
    "Caffe examples/cifar10, log in the readme",
    "quick-caffe",
    "Caffe's recipe, shuffled",
)
_CAFFE = {"quick-caffe": _LOG, "quick-caffe-order": _in_order(_LOG, "quick-caffe-order")}

FAMILIES: Mapping[str, Mapping[str, Entry]] = {
    "full": _PAPER | _CONTROLS,
    "full-shorter": _LATER | _TRAPEZOIDS | _MUONS,
    "full-solvers": _solvers(),
    "quick": _CAFFE,
    "quick-ancestor": port_tables(),
    "quick-ancestor-early": port_first_tries(),
}
EXPERIMENTS: Mapping[str, Entry] = {
    name: row for rows in FAMILIES.values() for name, row in rows.items()
}
