"""Muon for the kernels of convolutions, SGD for everything else, in one optimizer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

_STEPS = 5
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)


class MuonSGD(torch.optim.Optimizer):
    """Muon for parameters of four dimensions, SGD with Nesterov's momentum for all others.

    A kernel of shape (K, C, H, W) counts as a matrix (K, C * H * W). Its step is ``lr`` times the
    momentum with all singular values brought near 1, after the kernel has shrunk by
    ``lr * weight_decay``. The others step as ``torch.optim.SGD`` lets them.

    ``torch.optim.Muon`` takes matrices alone and rounds them to bfloat16; this one works on
    kernels, in their own precision, and one schedule drives all parameters.

    Source: K. Jordan, "Muon: An optimizer for hidden layers in neural networks" (2024),
    https://kellerjordan.github.io/posts/muon/.

    Args:
        params: parameters or groups of them, as of any optimizer.
        lr: above 0.
        momentum: in [0, 1).
        weight_decay: at least 0; of the others an L2 factor, added to the gradient.
    """

    def __init__(
        self, params: Any, lr: float, momentum: float = 0.95, weight_decay: float = 0.0
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Step once along the gradients."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            settings = group["lr"], group["momentum"], group["weight_decay"]
            for parameter in group["params"]:
                if parameter.grad is not None:
                    step = self._kernel_step if parameter.ndim == 4 else self._plain_step
                    step(parameter, parameter.grad, *settings)
        return loss

    def _kernel_step(
        self, kernel: Tensor, gradient: Tensor, lr: float, momentum: float, decay: float
    ) -> None:
        mean = self._buffer(kernel).lerp_(gradient, 1 - momentum)
        ahead = gradient.lerp(mean, momentum)
        kernel.mul_(1 - lr * decay).sub_(orthogonalized(ahead.flatten(1)).view_as(kernel), alpha=lr)

    def _plain_step(
        self, parameter: Tensor, gradient: Tensor, lr: float, momentum: float, decay: float
    ) -> None:
        gradient = gradient.add(parameter, alpha=decay)
        velocity = self._buffer(parameter).mul_(momentum).add_(gradient)
        parameter.sub_(gradient.add_(velocity, alpha=momentum), alpha=lr)

    def _buffer(self, parameter: Tensor) -> Tensor:
        state = self.state[parameter]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(parameter)
        buffer: Tensor = state["momentum_buffer"]
        return buffer


def orthogonalized(matrix: Tensor) -> Tensor:
    """``matrix`` with its singular values brought near 1 (0.7 to 1.2, unless tiny).

    Five Newton-Schulz steps of the fifth order, whose coefficients favor a quick rise of small
    values over exact ones. Zeros stay zeros.
    """
    a, b, c = _COEFFICIENTS
    matrix = matrix / matrix.norm().clamp(min=1e-7)  # so that no singular value is above 1
    for _ in range(_STEPS):
        square = matrix @ matrix.T
        matrix = torch.addmm(matrix, b * square + c * square @ square, matrix, beta=a)
    return matrix
