"""Experiments: what is trained and how, and the table of those that stand in a paper."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from clr_ignite._checks import count, non_negative
from clr_ignite.cifar10._schedule_text import parse_schedule
from clr_ignite.cifar10.models import Init, Pooling
from clr_ignite.schedules import (
    Chain,
    Exponential,
    ExpRange,
    Linear,
    MultiStep,
    Schedule,
    Triangular,
    Triangular2,
)

_CHOICES = {
    "model": ("full", "quick"),
    "pixels": ("caffe", "unit"),
    "pooling": ("ceil", "floor"),
    "init": ("caffe", "torch"),
}


@dataclass(frozen=True, kw_only=True)
class Experiment:
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
    held_out: int = 0

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} must be one of {choices}, got {getattr(self, name)!r}")
        if not callable(self.schedule):
            raise TypeError(f"schedule must be a schedule, got {self.schedule!r}")
        count("iterations", self.iterations)
        count("batch_size", self.batch_size)
        count("held_out", self.held_out, least=0)
        non_negative("weight_decay", self.weight_decay)
        if not callable(self.momentum) and not non_negative("momentum", self.momentum) < 1:
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
    """A row of somebody's table: the experiment, the accuracy printed there (%), and where."""

    experiment: Experiment
    published: float | None
    source: str


TABLE2 = Chain(
    (Triangular2(0.001, 0.005, 2_000), 16_000),
    (Triangular2(0.0001, 0.0005, 1_000), 6_000),
    (Triangular2(0.00001, 0.00005, 500), 3_000),
)
CAFFE_FIXED = MultiStep(0.001, (60_000, 65_000), 0.1)

_SMITH = "arXiv:1506.01186, Table 1"
_ANCESTOR = "coxy1989/clr, headline runs (mean of 5)"
_FULL = Experiment(schedule=TABLE2, iterations=25_000)
_ANCESTOR_QUICK = Experiment(
    schedule=Triangular(0.0025, 0.01, 2_000),
    iterations=20_000,
    model="quick",
    pixels="unit",
    multipliers=False,
    pooling="floor",
    init="torch",
)

EXPERIMENTS: Mapping[str, Row] = {
    "full-triangular2": Row(_FULL, 81.4, f"{_SMITH} with Table 2"),
    "full-fixed": Row(replace(_FULL, schedule=CAFFE_FIXED, iterations=70_000), 81.4, _SMITH),
    "full-decay": Row(replace(_FULL, schedule=Linear(0.007, 0.001, 4_000)), 78.5, _SMITH),
    "full-exp": Row(
        replace(_FULL, schedule=Exponential(0.001, 0.99994), iterations=70_000), 79.1, _SMITH
    ),
    "full-exp-range": Row(
        replace(_FULL, schedule=ExpRange(0.001, 0.006, 2_000, 0.99994), iterations=42_000),
        82.2,
        _SMITH,
    ),
    "quick-ancestor-triangular": Row(_ANCESTOR_QUICK, 75.9, _ANCESTOR),
    "quick-ancestor-fixed": Row(
        replace(_ANCESTOR_QUICK, schedule=CAFFE_FIXED, iterations=70_000), 75.9, _ANCESTOR
    ),
    "quick-caffe": Row(
        Experiment(schedule=MultiStep(0.001, (4_000,), 0.1), iterations=5_000, model="quick"),
        75.33,
        "Caffe examples/cifar10, log in the readme",
    ),
}
