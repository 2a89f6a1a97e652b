"""Run by torchrun in tests/test_distributed.py: tests and trainings on every rank, as JSON.

    torchrun ... tests/distributed_script.py FOLDER CASE ...

One start serves all cases, each of which finds a folder of its own.
"""

from __future__ import annotations

import contextlib
import gc
import io
import itertools
import json
import math
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import ignite.distributed as idist
import torch
from ignite.engine import Engine, Events
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel

from clr_ignite import LRRangeTest, ScheduleHandler
from clr_ignite.schedules import Triangular

ITERATIONS = 12
CLR = Triangular(0.01, 0.2, 4)
SIZES = {"equal": (6, 6), "unequal": (8, 4)}


def batches(case: str, rank: int | None, ranks: int = 2) -> list[tuple[Tensor, Tensor]]:
    """Five global batches of twelve, or a rank's share of each."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(60, 4, generator=generator)
    y = (x[:, 0] > 0).long() + (x[:, 1] > 0).long()
    sizes = SIZES.get(case, (12 // ranks,) * ranks)
    first = 0 if rank is None else sum(sizes[:rank])
    size = 12 if rank is None else sizes[rank]
    return [
        (x[start + first : start + first + size], y[start + first : start + first + size])
        for start in range(0, 60, 12)
    ]


def new_net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))


class From:
    """``batches`` round and round, from one of them on: a resumed Engine does not skip any."""

    def __init__(self, batches: Sequence[Any], start: int) -> None:
        self.batches, self.start = batches, start

    def __iter__(self) -> Iterator[Any]:
        return itertools.islice(itertools.cycle(self.batches), self.start, None)


def stepped(
    model: nn.Module, optimizer: torch.optim.Optimizer, batch: tuple[Tensor, Tensor]
) -> float:
    """The loss of a batch, after the step that it led to."""
    optimizer.zero_grad()
    loss = F.cross_entropy(model(batch[0]), batch[1])
    loss.backward()
    optimizer.step()
    return loss.item()


def train(case: str, rank: int | None, ranks: int, checkpoint: Path) -> dict[str, Any]:
    """33 steps along a schedule; every seventh saves on rank 0. ``die``: rank 1 is killed once."""
    net = new_net()
    model = net if rank is None else DistributedDataParallel(net)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    used: list[float] = []
    optimizer.register_step_pre_hook(lambda o, *_: used.append(o.param_groups[0]["lr"]))

    def step(engine: Engine, batch: tuple[Tensor, Tensor]) -> float:
        return stepped(model, optimizer, batch)

    def save(engine: Engine) -> None:
        state = {"model": net.state_dict(), "optimizer": optimizer.state_dict()}
        if rank in (None, 0):
            torch.save(state | {"iteration": engine.state.iteration}, checkpoint)

    def die(engine: Engine) -> None:
        if case == "die" and rank == 1 and start == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    start = 0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        net.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        start = state["iteration"]
    trainer = Engine(step)
    ScheduleHandler(optimizer, lr=CLR).attach(trainer)
    trainer.add_event_handler(Events.ITERATION_COMPLETED(every=7), save)
    trainer.add_event_handler(Events.ITERATION_COMPLETED(once=17), die)
    trainer.load_state_dict({"epoch_length": 33, "max_epochs": 1, "iteration": start})
    trainer.run(From(batches(case, rank, ranks), start))
    return {"start": start, "used": used, "weights": [p.tolist() for p in net.parameters()]}


def run(case: str, rank: int | None, ranks: int = 2) -> dict[str, Any]:
    net = new_net()
    before = [p.detach().clone() for p in net.parameters()]
    model = net if rank is None else DistributedDataParallel(net)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    used: list[float] = []
    own: list[float] = []
    seen: list[int] = []
    optimizer.register_step_pre_hook(lambda o, *_: used.append(o.param_groups[0]["lr"]))

    def step(engine: Engine, batch: tuple[Tensor, Tensor]) -> float:
        own.append(stepped(model, optimizer, batch))
        if rank == 1 and engine.state.iteration == 6:
            if case == "terminate":
                engine.terminate()
            if case == "nan":
                return math.nan
        return own[-1]

    test = LRRangeTest(
        optimizer, 0.0, 0.5, ITERATIONS, to_save={"model": model, "optimizer": optimizer},
        on_row=lambda result: seen.append(len(result)), progress=True,
    )  # fmt: skip
    result = test.run(Engine(step), batches(case, rank, ranks))
    return {
        "lr": list(result.lr),
        "loss": list(result.loss),
        "stop_reason": result.stop_reason,
        "used": used,
        "own": own,
        "seen": seen,
        "restored": all(torch.equal(a, b) for a, b in zip(net.parameters(), before, strict=True)),
        "generator": torch.get_rng_state().sum().item(),
    }


def main(local_rank: int, out: str, *cases: str) -> None:
    rank, ranks = idist.get_rank(), idist.get_world_size()
    for case in cases:
        folder = Path(out) / case
        folder.mkdir(parents=True, exist_ok=True)
        with contextlib.redirect_stderr(io.StringIO()) as said:
            if case in ("train", "die"):
                found = train(case, rank, ranks, folder / "checkpoint.pt")
            else:
                found = run(case, rank, ranks)
        (folder / f"{rank}.json").write_text(json.dumps(found | {"said": said.getvalue()}))


if __name__ == "__main__":
    with idist.Parallel(backend="gloo") as parallel:
        parallel.run(main, *sys.argv[1:])
        # DDP lies in cycles and keeps the group, whose threads hold tensors: left to the end of
        # the interpreter they abort it now and then (pytorch/pytorch, pull request 179291).
        gc.collect()
