"""Small real tasks, all from data that scikit-learn and Python bring along.

On the tasks of ``RULE`` the rule behind ``suggest()`` may be made and changed; those of ``SHOW``
only show what it is worth, and nothing may be chosen by them. The split was committed before the
rule. ``pairs-resnet`` was among those that show: there the held-out loss misleads, as batch norm's
averages lag behind the weights, and what to do about it was decided on it. So it went over to the
others; ``frames-resnet`` and ``normed-noise`` came in its place, before either had been run.
"""

from __future__ import annotations

import inspect
import math
import pydoc
import pydoc_data.topics
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

Loss = Callable[[Tensor, Tensor], Tensor]
Split = tuple[Tensor, Tensor]


@dataclass
class Problem:
    """A net that has not been trained on its data yet, and what trains it.

    Attributes:
        train, held_out: inputs and targets.
        test: what is left to report on where something is chosen by ``held_out``.
        batch_size: of a micro-batch; ``accumulation`` of them make an optimizer step.
        clip: largest norm of the gradients, or None.
        classes: whether accuracy means something.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    loss: Loss
    train: Split
    held_out: Split
    batch_size: int = 32
    accumulation: int = 1
    clip: float | None = None
    classes: bool = True
    test: Split | None = None


class Batches:
    """Shuffled batches of a split, drawn anew in every pass by a generator of its own."""

    def __init__(self, split: Split, batch_size: int, seed: int) -> None:
        self.split, self.batch_size = split, batch_size
        self.generator = torch.Generator().manual_seed(seed)

    def __len__(self) -> int:
        return len(self.split[0]) // self.batch_size

    def __iter__(self) -> Iterator[Split]:
        order = torch.randperm(len(self.split[0]), generator=self.generator)
        for chosen in order.split(self.batch_size)[: len(self)]:
            yield self.split[0][chosen], self.split[1][chosen]


# Nets.


def dense(*sizes: int, act: type[nn.Module] = nn.ReLU, bias: bool = True) -> nn.Sequential:
    layers: list[nn.Module] = []
    for size, following in zip(sizes, sizes[1:], strict=False):
        layers += [nn.Linear(size, following, bias=bias), act()]
    return nn.Sequential(*layers[:-1])


def conv(channels: int, classes: int, norm: bool, width: int = 1) -> nn.Sequential:
    """Two convolutions with pooling, for pictures of 8 x 8 ``width`` pixels."""

    def block(given: int, made: int) -> list[nn.Module]:
        layers: list[nn.Module] = [nn.Conv2d(given, made, 3, padding=1, bias=not norm)]
        return [*layers, *([nn.BatchNorm2d(made)] if norm else []), nn.ReLU(), nn.MaxPool2d(2)]

    return nn.Sequential(
        *block(1, channels),
        *block(channels, 2 * channels),
        nn.Flatten(),
        nn.Linear(2 * channels * 4 * width, classes),
    )


class Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.second = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norms = nn.ModuleList([nn.BatchNorm2d(channels), nn.BatchNorm2d(channels)])

    def forward(self, x: Tensor) -> Tensor:
        inner = F.relu(self.norms[0](self.first(x)))
        return F.relu(x + self.norms[1](self.second(inner)))


class Recurrent(nn.Module):
    """A GRU or an LSTM over text, or over the rows of a picture (then the last output counts)."""

    def __init__(self, kind: type[nn.GRU] | type[nn.LSTM], inputs: int, hidden: int, out: int):
        super().__init__()
        self.embed = nn.Embedding(out, inputs) if kind is nn.GRU else nn.Identity()
        self.cells = kind(inputs, hidden, batch_first=True)
        self.head = nn.Linear(hidden, out)
        self.last = kind is nn.LSTM

    def forward(self, x: Tensor) -> Tensor:
        states, _ = self.cells(self.embed(x))
        return self.head(states[:, -1] if self.last else states)


class Transformer(nn.Module):
    def __init__(self, letters: int, length: int, size: int = 32) -> None:
        super().__init__()
        self.embed = nn.Embedding(letters, size)
        self.place = nn.Parameter(torch.randn(length, size) / math.sqrt(size))
        self.layer = nn.TransformerEncoderLayer(
            size, 2, 2 * size, dropout=0.0, batch_first=True, norm_first=True
        )
        self.head = nn.Linear(size, letters)
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(length))

    def forward(self, x: Tensor) -> Tensor:
        inner = self.layer(self.embed(x) + self.place, src_mask=self.mask, is_causal=True)
        return self.head(inner)


# Data.


def letters_loss(output: Tensor, target: Tensor) -> Tensor:
    return F.cross_entropy(output.flatten(0, 1), target.flatten())


@cache
def sklearn(name: str) -> Split:
    """Standardized inputs; targets as class numbers, or standardized for regression."""
    from sklearn import datasets

    if name == "friedman":
        x, y = datasets.make_friedman1(1_000, noise=1.0, random_state=0)
    else:
        x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    inputs = torch.tensor((x - x.mean(0)) / np.maximum(x.std(0), 1e-6)).float()
    if y.dtype.kind == "f":
        return inputs, torch.tensor((y - y.mean()) / y.std()).float()[:, None]
    return inputs, torch.tensor(y).long()


@cache
def digits() -> Split:
    """Pictures (1797, 1, 8, 8) between 0 and 1, and their digits."""
    from sklearn.datasets import load_digits

    data = load_digits()
    return torch.tensor(data.images / 16).float()[:, None], torch.tensor(data.target).long()


@cache
def text(source: str, length: int = 32) -> Tensor:
    """Numbers of letters (n, length + 1) of a text that ships with Python."""
    if source == "topics":
        words = "".join(pydoc_data.topics.topics.values())
    else:
        words = inspect.getsource(pydoc) + inspect.getsource(zipfile)
    codes = np.frombuffer(words.lower().encode("ascii", "replace"), np.uint8)[:40_000]
    known = torch.tensor(np.clip(codes.astype(int) - 31, 0, 95))
    return known[: len(known) // (length + 1) * (length + 1)].view(-1, length + 1)


def halves(seed: int, *data: Tensor, share: float = 0.7) -> tuple[Split, Split]:
    """A random split into training and held-out data."""
    order = torch.randperm(len(data[0]), generator=torch.Generator().manual_seed(1_000 + seed))
    cut = int(share * len(order))
    inputs, targets = data
    return (
        (inputs[order[:cut]], targets[order[:cut]]),
        (inputs[order[cut:]], targets[order[cut:]]),
    )


def next_letters(source: str, seed: int) -> tuple[Split, Split]:
    lines = text(source)
    return halves(seed, lines[:, :-1], lines[:, 1:])


def pairs(seed: int) -> tuple[Split, Split]:
    """Two digits beside each other and their sum."""
    images, labels = digits()
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
    return halves(seed, torch.cat([images, images[order]], dim=3), labels + labels[order])


def with_noise(split: Split, share: float, seed: int, classes: int = 10) -> Split:
    """The same with a share of the labels drawn at random."""
    generator = torch.Generator().manual_seed(2_000 + seed)
    inputs, labels = split
    wrong = torch.rand(len(labels), generator=generator) < share
    drawn = torch.randint(0, classes, labels.shape, generator=generator)
    return inputs, torch.where(wrong, drawn, labels)


def pretrained(problem: Problem, lr: float, steps: int) -> nn.Module:
    """The net of ``problem`` after some steps of Adam."""
    optimizer = torch.optim.Adam(problem.model.parameters(), lr)
    batches = iter(Batches(problem.train, problem.batch_size, 0))
    for _ in range(steps):
        try:
            inputs, targets = next(batches)
        except StopIteration:
            batches = iter(Batches(problem.train, problem.batch_size, 0))
            inputs, targets = next(batches)
        optimizer.zero_grad()
        problem.loss(problem.model(inputs), targets).backward()
        optimizer.step()
    problem.model.zero_grad()
    return problem.model


# Tasks. Each takes a seed; torch has been seeded with it.


def sgd(model: nn.Module, momentum: float = 0.9, **options: object) -> torch.optim.Optimizer:
    return torch.optim.SGD(model.parameters(), lr=0.01, momentum=momentum, **options)  # type: ignore[arg-type]


def flat(seed: int) -> tuple[Split, Split]:
    images, labels = digits()
    return halves(seed, images.flatten(1), labels)


def digits_mlp(seed: int) -> Problem:
    model = dense(64, 64, 10)
    return Problem(model, sgd(model), F.cross_entropy, *flat(seed))


def diabetes(seed: int) -> Problem:
    model = dense(10, 32, 1)
    adam = torch.optim.Adam(model.parameters())
    data = halves(seed, *sklearn("diabetes"))
    return Problem(model, adam, F.mse_loss, *data, batch_size=16, classes=False)


def batch_norm(seed: int) -> Problem:
    model = conv(8, 10, norm=True)
    return Problem(model, sgd(model, nesterov=True), F.cross_entropy, *halves(seed, *digits()))


def text_gru(seed: int) -> Problem:
    model = Recurrent(nn.GRU, 16, 32, 96)
    adam = torch.optim.Adam(model.parameters())
    return Problem(model, adam, letters_loss, *next_letters("topics", seed), batch_size=8, clip=1.0)


def small_batches(seed: int) -> Problem:
    model = dense(30, 16, 2, act=nn.Tanh)
    data = halves(seed, *sklearn("breast_cancer"))
    return Problem(model, sgd(model, momentum=0.0), F.cross_entropy, *data, batch_size=8)


def autoencoder(seed: int) -> Problem:
    model = dense(64, 32, 8, 32, 64)
    adamw = torch.optim.AdamW(model.parameters())
    (train, _), (held_out, _) = flat(seed)
    return Problem(model, adamw, F.mse_loss, (train, train), (held_out, held_out), classes=False)


def noisy_labels(seed: int) -> Problem:
    model = dense(64, 128, 10)
    adam = torch.optim.Adam(model.parameters())
    train, held_out = flat(seed)
    return Problem(model, adam, F.cross_entropy, with_noise(train, 0.4, seed), held_out)


def fine_tuning(seed: int) -> Problem:
    """A net that knows upright digits, on digits that lie on their side."""
    model = conv(8, 10, norm=False)
    upright = halves(seed, *digits())
    pretrained(Problem(model, sgd(model), F.cross_entropy, *upright), 0.003, 300)
    sideways = [(torch.rot90(images, 1, (2, 3)), labels) for images, labels in upright]
    return Problem(model, sgd(model, nesterov=True), F.cross_entropy, *sideways)


def pairs_resnet(seed: int) -> Problem:
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(),
        Residual(8), nn.MaxPool2d(2), Residual(8), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(8 * 2 * 4, 19),
    )  # fmt: skip
    step = sgd(model, nesterov=True, weight_decay=5e-4)
    return Problem(model, step, F.cross_entropy, *pairs(seed))


def text_transformer(seed: int) -> Problem:
    model = Transformer(96, 32)
    adamw = torch.optim.AdamW(model.parameters())
    return Problem(model, adamw, letters_loss, *next_letters("modules", seed), batch_size=8)


def accumulation(seed: int) -> Problem:
    model = dense(10, 64, 1, act=nn.Tanh)
    data = halves(seed, *sklearn("friedman"))
    return Problem(
        model, sgd(model), F.mse_loss, *data, batch_size=8, accumulation=4, classes=False
    )


def rows_lstm(seed: int) -> Problem:
    """The rows of a digit, one after another."""
    model = Recurrent(nn.LSTM, 8, 32, 10)
    images, labels = digits()
    data = halves(seed, images[:, 0], labels)
    return Problem(model, sgd(model), F.cross_entropy, *data, clip=0.5)


def cnn_adam(seed: int) -> Problem:
    model = conv(8, 10, norm=False)
    adam = torch.optim.Adam(model.parameters())
    return Problem(model, adam, F.cross_entropy, *halves(seed, *digits()), batch_size=64)


def muon(seed: int) -> Problem:
    model = dense(64, 64, 64, 10, bias=False)
    step = torch.optim.Muon(model.parameters())
    train, held_out = flat(seed)
    return Problem(model, step, F.cross_entropy, with_noise(train, 0.2, seed), held_out)


def wine(seed: int) -> Problem:
    model = dense(13, 16, 3)
    adamw = torch.optim.AdamW(model.parameters())
    data = halves(seed, *sklearn("wine"))
    return Problem(model, adamw, F.cross_entropy, *data, batch_size=8)


def fine_tuned_text(seed: int) -> Problem:
    """A transformer that has read documentation, on program text."""
    model = Transformer(96, 32)
    adamw = torch.optim.AdamW(model.parameters())
    known = Problem(model, adamw, letters_loss, *next_letters("topics", seed), batch_size=16)
    pretrained(known, 0.003, 400)
    return Problem(model, adamw, letters_loss, *next_letters("modules", seed), batch_size=8)


def frames_resnet(seed: int) -> Problem:
    """A digit somewhere in a frame of 12 x 12."""
    images, labels = digits()
    generator = torch.Generator().manual_seed(3_000 + seed)
    frames = torch.zeros(len(images), 1, 12, 12)
    for frame, image, (y, x) in zip(
        frames, images, torch.randint(0, 5, (len(images), 2), generator=generator), strict=True
    ):
        frame[:, y : y + 8, x : x + 8] = image
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(),
        Residual(8), nn.MaxPool2d(2), Residual(8), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(8 * 9, 10),
    )  # fmt: skip
    adamw = torch.optim.AdamW(model.parameters())
    return Problem(model, adamw, F.cross_entropy, *halves(seed, frames, labels))


def normed_noise(seed: int) -> Problem:
    model = nn.Sequential(
        nn.Linear(30, 32), nn.BatchNorm1d(32), nn.ReLU(),
        nn.Linear(32, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 2),
    )  # fmt: skip
    train, held_out = halves(seed, *sklearn("breast_cancer"))
    noisy = with_noise(train, 0.2, seed, classes=2)
    return Problem(model, sgd(model), F.cross_entropy, noisy, held_out)


@dataclass(frozen=True)
class Task:
    """``setup`` gives the problem of a seed; the advice is for a training of ``steps`` steps."""

    setup: Callable[[int], Problem]
    steps: int
    words: str


RULE: Mapping[str, Task] = {
    "digits-mlp": Task(digits_mlp, 300, "dense net, SGD with momentum"),
    "diabetes": Task(diabetes, 200, "regression, dense net, Adam, batch size 16"),
    "batch-norm": Task(batch_norm, 200, "convolutions with batch norm, Nesterov"),
    "text-gru": Task(text_gru, 300, "next letter, GRU, Adam, clipping"),
    "small-batches": Task(small_batches, 300, "breast cancer, plain SGD, batch size 8"),
    "autoencoder": Task(autoencoder, 400, "digits, dense autoencoder, AdamW"),
    "noisy-labels": Task(noisy_labels, 300, "digits, 40 % of the labels random, Adam"),
    "fine-tuning": Task(fine_tuning, 200, "trained convolutions on turned digits, Nesterov"),
    "pairs-resnet": Task(pairs_resnet, 300, "sums of two digits, residual net, Nesterov"),
}
SHOW: Mapping[str, Task] = {
    "text-transformer": Task(text_transformer, 300, "next letter, attention, AdamW"),
    "accumulation": Task(accumulation, 200, "regression, SGD, four micro-batches of 8 a step"),
    "rows-lstm": Task(rows_lstm, 400, "digits row by row, LSTM, SGD, clipping"),
    "cnn-adam": Task(cnn_adam, 200, "convolutions without batch norm, Adam, batch size 64"),
    "muon": Task(muon, 300, "dense net, 20 % of the labels random, Muon"),
    "wine": Task(wine, 150, "dense net, AdamW, batch size 8"),
    "fine-tuned-text": Task(fine_tuned_text, 200, "a trained transformer on other text, AdamW"),
    "frames-resnet": Task(frames_resnet, 300, "digits anywhere in a frame, residual net, AdamW"),
    "normed-noise": Task(normed_noise, 200, "cancer, 20 % of the labels random, batch norm, SGD"),
}


def cifar10(folder: Path) -> Task:
    """5,000 pictures of CIFAR-10, where its folder is given; it only shows."""

    @cache
    def pictures() -> Split:
        from clr_ignite.cifar10.data import load

        images = load("folder", folder).test
        return images.pixels[:5_000].float() / 127.5 - 1, images.labels[:5_000].long()

    def setup(seed: int) -> Problem:
        model = nn.Sequential(
            nn.Conv2d(3, 16, 5, stride=2, padding=2), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(32 * 16, 10),
        )  # fmt: skip
        return Problem(model, sgd(model), F.cross_entropy, *halves(seed, *pictures()))

    return Task(setup, 300, "5,000 pictures of CIFAR-10, convolutions, SGD")


def problem(task: Task, seed: int, weights: int | None = None) -> Problem:
    """The task's problem, the same for the same seed; ``weights`` seeds another net on its data."""
    torch.manual_seed(seed if weights is None else weights)
    return task.setup(seed)
