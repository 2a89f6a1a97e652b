"""Our batches from memory beside torchvision's CIFAR10 behind a DataLoader."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import CIFAR10

from benchmarks.page import table
from benchmarks.training_step import EXPERIMENT, parts, random_data, step_of
from clr_ignite.cifar10.batches import Batches, Pixels
from clr_ignite.cifar10.data import DataSet

TITLE = "Data"
BATCH = 100


class Noise(CIFAR10):
    """torchvision's CIFAR10 with its own ``__getitem__``, over images that are in memory."""

    def __init__(self, data: DataSet) -> None:
        images = data.train
        self.data = images.pixels.permute(0, 2, 3, 1).contiguous().numpy()
        self.targets = images.labels.tolist()
        normalize = transforms.Normalize((0.49, 0.48, 0.45), (0.25, 0.24, 0.26))
        self.transform = transforms.Compose([transforms.ToTensor(), normalize])
        self.target_transform = None


def loader(data: DataSet, workers: int) -> DataLoader[Any]:
    return DataLoader(
        Noise(data), BATCH, shuffle=True, num_workers=workers, persistent_workers=workers > 0
    )


def batches(data: DataSet) -> Batches:
    pixels = Pixels.fit(EXPERIMENT.pixels, data.train)
    layout = torch.channels_last
    return Batches(data.train, pixels, batch_size=BATCH, seed=0, memory_format=layout)


def for_ever(data: Any) -> Iterator[Any]:
    while True:
        yield from data


def waiting(source: Iterator[Any], steps: int) -> tuple[float, float]:
    """Seconds of a batch where nothing else is done, and the share of training steps waited."""
    start = time.perf_counter()
    for _ in range(steps):
        next(source)
    alone = (time.perf_counter() - start) / steps
    built = parts()
    step = step_of(built)
    waited, start = 0.0, time.perf_counter()
    for _ in range(steps):
        asked = time.perf_counter()
        x, y = next(source)
        waited += time.perf_counter() - asked
        step(x.contiguous(memory_format=torch.channels_last), y)
    return alone, waited / (time.perf_counter() - start)


def section(quick: bool) -> str:
    data = random_data(50_000)
    sources = {
        "clr_ignite Batches": for_ever(batches(data)),
        "CIFAR10, DataLoader, 0 workers": for_ever(loader(data, 0)),
        "CIFAR10, DataLoader, 2 workers": for_ever(loader(data, 2)),
    }
    for source in sources.values():
        next(source)  # starts workers
    repeats, steps = (1, 3) if quick else (5, 30)
    turns = [{n: waiting(s, steps) for n, s in sources.items()} for _ in range(repeats)]
    rows = []
    for name in sources:
        alone = statistics.median(turn[name][0] for turn in turns)
        share = statistics.median(turn[name][1] for turn in turns)
        rows.append([name, f"{BATCH / alone:,.0f}", f"{share:.1%}"])
    return (
        f"Batches of {BATCH} from 50,000 images of noise, shuffled, torchvision's through its own\n"
        "`CIFAR10.__getitem__` with ToTensor and Normalize; wall time, medians of\n"
        f"{repeats} turns of {steps} batches. Waiting: the share of CaffeFull's training spent in\n"
        "`next`; two workers take their time from the cores that train.\n\n"
    ) + table(["", "images a second", "waiting"], rows)
