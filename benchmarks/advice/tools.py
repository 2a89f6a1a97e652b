"""What each learning-rate finder answers on a problem: its own code where its package is installed.

One rate is an answer without a ``base_lr``. Ranges and lengths are the packages' own defaults where
their pages leave them so; otherwise an exponential sweep from 1e-6 to 10.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from ignite.handlers import FastaiLRFinder
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, TensorDataset

from benchmarks.advice.tasks import Batches, Problem
from benchmarks.advice.training import engine_of, fresh, range_test
from clr_ignite import RangeTestResult, RepeatedResult

START, END = 1e-6, 10.0
SEEDS = (0, 100, 200)  # added to a seed: the tests of "three seeds"


@dataclass(frozen=True)
class Answer:
    """Rates to train with; None where the tool gives none."""

    lr: float | None
    base_lr: float | None = None
    max_lr: float | None = None
    reason: str = ""


Problems = Callable[[int], Problem]


def ours(setup: Problems, seed: int, steps: int) -> Iterator[tuple[str, Answer]]:
    """From the held-out loss, from the training loss alone, and over three seeds each."""
    results = [range_test(setup(seed + s), START, END, steps, seed + s) for s in SEEDS]
    for curve, read in (("held-out loss", lambda result: result), ("training loss", unevaluated)):
        one, *_ = several = [read(result) for result in results]
        yield f"clr_ignite, {curve}", given(one.suggest())
        repeated = RepeatedResult([seed + s for s in SEEDS], several)
        yield f"clr_ignite, {curve}, three seeds", given(repeated.suggest())
    if "accuracy" in results[0].metrics:
        yield "clr_ignite, accuracy by the paper's rule", given(results[0].suggest("accuracy"))


def given(bounds: Any) -> Answer:
    return Answer(bounds.lr, bounds.base_lr, bounds.max_lr, bounds.reason)


def unevaluated(result: RangeTestResult) -> RangeTestResult:
    """The same test without its evaluator, which leaves no mark on the training loss."""
    values = result.to_dict()
    columns = values["columns"]
    kept = {name: column for name, column in columns.items() if not name.startswith("eval_")}
    return RangeTestResult.from_dict(values | {"columns": kept})


def ignite(setup: Problems, seed: int, steps: int) -> Iterator[tuple[str, Answer]]:
    """``FastaiLRFinder`` as its documentation's example has it."""
    problem = fresh(setup(seed))
    for group in problem.optimizer.param_groups:
        group["lr"] = START
    finder = FastaiLRFinder()
    saved = {"model": problem.model, "optimizer": problem.optimizer}
    data = Batches(problem.train, problem.batch_size, seed)
    trainer = engine_of(problem)
    with finder.attach(trainer, saved, num_iter=steps, end_lr=END) as finding:
        finding.run(data)
    yield "Ignite FastaiLRFinder", one_rate(finder.lr_suggestion)


def lr_finder(setup: Problems, seed: int, steps: int) -> Iterator[tuple[str, Answer]]:
    """pytorch-lr-finder's ``range_test`` and the suggestion of its ``plot``."""
    package = importlib.import_module("torch_lr_finder")
    problem = fresh(setup(seed))
    data = TensorDataset(*problem.train)
    generator = torch.Generator().manual_seed(seed)
    batches = BatchSampler(
        RandomSampler(data, generator=generator), problem.batch_size, drop_last=True
    )
    loader = DataLoader(data, sampler=batches, batch_size=None)
    finder = package.LRFinder(problem.model, problem.optimizer, problem.loss, device="cpu")
    finder.range_test(
        loader,
        start_lr=START,
        end_lr=END,
        num_iter=steps,
        accumulation_steps=problem.accumulation,
    )

    def suggestion() -> float:
        from clr_ignite.plots import new_axes

        return float(finder.plot(ax=new_axes())[1])

    yield "pytorch-lr-finder", one_rate(suggestion)


