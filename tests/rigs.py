"""A small training with everything that can leave a trace: dropout, batch norm, momentum, a
shuffled loader with its own generator."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Engine
from ignite.metrics import Accuracy, Loss, Metric
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from clr_ignite import LRRangeTest

NEEDS_MAX_ITERS = pytest.mark.skipif(
    "max_iters" not in inspect.signature(Engine.run).parameters, reason="Ignite before 0.5.5"
)


class Rig:
    """Attributes: model, optimizer, loader, held (a loader), trainer, evaluator, losses, used."""

    def __init__(self, make: Any = torch.optim.SGD, **options: Any) -> None:
        torch.manual_seed(0)
        self.model = nn.Sequential(
            nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 3)
        )
        if make is torch.optim.SGD:
            options = {"momentum": 0.9} | options
        self.optimizer = make(self.model.parameters(), **({"lr": 0.05} | options))
        x = torch.randn(60, 4)
        y = (x[:, 0] > 0).long() + (x[:, 1] > 0).long()
        self.loader = DataLoader(
            TensorDataset(x[:40], y[:40]),
            batch_size=8,
            shuffle=True,
            generator=torch.Generator().manual_seed(1),
        )
        self.held = DataLoader(TensorDataset(x[40:], y[40:]), batch_size=10)
        self.trainer = Engine(self.step)
        self.evaluator = Engine(self.evaluate)
        Accuracy().attach(self.evaluator, "accuracy")
        Loss(F.cross_entropy).attach(self.evaluator, "loss")
        self.losses: list[float] = []
        self.used: list[float] = []
        self.optimizer.register_step_pre_hook(
            lambda optimizer, *_: self.used.append(float(optimizer.param_groups[0]["lr"]))
        )
        self.meddle: Callable[[Engine, Tensor], Any] = lambda engine, loss: None

    def step(self, engine: Engine, batch: tuple[Tensor, Tensor]) -> Any:
        self.model.train()
        x, y = batch
        loss = F.cross_entropy(self.model(x), y)
        replaced = self.meddle(engine, loss)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.losses.append(loss.item())
        return loss.item() if replaced is None else replaced

    def evaluate(self, engine: Engine, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        self.model.eval()
        with torch.no_grad():
            return self.model(batch[0]), batch[1]

    def test(self, **changes: Any) -> LRRangeTest:
        arguments = {
            "start_lr": 0.0,
            "end_lr": 0.1,
            "num_iter": 12,
            "to_save": {"model": self.model, "optimizer": self.optimizer},
            "diverge_th": None,
        }
        return LRRangeTest(self.optimizer, **(arguments | changes))

    def with_evaluator(self, every: int = 5) -> dict[str, Any]:
        return {"evaluator": self.evaluator, "eval_data": self.held, "every": every}


class Malicious:
    """Touches ``mark`` when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return Path.touch, (self.mark,)


def computed(value: Callable[[], Any]) -> Metric:
    """An Ignite metric that gives what ``value`` returns."""

    class Computed(Metric):
        def reset(self) -> None: ...

        def update(self, output: Any) -> None: ...

        def compute(self) -> Any:
            return value()

    return Computed()


def state_of(rig: Rig) -> dict[str, Any]:
    """Everything that training depends on, to be compared bit for bit by ``same``."""
    return {
        "parameters": [p.detach().clone() for p in rig.model.parameters()],
        "buffers": [b.clone() for b in rig.model.buffers()],
        "gradients": [None if p.grad is None else p.grad.clone() for p in rig.model.parameters()],
        "flags": [m.training for m in rig.model.modules()],
        "optimizer": copy.deepcopy(rig.optimizer.state_dict()),
        "torch": torch.get_rng_state(),
        "loader": rig.loader.generator.get_state(),
        "trainer": {k: v for k, v in vars(rig.trainer.state).items() if k != "dataloader"},
        "evaluator": {k: v for k, v in vars(rig.evaluator.state).items() if k != "dataloader"},
    }


def same(a: Any, b: Any) -> bool:
    """Equal in structure and bit for bit in tensors (times aside)."""
    if isinstance(a, Tensor):
        return isinstance(b, Tensor) and a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a if k != "times")
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)
