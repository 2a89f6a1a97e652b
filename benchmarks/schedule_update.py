"""A schedule's update: firing one ITERATION_STARTED, ours beside Ignite's and torch's."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from ignite.engine import Engine, Events
from ignite.handlers.param_scheduler import LinearCyclicalScheduler, LRScheduler
from torch.optim.lr_scheduler import CyclicLR, OneCycleLR

from benchmarks.page import table
from clr_ignite import ScheduleHandler
from clr_ignite.schedules import OneCycle, Triangular

TITLE = "A schedule's update"
LOW, HIGH, STEP = 0.001, 0.006, 2_000
FIRINGS = 100
CLR = Triangular(LOW, HIGH, STEP)
CASES = [(1, False), (1, True), (20, False), (20, True)]


def optimizer_of(groups: int) -> torch.optim.SGD:
    parameters = [{"params": [torch.nn.Parameter(torch.zeros(1))]} for _ in range(groups)]
    return torch.optim.SGD(parameters, lr=LOW, momentum=0.9)


def nothing(engine: Engine, optimizer: torch.optim.SGD, momentum: bool) -> None:
    pass


def idle(engine: Engine, optimizer: torch.optim.SGD, momentum: bool) -> None:
    engine.add_event_handler(Events.ITERATION_STARTED, lambda engine: None)


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


OURS, NOTHING = "clr_ignite ScheduleHandler", "nothing"
CANDIDATES: dict[str, Callable[[Engine, torch.optim.SGD, bool], None]] = {
    NOTHING: nothing,
    OURS: ours,
    "a handler that does nothing": idle,
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
            best[name] = min(best[name], fired(engine))
    empty = best.pop(NOTHING)
    return {name: value - empty for name, value in best.items()}


def fired(engine: Engine) -> float:
    """CPU microseconds of one firing, over ``FIRINGS``."""
    start = time.thread_time()
    for _ in range(FIRINGS):
        engine.state.iteration += 1
        engine.fire_event(Events.ITERATION_STARTED)
    return 1e6 * (time.thread_time() - start) / FIRINGS


def section(quick: bool) -> str:
    repeats = 5 if quick else 500
    columns = [least(*case, repeats) for case in CASES]
    heads = [f"{g} group{'s' * (g > 1)}, lr{' + momentum' * m}" for g, m in CASES]
    rows = [
        [name]
        + [
            f"{column[name]:.2f} µs" if name == OURS else f"× {column[name] / column[OURS]:.2f}"
            for column in columns
        ]
        for name in columns[0]
    ]
    return (
        "CPU time of one ITERATION_STARTED, ours in µs, the others over ours; an Engine's without\n"
        f"handlers is subtracted. The least of {repeats} turns of {FIRINGS} firings. A handler\n"
        "that does nothing is the floor for anything that Ignite calls: its share of ours cannot\n"
        "be saved.\n\n"
    ) + table(["", *heads], rows)
