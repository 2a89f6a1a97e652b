"""Run by tests/test_comparing_processes.py: a comparison in a process of its own.

    python -m tests.comparing_script OUT

Each test says its name in a line when it begins; the last line is the comparison as JSON.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import torch
from ignite.engine import Engine, Events

from clr_ignite import ComparedResult, compare_range_tests
from tests.rigs import Rig

SETTINGS = {
    "plain": {"weight_decay": 0.0},
    "decayed": {"weight_decay": 0.3},
    "less momentum": {"weight_decay": 0.3, "momentum": 0.5},
}
SEEDS = (4, 7)


def set_up(seed: int, pause: float = 0.0, **options: float) -> tuple[Any, ...]:
    """A net with dropout, whose loader has a generator of its own."""
    rig = Rig(**options)
    torch.manual_seed(seed)
    rig.loader.generator.manual_seed(seed)

    def wait(engine: Engine) -> None:
        time.sleep(pause)

    rig.trainer.add_event_handler(Events.ITERATION_STARTED, wait)
    saved = {"model": rig.model, "optimizer": rig.optimizer}
    return rig.trainer, rig.loader, rig.optimizer, saved, rig.with_evaluator(3) | {"keep": [wait]}


def compared(out: str | None, pause: float = 0.0) -> ComparedResult:
    def setup(seed: int, **options: float) -> tuple[Any, ...]:
        if out is not None:
            print(f"{options}, seed {seed}", flush=True)
        return set_up(seed, pause, **options)

    return compare_range_tests(setup, SETTINGS, SEEDS, 1e-3, num_iter=40, diverge_th=None, out=out)


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(json.dumps(compared(sys.argv[1], pause=0.01).to_dict()))
