"""Batches since the last optimizer step: those that the next step is made of, those left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

T = TypeVar("T")

# Batches left out in a row, beside ten times the accumulation seen: WGAN's critic has the first
# hundred iterations, and as many now and then, for itself.
_IDLE = 250
_GATHERED = 1_000  # batches whose gradients add up and are never stepped on; or an epoch


class Pending(Generic[T]):
    """What batches without a step are worth, until a step shows which of them it is made of.

    Such a batch is either accumulated or left out (by a guard against bad batches, or because it
    is another optimizer's turn). Left out is what brought no gradient, and what had its gradients
    dropped before the next batch's came or the step. Nothing is looked at where every batch has
    its step.
    """

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self._optimizer = optimizer
        self.parts: list[T] = []
        self.since = 0  # batches since the last step
        self._most = 0  # parts of a step so far
        self._traces: list[tuple[int, int]] = []  # of all gradients, as of the last batch
        self._probe: nn.Parameter | None = None  # a parameter whose gradient waits
        self._gradient: Tensor | None = None
        self._version, self._content = 0, torch.empty(0)
        self._unwatch: Callable[[], object] = lambda: None

    def add(self, part: T) -> None:
        """A batch without a step is over."""
        self.since += 1
        self._unwatch()
        self.drop_lost()
        traces = [(id(p.grad), p.grad._version) for p in self._parameters() if p.grad is not None]
        waiting = next((p for p in self._parameters() if _some(p.grad)), None)
        if waiting is None:
            self.parts.clear()
            return
        gradient: Any = waiting.grad
        content = _values(gradient).clone()
        # By content too: a CUDA graph's replay adds to a gradient that shows no new version.
        if not (self.parts and traces == self._traces and torch.equal(content, self._content)):
            self.parts.append(part)
        self._traces, self._content = traces, content
        self._watch(waiting, gradient)

    def drop_lost(self) -> None:
        """Before gradients are added or stepped on: were those of the waiting batches dropped?"""
        probe = self._probe
        if probe is None:
            return
        now = probe.grad
        untouched = now is not None and now is self._gradient and now._version == self._version
        if not (untouched or _some(now)):
            self.parts.clear()

    def _before_more(self, _: object) -> None:
        self.drop_lost()
        self._probe = None  # what is in its gradient from now on is this batch's as well

    def taken(self) -> list[T]:
        """The parts of the step that was taken, but for its own batch."""
        self._unwatch()
        parts, self.parts, self._probe, self._gradient = self.parts, [], None, None
        self.since, self._most = 0, max(self._most, len(parts) + 1)
        return parts

    def hopeless(self, epoch_length: int | None) -> bool:
        """Whether so many batches went by without a step that none is to be expected."""
        if self.since - len(self.parts) >= _IDLE + 10 * self._most:
            return True
        return len(self.parts) >= max(_GATHERED, 10 * self._most, epoch_length or 0)

    def _watch(self, parameter: nn.Parameter, gradient: Tensor) -> None:
        """Be called before the next gradient is added to this one."""
        self._probe, self._gradient, self._version = parameter, gradient, gradient._version
        # On autograd's node: hooks on the parameter itself would leave an attribute behind.
        # The node lives as long as somebody holds it.
        self._node = torch.autograd.graph.get_gradient_edge(parameter).node
        self._unwatch = self._node.register_prehook(self._before_more).remove

    def _parameters(self) -> Iterator[nn.Parameter]:
        """Those that can have gradients, the smallest first."""
        every = [p for group in self._optimizer.param_groups for p in group["params"]]
        return iter(sorted((p for p in every if p.is_leaf and p.requires_grad), key=Tensor.numel))


def never_stepped(optimizer: torch.optim.Optimizer, batches: int, suspended: Sequence[str]) -> str:
    """Words for a test without a single step: what it may be, and the way out."""
    handlers = f" ({', '.join(suspended[:3])})" if suspended else ""
    return (
        f"the optimizer took no step in {batches} iterations. It may be that the trainer steps "
        f"another one, such as what this {type(optimizer).__name__} wraps or what wraps it: give "
        f"that one; that a handler steps it, which a test suspends{handlers}: name it in keep=; or "
        "that the trainer's step leaves every batch out, as a guard against bad batches does"
    )


def _some(gradient: Tensor | None) -> bool:
    """Whether there is a gradient that is not all zero."""
    return gradient is not None and bool(_values(gradient).any())


def _values(gradient: Any) -> Tensor:
    """The numbers of a gradient that this process holds."""
    if gradient.is_sparse:
        held: Tensor = gradient._values()
    else:
        held = gradient.to_local() if hasattr(gradient, "to_local") else gradient
    return held
