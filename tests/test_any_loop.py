"""``docs/any-loop.md``, run line by line: the rates that each loop's optimizer uses."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from clr_ignite.any_loop import lambda_lr
from clr_ignite.schedules import Fixed, Linear, OneCycle, Triangular

PAGE = (Path(__file__).parent.parent / "docs" / "any-loop.md").read_text()
CODE = {
    title: re.findall(r"```python\n(.*?)```", text, re.DOTALL)[0]
    for title, text in re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
}
CLR = OneCycle(base_lr=0.01, max_lr=0.1, step_size=4, total=12, final_lr=0.0001)


def used_by(optimizer: torch.optim.Optimizer) -> list[Any]:
    used: list[Any] = []
    optimizer.register_step_pre_hook(
        lambda o, *_: used.append([float(group["lr"]) for group in o.param_groups])
    )
    return used


class Loop:
    """A model, an optimizer and a step: the names that the page takes as given."""

    def __init__(self, steps: int = 12, **second_group: Any) -> None:
        torch.manual_seed(0)
        self.model = nn.Linear(3, 1)
        weight, bias = self.model.parameters()
        groups = [{"params": [weight]}, {"params": [bias]} | second_group]
        self.optimizer = torch.optim.SGD(groups, lr=0.1)
        self.used = used_by(self.optimizer)
        self.names: dict[str, Any] = {
            **{"clr": CLR, "torch": torch, "lambda_lr": lambda_lr, "nn": nn},
            **{"model": self.model, "optimizer": self.optimizer, "step": self.step},
            "batches": [torch.randn(4, 3) for _ in range(steps)],
            "loss_of": lambda model, batch: (model(batch) - batch.sum(1, True)).square().mean(),
        }

    def step(self, batch: torch.Tensor) -> float:
        self.optimizer.zero_grad()
        loss = self.names["loss_of"](self.model, batch)
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def run(self, title: str) -> None:
        exec(CODE[title], self.names)


EXPECTED = [[CLR(t)] * 2 for t in range(12)]


@pytest.mark.parametrize("title", ["A plain loop", "torch's schedulers"])
def test_the_loops_of_torch(title: str) -> None:
    loop = Loop()
    loop.run(title)
    assert loop.used == EXPECTED


def test_a_range_test_of_a_plain_function(capsys: pytest.CaptureFixture[str]) -> None:
    loop = Loop(steps=20)
    before = [one.clone() for one in loop.model.parameters()]
    loop.run("A range test without a trainer")
    assert "base_lr" in capsys.readouterr().out
    assert all(map(torch.equal, loop.model.parameters(), before))
    code = CODE["A range test without a trainer"]
    assert len([line for line in code.splitlines() if line]) == 5


def test_factors_scale_and_each_group_may_have_its_own() -> None:
    loop = Loop(lr_mult=2.0)
    scheduler = lambda_lr(loop.optimizer, [CLR, Fixed(0.25)])
    for batch in loop.names["batches"]:
        loop.step(batch)
        scheduler.step()
    assert loop.used == [[CLR(t), 0.5] for t in range(12)]


def test_the_state_brings_back_the_place_and_no_arguments() -> None:
    first = Loop()
    scheduler = lambda_lr(first.optimizer, CLR)
    for batch in first.names["batches"][:5]:
        first.step(batch)
        scheduler.step()
    saved, longer = scheduler.state_dict(), OneCycle(0.01, 0.2, 8, 24, 0.0)
    assert saved["lr_lambdas"] == [None, None]
    second = Loop()
    resumed = lambda_lr(second.optimizer, longer)
    second.optimizer.load_state_dict(first.optimizer.state_dict())
    resumed.load_state_dict(saved)
    second.step(second.names["batches"][0])
    resumed.step()
    second.step(second.names["batches"][0])
    assert second.used == [[CLR(5)] * 2, [longer(6)] * 2]
    assert longer == OneCycle(0.01, 0.2, 8, 24, 0.0)


def test_a_schedule_drives_torchs_own_class_at_a_rate_of_1() -> None:
    """And would be changed by an old checkpoint, which is why ``lambda_lr`` wraps it."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    used = used_by(optimizer)
    clr = Triangular(0.01, 0.1, 3)
    scheduler = LambdaLR(optimizer, clr)
    for _ in range(7):
        optimizer.step()
        scheduler.step()
    assert used == [[clr(t)] for t in range(7)]
    old = LambdaLR(optimizer, Triangular(0.5, 0.6, 9)).state_dict()
    scheduler.load_state_dict(old)
    assert clr == Triangular(0.5, 0.6, 9)  # torch's doing


