"""Run by torchrun in tests/test_distributed.py: a range test on every rank, dumped as JSON."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import ignite.distributed as idist
import torch
from ignite.engine import Engine
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel

from clr_ignite import LRRangeTest

ITERATIONS = 12
SIZES = {"equal": (6, 6), "unequal": (8, 4)}


def batches(case: str, rank: int | None) -> list[tuple[Tensor, Tensor]]:
    """Five global batches of twelve, or a rank's share of each."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(60, 4, generator=generator)
    y = (x[:, 0] > 0).long() + (x[:, 1] > 0).long()
    sizes = SIZES.get(case, SIZES["equal"])
    first = 0 if rank is None else sum(sizes[:rank])
    size = 12 if rank is None else sizes[rank]
    return [
        (x[start + first : start + first + size], y[start + first : start + first + size])
        for start in range(0, 60, 12)
    ]


def run(case: str, rank: int | None) -> dict[str, Any]:
    torch.manual_seed(0)
    net: nn.Module = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))
    before = [p.detach().clone() for p in net.parameters()]
    model = net if rank is None else DistributedDataParallel(net)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    used: list[float] = []
    own: list[float] = []
    seen: list[int] = []
    optimizer.register_step_pre_hook(lambda o, *_: used.append(o.param_groups[0]["lr"]))

    def step(engine: Engine, batch: tuple[Tensor, Tensor]) -> float:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(batch[0]), batch[1])
        loss.backward()
        optimizer.step()
        own.append(loss.item())
        if rank == 1 and engine.state.iteration == 6:
            if case == "terminate":
                engine.terminate()
            if case == "nan":
                return math.nan
        return loss.item()

    test = LRRangeTest(
        optimizer, 0.0, 0.5, ITERATIONS, to_save={"model": model, "optimizer": optimizer},
        on_row=lambda result: seen.append(len(result)), progress=True,
    )  # fmt: skip
    result = test.run(Engine(step), batches(case, rank))
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


def main(local_rank: int, case: str, out: str) -> None:
    rank = idist.get_rank()
    (Path(out) / f"{rank}.json").write_text(json.dumps(run(case, rank)))


if __name__ == "__main__":
    with idist.Parallel(backend="gloo") as parallel:
        parallel.run(main, *sys.argv[1:])
