"""From images in memory to what a net is fed: splits, pixel conventions, batches on a device.

Batches are taken by indexing on the training device and turned into float32 there, without worker
processes. The batch of iteration i is a function of (seed, i) alone, which is what lets a run
resume at any iteration.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from clr_ignite._checks import count, whole
from clr_ignite.cifar10.choices import Order
from clr_ignite.cifar10.data import Images


def hold_out(images: Images, held: int, seed: int) -> tuple[Images, Images]:
    """Split ``images`` at random into the rest and ``held`` images, a function of ``seed`` alone.

    Raises:
        ValueError: unless at least one image is left on both sides.
    """
    held = count("held", held)
    if held >= len(images):
        raise ValueError(f"held must be below the {len(images)} images there are, got {held}")
    order = torch.randperm(len(images), generator=_generator(whole("seed", seed), -1))
    return images.take(order[held:].sort().values), images.take(order[:held].sort().values)


@dataclass(frozen=True)
class Pixels:
    """uint8 pixels to what a net is fed: ``scale * pixels - mean``.

    Args:
        mean: float32, the training mean image (3, 32, 32) or the channel means (3, 1, 1).
        scale: 1 for pixels of 0..255, 1 / 255 for [0, 1].
    """

    mean: Tensor
    scale: float

    @classmethod
    def fit(cls, convention: str, train: Images) -> Pixels:
        """``"caffe"``: 0..255 minus the per-pixel mean of ``train``; ``"unit"``: [0, 1] minus the
        channel means of ``train``."""
        # Sums of uint8 in int64 are exact, so that the mean does not depend on threads or chunks.
        mean_image = train.pixels.sum(dim=0, dtype=torch.int64).double() / len(train)
        if convention == "caffe":
            return cls(mean_image.float(), 1.0)
        if convention == "unit":
            return cls(mean_image.mean(dim=(1, 2), keepdim=True).div(255).float(), 1 / 255)
        raise ValueError(f"convention must be 'caffe' or 'unit', got {convention!r}")

    def __call__(self, pixels: Tensor) -> Tensor:
        """float32 (B, 3, 32, 32) from uint8 (B, 3, 32, 32), on the same device."""
        return pixels.float().mul_(self.scale).sub_(self.mean)

    def to(self, device: torch.device | str, memory_format: torch.memory_format) -> Pixels:
        """The same with its mean on ``device``, laid out as the pixels that it is for."""
        mean = self.mean.to(device)[None].contiguous(memory_format=memory_format)[0]
        return Pixels(mean, self.scale)


class OnDevice:
    """A split and its pixel convention on a device."""

    def __init__(
        self,
        images: Images,
        pixels: Pixels,
        device: torch.device | str,
        memory_format: torch.memory_format,
    ) -> None:
        if len(images) == 0:
            raise ValueError("images must not be empty")
        resident = images.pixels.to(device)
        # Kept as (N, 32, 32, 3) for channels-last batches: turning each of them takes longer than
        # all the rest.
        self._channels_last = memory_format == torch.channels_last
        if self._channels_last:
            resident = resident.permute(0, 2, 3, 1).contiguous()
        self._images = Images(resident, images.labels.to(device))
        self._pixels = pixels.to(device, memory_format)

    def _at(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        chosen = self._images.take(indices)
        pixels = chosen.pixels.permute(0, 3, 1, 2) if self._channels_last else chosen.pixels
        return self._pixels(pixels), chosen.labels


class Batches(OnDevice):
    """Shuffled training batches on a device; ``batch(i)`` is a function of (seed, i) alone.

    ``len`` is the number of batches in an epoch; iterating never ends, so that an Engine counts
    epochs by ``len`` and needs no restart. Each epoch visits the images in an order of its own
    (``order="fixed"``: all in the first one's) and drops its incomplete last batch.
    Ignite does not fast-forward data when it resumes: give a resumed Engine ``start``, the
    iterations already done.

    Args:
        images, pixels: the split and its convention.
        batch_size: images in a batch, at most as many as there are.
        seed: any int.
        order: ``"shuffled"`` or ``"fixed"``.
        device: where batches are made.
        start: the iteration (0-based) that iterating begins with.
        memory_format: of the pixel tensors.
    """

    def __init__(
        self,
        images: Images,
        pixels: Pixels,
        *,
        batch_size: int,
        seed: int,
        order: Order = "shuffled",
        device: torch.device | str = "cpu",
        start: int = 0,
        memory_format: torch.memory_format = torch.contiguous_format,
    ) -> None:
        super().__init__(images, pixels, device, memory_format)
        batch_size = count("batch_size", batch_size)
        if batch_size > len(images):
            raise ValueError(
                f"batch_size must be at most the {len(images)} images there are, got {batch_size}"
            )
        self.batch_size = batch_size
        self.seed = whole("seed", seed)
        self.order = order
        self.start = count("start", start, least=0)
        self._order: tuple[int, Tensor] = (-1, torch.empty(0))

    def __len__(self) -> int:
        return len(self._images) // self.batch_size

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        iteration = self.start
        while True:
            yield self.batch(iteration)
            iteration += 1

    def batch(self, iteration: int) -> tuple[Tensor, Tensor]:
        """Pixels float32 (B, 3, 32, 32) and labels int64 (B,) of a 0-based iteration."""
        epoch, position = divmod(iteration, len(self))
        if self.order == "fixed":
            epoch = 0
        first = position * self.batch_size
        return self._at(self._epoch_order(epoch)[first : first + self.batch_size])

    def _epoch_order(self, epoch: int) -> Tensor:
        if self._order[0] != epoch:
            order = torch.randperm(len(self._images), generator=_generator(self.seed, epoch))
            self._order = (epoch, order.to(self._images.labels.device))
        return self._order[1]


class EvalBatches(OnDevice):
    """Every image once, in order, the incomplete last batch included."""

    def __init__(
        self,
        images: Images,
        pixels: Pixels,
        *,
        batch_size: int = 500,
        device: torch.device | str = "cpu",
        memory_format: torch.memory_format = torch.contiguous_format,
    ) -> None:
        super().__init__(images, pixels, device, memory_format)
        self.batch_size = count("batch_size", batch_size)

    def __len__(self) -> int:
        return -(-len(self._images) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        indices = torch.arange(len(self._images), device=self._images.labels.device)
        return map(self._at, torch.split(indices, self.batch_size))


def _generator(seed: int, stream: int) -> torch.Generator:
    """A generator for one stream of ``seed`` (an epoch, or -1 for held-out splits)."""
    # SeedSequence mixes the two words well; seed + epoch would repeat orders between seeds.
    words = np.random.SeedSequence([seed, stream + 1]).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(words[0] >> np.uint64(1)))
