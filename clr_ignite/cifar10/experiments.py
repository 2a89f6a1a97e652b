"""Experiments: what is trained and how, and the table of those that stand in a paper."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from clr_ignite._checks import Fields, choice, count, flag, function, non_negative
from clr_ignite.cifar10._schedule_text import parse_schedule
from clr_ignite.cifar10.batches import Order
from clr_ignite.cifar10.models import Init, Pooling
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

_CHOICES = {
    "model": ("full", "quick"),
    "pixels": ("caffe", "unit"),
    "pooling": ("ceil", "floor"),
    "init": ("caffe", "torch"),
    "order": ("shuffled", "fixed"),
}


@dataclass(frozen=True, kw_only=True)
class Experiment(Fields):
    """Everything that decides a result but the data set, the seed and the device.

    Args:
        schedule: the learning rate at each iteration (0-based), before ``lr_mult``.
        iterations: optimizer steps in the run, at least 1.
        model: ``"full"`` or ``"quick"``, Caffe's CIFAR-10 nets.
        pixels: ``"caffe"`` (0..255 minus mean image) or ``"unit"`` ([0, 1] minus channel means).
        batch_size: images in a step, at least 1.
        momentum: SGD's, a number in [0, 1) or a schedule.
        nesterov: Nesterov's momentum.
        weight_decay: L2 factor before Caffe's decay multipliers, at least 0.
        multipliers: Caffe's lr and decay multipliers per parameter.
        pooling, init: ``"ceil"`` and ``"caffe"``; ``"floor"`` and ``"torch"`` are the variants of
            the first PyTorch port.
        order: ``"shuffled"`` draws a new order of the images for each epoch, ``"fixed"`` one for
            all of them, as Caffe reads its data base.
        held_out: training images kept from training and evaluated instead of the test set;
            0 trains on all and evaluates on the test set.

    Raises:
        TypeError, ValueError: naming the argument, the rule and the value.
    """

    schedule: Schedule
    iterations: int
    model: Literal["full", "quick"] = "full"
    pixels: Literal["caffe", "unit"] = "caffe"
    batch_size: int = 100
    momentum: float | Schedule = 0.9
    nesterov: bool = False
    weight_decay: float = 0.004
    multipliers: bool = True
    pooling: Pooling = "ceil"
    init: Init = "caffe"
    order: Order = "shuffled"
    held_out: int = 0

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            choice(name, getattr(self, name), choices)
        function("schedule", self.schedule, "a schedule")
        for name in ("nesterov", "multipliers"):
            flag(name, getattr(self, name))
        for name, least in (("iterations", 1), ("batch_size", 1), ("held_out", 0)):
            self._set(**{name: count(name, getattr(self, name), least=least)})
        self._set(weight_decay=non_negative("weight_decay", self.weight_decay))
        if not callable(self.momentum):
            self._set(momentum=non_negative("momentum", self.momentum))
            if self.momentum >= 1:
                raise ValueError(f"momentum must be below 1, got {self.momentum}")

    def to_dict(self) -> dict[str, Any]:
        """JSON's view: schedules as text that ``parse_schedule`` reads."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: repr(v) if callable(v) else v for name, v in values.items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Experiment:
        """The reverse of :meth:`to_dict`."""
        read = dict(values)
        for name in ("schedule", "momentum"):
            if isinstance(read.get(name), str):
                read[name] = parse_schedule(read[name])
        return cls(**read)


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
    "full-fixed-order": _full(CAFFE_FIXED, 70_000, 81.4, _SMITH, order="fixed"),
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

_PORT = "coxy1989/clr, headline runs (mean of 5)"
_PORT_TABLES = "coxy1989/clr, results of January 2019 (single run)"


def _port(
    schedule: Schedule, iterations: int, published: float, source: str, *, multipliers: bool
) -> Row:
    """The quick net as the first PyTorch port has it; multipliers: twice the rate for biases."""
    experiment = Experiment(
        schedule=schedule,
        iterations=iterations,
        model="quick",
        pixels="unit",
        multipliers=multipliers,
        pooling="floor",
        init="torch",
    )
    return Row(experiment, published, source, "quick-ancestor-fixed")


_PORT_BOUNDS = (0.0025, 0.01, 2_000)
_PORT_POLICIES: Mapping[str, tuple[Schedule, int, float, float]] = {
    # Schedule, iterations, accuracy there with and without multipliers.
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
        row = _port(policy, 70_000, 0.0, _OURS, multipliers=multipliers)
        rows[f"quick-ancestor-exp-range{suffix}"] = replace(row, published=None)
    return rows


_CAFFE = {
    "quick-caffe": Row(
        Experiment(schedule=MultiStep(0.001, (4_000,), 0.1), iterations=5_000, model="quick"),
        75.33,
        "Caffe examples/cifar10, log in the readme",
        "quick-caffe",
    ),
}

EXPERIMENTS: Mapping[str, Row] = _PAPER | _CONTROLS | _LATER | _CAFFE | _port_tables()
