"""On a CUDA device: a batch's loss and gradients as one CUDA graph."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_WARM_UP = 3  # passes before the capture, as torch's notes on CUDA graphs ask


class GraphedGradients:
    """Called with a batch: its mean cross-entropy, the gradients left in the parameters.

    One launch instead of some sixty: the kernels of nets this small end sooner than Python can
    start them. The optimizer stays outside, so that its hyperparameters remain plain numbers that
    any handler may write. The graph is captured at the first batch; a batch of another shape goes
    the ordinary way. Convolutions are those that cuDNN finds fastest by timing, unless torch was
    told to be deterministic.

    Replays go to the caller's current stream; several such graphs in a process must take turns on
    one. Two replayed in turn on two streams have been seen to hang: ``reproduce`` gives each of
    several runs at once a process of its own.

    Args:
        model: in training mode, on a CUDA device; it keeps no statistics and draws no random
            numbers (a capture runs it several times), and its parameters are changed in place.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self._parameters = list(model.parameters())
        self._graph: torch.cuda.CUDAGraph | None = None

    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        if self._graph is None:
            self._graph = self._capture(x, y)
        elif x.shape != self._x.shape:
            return self._backward(x, y)
        self._x.copy_(x)
        self._y.copy_(y)
        self._graph.replay()
        # Whoever set the gradients to None meant those of the last batch.
        for parameter, gradient in zip(self._parameters, self._gradients, strict=True):
            parameter.grad = gradient
        return self._loss.clone()  # the next replay writes over it

    def _capture(self, x: Tensor, y: Tensor) -> torch.cuda.CUDAGraph:
        self._x, self._y = x.clone(), y.clone()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.device(x.device), _chosen_convolutions():
            stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                for _ in range(_WARM_UP):
                    self._backward(self._x, self._y)
            torch.cuda.current_stream().wait_stream(stream)
            # Other threads may wait for the device meanwhile, as views do that read losses.
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                self._loss = self._backward(self._x, self._y)
        self._gradients = [parameter.grad for parameter in self._parameters]
        return graph

    def _backward(self, x: Tensor, y: Tensor) -> Tensor:
        self.model.zero_grad()
        loss = F.cross_entropy(self.model(x), y)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()


@contextlib.contextmanager
def _chosen_convolutions() -> Iterator[None]:
    """Let cuDNN time its algorithms, whose order differs from run to run, unless that must not
    be; a graph keeps the ones that it was captured with."""
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = not torch.are_deterministic_algorithms_enabled()
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before
