"""Several seeds of CaffeFull as one net of grouped convolutions, in one process.

A form of this benchmark alone: the reproduction gets it only if a device shows that it is worth it.
Each seed's gradients are its own but for rounding; its bits are not those of the seed run alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clr_ignite.cifar10.models import CaffeFull
from clr_ignite.cifar10.parts.cuda_graph import GraphedGradients


class Side(nn.Module):
    """Linear layers side by side, each for the images of its own seed."""

    def __init__(self, layers: Sequence[nn.Linear]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.stack([layer.weight.detach() for layer in layers]))
        self.bias = nn.Parameter(torch.stack([layer.bias.detach() for layer in layers]))

    def forward(self, x: Tensor) -> Tensor:
        """(seeds, N, features) to (seeds, N, classes)."""
        return torch.baddbmm(self.bias[:, None], x, self.weight.transpose(1, 2))


class SeveralFull(CaffeFull):
    """Nets of several seeds as one: a convolution has a group for each, the rest is by channel.

    Images and scores stand seed after seed: (seeds * N, 3, 32, 32) in, (seeds * N, classes) out.
    """

    def __init__(self, nets: Sequence[CaffeFull]) -> None:
        super().__init__(nets[0].num_classes, pooling="ceil", init="torch")
        self.seeds = len(nets)
        for name in ("conv1", "conv2", "conv3"):
            self.add_module(name, grouped([net.get_submodule(name) for net in nets]))
        self.ip1 = Side([net.ip1 for net in nets])

    def forward(self, x: Tensor) -> Tensor:
        x = x.unflatten(0, (self.seeds, -1)).transpose(0, 1).flatten(1, 2)
        x = x.contiguous(memory_format=torch.channels_last)
        x = self.norm1(self.relu1(self.pool1(self.conv1(x))))
        x = self.norm2(self.pool2(self.relu2(self.conv2(x))))
        x = self.pool3(self.relu3(self.conv3(x)))
        features = x.unflatten(1, (self.seeds, -1)).flatten(2).transpose(0, 1)
        return self.ip1(features).flatten(0, 1)


class SummedGradients(GraphedGradients):
    """Of the sum of the seeds' mean losses, so that each seed has its own gradients."""

    def __init__(self, model: nn.Module, seeds: int) -> None:
        super().__init__(model)
        self.seeds = seeds

    def _backward(self, x: Tensor, y: Tensor) -> Tensor:
        self.model.zero_grad()
        loss = F.cross_entropy(self.model(x), y) * self.seeds
        loss.backward()
        return loss.detach()

    eager = _backward


def grouped(layers: Sequence[nn.Conv2d]) -> nn.Conv2d:
    """One convolution whose groups are ``layers``."""
    first, groups = layers[0], len(layers)
    channels = groups * first.in_channels, groups * first.out_channels
    layer = nn.Conv2d(*channels, first.kernel_size, padding=first.padding, groups=groups)
    layer = layer.to(first.weight)
    with torch.no_grad():
        for name in ("weight", "bias"):
            of_all = torch.cat([one.get_parameter(name) for one in layers])
            layer.get_parameter(name).copy_(of_all)
    return layer
