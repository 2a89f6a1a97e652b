"""Real packages, pinned in requirements.txt; docs/company.md has a line for each."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from ignite.engine import Engine, Events
from torch import Tensor, nn

from clr_ignite import LRRangeTest, ScheduleHandler
from clr_ignite.schedules import Fixed

pytestmark = pytest.mark.company

DATA = [torch.randn(8, 4, generator=torch.Generator().manual_seed(i)) for i in range(5)]


class Training:
    """A small regression with somebody's optimizer."""

    def __init__(self, make: Callable[[nn.Module], Any], model: nn.Module | None = None) -> None:
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 4))
        self.optimizer = make(self.model)
        self.losses: list[float] = []
        self.trainer = Engine(self.step)

    def passed(self, batch: Tensor) -> Tensor:
        loss = self.model(batch).square().mean()
        loss.backward()
        return loss

    def step(self, engine: Engine, batch: Tensor) -> float:
        self.optimizer.zero_grad()
        loss = self.passed(batch)
        if hasattr(self.optimizer, "first_step"):
            self.optimizer.first_step(zero_grad=True)
            self.passed(batch)
            self.optimizer.second_step(zero_grad=True)
        else:
            self.optimizer.step()
        self.losses.append(loss.item())
        return loss.item()

    def test(self) -> Any:
        saved = {"model": self.model, "optimizer": self.optimizer}
        test = LRRangeTest(self.optimizer, 0.0, 0.1, 12, to_save=saved, diverge_th=None)
        return test.run(self.trainer, DATA)


def of(package: str, name: str) -> Any:
    return getattr(importlib.import_module(package), name)


def switched_on(optimizer: Any) -> Any:
    optimizer.train()
    return optimizer


def sgd(model: nn.Module) -> Any:
    return torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)


def of_heavyball(name: str, **options: Any) -> Callable[[nn.Module], Any]:
    """Not compiled: for that one needs a compiler, and minutes."""

    def make(model: nn.Module) -> Any:
        of("heavyball", "utils").compile_mode = None
        return of("heavyball", name)(model.parameters(), lr=0.1, **options)

    return make


def low_rank(model: nn.Module, **options: Any) -> list[dict[str, Any]]:
    options = {"rank": 2, "update_proj_gap": 3, "scale": 1.0, "proj_type": "std"} | options
    matrices = {"params": [p for p in model.parameters() if p.ndim == 2], **options}
    return [matrices, {"params": [p for p in model.parameters() if p.ndim != 2]}]


