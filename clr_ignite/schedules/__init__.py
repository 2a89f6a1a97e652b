"""Schedules: pure functions from a 0-based iteration to a learning rate (or a momentum).

Each is an immutable dataclass that is called with an iteration and remembers nothing, so it can be
resumed, compared, hashed, pickled and drawn at will. Any other callable ``int -> float`` serves
wherever a schedule does. An argument of another kind is a TypeError, one beyond the range that
stands with it a ValueError.

A new schedule is a file here and its name below; the command line, the parser of its text and the
tests that walk all schedules find it in ``__all__``.

Sources: L. N. Smith, arXiv:1506.01186 (cyclical policies) and arXiv:1803.09820 (1cycle); Caffe's
``sgd_solver.cpp`` (exp and multistep); those of the others stand with them.
"""

from __future__ import annotations

from clr_ignite.schedules.changed import Product, Stretch, Strict
from clr_ignite.schedules.cycles import CosineRestarts, Cyclic
from clr_ignite.schedules.cyclical import (
    ExpRange,
    Opposite,
    Triangular,
    Triangular2,
    step_size_from_epochs,
)
from clr_ignite.schedules.joined import Chain, Repeat, Warmup
from clr_ignite.schedules.one_cycle import OneCycle, OneCycleTwoPhase, torch_one_cycle
from clr_ignite.schedules.protocol import Schedule, ends_cycle, length, limits
from clr_ignite.schedules.ramps import (
    Cosine,
    Exponential,
    Fixed,
    Geometric,
    Linear,
    MultiStep,
    Polynomial,
)
from clr_ignite.schedules.stable import InverseSqrt, WarmupStableDecay

__all__ = [
    "Chain",
    "Cosine",
    "CosineRestarts",
    "Cyclic",
    "ExpRange",
    "Exponential",
    "Fixed",
    "Geometric",
    "InverseSqrt",
    "Linear",
    "MultiStep",
    "OneCycle",
    "OneCycleTwoPhase",
    "Opposite",
    "Polynomial",
    "Product",
    "Repeat",
    "Schedule",
    "Stretch",
    "Strict",
    "Triangular",
    "Triangular2",
    "Warmup",
    "WarmupStableDecay",
    "ends_cycle",
    "length",
    "limits",
    "step_size_from_epochs",
    "torch_one_cycle",
]
