"""A range test in mid-training: where its trainer stands, and what suspended handlers leave."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from ignite.engine import Engine
from ignite.handlers import EMAHandler
from torch import nn

from clr_ignite.no_trace.engine import step_function
from clr_ignite.no_trace.reachable import reachable

_READ = (nn.Module, EMAHandler)


def go_on(trainer: Engine, iteration: int, epoch_length: int | None, max_epochs: int) -> None:
    """Let the step see the iteration and epoch that ``trainer`` has, instead of a first one.

    Annealed weights, warm-ups and alternating updates are then as they will be in training.
    """
    state = trainer.state
    state.iteration, state.epoch_length, state.max_epochs = iteration, epoch_length, max_epochs
    state.epoch = iteration // (epoch_length or max_epochs)


def warn_of_suspended(
    optimizer: torch.optim.Optimizer,
    saved: Mapping[str, Any],
    evaluator: Engine | None,
    suspended: Sequence[str],
) -> Callable[[], None]:
    """What says, after the first step, what the suspended handlers seem to be missing for."""

    def warn() -> None:
        trained = {id(p) for group in optimizer.param_groups for p in group["params"]}
        modules = {name: one for name, one in saved.items() if isinstance(one, nn.Module)}
        still = [n for n, one in modules.items() if not one.training and _holds(one, trained)]
        found = []
        if still:
            found.append(
                f"{' and '.join(map(repr, still))} took the step in eval mode: call train() in the "
                "step or before the test"
            )
        if evaluator is not None and _reads_others(evaluator, trained, saved.values()):
            found.append(
                "the evaluator reads a model that has no parameter of the optimizer, such as an "
                "average: nothing updates it meanwhile, and every evaluation gives the same"
            )
        if found and suspended:
            warnings.warn(
                f"{'; '.join(found)}. Handlers are suspended during a range test "
                f"({', '.join(suspended[:3])}): name the one that does it in keep=, and what it "
                "changes in to_save",
                stacklevel=2,
            )

    return warn


def _holds(module: nn.Module, parameters: set[int]) -> bool:
    return any(id(p) in parameters for p in module.parameters())


def _reads_others(evaluator: Engine, trained: set[int], saved: Iterable[object]) -> bool:
    """Whether the evaluator's function reaches modules, none of them trained or put back."""
    found = reachable([step_function(evaluator)], lambda one: isinstance(one, _READ))
    modules = [one.ema_model if isinstance(one, EMAHandler) else one for one in found]
    modules = [module for module in modules if any(True for _ in module.parameters())]
    known = any(module is one for module in modules for one in saved)
    return bool(modules) and not known and not any(_holds(module, trained) for module in modules)