OPTIMIZERS: dict[str, Callable[[nn.Module], Any]] = {
    "accelerate AcceleratedOptimizer": lambda m: of("accelerate", "Accelerator")(
        cpu=True
    ).prepare_optimizer(sgd(m)),
    "timm Lookahead": lambda m: of("timm.optim", "Lookahead")(sgd(m)),
    "timm Adafactor": lambda m: of("timm.optim", "Adafactor")(m.parameters(), lr=0.1),
    "pytorch_optimizer Lookahead": lambda m: of("pytorch_optimizer", "Lookahead")(sgd(m)),
    "pytorch_optimizer SAM": lambda m: of("pytorch_optimizer", "SAM")(
        m.parameters(), torch.optim.SGD, lr=0.1
    ),
    "pytorch_optimizer SOAP": lambda m: of("pytorch_optimizer", "SOAP")(m.parameters(), lr=0.1),
    "pytorch_optimizer GaLore": lambda m: of("pytorch_optimizer", "GaLore")(
        [
            {
                "params": list(m.parameters()),
                "rank": 2,
                "update_proj_gap": 3,
                "scale": 1.0,
                "projection_type": "std",
            }
        ],
        lr=0.1,
    ),
    "pytorch_optimizer Shampoo": lambda m: of("pytorch_optimizer", "ScalableShampoo")(
        m.parameters(), lr=0.1
    ),
    "schedulefree SGD": lambda m: switched_on(
        of("schedulefree", "SGDScheduleFree")(m.parameters(), lr=0.1)
    ),
    "schedulefree AdamW": lambda m: switched_on(
        of("schedulefree", "AdamWScheduleFree")(m.parameters(), lr=0.1)
    ),
    "prodigyopt Prodigy": lambda m: of("prodigyopt", "Prodigy")(m.parameters(), lr=1.0),
    "dadaptation DAdaptAdam": lambda m: of("dadaptation", "DAdaptAdam")(m.parameters(), lr=1.0),
    "adam-atan2 MuonAdamAtan2": lambda m: of("adam_atan2_pytorch", "MuonAdamAtan2")(
        [p for p in m.parameters() if p.ndim == 2], m.parameters(), lr=0.1
    ),
    "apollo-torch": lambda m: of("apollo_torch", "APOLLOAdamW")(
        low_rank(m, proj="random", scale_type="channel"), lr=0.1
    ),
    "bitsandbytes AdamW8bit": lambda m: of("bitsandbytes.optim", "AdamW8bit")(
        m.parameters(), lr=0.1, min_8bit_size=16
    ),
    "came-pytorch": lambda m: of("came_pytorch", "CAME")(m.parameters(), lr=0.1),
    "galore-torch": lambda m: of("galore_torch", "GaLoreAdamW")(low_rank(m), lr=0.1),
    "heavyball AdamW": of_heavyball("AdamW", ecc="bf16+8"),
    "heavyball Muon": of_heavyball("Muon"),
    "heavyball PSGDKron": of_heavyball("PSGDKron"),
    "heavyball Scion": of_heavyball("Scion"),
    "heavyball SOAP": of_heavyball("SOAP", mars=True, caution=True),
    "kron-torch": lambda m: of("kron_torch", "Kron")(m.parameters(), lr=0.1),
    "lion-pytorch": lambda m: of("lion_pytorch", "Lion")(m.parameters(), lr=0.1),
    "torch-optimi": lambda m: of("optimi", "StableAdamW")(m.parameters(), lr=0.1, foreach=True),
    "torchao AdamW8bit": lambda m: of("torchao.optim", "AdamW8bit")(
        m.parameters(), lr=0.1, block_size=8
    ),
    "transformers Adafactor": lambda m: of("transformers", "Adafactor")(
        m.parameters(), lr=0.1, relative_step=False
    ),
}


@pytest.mark.parametrize("epochs", [0, 2])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_range_test_leaves_no_trace_and_a_schedule_is_used(name: str, epochs: int) -> None:
    tested, untouched = (Training(OPTIMIZERS[name]) for _ in range(2))
    for one in (tested, untouched):
        if epochs:
            torch.manual_seed(1)  # steps may draw
            one.trainer.run(DATA, max_epochs=epochs)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*does not use the rate")
        state = torch.get_rng_state()
        result = tested.test()
    assert torch.equal(torch.get_rng_state(), state)
    assert len(result) == 12 and result.stop_reason == "completed"
    del tested.losses[len(untouched.losses) :]
    for one in (tested, untouched):
        torch.manual_seed(2)
        one.trainer.run(DATA, max_epochs=epochs + 3)
    assert tested.losses == untouched.losses
    ScheduleHandler(tested.optimizer, lr=Fixed(0.25)).attach(tested.trainer)
    tested.trainer.run(DATA, max_epochs=epochs + 4)
    assert {float(group["lr"]) for group in tested.optimizer.param_groups} == {0.25}


def test_of_heavyballs_several_optimizers_one_is_tested() -> None:
    def make(model: nn.Module) -> Any:
        matrices = [p for p in model.parameters() if p.ndim == 2]
        vectors = [p for p in model.parameters() if p.ndim != 2]
        kinds = {"optimizer": torch.optim.SGD}, {"optimizer": torch.optim.AdamW}
        split = zip(({"params": matrices}, {"params": vectors}), kinds, (0.1, 0.01), strict=True)
        return of("heavyball", "SplitOpt")(
            [params | kind | {"lr": lr} for params, kind, lr in split]
        )

    training = Training(make)
    with pytest.raises(
        ValueError, match="this SplitOpt has no rate .*: give the SGD or AdamW insi"
    ):
        training.test()
    inner = training.optimizer.optimizers[0]
    saved = {"model": training.model, "wrapper": training.optimizer, "optimizer": inner}
    test = LRRangeTest(inner, 0.0, 0.1, 12, to_save=saved, diverge_th=None)
    assert len(test.run(training.trainer, DATA)) == 12


