"""The ways in which the nets' gradients may be computed on a GPU: today's, and what may replace it.

What wins here, by a fifth and rightly, becomes the reproduction's; the others go.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ProductConv(nn.Conv2d):
    """A convolution, stride 1, as one matrix product of its patches, channels last.

    For few input channels, where cuDNN's is slow; the gradient of the weight is one product too,
    and that of the input (which the first layer needs not) adds up the patches.
    """

    def forward(self, input: Tensor) -> Tensor:
        (height, width), (down, right) = self.kernel_size, self.padding
        padded = F.pad(input, (right, right, down, down))
        patches = padded.unfold(2, height, 1).unfold(3, width, 1).permute(0, 2, 3, 1, 4, 5)
        rows, columns = patches.shape[1:3]
        product = torch.addmm(self.bias, patches.flatten(3).flatten(0, 2), self.weight.flatten(1).T)
        return product.view(-1, rows, columns, self.out_channels).permute(0, 3, 1, 2)


def first_as_product(model: nn.Module) -> nn.Module:
    """``model`` with the same parameters, its first convolution as a product."""
    shared = {id(parameter): parameter for parameter in model.parameters()}
    other = copy.deepcopy(model, shared)
    other.conv1.__class__ = ProductConv
    return other


@dataclass(frozen=True)
class Form:
    """One of them.

    Args:
        of: the model to the module that computes its loss, as ``build`` takes it.
        repeatable: with torch asked for deterministic algorithms.
        compiled: by Inductor, which takes a while.
    """

    of: Callable[[nn.Module], nn.Module]
    repeatable: bool = True
    compiled: bool = False


def _plain(model: nn.Module) -> nn.Module:
    return model


def _compiled(model: nn.Module, form: Callable = _plain, **options: bool) -> nn.Module:
    torch._dynamo.reset()  # after the eighth net of a class it would go on uncompiled
    return torch.compile(form(model), fullgraph=True, dynamic=False, options=options)


_SAME = {"deterministic": True}  # Inductor's own: nothing chosen by timing
FORMS: Mapping[str, Form] = {
    "fastest (commit 4792351)": Form(_plain, repeatable=False),
    "repeatable": Form(_plain),
    "conv1 as a product": Form(first_as_product),
    "compiled": Form(functools.partial(_compiled, **_SAME), compiled=True),
    "compiled, fastest": Form(_compiled, repeatable=False, compiled=True),
    "compiled, conv1 as a product": Form(
        functools.partial(_compiled, form=first_as_product, **_SAME), compiled=True
    ),
}