def test_an_earlier_schedulers_first_rate_is_forgotten() -> None:
    loop = Loop()
    LambdaLR(loop.optimizer, lambda step: 1.0)
    lambda_lr(loop.optimizer, Fixed(0.25))
    loop.step(loop.names["batches"][0])
    assert loop.used == [[0.25, 0.25]]


def test_a_tensor_rate_is_filled() -> None:
    rate = torch.tensor(0.5)
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=rate)
    scheduler = lambda_lr(optimizer, Linear(0.5, 0.25, 1))
    held = optimizer.param_groups[0]["lr"]
    optimizer.step()
    scheduler.step()
    assert optimizer.param_groups[0]["lr"] is held and float(held) == 0.25


@pytest.mark.parametrize(
    ("lr", "second", "error", "words"),
    [
        (0.1, {}, TypeError, "lr must be a callable .*, got 0.1"),
        ([CLR], {}, ValueError, "one for each of 2 param groups, got 1"),
        ([CLR, 0.1], {}, TypeError, "lr must be a callable .*, got 0.1"),
        (CLR, {"lr": 0.3}, ValueError, "rates differ .*lr_mult"),
    ],
)
def test_bad_arguments_are_named(lr: Any, second: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        lambda_lr(Loop(**second).optimizer, lr)
    with pytest.raises(TypeError, match="optimizer must be a torch.optim.Optimizer, got 'sgd'"):
        lambda_lr("sgd", CLR)  # type: ignore[arg-type]


@pytest.mark.company
def test_lightning(tmp_path: Path) -> None:
    lightning = pytest.importorskip("lightning")
    loop = Loop()
    loop.run("Lightning")
    used: list[Any] = []

    class Module(lightning.LightningModule):  # type: ignore[misc, name-defined]
        configure_optimizers = loop.names["configure_optimizers"]

        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(3, 1)

        def training_step(self, batch: torch.Tensor) -> torch.Tensor:
            loss: torch.Tensor = loop.names["loss_of"](self.inner, batch)
            return loss

        def on_before_optimizer_step(self, optimizer: Any) -> None:
            used.append(optimizer.param_groups[0]["lr"])

    quiet = {"logger": False, "enable_progress_bar": False, "enable_checkpointing": False}
    trainer = lightning.Trainer(
        max_epochs=2,
        accelerator="cpu",
        default_root_dir=tmp_path,
        enable_model_summary=False,
        **quiet,
    )
    loader = torch.utils.data.DataLoader(loop.names["batches"][:6], batch_size=None)
    trainer.fit(Module(), loader)
    assert used == [CLR(t) for t in range(12)]


@pytest.mark.company
def test_fabric() -> None:
    fabric = pytest.importorskip("lightning.fabric")
    loop = Loop()
    loop.names["fabric"] = fabric.Fabric(accelerator="cpu", devices=1)
    loop.run("Fabric")
    assert loop.used == EXPECTED


@pytest.mark.company
@pytest.mark.parametrize("accumulated", [1, 3])
def test_accelerate(accumulated: int) -> None:
    accelerate = pytest.importorskip("accelerate")
    loop = Loop(steps=12 * accumulated)
    loop.names["accelerator"] = accelerate.Accelerator(
        cpu=True, gradient_accumulation_steps=accumulated
    )
    loop.run("Accelerate")
    assert loop.used == EXPECTED


@pytest.mark.company
def test_transformers(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    loop = Loop()

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = loop.model

        def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"loss": loop.names["loss_of"](self.inner, x)}

    loop.names |= {
        "Trainer": transformers.Trainer,
        "model": Model(),
        "data": [{"x": torch.randn(3)} for _ in range(24)],
        "arguments": transformers.TrainingArguments(
            output_dir=str(tmp_path),
            max_steps=12,
            per_device_train_batch_size=2,
            gradient_accumulation_steps=2,
            use_cpu=True,
            report_to=[],
            save_strategy="no",
        ),
    }
    loop.run("Transformers")
    assert loop.used == EXPECTED
