"""The training step of Caffe's full net on this CPU: beside a bare loop, and beside the peak."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from ignite.engine import Engine
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.page import in_turns, table
from clr_ignite import ScheduleHandler
from clr_ignite.cifar10.data import DataSet, Images
from clr_ignite.cifar10.experiments import EXPERIMENTS
from clr_ignite.cifar10.parts import Parts, build

TITLE = "The training step of CaffeFull"
EXPERIMENT = EXPERIMENTS["full-triangular2"].experiment
SIZE = 1_536  # of the matrices that stand for the peak
Step = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def random_data(images: int = 2_000) -> DataSet:
    """Noise in the form of CIFAR-10: what a step costs does not depend on the pictures."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (images, 3, 32, 32), dtype=torch.uint8, generator=generator)
    split = Images(pixels, torch.randint(0, 10, (images,), generator=generator))
    return DataSet("noise", tuple("0123456789"), split, split)


DATA = random_data()


def parts() -> Parts:
    return build(EXPERIMENT, DATA, seed=0, device="cpu")


def tensors(built: Parts, layout: torch.memory_format = torch.channels_last) -> list:
    batches = [built.batches.batch(i) for i in range(10)]
    return [(x.contiguous(memory_format=layout), y) for x, y in batches]


def step_of(built: Parts, model: torch.nn.Module | None = None) -> Step:
    net, optimizer = built.model if model is None else model, built.optimizer

    def step(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def loop(step: Step, batches: list, steps: int) -> Callable[[], object]:
    return lambda: [step(*batches[i % len(batches)]) for i in range(steps)]


def bare(steps: int) -> Callable[[], object]:
    built = parts()
    return loop(step_of(built), tensors(built), steps)


def ours(steps: int, *, made: bool = False) -> Callable[[], object]:
    """The reproduction's trainer with its schedule; its batches made on the way or before."""
    built = parts()
    ScheduleHandler(built.optimizer, lr=EXPERIMENT.schedule).attach(built.trainer)
    data = built.batches if made else tensors(built)
    return lambda: built.trainer.run(data, max_iters=steps, epoch_length=10)


def engine_alone(iterations: int) -> float:
    """CPU seconds an iteration of an Engine with the schedule and a step that does nothing."""
    engine, optimizer = Engine(lambda engine, batch: None), parts().optimizer
    ScheduleHandler(optimizer, lr=EXPERIMENT.schedule).attach(engine)
    start = time.process_time()
    engine.run([None] * 10, max_iters=iterations, epoch_length=10)
    return (time.process_time() - start) / iterations


def torchs_layout(steps: int) -> Callable[[], object]:
    built = parts()
    built.model.to(memory_format=torch.contiguous_format)
    return loop(step_of(built), tensors(built, torch.contiguous_format), steps)


class Compiled:
    """Compiled once; every turn goes on with the same net."""

    def __init__(self) -> None:
        built = parts()
        self.step, self.batches = step_of(built, torch.compile(built.model)), tensors(built)
        self.step(*self.batches[0])

    def __call__(self, steps: int) -> Callable[[], object]:
        return loop(self.step, self.batches, steps)


@contextmanager
def threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def flops() -> int:
    """Floating-point operations of one step: convolutions and matrix products, both ways."""
    built = parts()
    with FlopCounterMode(display=False) as counter:
        step_of(built)(*tensors(built)[0])
    return counter.get_total_flops()


def products(count: int) -> Callable[[], object]:
    """So many float32 products of two square matrices."""
    a, b = torch.randn(SIZE, SIZE), torch.randn(SIZE, SIZE)
    return lambda: [a @ b for _ in range(count)]


# By what an operator's name holds, the first that fits.
KINDS = {
    "convolutions": ("convolution", "addmm", "mm"),
    "max pooling": ("max_pool",),
    "average pooling, LRN's included": ("avg_pool",),
    "the rest of LRN, ReLU, the optimizer, filling with zeros and all else": ("",),
}


def shares(steps: int) -> list[list[str]]:
    """The share of a step's time by kind of operation."""
    built = parts()
    run = loop(step_of(built), tensors(built), steps)
    run()
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        run()
    spent = dict.fromkeys(KINDS, 0.0)
    for event in profiler.key_averages():
        kind = next(k for k, words in KINDS.items() if any(w in event.key for w in words))
        spent[kind] += event.self_cpu_time_total
    return [[kind, f"{value / sum(spent.values()):.0%}"] for kind, value in spent.items()]


def section(quick: bool) -> str:
    steps, repeats = (2, 1) if quick else (8, 20)
    candidates = {
        "a bare loop over the same tensors": lambda: bare(steps),
        "clr_ignite: Engine, schedule": lambda: ours(steps),
        "clr_ignite, batches made on the way": lambda: ours(steps, made=True),
        "a bare loop in torch's default layout": lambda: torchs_layout(steps),
    }
    if not quick:
        compiled = Compiled()
        candidates["a bare loop, torch.compile"] = lambda: compiled(steps)
    with threads(1):
        seconds, found = in_turns(candidates, repeats)
        rows = [beside_the_peak(1, time.process_time, steps, repeats)]
        spent = shares(2 * steps)
    added = engine_alone(50 if quick else 5_000)
    with threads(2):
        rows.append(beside_the_peak(2, time.perf_counter, steps, repeats))
    heads = ["threads", "ms a step", "GFLOP/s of the step", "of a matrix product", "share"]
    return (
        f"Batch 100, one thread, CPU time, {repeats} turns of {steps} steps. The bare loop, in\n"
        f"channels-last layout like ours, takes {1e3 * seconds / steps:.1f} ms a step.\n\n"
        + table(["", "time"], ([name, f"× {ratio:.3f}"] for name, ratio in found.items()))
        + "Where a candidate's memory happens to lie moves it by up to a tenth from run to run.\n"
        "What Engine and schedule add is therefore counted alone, over a step that does nothing:\n"
        f"{1e6 * added:.1f} µs, {added * steps / seconds:.2%} of a step.\n\n"
        f"A step has {flops() / 1e9:.2f} GFLOP in its convolutions and its linear layer. Beside\n"
        f"what a float32 product of {SIZE} x {SIZE} matrices reaches in the same turns (two\n"
        "threads: wall time):\n\n"
        + table(heads, rows)
        + "Where the time goes:\n\n"
        + table(["", "share"], spent)
    )


def beside_the_peak(count: int, clock: Callable[[], float], steps: int, repeats: int) -> list[str]:
    """A row: the step's FLOP/s, a matrix product's and the share."""
    pair = {"step": lambda: bare(steps), "product": lambda: products(steps)}
    seconds, found = in_turns(pair, repeats, clock)
    rate = flops() * steps / seconds
    peak = 2 * SIZE**3 * steps / (seconds * found["product"])
    numbers = [f"{1e3 * seconds / steps:.1f}", f"{rate / 1e9:.0f}", f"{peak / 1e9:.0f}"]
    return [str(count), *numbers, f"{rate / peak:.0%}"]
