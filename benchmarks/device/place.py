"""Where and how much: a GPU in full, or a CPU in a few iterations to see that all of it works."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.device.forms import FORMS, Form
from benchmarks.training_step import random_data
from clr_ignite.cifar10.data import DataSet
from clr_ignite.cifar10.experiments import EXPERIMENTS, Experiment
from clr_ignite.cifar10.parts.cuda_graph import GraphedGradients


@dataclass(frozen=True)
class Place:
    """What every part is given.

    Args:
        out: the folder that is written to.
        quick: a few iterations of small batches, without compiled forms.
        workers: processes that share the device where several run.
        folder: CIFAR-10 as class folders; None: the digits, whose rows prove nothing.
    """

    out: Path
    quick: bool
    workers: int
    folder: Path | None

    @property
    def device(self) -> torch.device:
        return torch.device("cpu" if self.quick else "cuda")

    @property
    def cuda(self) -> bool:
        return self.device.type == "cuda"

    @property
    def batch(self) -> int:
        return 4 if self.quick else 100

    @property
    def iterations(self) -> int:
        """Of a training that is compared with another."""
        return 6 if self.quick else 300

    @property
    def experiment(self) -> Experiment:
        """Table 2, as far as anything here runs."""
        return replace(EXPERIMENTS["full-triangular2"].experiment, batch_size=self.batch)

    @property
    def data(self) -> DataSet:
        return _noise(40 if self.quick else 50_000)

    @property
    def forms(self) -> dict[str, Form]:
        return {name: form for name, form in FORMS.items() if not (self.quick and form.compiled)}


@functools.cache
def _noise(images: int) -> DataSet:
    """As large as CIFAR-10, and a fifth of it to evaluate on."""
    noise = random_data(images)
    return replace(noise, test=noise.test.take(torch.arange(images // 5)))


class Gradients:
    """A batch to its loss, gradients left in the parameters: a graph on a GPU, else eager."""

    def __init__(self, model: nn.Module, place: Place) -> None:
        self._model = model
        self._graphed = GraphedGradients(model) if place.cuda else None

    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        return self.eager(x, y) if self._graphed is None else self._graphed(x, y)

    def eager(self, x: Tensor, y: Tensor) -> Tensor:
        self._model.zero_grad()
        loss = F.cross_entropy(self._model(x), y)
        loss.backward()
        return loss.detach()
