"""On a CUDA device: CaffeFull's iteration eager, compiled and as the reproduction runs it, with its
gradients in a CUDA graph; and a whole run.

    python -m benchmarks gpu

The counting of recompilations runs on a CPU as well; the rest refuses without CUDA.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from ignite.engine import Engine
from torch._dynamo.utils import counters

from benchmarks.page import table
from benchmarks.training_step import EXPERIMENT, random_data
from clr_ignite import ScheduleHandler
from clr_ignite.cifar10.experiments import EXPERIMENTS
from clr_ignite.cifar10.parts import Parts, build
from clr_ignite.cifar10.parts.repeatable import repeatable as repeatably
from clr_ignite.cifar10.runs.environment import processor
from clr_ignite.cifar10.training import train

TITLE = "On a GPU"
Step = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
Compile = Callable[[Callable], Callable]


def missing() -> str:
    """Why it cannot be measured here, if it cannot."""
    return "" if torch.cuda.is_available() else "torch finds no CUDA device"


def parts(device: str, *, tensor_rates: bool = True) -> Parts:
    """The reproduction's parts; with tensor rates each group has an ``lr`` tensor of its own."""
    built = build(EXPERIMENT, random_data(), seed=0, device=device)
    if tensor_rates:
        for group in built.optimizer.param_groups:
            group["lr"] = torch.tensor(float(group["lr"]), device=device)
    return built


def step_of(built: Parts, compile: Compile = lambda function: function) -> Step:
    """Forward, backward and the optimizer's step, the net and the optimizer's step compiled."""
    net, update = compile(built.model), compile(built.optimizer.step)

    def step(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        built.optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        update()
        return loss.detach()

    return step


def scheduled(built: Parts, step: Step) -> Engine:
    """An Engine of ``step`` whose rate changes at each iteration."""
    trainer = Engine(lambda engine, batch: step(*batch))
    ScheduleHandler(built.optimizer, lr=EXPERIMENT.schedule).attach(trainer)
    return trainer


def recompilations(device: str, steps: int, compile: Compile, *, tensor_rates: bool = True) -> int:
    """Graphs compiled after the first three steps while the schedule goes on."""
    torch._dynamo.reset()
    built = parts(device, tensor_rates=tensor_rates)
    step, seen = step_of(built, compile), []

    def counted(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        loss = step(x, y)
        seen.append(counters["stats"]["unique_graphs"])
        return loss

    scheduled(built, counted).run(built.batches, max_iters=steps, epoch_length=steps)
    return seen[-1] - seen[2]


def synchronizations(run: Callable[[], object]) -> int:
    """How often the host waited for the device while ``run`` ran, as torch's warnings say."""
    with warnings.catch_warnings(record=True) as caught, sync_warnings():
        warnings.simplefilter("always")
        run()
    return sum("synchronizing CUDA operation" in str(one.message) for one in caught)


@contextlib.contextmanager
def sync_warnings() -> Iterator[None]:
    if torch.cuda.is_available():
        torch.cuda.set_sync_debug_mode("warn")
    try:
        yield
    finally:
        if torch.cuda.is_available():
            torch.cuda.set_sync_debug_mode("default")


def captured(*, repeatable: bool) -> Parts:
    """The reproduction's parts after two iterations, their graph captured as ``train`` has it."""
    graph = parts("cuda", tensor_rates=False)
    ScheduleHandler(graph.optimizer, lr=EXPERIMENT.schedule).attach(graph.trainer)
    with repeatably(torch.device("cuda"), repeatable):
        graph.trainer.run(graph.batches, max_iters=2)
    return graph


def further(trainer: Engine, built: Parts, steps: int) -> None:
    trainer.run(built.batches, max_iters=trainer.state.iteration + steps)
    torch.cuda.synchronize()


def microseconds(trainer: Engine, built: Parts, steps: int) -> float:
    """Of one iteration, batches and schedule included."""
    further(trainer, built, 20)
    start = time.perf_counter()
    further(trainer, built, steps)
    return 1e6 * (time.perf_counter() - start) / steps


def whole_run() -> float:
    """Seconds of Caffe's own schedule, its first 10,000 iterations, evaluated every 1,000."""
    experiment = replace(EXPERIMENTS["full-fixed"].experiment, iterations=10_000)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        data = random_data(50_000)
        train(experiment, data, Path(folder) / "run", seed=0, device="cuda", eval_every=1_000)
        return time.perf_counter() - start


def reduce_overhead(function: Callable) -> Callable:
    return torch.compile(function, mode="reduce-overhead")


def section(quick: bool) -> str:
    steps = 20 if quick else 2_000
    eager, compiled = parts("cuda", tensor_rates=False), parts("cuda")
    graph, fastest = captured(repeatable=True), captured(repeatable=False)
    trainers = {
        "eager": (scheduled(eager, step_of(eager)), eager),
        "torch.compile, reduce-overhead, tensor rates": (
            scheduled(compiled, step_of(compiled, reduce_overhead)),
            compiled,
        ),
        "the reproduction's trainer: gradients as a CUDA graph, fused optimizer": (
            graph.trainer,
            graph,
        ),
        "the same with the fastest algorithms (--not-repeatable)": (fastest.trainer, fastest),
    }
    rows = [
        [name, f"{microseconds(trainer, built, steps):.0f}"]
        for name, (trainer, built) in trainers.items()
    ]
    waits = synchronizations(lambda: further(graph.trainer, graph, steps)) - 1  # its own
    again = recompilations("cuda", 50, reduce_overhead)
    text = f"{torch.cuda.get_device_name()}, {processor()}, torch {torch.__version__},\n"
    text += "TensorFloat-32 convolutions. Batch 100, the schedule of Table 2:\n\n"
    text += table(["CaffeFull", "µs an iteration"], rows)
    text += f"The reproduction's trainer waits for the device {waits / steps:.2f} times an\n"
    epoch = len(graph.batches)
    text += f"iteration (once in an epoch, of {epoch} here, for the order of the images).\n"
    text += f"{again} graphs are compiled again as the rate changes.\n"
    if quick:
        return text
    seconds = whole_run()
    return f"{text}\n10,000 iterations with an evaluation every 1,000: {seconds:.1f} seconds.\n"
