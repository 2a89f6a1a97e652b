"""What a range test costs: the whole of it over the same Engine and steps without it.

    python benchmarks/range_test.py --out results/benchmarks

Ratios of medians over interleaved repeats in one process. Memory: the growth of a process's peak
during a test of a model of 100 MB (SGD with momentum, warmed up), in multiples of the model's
parameters; nothing but what is put back has to be held twice.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import ignite
import torch
from ignite.engine import Engine, create_supervised_trainer
from ignite.handlers import FastaiLRFinder
from torch import nn

from clr_ignite import LRRangeTest, RangeTestResult
from clr_ignite.cifar10.models import CaffeFull, param_groups

Setup = Callable[[], tuple[nn.Module, torch.optim.Optimizer, Engine, list]]


def perceptron() -> tuple[nn.Module, torch.optim.Optimizer, Engine, list]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    data = [(torch.randn(100, 64), torch.randint(0, 10, (100,)))] * 50
    loss = nn.functional.cross_entropy
    return model, optimizer, create_supervised_trainer(model, optimizer, loss), data


def caffe_full() -> tuple[nn.Module, torch.optim.Optimizer, Engine, list]:
    torch.manual_seed(0)
    model = CaffeFull()
    optimizer = torch.optim.SGD(param_groups(model), lr=0.001, momentum=0.9)
    data = [(50 * torch.randn(100, 3, 32, 32), torch.randint(0, 10, (100,)))] * 10
    loss = nn.functional.cross_entropy
    return model, optimizer, create_supervised_trainer(model, optimizer, loss), data


def bare(setup: Setup, steps: int) -> Callable[[], object]:
    _, _, trainer, data = setup()
    return lambda: trainer.run(data, max_iters=steps, epoch_length=len(data))


def ours(setup: Setup, steps: int) -> Callable[[], object]:
    model, optimizer, trainer, data = setup()
    saved = {"model": model, "optimizer": optimizer}
    test = LRRangeTest(optimizer, 1e-6, 1e-4, steps, to_save=saved, diverge_th=1e9)
    return lambda: test.run(trainer, data)


def fastai(setup: Setup, steps: int) -> Callable[[], object]:
    model, optimizer, trainer, data = setup()
    finder, saved = FastaiLRFinder(), {"model": model, "optimizer": optimizer}
    options = {"num_iter": steps, "start_lr": 1e-6, "end_lr": 1e-4, "diverge_th": 1e9}

    def run() -> None:
        with finder.attach(trainer, saved, **options) as finding:
            finding.run(data)

    return run


def ratios(setup: Setup, steps: int, repeats: int) -> tuple[float, dict[str, float]]:
    """Microseconds of a bare step, and each candidate's time over the bare run's."""
    candidates = {"bare": bare, "LRRangeTest": ours, "FastaiLRFinder": fastai}
    times: dict[str, list[float]] = {name: [] for name in candidates}
    for repeat in range(repeats + 1):
        for name, make in candidates.items():
            run = make(setup, steps)
            start = time.perf_counter()
            run()
            if repeat:  # the first one warms up
                times[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(values) for name, values in times.items()}
    base = medians.pop("bare")
    return 1e6 * base / steps, {name: value / base for name, value in medians.items()}


def peak() -> float:
    """Megabytes that this process held at most so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def memory() -> None:
    """Print the growth of the peak in a test, over the megabytes of its model."""
    model = nn.Sequential(nn.Linear(5_000, 5_000, bias=False), nn.Linear(5_000, 250, bias=False))
    size = sum(p.numel() * p.element_size() for p in model.parameters()) / 2**20
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-6, momentum=0.9)
    trainer = create_supervised_trainer(model, optimizer, nn.functional.mse_loss)
    data = [(torch.randn(4, 5_000), torch.randn(4, 250))] * 5
    trainer.run(data, max_epochs=4)
    before = peak()
    saved = {"model": model, "optimizer": optimizer}
    LRRangeTest(optimizer, 1e-9, 1e-8, 20, to_save=saved).run(trainer, data)
    print(f"{size:.0f} MB; the test's peak is {(peak() - before) / size:.2f} times that higher")


def growth() -> str:
    """Bytes a row, and what reading 100,000 rows takes."""
    result = RangeTestResult(start_lr=0.0, end_lr=1.0, num_iter=100_000, step_mode="linear")
    for row in range(100_000):
        result.add_row(iteration=row + 1, lr=row * 1e-5, loss=2.0 - min(row, 50_000) * 2e-5)
    columns = [result.iteration, result.lr, result.loss, *result.group_lr]
    held = sum(sys.getsizeof(column) for column in columns) / len(result)
    start = time.perf_counter()
    result.suggest()
    suggested = time.perf_counter() - start
    result.plot()
    plotted = time.perf_counter() - start - suggested
    taken = f"`suggest` takes {suggested:.2f} s, `plot` {plotted:.2f} s"
    return f"{held:.0f} bytes a row; on 100,000 rows {taken}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks"))
    parser.add_argument("--memory", action="store_true", help="only measure memory")
    options = parser.parse_args()
    if options.memory:
        memory()
        return
    warnings.simplefilter("ignore")  # FastaiLRFinder's, that the loss did not diverge
    text = (
        "# What a range test costs\n\n`python benchmarks/range_test.py`: the whole test over the\n"
    )
    text += f"same steps without it, medians of {options.repeats} interleaved repeats.\n"
    text += f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
    text += f"torch {torch.__version__}, {torch.get_num_threads()} threads, Ignite "
    text += f"{ignite.__version__}.\n\n"
    text += (
        "| net | steps | µs a bare step | LRRangeTest | FastaiLRFinder |\n|---|---|---|---|---|\n"
    )
    for name, setup, steps in (
        ("64-128-10 perceptron, batch 100", perceptron, 1_000),
        ("CaffeFull, batch 100", caffe_full, 40),
    ):
        base, found = ratios(setup, steps, options.repeats)
        cells = " | ".join(f"× {found[key]:.3f}" for key in ("LRRangeTest", "FastaiLRFinder"))
        text += f"| {name} | {steps:,} | {base:.0f} | {cells} |\n"
    command = [sys.executable, __file__, "--memory"]
    measured = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    text += f"\nMemory, model and momentum warmed up: {measured}.\n"
    text += f"\nGrowth: {growth()}.\n"
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "range_test.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