def fastai(setup: Problems, seed: int, steps: int) -> Iterator[tuple[str, Answer]]:
    """fastai's four functions on the losses that its ``lr_find`` gives them: from 1e-7, smoothed,
    up to four times the best, the first tenth and the last five left out."""
    functions = importlib.import_module("fastai.callback.schedule")
    rates, losses = sweep(setup(seed), 1e-7, 10.0, steps, seed)
    shown = smoothed(losses, lambda done: 1 - 0.98**done)
    end = first(shown > 4 * np.minimum.accumulate(shown))
    lrs = torch.tensor(rates[:end])[steps // 10 : -5]
    values = torch.tensor(shown[:end])[steps // 10 : -5]
    for name in ("valley", "minimum", "steep", "slide"):
        function = getattr(functions, name)
        yield f"fastai {name}", one_rate(lambda f=function: float(f(lrs, values, steps)[0]))


def lightning(setup: Problems, seed: int, steps: int) -> Iterator[tuple[str, Answer]]:
    """The rule of Lightning's ``lr_find`` on the losses that its callback records."""
    package = importlib.import_module("lightning.pytorch.tuner.lr_finder")
    rates, losses = sweep(setup(seed), 1e-8, 1.0, steps, seed)
    shown = smoothed(losses, lambda done: 1 - 0.98 ** (done + 1))
    end = first(shown > 4 * np.minimum.accumulate(shown)) if steps > 1 else steps
    finder = package._LRFinder("exponential", 1e-8, 1.0, steps)
    finder.results = {"lr": rates[:end].tolist(), "loss": shown[:end].tolist()}
    yield "Lightning lr_find", one_rate(finder.suggestion)


def nothing(setup: Problems, seed: int, steps: int) -> Iterator[tuple[str, Answer]]:
    """The rate that one would take without looking."""
    plain = isinstance(setup(seed).optimizer, torch.optim.SGD)
    yield "no finder (SGD 0.01, others 0.001)", Answer(0.01 if plain else 0.001)


TOOLS: Mapping[str, Callable[[Problems, int, int], Iterator[tuple[str, Answer]]]] = {
    "clr_ignite": ours,
    "ignite": ignite,
    "torch_lr_finder": lr_finder,
    "fastai": fastai,
    "lightning": lightning,
    "none": nothing,
}
PACKAGES = {"torch_lr_finder": "torch_lr_finder", "fastai": "fastai", "lightning": "lightning"}


def missing(tool: str) -> bool:
    """Whether the tool's package is not installed here."""
    if tool not in PACKAGES:
        return False
    try:
        importlib.import_module(PACKAGES[tool])
    except ImportError:
        return True
    return False


def sweep(
    problem: Problem, start_lr: float, end_lr: float, steps: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Rates and raw losses of a sweep that ends by its count alone, not finite ones included."""
    from clr_ignite import LRRangeTest

    problem = fresh(problem)
    test = LRRangeTest(
        problem.optimizer,
        start_lr,
        end_lr,
        steps,
        "exponential",
        to_save={"model": problem.model, "optimizer": problem.optimizer},
        diverge_th=None,
    )
    result = test.run(engine_of(problem), Batches(problem.train, problem.batch_size, seed))
    return np.asarray(result.lr), np.asarray(result.loss)


def smoothed(losses: np.ndarray, weight: Callable[[int], float]) -> np.ndarray:
    """The moving average of weight 0.98, divided by what a tool takes for its sum of weights."""
    average, found = 0.0, []
    for done, loss in enumerate(losses, 1):
        average = 0.98 * average + 0.02 * loss
        found.append(average / weight(done))
    return np.asarray(found)


def first(stops: np.ndarray) -> int:
    """How many values there are up to the first that stops, it included."""
    return int(np.argmax(stops)) + 1 if stops.any() else len(stops)


def one_rate(suggestion: Callable[[], float | None]) -> Answer:
    """What a peer suggests; an exception of its own is no answer."""
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            rate = suggestion()
    except Exception as error:
        return Answer(None, reason=f"{type(error).__name__}: {error}")
    usable = rate is not None and math.isfinite(rate) and rate > 0
    return Answer(rate if usable else None)