@pytest.mark.parametrize(
    ("package", "name"),
    [("pytorch_optimizer", "ApolloDQN"), ("pytorch_optimizer", "AdaFactor")],
)
def test_optimizers_that_do_not_use_their_rate_are_named(package: str, name: str) -> None:
    with pytest.warns(UserWarning, match=f"{name}: its step"):
        Training(lambda m: of(package, name)(m.parameters(), lr=0.1)).test()


def test_an_adafactor_that_makes_its_own_rate_is_refused() -> None:
    with pytest.raises(ValueError, match="of this Adafactor has no rate.*relative_step"):
        Training(lambda m: of("transformers", "Adafactor")(m.parameters())).test()


def test_timms_layer_decay_is_honoured() -> None:
    create = of("timm.optim", "create_optimizer_v2")
    model = of("timm", "create_model")(
        "vit_tiny_patch16_224", img_size=32, patch_size=8, depth=2, num_classes=3
    )
    optimizer = create(model, opt="adamw", lr=0.1, layer_decay=0.5)
    scales = [group["lr_scale"] for group in optimizer.param_groups]
    assert len(set(scales)) > 2
    trainer = Engine(lambda engine, batch: None)
    ScheduleHandler(optimizer, lr=Fixed(0.2)).attach(trainer)
    trainer.run([0])
    assert [group["lr"] for group in optimizer.param_groups] == [0.2 * scale for scale in scales]


def test_pefts_rank_allocator_is_put_back() -> None:
    peft = importlib.import_module("peft")

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.config = nn.Linear(4, 16), nn.Linear(16, 4), {"model_type": "x"}

        def forward(self, x: Tensor) -> Tensor:
            return self.b(torch.relu(self.a(x)))

    def losses(tested: bool) -> list[float]:
        torch.manual_seed(0)
        config = peft.AdaLoraConfig(
            init_r=8, target_r=2, tinit=2, tfinal=2, deltaT=2, total_step=60,
            target_modules=["a", "b"],
        )  # fmt: skip
        model = peft.get_peft_model(Net(), config)
        optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], 0.05)
        count, found = [0], []

        def step(engine: Engine, batch: Tensor) -> float:
            optimizer.zero_grad()
            loss = model.base_model.model(batch).square().mean()
            loss.backward()
            optimizer.step()
            model.base_model.update_and_allocate(count[0])
            count[0] += 1
            return loss.item()

        trainer = Engine(step)
        trainer.run(DATA, max_epochs=1)
        if tested:
            saved = {"model": model, "optimizer": optimizer, "count": count}
            LRRangeTest(optimizer, 0.0, 0.1, 12, to_save=saved, diverge_th=None).run(trainer, DATA)
        trainer.add_event_handler(
            Events.ITERATION_COMPLETED, lambda engine: found.append(engine.state.output)
        )
        trainer.run(DATA, max_epochs=8)
        return found

    assert losses(True) == losses(False)


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("epochs", [0, 1])
def test_torchdatas_stateful_loader_in_to_save(workers: int, epochs: int) -> None:
    def batches(tested: bool) -> list[list[float]]:
        torch.manual_seed(0)
        data = of("torchdata.stateful_dataloader", "StatefulDataLoader")(
            list(map(float, range(10))), batch_size=2, shuffle=True, num_workers=workers,
            persistent_workers=workers > 0,
        )  # fmt: skip
        model, seen = nn.Linear(1, 1), []
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        trainer = Engine(lambda e, b: (optimizer.step(), seen.append(b.tolist()), 1.0)[2])
        if epochs:
            trainer.run(data, max_epochs=epochs)
        before = len(seen)
        if tested:
            saved = {"model": model, "optimizer": optimizer, "data": data}
            LRRangeTest(optimizer, 0.0, 0.1, 12, to_save=saved).run(trainer, data)
        del seen[before:]
        trainer.run(data, max_epochs=epochs + 2)
        return seen

    assert batches(True) == batches(False)
