"""What a schedule's update costs: firing one ITERATION_STARTED, ours beside Ignite's and torch's.

    python benchmarks/schedule_update.py --out results/benchmarks

Each candidate alone on an Engine; the event is fired many times in short runs, the candidates
taking turns; the least time of each, less that of an Engine without handlers. Ratios to ours.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path

import ignite
import torch
from ignite.engine import Engine, Events
from ignite.handlers.param_scheduler import LinearCyclicalScheduler, LRScheduler
from torch.optim.lr_scheduler import CyclicLR, OneCycleLR

from clr_ignite import ScheduleHandler
from clr_ignite.schedules import OneCycle, Triangular

LOW, HIGH, STEP = 0.001, 0.006, 2_000
FIRINGS = 500
CLR = Triangular(LOW, HIGH, STEP)


def optimizer_of(groups: int) -> torch.optim.SGD:
    parameters = [{"params": [torch.nn.Parameter(torch.zeros(1))]} for _ in range(groups)]
    return torch.optim.SGD(parameters, lr=LOW, momentum=0.9)


def nothing(engine: Engine, optimizer: torch.optim.SGD, momentum: bool) -> None:
    pass


def ours(engine: Engine, optimizer: torch.optim.SGD, momentum: bool) -> None:
    schedules = {"lr": CLR}
    if momentum:
        schedules["momentum"] = OneCycle(LOW, HIGH, STEP, 5 * STEP, 0.0).momentum(0.95, 0.85)
    ScheduleHandler(optimizer, **schedules).attach(engine)


def ignites(engine: Engine, optimizer: torch.optim.SGD, momentum: bool) -> None:
    # One scheduler sets one group; that is how its own users do several.
    for group in range(len(optimizer.param_groups)):
        ranges = {"lr": (LOW, HIGH)} | ({"momentum": (0.95, 0.85)} if momentum else {})
        for name, (start, end) in ranges.items():
            scheduler = LinearCyclicalScheduler(
                optimizer, name, start, end, 2 * STEP, param_group_index=group
            )
            engine.add_event_handler(Events.ITERATION_STARTED, scheduler)


def cyclic(optimizer: torch.optim.SGD, momentum: bool) -> CyclicLR:
    return CyclicLR(optimizer, LOW, HIGH, STEP, cycle_momentum=momentum)


def wrapped(engine: Engine, optimizer: torch.optim.SGD, momentum: bool) -> None:
    engine.add_event_handler(Events.ITERATION_STARTED, LRScheduler(cyclic(optimizer, momentum)))


def torchs_cyclic(engine: Engine, optimizer: torch.optim.SGD, momentum: bool) -> None:
    scheduler = cyclic(optimizer, momentum)
    engine.add_event_handler(Events.ITERATION_STARTED, lambda: scheduler.step())


def torchs_one_cycle(engine: Engine, optimizer: torch.optim.SGD, momentum: bool) -> None:
    scheduler = OneCycleLR(optimizer, HIGH, total_steps=10**9, cycle_momentum=momentum)
    engine.add_event_handler(Events.ITERATION_STARTED, lambda: scheduler.step())


CANDIDATES: dict[str, Callable[[Engine, torch.optim.SGD, bool], None]] = {
    "nothing": nothing,
    "clr_ignite ScheduleHandler": ours,
    "Ignite LinearCyclicalScheduler": ignites,
    "Ignite LRScheduler(CyclicLR)": wrapped,
    "torch CyclicLR.step()": torchs_cyclic,
    "torch OneCycleLR.step()": torchs_one_cycle,
}


def least(groups: int, momentum: bool, repeats: int) -> dict[str, float]:
    """Microseconds of one firing, the empty event's subtracted."""
    engines = {}
    for name, attach in CANDIDATES.items():
        engine, optimizer = Engine(lambda engine, batch: None), optimizer_of(groups)
        optimizer.step()  # torch's schedulers warn without
        attach(engine, optimizer, momentum)
        engine.state.iteration = 1
        engines[name] = engine
    best = dict.fromkeys(CANDIDATES, float("inf"))
    for _ in range(repeats):
        for name, engine in engines.items():
            start = time.perf_counter()
            for _ in range(FIRINGS):
                engine.state.iteration += 1
                engine.fire_event(Events.ITERATION_STARTED)
            best[name] = min(best[name], 1e6 * (time.perf_counter() - start) / FIRINGS)
    empty = best.pop("nothing")
    return {name: value - empty for name, value in best.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=60)
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks"))
    options = parser.parse_args()
    cases = [(1, False), (1, True), (20, False), (20, True)]
    columns = [least(*case, options.repeats) for case in cases]
    text = (
        "# What a schedule's update costs\n\n`python benchmarks/schedule_update.py`: time of one\n"
    )
    text += "ITERATION_STARTED over that of ours (ours in µs), an Engine's without handlers\n"
    text += f"subtracted; least of {options.repeats} interleaved repeats of {FIRINGS} firings.\n"
    text += f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
    text += f"torch {torch.__version__}, Ignite {ignite.__version__}.\n\n"
    heads = [f"{g} group{'s' * (g > 1)}, lr{' + momentum' * m}" for g, m in cases]
    text += f"| | {' | '.join(heads)} |\n|---|---|---|---|---|\n"
    mine = next(iter(columns[0]))
    for name in columns[0]:
        values = [
            f"{column[name]:.2f} µs" if name == mine else f"× {column[name] / column[mine]:.2f}"
            for column in columns
        ]
        text += f"| {name} | {' | '.join(values)} |\n"
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "schedule_update.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
