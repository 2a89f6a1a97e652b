"""What a range test costs: the whole of it over the same Engine and steps without it.

``python -m benchmarks.range_test CASE`` measures the memory of one case of ``MEMORY`` in a process
of its own.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events, create_supervised_evaluator, create_supervised_trainer
from ignite.handlers import FastaiLRFinder
from ignite.metrics import Accuracy
from torch import nn

from benchmarks.page import in_turns, table
from clr_ignite import LRRangeTest
from clr_ignite.cifar10.models import CaffeFull, param_groups

TITLE = "A range test"
Parts = tuple[nn.Module, torch.optim.Optimizer, Engine, list]
Setup = Callable[[], Parts]
Run = Callable[[], Callable[[], object]]


def perceptron() -> Parts:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-5, momentum=0.9)
    data = [(torch.randn(100, 64), torch.randint(0, 10, (100,)))] * 50
    loss = nn.functional.cross_entropy
    return model, optimizer, create_supervised_trainer(model, optimizer, loss), data


def caffe_full() -> Parts:
    torch.manual_seed(0)
    model = CaffeFull().to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(param_groups(model), lr=1e-5, momentum=0.9)
    x = (50 * torch.randn(100, 3, 32, 32)).contiguous(memory_format=torch.channels_last)
    data = [(x, torch.randint(0, 10, (100,)))] * 10
    loss = nn.functional.cross_entropy
    return model, optimizer, create_supervised_trainer(model, optimizer, loss), data


def bare(parts: Parts, steps: int) -> Callable[[], object]:
    _, _, trainer, data = parts
    return lambda: trainer.run(data, max_iters=steps, epoch_length=len(data))


def idle(parts: Parts, steps: int) -> Callable[[], object]:
    """Two handlers and a hook that do nothing: the least that a test needs to have called."""
    _, optimizer, trainer, _ = parts
    trainer.add_event_handler(Events.ITERATION_STARTED, lambda engine: None)
    trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda engine: None)
    optimizer.register_step_pre_hook(lambda optimizer, *_: None)
    return bare(parts, steps)


def ours(parts: Parts, steps: int, **options: Any) -> Callable[[], object]:
    model, optimizer, trainer, data = parts
    saved = {"model": model, "optimizer": optimizer}
    test = LRRangeTest(optimizer, 1e-6, 1e-4, steps, to_save=saved, diverge_th=1e9, **options)
    return lambda: test.run(trainer, data)


def fastai(parts: Parts, steps: int) -> Callable[[], object]:
    model, optimizer, trainer, data = parts
    finder, saved = FastaiLRFinder(), {"model": model, "optimizer": optimizer}
    options = {"num_iter": steps, "start_lr": 1e-6, "end_lr": 1e-4, "diverge_th": 1e9}

    def run() -> None:
        with finder.attach(trainer, saved, **options) as finding:
            finding.run(data)

    return run


def held_out(parts: Parts) -> Engine:
    return create_supervised_evaluator(parts[0], metrics={"accuracy": Accuracy()})


def evaluated(parts: Parts, steps: int, every: int) -> Callable[[], object]:
    """The same steps and evaluations without a range test."""
    evaluator, trainer, data = held_out(parts), parts[2], parts[3]
    at_times = Events.ITERATION_COMPLETED(every=every)
    trainer.add_event_handler(at_times, lambda engine: evaluator.run(data))
    return bare(parts, steps)


def ours_evaluated(parts: Parts, steps: int, every: int) -> Callable[[], object]:
    evaluation = {"evaluator": held_out(parts), "eval_data": parts[3], "every": every}
    return ours(parts, steps, **evaluation)


def cost(name: str, setup: Setup, steps: int, every: int, repeats: int) -> list[str]:
    """A row of the table."""
    makes = {"bare": bare, "idle": idle, "ours": ours, "fastai": fastai}
    plain: dict[str, Run] = {
        key: (lambda make=make: make(setup(), steps)) for key, make in makes.items()
    }
    seconds, found = in_turns(plain, repeats)
    judged: dict[str, Run] = {
        key: (lambda make=make: make(setup(), steps, every))
        for key, make in {"bare": evaluated, "ours": ours_evaluated}.items()
    }
    _, with_evaluator = in_turns(judged, repeats)
    ratios = [found["idle"], found["ours"], found["fastai"], with_evaluator["ours"]]
    return [name, str(steps), f"{1e6 * seconds / steps:,.0f}", *(f"× {r:.3f}" for r in ratios)]


# By name: what is called before the test, and how the step clears gradients.
MEMORY = {
    "gradients zeroed in place": (False, False),
    "gradients dropped by each step (`zero_grad()`, torch's default)": (False, True),
    "the same, and none there when the test starts": (True, True),
}


def memory(case: str) -> str:
    """How much higher a test's peak is than that of training, in multiples of the model's size,
    and how many files it wrote."""
    dropped_before, drops = MEMORY[case]
    model = nn.Sequential(nn.Linear(5_000, 5_000, bias=False), nn.Linear(5_000, 250, bias=False))
    size = sum(p.numel() * p.element_size() for p in model.parameters())
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-6, momentum=0.9, foreach=False)
    data = [(torch.randn(4, 5_000), torch.randn(4, 250))] * 5

    def step(engine: Engine, batch: tuple[torch.Tensor, torch.Tensor]) -> float:
        optimizer.zero_grad(set_to_none=drops)
        loss = nn.functional.mse_loss(model(batch[0]), batch[1])
        loss.backward()
        optimizer.step()
        return loss.item()

    trainer = Engine(step)
    trainer.run(data, max_epochs=4)
    if dropped_before:
        optimizer.zero_grad()
    written: list[object] = []
    sys.addaudithook(lambda event, given: written.append(given) if writes(event, given) else None)
    before = _peak()
    ours((model, optimizer, trainer, data), 20)()
    grown = 1024 * (_peak() - before)
    return f"{size / 1e6:.0f} {grown / size:.2f} {len(written)}"


def writes(event: str, given: tuple[Any, ...]) -> bool:
    """Whether an audited event opens a file for writing."""
    return event == "open" and bool(set(str(given[1])) & set("wax+"))


def _peak() -> int:
    """Kilobytes that this process held at most. (getrusage's peak begins with the parent's.)"""
    (line,) = re.findall(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    return int(line)


def section(quick: bool) -> str:
    repeats = 2 if quick else 15
    heads = ["net, batch 100", "steps", "µs a bare step", "idle handlers", "LRRangeTest"]
    heads += ["FastaiLRFinder", "LRRangeTest with an evaluator"]
    rows = [
        cost("64-128-10 perceptron", perceptron, 1_000, 100, repeats),
        cost("CaffeFull", caffe_full, 40, 20, 1 if quick else 9),
    ]
    text = (
        "The whole test, snapshot and restoring included, over the same Engine and step without\n"
        f"it, in CPU time; {repeats} turns (CaffeFull {1 if quick else 9}). *Idle handlers*: two\n"
        "handlers and a step hook that do nothing. *With an evaluator*: over the same steps with\n"
        "the same evaluations and no test, so that what is left is not the evaluations' own.\n\n"
    ) + table(heads, rows)
    measured = [(case, *in_own_process(case)) for case in MEMORY]
    text += (
        f"How much higher the process's peak is than in training, for a model of {measured[0][1]}\n"
        "MB with SGD's momentum, in multiples of the model. What the test puts back is\n"
        "parameters, momentum and gradients: one copy of each is 3. A step that drops gradients\n"
        "makes new ones while the old objects wait to come back, since the same objects have to:\n"
        "1 more. Where there are no gradients to put back (`optimizer.zero_grad()` before the\n"
        "test), 2 remain.\n\n"
    )
    rows = [[case, grown, files] for case, _, grown, files in measured]
    return text + table(["step", "peak", "files written"], rows)


def in_own_process(case: str) -> list[str]:
    command = [sys.executable, "-m", "benchmarks.range_test", case]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


if __name__ == "__main__":
    print(memory(sys.argv[1]))
