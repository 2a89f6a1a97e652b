"""The ways in which the nets' gradients may be computed on a GPU: today's, and what may replace it.

What wins here, by a fifth and rightly, becomes the reproduction's; the others go.
"""

from __future__ import annotations

import contextlib
import copy
import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.backends import cuda, cudnn

from clr_ignite.cifar10.parts.repeatable import repeatable


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


class PaddedConv(nn.Conv2d):
    """A convolution with one input channel of zeros more, as its weight has.

    Kernels for TensorFloat-32 want multiples of four channels, and a picture has three. The
    gradient of the weight is that of its own channels.
    """

    def forward(self, input: Tensor) -> Tensor:
        one_more = (0, 0, 0, 0, 0, 1)
        maps, weight = F.pad(input, one_more), F.pad(self.weight, one_more)
        return F.conv2d(maps, weight, self.bias, self.stride, self.padding)


def first_as(kind: type[nn.Conv2d], model: nn.Module) -> nn.Module:
    """``model`` with the same parameters, its first convolution of another kind."""
    shared = {id(parameter): parameter for parameter in model.parameters()}
    other = copy.deepcopy(model, shared)
    other.conv1.__class__ = kind
    return other


@dataclass(frozen=True)
class Form:
    """One of them.

    Args:
        of: the model to the module that computes its loss, as ``build`` takes it.
        repeatable: with torch asked for deterministic algorithms.
        compiled: by Inductor, which takes a while.
        products: with matrix products rounded as convolutions are, since one of them is a product.
    """

    of: Callable[[nn.Module], nn.Module]
    repeatable: bool = True
    compiled: bool = False
    products: bool = False

    @contextlib.contextmanager
    def settings(self, device: torch.device) -> Iterator[None]:
        """torch's settings under which it is compiled, captured and run."""
        before = cuda.matmul.allow_tf32
        cuda.matmul.allow_tf32 = before or (self.products and cudnn.allow_tf32)
        try:
            with repeatable(device, self.repeatable):
                yield
        finally:
            cuda.matmul.allow_tf32 = before


def _plain(model: nn.Module) -> nn.Module:
    return model


def compiled(model: nn.Module, form: Callable = _plain) -> nn.Module:
    # After the eighth it would go on uncompiled. Not a reset: it would free kernels that graphs
    # which were captured before still launch.
    torch._dynamo.config.recompile_limit = 64
    same = {"deterministic": True}  # Inductor's own: nothing chosen by timing
    return torch.compile(form(model), fullgraph=True, dynamic=False, options=same)


def _both(kind: type[nn.Conv2d], what: str, **settings: bool) -> dict[str, Form]:
    form = functools.partial(first_as, kind)
    inside = functools.partial(compiled, form=form)
    return {
        what: Form(form, **settings),
        f"compiled, {what}": Form(inside, compiled=True, **settings),
    }


_FORMS = {
    "fastest (commit 4792351)": Form(_plain, repeatable=False),
    "repeatable": Form(_plain),
    "compiled": Form(compiled, compiled=True),
    **_both(PaddedConv, "conv1 of four channels"),
    **_both(ProductConv, "conv1 as a product", products=True),
}
# What takes no compiling first: where the time ends too soon, it is there.
FORMS: Mapping[str, Form] = dict(sorted(_FORMS.items(), key=lambda item: item[1].compiled))
