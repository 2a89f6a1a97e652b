"""Schedules: pure functions from a 0-based iteration to a learning rate (or a momentum).

Each is an immutable dataclass that is called with an iteration and remembers nothing, so it can be
resumed, compared, hashed, pickled and drawn at will. Any other callable ``int -> float`` serves
wherever a schedule does.

Sources: L. N. Smith, arXiv:1506.01186 (cyclical policies) and arXiv:1803.09820 (1cycle); Caffe's
``sgd_solver.cpp`` (exp and multistep).
"""

from __future__ import annotations

from clr_ignite.schedules.cyclical import (
    ExpRange,
    OneCycle,
    Triangular,
    Triangular2,
    step_size_from_epochs,
)
from clr_ignite.schedules.ramps import (
    Chain,
    Exponential,
    Fixed,
    Geometric,
    Linear,
    MultiStep,
    Schedule,
    ends_cycle,
)

__all__ = [
    "Chain",
    "ExpRange",
    "Exponential",
    "Fixed",
    "Geometric",
    "Linear",
    "MultiStep",
    "OneCycle",
    "Schedule",
    "Triangular",
    "Triangular2",
    "ends_cycle",
    "step_size_from_epochs",
]
