"""What grows with the length of a run: nothing an iteration, a row in a range test."""

from __future__ import annotations

import time
import tracemalloc

import torch
from ignite.engine import Engine

from benchmarks.page import table
from benchmarks.schedule_update import FIRINGS, fired, optimizer_of
from clr_ignite import LRRangeTest, RangeTestResult, ScheduleHandler
from clr_ignite.cifar10.experiments import TABLE2
from clr_ignite.schedules import ExpRange, Triangular, Triangular2

TITLE = "Growth"
SCHEDULES = {
    "Triangular": Triangular(0.001, 0.006, 2_000),
    "Triangular2": Triangular2(0.001, 0.006, 2_000),
    "ExpRange": ExpRange(0.001, 0.006, 2_000, 0.99994),
    "Table 2 of the paper, a Chain": TABLE2,
}
ITERATIONS = (10, 1_000, 100_000, 10_000_000)


def updates(repeats: int) -> list[list[str]]:
    """Microseconds of an update at each of ``ITERATIONS``, the least of some."""
    rows = []
    for name, schedule in SCHEDULES.items():
        engine = Engine(lambda engine, batch: None)
        ScheduleHandler(optimizer_of(1), lr=schedule).attach(engine)
        best = dict.fromkeys(ITERATIONS, float("inf"))
        for _ in range(repeats):
            for iteration in ITERATIONS:
                engine.state.iteration = iteration
                best[iteration] = min(best[iteration], fired(engine))
        rows.append([name, *(f"{value:.2f}" for value in best.values())])
    return rows


def held(rows: int) -> float:
    """Bytes that a range test's result keeps, a row."""
    model = torch.nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    empty = torch.zeros(1, 1)

    def step(engine: Engine, batch: int) -> float:
        optimizer.zero_grad()
        model(empty).sum().backward()
        optimizer.step()
        return 1.0

    saved = {"model": model, "optimizer": optimizer}
    test = LRRangeTest(optimizer, 1e-6, 1e-4, rows, to_save=saved)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    test.run(Engine(step), range(100))
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return (after - before) / rows


def reading(rows: int = 100_000) -> tuple[float, float]:
    """Seconds of ``suggest`` and ``plot`` on so many rows."""
    result = RangeTestResult(start_lr=0.0, end_lr=1.0, num_iter=rows, step_mode="linear")
    for row in range(rows):
        result.add_row(iteration=row + 1, lr=row / rows, loss=2.0 - min(row / rows, 0.5) * 2)
    start = time.perf_counter()
    result.suggest()
    suggested = time.perf_counter()
    result.plot()
    return suggested - start, time.perf_counter() - suggested


def section(quick: bool) -> str:
    repeats = 3 if quick else 300
    text = (
        "CPU µs of one ITERATION_STARTED, a schedule on one group, Ignite's share included, from\n"
        f"each of these iterations on (the least of {repeats} turns of {FIRINGS} firings):\n\n"
    ) + table(["", *(f"{iteration:,}" for iteration in ITERATIONS)], updates(repeats))
    sizes = (500, 1_000) if quick else (1_000, 4_000, 16_000)
    text += "Bytes a row that a range test's result holds, after so many rows:\n\n"
    text += table([f"{rows:,}" for rows in sizes], [[f"{held(rows):.0f}" for rows in sizes]])
    suggested, plotted = min(reading() for _ in range(1 if quick else 5))
    return text + f"On 100,000 rows `suggest` takes {suggested:.2f} s, `plot` {plotted:.2f} s.\n"
