"""An experiment: everything that decides a result but the data set, the seed and the device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, get_args

from clr_ignite._checks import Fields, check_schedule, choice, count, flag, non_negative
from clr_ignite.cifar10.choices import Init, ModelName, OptimizerName, Order, Pixels, Pooling
from clr_ignite.schedules import Schedule
from clr_ignite.schedules.text import parse_schedule

CHOICES = {  # by field, the names that it may have
    "model": get_args(ModelName),
    "optimizer": get_args(OptimizerName),
    "pixels": get_args(Pixels),
    "pooling": get_args(Pooling),
    "init": get_args(Init),
    "order": get_args(Order),
}
_WITHOUT_MOMENTUM = ("adagrad", "adadelta")


@dataclass(frozen=True, kw_only=True)
class Experiment(Fields):
    """Everything that decides a result but the data set, the seed and the device.

    Args:
        schedule: the learning rate at each iteration (0-based), before ``lr_mult``; one of
            ``clr_ignite.schedules``, for a run folder holds it as text.
        iterations: optimizer steps in the run, at least 1.
        model: ``"full"`` or ``"quick"``, Caffe's CIFAR-10 nets, or ``"early-quick"``, the first
            PyTorch port's first one.
        pixels: ``"caffe"`` (0..255 minus mean image) or ``"unit"`` ([0, 1] minus channel means).
        batch_size: images in a step, at least 1.
        optimizer: ``"sgd"``, ``"adam"``, ``"rmsprop"``, ``"adagrad"`` or ``"adadelta"``; weight
            decay goes into the gradient, as in Caffe's solvers. ``"muon"`` is ``MuonSGD``, whose
            convolutions decay apart from the gradient and whose momentum is always Nesterov's.
        momentum: a number in [0, 1) or a schedule; of Adam the first beta; AdaGrad and AdaDelta
            have none, so there it must be 0.
        nesterov: Nesterov's momentum, with SGD.
        ema_decay: of the exponential moving average of the weights, a step; at least 0 and below 1.
            The average is what is evaluated; 0 evaluates the weights themselves.
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
    model: ModelName = "full"
    pixels: Pixels = "caffe"
    batch_size: int = 100
    optimizer: OptimizerName = "sgd"
    momentum: float | Schedule = 0.9
    nesterov: bool = False
    weight_decay: float = 0.004
    ema_decay: float = 0.0
    multipliers: bool = True
    pooling: Pooling = "ceil"
    init: Init = "caffe"
    order: Order = "shuffled"
    held_out: int = 0

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            choice(name, getattr(self, name), choices)
        check_schedule("schedule", self.schedule)
        for name in ("nesterov", "multipliers"):
            flag(name, getattr(self, name))
        for name, least in (("iterations", 1), ("batch_size", 1), ("held_out", 0)):
            self._set(**{name: count(name, getattr(self, name), least=least)})
        self._set(weight_decay=non_negative("weight_decay", self.weight_decay))
        self._set(ema_decay=_share("ema_decay", self.ema_decay))
        _check_text("schedule", self.schedule)
        if callable(self.momentum):
            _check_text("momentum", self.momentum)
            _check_momentum(self.momentum, self.iterations)
        else:
            self._set(momentum=_share("momentum", self.momentum))
        if self.optimizer in _WITHOUT_MOMENTUM and (callable(self.momentum) or self.momentum):
            raise ValueError(
                f"momentum must be 0 with optimizer {self.optimizer!r}, got {self.momentum!r}"
            )
        if self.nesterov and self.optimizer != "sgd":
            raise ValueError(f"nesterov must be False with optimizer {self.optimizer!r}, got True")

    @property
    def schedules(self) -> dict[str, Schedule]:
        """What changes from step to step, by hyperparameter, as ``ScheduleHandler`` takes it."""
        momentum = {"momentum": self.momentum} if callable(self.momentum) else {}
        return {"lr": self.schedule, **momentum}

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


def _check_text(name: str, schedule: Schedule) -> None:
    """A run folder holds schedules as text: refuse what could not be read back."""
    try:
        same = parse_schedule(repr(schedule)) == schedule
    except (TypeError, ValueError):
        same = False
    if not same:
        raise TypeError(f"{name} must be one of clr_ignite.schedules, got {schedule!r}")


def _check_momentum(schedule: Schedule, iterations: int) -> None:
    """Refuse a momentum of 1 or more anywhere in the run; a long one is looked at in a thousand
    places, and its first thousand iterations."""
    for at in {*range(min(iterations, 1_000)), *range(0, iterations, -(-iterations // 1_000))}:
        if schedule(at) >= 1:
            raise ValueError(
                f"momentum must be below 1, got {schedule!r}, {schedule(at):g} at iteration {at}"
            )


def _share(name: str, value: float) -> float:
    """``value`` as a float of at least 0 and below 1."""
    number = non_negative(name, value)
    if number >= 1:
        raise ValueError(f"{name} must be below 1, got {value!r}")
    return number
