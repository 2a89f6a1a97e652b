"""Held-out metrics of a range test: an evaluation that the training does not notice."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from ignite.engine import Engine
from torch import nn

from clr_ignite._scalars import numbers_of
from clr_ignite.no_trace.random_states import random_states
from clr_ignite.no_trace.snapshot import training_flags

Evaluate = Callable[[], Mapping[str, float]]


def evaluation(
    evaluator: Engine | None, data: Iterable[Any] | None, saved: Collection[Any]
) -> Evaluate | None:
    """What runs ``evaluator`` and gives those of its metrics that are numbers; None without one.

    Args:
        saved: holds the modules whose training flags are put back.
    """
    if evaluator is None or data is None:
        return None
    modules = [one for one in saved if isinstance(one, nn.Module)]

    def evaluate() -> Mapping[str, float]:
        put_random_back = random_states(data)
        flags = [training_flags(module) for module in modules]
        metrics = evaluator.run(data).metrics
        put_random_back()
        for put_back in flags:
            put_back()
        return numbers_of(metrics)

    return evaluate
