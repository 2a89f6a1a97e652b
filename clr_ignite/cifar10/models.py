"""Caffe's CIFAR-10 nets, quick and full, with the multipliers their solvers apply.

Source: BVLC/caffe examples/cifar10 (cifar10_quick, cifar10_full), which port cuda-convnet's
layers-80sec and layers-18pct. Made for pixels of 0..255 minus the mean image: with pixels in [0, 1]
Caffe's initial weights do not train.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from clr_ignite._checks import choice, count
from clr_ignite.cifar10.choices import Init, Pooling


class WithinChannelLRN(nn.Module):
    """Caffe's within-channel local response normalization over 3 x 3 windows.

    ``x * (1 + alpha * mean(x ** 2)) ** -0.75``, the mean taken over the window, padding counted as
    zeros. (torch's LocalResponseNorm is across channels.)
    """

    def __init__(self, alpha: float = 5e-5) -> None:
        super().__init__()
        self.alpha = alpha

    def forward(self, x: Tensor) -> Tensor:
        normalized: Tensor = _Normalize.apply(x, self.alpha)
        return normalized


class _Normalize(torch.autograd.Function):
    """The normalization with its gradient in closed form: autograd would pass over the tensors
    more than twice as often, a tenth of ``CaffeFull``'s step on a CPU."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, alpha: float) -> Tensor:
        scale = _window_mean(x * x).mul_(alpha).add_(1)
        root = scale.rsqrt()
        factor = root.sqrt().mul_(root)  # scale ** -0.75, faster than pow
        ctx.save_for_backward(x, scale, factor)
        ctx.alpha = alpha
        return x * factor

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        x, scale, factor = ctx.saved_tensors
        direct = gradient * factor
        # Through the scale: -0.75 * scale ** -1.75 of each neighbor, whose window x * x is in.
        through = _window_mean((direct * x).div_(scale))
        return direct.addcmul_(x, through, value=-1.5 * ctx.alpha), None


def _window_mean(x: Tensor) -> Tensor:
    """Over 3 x 3 windows padded with zeros; its own adjoint."""
    return F.avg_pool2d(x, kernel_size=3, stride=1, padding=1)


class AvgPool2d(nn.AvgPool2d):
    """torch's average pooling, which ``torch.compile`` differentiates rightly too.

    Inductor divides the gradient of a window that hangs over the border by all its places instead
    of those inside (docs/notes.md). Compiled, such windows are therefore reckoned from a padded
    map; otherwise this is torch's own layer, bit for bit.
    """

    kernel_size: int
    stride: int

    def forward(self, input: Tensor) -> Tensor:
        if self.ceil_mode and torch.compiler.is_compiling():
            return hanging_mean(input, self.kernel_size, self.stride)
        return super().forward(input)


def hanging_mean(x: Tensor, size: int, stride: int) -> Tensor:
    """Means over the places inside of windows of which the last may hang over the border.

    As ``F.avg_pool2d(x, size, stride, ceil_mode=True)`` with ``stride`` below ``size``, but for
    rounding.
    """
    below, right = (-(length - size) % stride for length in x.shape[-2:])

    def of_padded(maps: Tensor) -> Tensor:
        return F.avg_pool2d(F.pad(maps, (0, right, 0, below)), size, stride)

    return of_padded(x) / of_padded(torch.ones_like(x[:1, :1]))  # over the share that is inside


class _CaffeNet(nn.Module):
    """What the two nets share: 3 x 32 x 32 pixels in, class scores out."""

    # Parameters that do not follow the default: (lr_mult, factor on weight decay).
    multipliers: ClassVar[Mapping[str, tuple[float, float]]]
    fillers: ClassVar[Mapping[str, float]]  # standard deviation of each layer's weights
    # Height and width of the last maps. Caffe rounds pooled sizes up, 32 -> 16 -> 8 -> 4; the
    # first PyTorch port did not.
    map_sizes: ClassVar[Mapping[str, int]] = {"ceil": 4, "floor": 3}

    def __init__(self, num_classes: int, pooling: Pooling, init: Init) -> None:
        super().__init__()
        self.num_classes = count("num_classes", num_classes, least=2)
        choice("pooling", pooling, ("ceil", "floor"))
        choice("init", init, ("caffe", "torch"))
        ceil = pooling == "ceil"
        self.conv1 = nn.Conv2d(3, 32, 5, padding=2)
        self.pool1 = nn.MaxPool2d(3, 2, ceil_mode=ceil)
        self.conv2 = nn.Conv2d(32, 32, 5, padding=2)
        self.pool2 = AvgPool2d(3, 2, ceil_mode=ceil)
        self.conv3 = nn.Conv2d(32, 64, 5, padding=2)
        self.pool3 = AvgPool2d(3, 2, ceil_mode=ceil)
        self.relu1, self.relu2, self.relu3 = nn.ReLU(), nn.ReLU(), nn.ReLU()
        self.features = 64 * self.map_sizes[pooling] ** 2

    def _fill(self, init: Init) -> None:
        """Caffe's fillers: Gaussian weights, zero biases."""
        if init == "torch":
            return
        for name, std in self.fillers.items():
            layer = self.get_submodule(name)
            nn.init.normal_(layer.get_parameter("weight"), std=std)
            nn.init.zeros_(layer.get_parameter("bias"))

    def _check(self, x: Tensor) -> None:
        if x.shape[1:] != (3, 32, 32):
            raise ValueError(f"pixels must have shape (N, 3, 32, 32), got {tuple(x.shape)}")


class CaffeQuick(_CaffeNet):
    """cifar10_quick: 145,578 parameters for ten classes.

    Args:
        num_classes: at least 2.
        pooling: ``"ceil"`` as Caffe; ``"floor"`` as the first PyTorch port (116,906 parameters).
        init: ``"caffe"`` for Caffe's fillers, ``"torch"`` for PyTorch's default.
    """

    multipliers = {
        f"{layer}.bias": (2.0, 1.0) for layer in ("conv1", "conv2", "conv3", "ip1", "ip2")
    }
    fillers = {"conv1": 1e-4, "conv2": 0.01, "conv3": 0.01, "ip1": 0.1, "ip2": 0.1}

    def __init__(
        self, num_classes: int = 10, *, pooling: Pooling = "ceil", init: Init = "caffe"
    ) -> None:
        super().__init__(num_classes, pooling, init)
        self.ip1 = nn.Linear(self.features, 64)
        self.ip2 = nn.Linear(64, self.num_classes)
        self._fill(init)

    def forward(self, x: Tensor) -> Tensor:
        """Class scores (N, num_classes) of pixels (N, 3, 32, 32)."""
        self._check(x)
        x = self.relu1(self.pool1(self.conv1(x)))
        x = self.pool2(self.relu2(self.conv2(x)))
        x = self.pool3(self.relu3(self.conv3(x)))
        scores: Tensor = self.ip2(self.ip1(x.flatten(1)))
        return scores


class EarlyQuick(CaffeQuick):
    """The first PyTorch port's first try at quick, with nothing between conv3 and ip1.

    280,746 parameters with ``pooling="floor"``, as it was trained; Gaussian weights of 0.01
    throughout. Arguments as for :class:`CaffeQuick`.
    """

    fillers = dict.fromkeys(CaffeQuick.fillers, 0.01)
    map_sizes = {"ceil": 8, "floor": 7}

    def __init__(
        self, num_classes: int = 10, *, pooling: Pooling = "ceil", init: Init = "caffe"
    ) -> None:
        super().__init__(num_classes, pooling=pooling, init=init)
        for name in ("relu3", "pool3"):
            self.add_module(name, nn.Identity())


class CaffeFull(_CaffeNet):
    """cifar10_full: 89,578 parameters for ten classes, with within-channel LRN.

    Arguments as for :class:`CaffeQuick`; ``pooling="floor"`` has 85,098 parameters.
    """

    multipliers = {
        "conv1.bias": (2.0, 1.0),
        "conv2.bias": (2.0, 1.0),
        # conv3 has no param block in Caffe's file, hence the bias's plain rate.
        "ip1.weight": (1.0, 250.0),
        "ip1.bias": (2.0, 0.0),
    }
    fillers = {"conv1": 1e-4, "conv2": 0.01, "conv3": 0.01, "ip1": 0.01}

    def __init__(
        self, num_classes: int = 10, *, pooling: Pooling = "ceil", init: Init = "caffe"
    ) -> None:
        super().__init__(num_classes, pooling, init)
        self.norm1, self.norm2 = WithinChannelLRN(), WithinChannelLRN()
        self.ip1 = nn.Linear(self.features, self.num_classes)
        self._fill(init)

    def forward(self, x: Tensor) -> Tensor:
        """Class scores (N, num_classes) of pixels (N, 3, 32, 32)."""
        self._check(x)
        x = self.norm1(self.relu1(self.pool1(self.conv1(x))))
        x = self.norm2(self.pool2(self.relu2(self.conv2(x))))
        x = self.pool3(self.relu3(self.conv3(x)))
        scores: Tensor = self.ip1(x.flatten(1))
        return scores


def param_groups(
    model: nn.Module, *, weight_decay: float = 0.004, multipliers: bool = True
) -> list[dict[str, Any]]:
    """The optimizer's parameter groups with Caffe's lr and decay multipliers.

    Args:
        model: a ``CaffeQuick`` or ``CaffeFull``.
        weight_decay: before its multiplier, at least 0; Caffe's solvers have 0.004.
        multipliers: False gives one group without ``lr_mult`` and the same decay everywhere.

    Returns:
        Groups with ``params``, ``lr_mult`` (used by ``ScheduleHandler``) and ``weight_decay``;
        parameters with the same pair share a group.
    """
    if not isinstance(model, _CaffeNet):
        raise TypeError(f"model must be a CaffeQuick or CaffeFull, got {type(model).__name__}")
    if not multipliers:
        return [{"params": list(model.parameters()), "weight_decay": weight_decay}]
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        groups.setdefault(model.multipliers.get(name, (1.0, 1.0)), []).append(parameter)
    return [
        {"params": parameters, "lr_mult": lr_mult, "weight_decay": weight_decay * decay}
        for (lr_mult, decay), parameters in groups.items()
    ]
