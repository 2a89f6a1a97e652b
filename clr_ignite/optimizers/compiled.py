"""Optimizer steps under ``torch.compile``, left as they are found.

A rate that changes and a hook that comes and goes make such a step be compiled again and again; of
a rate that is a float, the compiler makes an input for good, and training goes on in other bits.
So that does not happen: while a sweep's step runs, what would have to be compiled again runs
eagerly, and what was compiled before stays.
"""

from __future__ import annotations

import contextlib
import sys
import types
from typing import Any

import torch
from ignite.engine import Engine, Events
from torch import nn

from clr_ignite.no_trace.engine import step_function
from clr_ignite.no_trace.reachable import reachable


def keep_compiled(
    trainer: Engine, optimizer: torch.optim.Optimizer, stack: contextlib.ExitStack
) -> None:
    """Where the step of ``trainer`` calls a compiled step of ``optimizer``, compile nothing anew.

    That may be a function that is given the optimizer, a method, or one by which the optimizer
    works; so once the gradients are there, nothing is compiled anew. Where a function that holds
    the optimizer is compiled as one with more than its step, that is so throughout. The model's own
    compiled forward stays compiled.

    Raises:
        RuntimeError: there is such a step, and this torch cannot run it eagerly for a while.
    """
    if "torch._dynamo.eval_frame" not in sys.modules:  # nobody has compiled anything
        return
    compiled = [_origin(one) for one in reachable([step_function(trainer), optimizer], _origin)]
    owners = [getattr(one, "__self__", None) for one in compiled]
    free = [one for one, owner in zip(compiled, owners, strict=True) if owner is not optimizer]
    if any(reachable([one], lambda held: held is optimizer) for one in free):
        _ended_by(stack).begin()
    elif any(owner is optimizer for owner in owners) or (
        hasattr(torch.compiler, "set_stance")
        and not all(isinstance(owner, nn.Module) for owner in owners)
    ):
        eager = _ended_by(stack)
        _from_backward_on(optimizer, eager, stack)
        trainer.add_event_handler(Events.ITERATION_COMPLETED, eager.end)


class _Eager:
    """While begun, what would have to be compiled again runs eagerly."""

    def __init__(self) -> None:
        if not hasattr(torch.compiler, "set_stance"):
            raise RuntimeError(
                "the trainer's step calls a compiled step of the optimizer, which a range test can "
                f"leave as it is from torch 2.6 on, and this is {torch.__version__}: test with the "
                "step that is not compiled"
            )
        self._stance = contextlib.ExitStack()
        self._begun = False

    def begin(self, *_: object) -> None:
        if not self._begun:
            self._begun = True
            self._stance.enter_context(torch.compiler.set_stance("eager_on_recompile"))

    def end(self) -> None:
        self._begun = False
        self._stance.close()


def _ended_by(stack: contextlib.ExitStack) -> _Eager:
    eager = _Eager()
    stack.callback(eager.end)
    return eager


def _origin(one: object) -> Any:
    """What was compiled into the function ``one``; None for any other thing."""
    is_function = isinstance(one, types.FunctionType)
    return getattr(one, "_torchdynamo_orig_callable", None) if is_function else None


def _from_backward_on(
    optimizer: torch.optim.Optimizer, eager: _Eager, stack: contextlib.ExitStack
) -> None:
    """From a batch's gradients on, that is in the optimizer's step."""
    trainable = [p for group in optimizer.param_groups for p in group["params"] if p.requires_grad]
    for parameter in trainable[:1]:
        node = torch.autograd.graph.get_gradient_edge(parameter).node
        stack.callback(lambda node: None, node)  # which lives as long as somebody holds it
        stack.callback(node.register_prehook(eager.begin).remove)
