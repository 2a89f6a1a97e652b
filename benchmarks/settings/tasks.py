"""Small real tasks with a weight decay to choose: half to make the rule on, half only to show.

Nothing may be chosen by the tasks of ``SHOW``. The split was committed before any rule had been
looked at on data. In most tasks few examples or wrong labels leave something to do for a decay;
``autoencoder`` and ``cnn-adam`` are those of the measurement of rates, where it should do little.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.advice import tasks as rates
from benchmarks.advice.tasks import Problem, Split, Task
from benchmarks.advice.training import fresh

SGD, ADAM, ADAMW = torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW
# Those compared, which are the grid's too; Adam's are added to the gradient as SGD's, AdamW's not.
DECAYS = {
    SGD: (0.0, 5e-5, 5e-4, 5e-3, 5e-2),
    ADAM: (0.0, 5e-5, 5e-4, 5e-3, 5e-2),
    ADAMW: (0.0, 1e-2, 1e-1, 1.0, 10.0),
}
DEFAULT = {SGD: 0.0, ADAM: 0.0, ADAMW: 1e-2}  # the framework's
COMMON = {SGD: 5e-4, ADAM: 5e-4, ADAMW: 1e-1}  # what publications take
HIGHEST = {SGD: 1.0, ADAM: 0.1, ADAMW: 0.1}  # rate of the grid, in steps of half a decade
RATES = 7


def kind(problem: Problem) -> type[torch.optim.Optimizer]:
    return type(problem.optimizer)


def peaks(problem: Problem) -> list[float]:
    """The grid's rates, rising."""
    return [HIGHEST[kind(problem)] * 10 ** (-half / 2) for half in reversed(range(RATES))]


def decayed(problem: Problem, weight_decay: float) -> Problem:
    """An untouched copy with another weight decay."""
    problem = fresh(problem)
    for group in problem.optimizer.param_groups:
        group["weight_decay"] = weight_decay
    return problem


def three_parts(setup: Callable[[int], Problem], seed: int) -> Problem:
    """The problem with its held-out data, in random order, cut in two: to choose, to report."""
    problem = setup(seed)
    inputs, targets = problem.held_out
    cut = len(inputs) // 2
    chosen, shown = (inputs[:cut], targets[:cut]), (inputs[cut:], targets[cut:])
    return replace(problem, held_out=chosen, test=shown)


def few(examples: int, split: tuple[Split, Split]) -> tuple[Split, Split]:
    """A split with so many examples to train on."""
    (inputs, targets), held_out = split
    return (inputs[:examples], targets[:examples]), held_out


def noisy(share: float, seed: int, split: tuple[Split, Split], classes: int = 10) -> list[Split]:
    """A split with a share of the labels to train on drawn at random."""
    train, held_out = split
    return [rates.with_noise(train, share, seed, classes), held_out]


def letter_after_eight(source: str, seed: int) -> tuple[nn.Module, tuple[Split, Split]]:
    """A dense net for the letter that follows eight, and 500 of each to train on."""
    model = nn.Sequential(nn.Embedding(96, 16), nn.Flatten(), *rates.dense(128, 128, 96))
    lines = rates.text(source, 8)
    return model, few(500, rates.halves(seed, lines[:, :-1], lines[:, -1]))


# The tasks on which the rule is made.


def noisy_digits(seed: int) -> Problem:
    model = rates.dense(64, 256, 10)
    data = noisy(0.3, seed, few(400, rates.flat(seed)))
    return Problem(model, rates.sgd(model), F.cross_entropy, *data)


def diabetes(seed: int) -> Problem:
    model = rates.dense(10, 128, 1)
    data = rates.halves(seed, *rates.sklearn("diabetes"))
    return Problem(model, ADAM(model.parameters()), F.mse_loss, *data, batch_size=16, classes=False)


def few_digits(seed: int) -> Problem:
    model = rates.conv(8, 10, norm=False)
    data = few(200, rates.halves(seed, *rates.digits()))
    step = ADAMW(model.parameters())
    return Problem(model, step, F.cross_entropy, *data, batch_size=16)


def normed_digits(seed: int) -> Problem:
    model = nn.Sequential(
        nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU(),
        nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 10),
    )  # fmt: skip
    data = noisy(0.2, seed, few(300, rates.flat(seed)))
    return Problem(model, rates.sgd(model, nesterov=True), F.cross_entropy, *data)


def few_words(seed: int) -> Problem:
    model, data = letter_after_eight("topics", seed)
    return Problem(model, ADAM(model.parameters()), F.cross_entropy, *data)


# Those that only show.


def noisy_cancer(seed: int) -> Problem:
    model = rates.dense(30, 128, 128, 2)
    split = rates.halves(seed, *rates.sklearn("breast_cancer"))
    data = noisy(0.2, seed, few(200, split), classes=2)
    return Problem(model, rates.sgd(model), F.cross_entropy, *data, batch_size=16)


def lower_half(seed: int) -> Problem:
    """The lower half of a digit's picture from its upper half."""
    model = rates.dense(32, 256, 32)
    images, _ = rates.digits()
    data = few(200, rates.halves(seed, images[:, 0, :4].flatten(1), images[:, 0, 4:].flatten(1)))
    return Problem(model, ADAM(model.parameters()), F.mse_loss, *data, classes=False)


def few_rows(seed: int) -> Problem:
    """The rows of a digit, one after another."""
    model = rates.Recurrent(nn.LSTM, 8, 32, 10)
    images, labels = rates.digits()
    data = few(200, rates.halves(seed, images[:, 0], labels))
    return Problem(model, ADAMW(model.parameters()), F.cross_entropy, *data, clip=0.5)


def few_sums(seed: int) -> Problem:
    """The sum of two digits."""
    model = nn.Sequential(nn.Flatten(), *rates.dense(128, 128, 19))
    data = few(400, rates.pairs(seed))
    return Problem(model, rates.sgd(model, nesterov=True), F.cross_entropy, *data)


def few_statements(seed: int) -> Problem:
    model, data = letter_after_eight("modules", seed)
    return Problem(model, ADAMW(model.parameters()), F.cross_entropy, *data)


def of_three_parts(tasks: Mapping[str, Task]) -> Mapping[str, Task]:
    return {
        name: replace(task, setup=partial(three_parts, task.setup)) for name, task in tasks.items()
    }


RULE = of_three_parts({
    "noisy-digits": Task(noisy_digits, 600, "400 digits, 30 % of the labels random, SGD"),
    "diabetes": Task(diabetes, 600, "regression, 309 patients, Adam"),
    "few-digits": Task(few_digits, 400, "200 digits, convolutions, AdamW"),
    "normed-digits": Task(normed_digits, 400, "300 digits, 20 % random, batch norm, Nesterov"),
    "few-words": Task(few_words, 500, "next letter after 8, 500 of them, Adam"),
    "autoencoder": rates.RULE["autoencoder"],
})  # fmt: skip
SHOW = of_three_parts({
    "noisy-cancer": Task(noisy_cancer, 600, "200 patients, 20 % of the labels random, SGD"),
    "lower-half": Task(lower_half, 600, "half a digit from the other, 200 of them, Adam"),
    "few-rows": Task(few_rows, 300, "200 digits row by row, LSTM, AdamW, clipping"),
    "few-sums": Task(few_sums, 500, "sums of two digits, 400 of them, Nesterov"),
    "few-statements": Task(few_statements, 500, "next letter of programs, 500 of them, AdamW"),
    "cnn-adam": rates.SHOW["cnn-adam"],
})  # fmt: skip
