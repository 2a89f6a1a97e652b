"""A schedule's call: each public one beside ``Triangular``, over the iterations of a run."""

from __future__ import annotations

import time

from benchmarks.page import table
from clr_ignite.schedules import (
    Chain,
    Cosine,
    CosineRestarts,
    Cyclic,
    Exponential,
    ExpRange,
    Fixed,
    Geometric,
    InverseSqrt,
    Linear,
    MultiStep,
    OneCycle,
    OneCycleTwoPhase,
    Opposite,
    Polynomial,
    Product,
    Repeat,
    Schedule,
    Stretch,
    Strict,
    Triangular,
    Triangular2,
    Warmup,
    WarmupStableDecay,
)

TITLE = "A schedule's call"
LOW, HIGH, STEP, RUN = 0.001, 0.006, 1_000, 10_000
CLR, LINE = Triangular(LOW, HIGH, STEP), Linear(HIGH, 0.0, RUN)
CALLS = range(0, RUN, 7)

ALONE: dict[str, Schedule] = {
    "Triangular": CLR,
    "Triangular2": Triangular2(LOW, HIGH, STEP),
    "ExpRange": ExpRange(LOW, HIGH, STEP, 0.9999),
    "Cyclic": Cyclic(LOW, HIGH, 2 * STEP),
    "Cyclic, growing": Cyclic(LOW, HIGH, STEP // 2, cycle_mult=2.0),
    "CosineRestarts": CosineRestarts(LOW, HIGH, 2 * STEP),
    "CosineRestarts, growing": CosineRestarts(LOW, HIGH, STEP // 2, 2.0, 0.9),
    "OneCycle": OneCycle(LOW, HIGH, 4 * STEP, RUN, 0.0),
    "OneCycleTwoPhase": OneCycleTwoPhase(LOW, HIGH, 3 * STEP, RUN, 0.0),
    "WarmupStableDecay": WarmupStableDecay(HIGH, STEP, 4 * STEP, 5 * STEP),
    "InverseSqrt": InverseSqrt(HIGH, STEP, total=RUN, decay=2 * STEP),
    "Fixed": Fixed(HIGH),
    "MultiStep": MultiStep(HIGH, (5 * STEP, 8 * STEP), 0.1),
    "Exponential": Exponential(HIGH, 0.9999),
    "Linear": LINE,
    "Geometric": Geometric(HIGH, LOW, RUN),
    "Cosine": Cosine(HIGH, LOW, RUN),
    "Polynomial": Polynomial(HIGH, LOW, RUN, 2.0),
}
AROUND: dict[str, tuple[Schedule, tuple[Schedule, ...]]] = {  # with what each call asks
    "Chain": (Chain((CLR, RUN // 2), (CLR, RUN // 2)), (CLR,)),
    "Repeat": (Repeat(CLR, STEP), (CLR,)),
    "Warmup": (Warmup(CLR, STEP), (CLR,)),
    "Product": (Product(CLR, LINE), (CLR, LINE)),
    "Stretch": (Stretch(LINE, 2 * RUN), (LINE,)),
    "Strict": (Strict(LINE), (LINE,)),
    "Opposite": (Opposite(CLR, 0.95, 0.85), (CLR,)),
    "Cyclic, amplitude": (
        Cyclic(LOW, HIGH, 2 * STEP, amplitude=Exponential(1.0, 0.5)),
        (CLR, Exponential(1.0, 0.5)),
    ),
}


def least(schedules: list[Schedule], repeats: int) -> list[float]:
    """CPU nanoseconds of one call of each, the least of all turns."""
    best = [float("inf")] * len(schedules)
    for _ in range(repeats):
        for number, schedule in enumerate(schedules):
            start = time.thread_time()
            for iteration in CALLS:
                schedule(iteration)
            best[number] = min(best[number], time.thread_time() - start)
    return [1e9 * seconds / len(CALLS) for seconds in best]


def section(quick: bool) -> str:
    repeats = 3 if quick else 200
    asked = [part for _, parts in AROUND.values() for part in parts]
    schedules = [*ALONE.values(), *(whole for whole, _ in AROUND.values()), *asked]
    found = least(schedules, repeats)
    alone, rest = found[: len(ALONE)], found[len(ALONE) :]
    whole, parts = rest[: len(AROUND)], iter(rest[len(AROUND) :])
    rows = [
        [name, f"{nanoseconds:.0f} ns", f"× {nanoseconds / alone[0]:.2f}", ""]
        for name, nanoseconds in zip(ALONE, alone, strict=True)
    ]
    for (name, (_, inner)), nanoseconds in zip(AROUND.items(), whole, strict=True):
        own = nanoseconds - sum(next(parts) for _ in inner)
        inside = " and ".join(type(one).__name__ for one in inner)
        ratio = f"× {nanoseconds / alone[0]:.2f}"
        rows.append([name, f"{nanoseconds:.0f} ns", ratio, f"{own:.0f} ns beside {inside}"])
    return (
        f"CPU time of one call, over {len(CALLS):,} iterations of a run of {RUN:,}; the least of\n"
        f"{repeats} turns, the loop's own time included. A schedule around others asks them at\n"
        "each call: its own share stands in the last column.\n\n"
    ) + table(["", "a call", "over Triangular's", "own share"], rows)
