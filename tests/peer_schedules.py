"""Writes ``peer_schedules.json``: rates that other packages use, beside the same schedule of ours.

Run it with torch, pytorch-ignite, timm, transformers, optax and deepspeed installed::

    pip install timm==1.0.31 transformers==5.24.0 optax==0.2.8 deepspeed==0.19.8
    python -m tests.peer_schedules

Rates are those that the optimizer has at each step, not those that a scheduler says of itself. The
tests read the file and need none of these packages but torch and Ignite.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_suffix(".json")
PACKAGES = ("torch", "pytorch-ignite", "timm", "transformers", "optax", "deepspeed")
PEAK = 0.1
Case = tuple[str, str, str, list[float]]  # package, its call, ours as text, rates


def optimizer_at(lr: float) -> Any:
    import torch

    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr, momentum=0.9)


def stepped(make: Callable[[Any], Any], steps: int, lr: float = PEAK) -> list[float]:
    """The rates that torch-like schedulers give to the steps of an optimizer."""
    optimizer, found = optimizer_at(lr), []
    scheduler = make(optimizer)
    for _ in range(steps):
        found.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        scheduler.step()
    return found


def torchs() -> Iterable[Case]:
    from torch.optim import lr_scheduler as them

    def one(call: str, ours: str, steps: int, lr: float = PEAK) -> Case:
        def make(optimizer: Any) -> Any:
            names = {"them": them, "optimizer": optimizer}
            return eval(f"them.{call.replace('(', '(optimizer, ', 1)}", names)

        return "torch", call, ours, stepped(make, steps, lr)

    yield one("CosineAnnealingLR(T_max=40, eta_min=0.01)", "Cosine(0.1, 0.01, 40)", 41)
    restarts = "CosineAnnealingWarmRestarts"
    yield one(f"{restarts}(T_0=7, eta_min=0.01)", "CosineRestarts(0.01, 0.1, 7)", 60)
    yield one(f"{restarts}(T_0=5, T_mult=2, eta_min=0.01)", "CosineRestarts(0.01, 0.1, 5, 2.0)", 80)
    yield one("PolynomialLR(total_iters=30, power=2.0)", "Polynomial(0.1, 0.0, 30, 2.0)", 31)
    yield one("LinearLR(start_factor=0.25, total_iters=8)", "Warmup(Fixed(0.1), 8, 0.025)", 20)
    yield one("ConstantLR(factor=0.25, total_iters=8)", "Warmup(Fixed(0.1), 8, 0.025, 0.025)", 20)
    up_down = "mode='triangular', step_size_up=3, step_size_down=7, cycle_momentum=False"
    yield one(f"CyclicLR(0.01, 0.1, {up_down})", "Cyclic(0.01, 0.1, 10, rise=3)", 45, 0.01)
    scaled = up_down.replace("triangular", "triangular2")
    halved = "Cyclic(0.01, 0.1, 10, rise=3, amplitude=Exponential(1.0, 0.5))"
    yield one(f"CyclicLR(0.01, 0.1, {scaled})", halved, 45, 0.01)
    scaled = up_down.replace("triangular", "exp_range") + ", gamma=0.97"
    falling = "Cyclic(0.01, 0.1, 10, rise=3, amplitude=Exponential(1.0, 0.97), per='iteration')"
    yield one(f"CyclicLR(0.01, 0.1, {scaled})", falling, 45, 0.01)
    for strategy, anneal in (("cos", "cosine"), ("linear", "linear")):
        # By default the last rate is so low that torch's line to it has lost four of its digits.
        shape = f"anneal_strategy='{strategy}', final_div_factor=100"
        options = f"0.1, total_steps=60, pct_start=0.25, {shape}"
        ours = f"OneCycleTwoPhase(0.004, 0.1, 14, 60, 4e-5, '{anneal}')"
        yield one(f"OneCycleLR({options})", ours, 60)
        ours = f"OneCycle(0.004, 0.1, 14, 60, 4e-5, '{anneal}')"
        yield one(f"OneCycleLR({options}, three_phase=True)", ours, 60)


def ignites() -> Iterable[Case]:
    import ignite.handlers as them

    def one(call: str, ours: str, events: int) -> Case:
        name, _, rest = call.partition("(")
        kwargs = eval(f"dict({rest}")
        values = getattr(them, name).simulate_values(num_events=events, param_name="lr", **kwargs)
        return "pytorch-ignite", call, ours, [value for _, value in values]

    bounds = "start_value=0.01, end_value=0.1"
    yield one(f"LinearCyclicalScheduler({bounds}, cycle_size=5)", "Cyclic(0.01, 0.1, 5)", 30)
    top = "start_value=0.1, end_value=0.01"
    ours = "Cyclic(0.01, 0.1, 6, begin='top')"
    yield one(f"LinearCyclicalScheduler({top}, cycle_size=6)", ours, 30)
    ours = "Cyclic(0.01, 0.1, 4, cycle_mult=2.0)"
    yield one(f"LinearCyclicalScheduler({bounds}, cycle_size=4, cycle_mult=2.0)", ours, 28)
    ours = "CosineRestarts(0.01, 0.1, 7)"
    yield one(f"CosineAnnealingScheduler({top}, cycle_size=7)", ours, 30)
    ours = "CosineRestarts(0.01, 0.1, 4, 2.0)"
    yield one(f"CosineAnnealingScheduler({top}, cycle_size=4, cycle_mult=2.0)", ours, 28)
    for end, ours in (
        (0.1, "Warmup(CosineRestarts(0.01, 0.1, 20), 4, 0.02)"),
        (0.05, "Warmup(CosineRestarts(0.01, 0.1, 20), 5, 0.02, 0.05)"),
    ):
        found: list[Any] = [None] * 22
        after = them.CosineAnnealingScheduler(optimizer_at(PEAK), "lr", 0.1, 0.01, 20)
        options = {"warmup_start_value": 0.02, "warmup_duration": 5, "warmup_end_value": end}
        them.create_lr_scheduler_with_warmup(after, **options, output_simulated_values=found)
        call = f"create_lr_scheduler_with_warmup(CosineAnnealingScheduler, {options})"
        yield "pytorch-ignite", call, ours, [value for _, value in found]


def timms() -> Iterable[Case]:
    import timm.scheduler as them
    from timm.scheduler.wsd_lr import WSDLRScheduler

    def one(call: str, ours: str, steps: int) -> Case:
        name, _, rest = call.partition("(")
        kind = WSDLRScheduler if name == "WSDLRScheduler" else getattr(them, name)
        optimizer, found = optimizer_at(PEAK), []
        scheduler = kind(optimizer, **eval(f"dict({rest}"), t_in_epochs=False)
        for step in range(steps):
            found.append(optimizer.param_groups[0]["lr"])
            scheduler.step_update(step + 1)
        return "timm", call, ours, found

    plain = "t_initial=40, lr_min=0.01"
    yield one(f"CosineLRScheduler({plain})", "Cosine(0.1, 0.01, 40)", 60)
    warm = "warmup_t=5, warmup_lr_init=0.02, warmup_prefix=True"
    yield one(f"CosineLRScheduler({plain}, {warm})", "Warmup(Cosine(0.1, 0.01, 40), 5, 0.02)", 60)
    growing = "t_initial=4, lr_min=0.01, cycle_mul=2.0, cycle_decay=0.5, cycle_limit=9"
    yield one(f"CosineLRScheduler({growing})", "CosineRestarts(0.01, 0.1, 4, 2.0, 0.5)", 28)
    ours = "Repeat(Cosine(0.1, 0.01, 8), times=3)"
    yield one("CosineLRScheduler(t_initial=8, lr_min=0.01, cycle_limit=3)", ours, 40)
    ours = "Polynomial(0.1, 0.01, 40, 3.0)"
    yield one(f"PolyLRScheduler({plain}, power=3.0)", ours, 60)
    for decay in ("linear", "cosine", "1-sqrt"):
        parts = "t_initial=35, decay_t=15, warmup_t=5, lr_min=0.01"
        call = f"WSDLRScheduler({parts}, decay_fn='{decay}')"
        yield one(call, f"WarmupStableDecay(0.1, 5, 20, 15, '{decay}', 0.0, 0.01)", 50)
    # Its root goes on falling under the cool-down: a product. Ours is a line from the root's value.
    functions = "stable_fn='rsqrt', decay_fn='linear'"
    call = f"WSDLRScheduler(t_initial=55, decay_t=15, warmup_t=5, {functions})"
    ours = "Product(InverseSqrt(0.1, 5), WarmupStableDecay(1.0, 0, 45, 15))"
    yield one(call, ours, 70)


def transformers() -> Iterable[Case]:
    import transformers.optimization as them

    def one(call: str, ours: str, steps: int) -> Case:
        name, _, rest = call.partition("(")
        make, kwargs = getattr(them, name), eval(f"dict({rest}")
        return "transformers", call, ours, stepped(lambda o: make(o, **kwargs), steps)

    runs = "num_warmup_steps=5, num_training_steps=45"
    ours = "WarmupStableDecay(0.1, 5, 0, 40)"
    yield one(f"get_linear_schedule_with_warmup({runs})", ours, 60)
    ours = "Warmup(Cosine(0.1, 0.0, 40), 5)"
    yield one(f"get_cosine_schedule_with_warmup({runs})", ours, 45)
    ours = "Warmup(Repeat(Cosine(0.1, 0.0, 10), times=4), 5)"
    call = f"get_cosine_with_hard_restarts_schedule_with_warmup({runs}, num_cycles=4)"
    yield one(call, ours, 60)
    ours = "Warmup(Polynomial(0.1, 0.01, 40, 2.0), 5)"
    call = f"get_polynomial_decay_schedule_with_warmup({runs}, lr_end=0.01, power=2.0)"
    yield one(call, ours, 60)
    yield one("get_inverse_sqrt_schedule(num_warmup_steps=5)", "InverseSqrt(0.1, 5)", 60)
    ours = "InverseSqrt(0.1, 5, 20)"
    yield one("get_inverse_sqrt_schedule(num_warmup_steps=5, timescale=20)", ours, 60)
    yield one("get_constant_schedule_with_warmup(num_warmup_steps=5)", "Warmup(Fixed(0.1), 5)", 20)
    parts = "num_warmup_steps=5, num_stable_steps=20, num_decay_steps=15, min_lr_ratio=0.1"
    for decay in ("linear", "cosine", "1-sqrt"):
        ours = f"WarmupStableDecay(0.1, 5, 20, 15, '{decay}', 0.01, 0.01)"
        yield one(f"get_wsd_schedule({parts}, decay_type='{decay}')", ours, 50)


def optaxs() -> Iterable[Case]:
    import jax
    import optax

    jax.config.update("jax_enable_x64", True)

    def one(call: str, ours: str, steps: int) -> Case:
        schedule = eval(f"optax.{call}", {"optax": optax})
        return "optax", call, ours, [float(schedule(step)) for step in range(steps)]

    yield one("cosine_decay_schedule(0.1, 40, alpha=0.1)", "Cosine(0.1, 0.01, 40)", 60)
    call = "warmup_cosine_decay_schedule(0.02, 0.1, 5, 45, end_value=0.01)"
    yield one(call, "Warmup(Cosine(0.1, 0.01, 40), 5, 0.02)", 60)
    yield one("polynomial_schedule(0.1, 0.01, 2.0, 40)", "Polynomial(0.1, 0.01, 40, 2.0)", 60)
    yield one("linear_schedule(0.1, 0.01, 40)", "Linear(0.1, 0.01, 40)", 60)
    call = "exponential_decay(0.1, 40, 0.1, end_value=0.01)"
    yield one(call, "Geometric(0.1, 0.01, 40)", 60)
    call = "cosine_onecycle_schedule(60, 0.1, pct_start=0.25)"
    yield one(call, "OneCycleTwoPhase(0.004, 0.1, 15, 61, 4e-7)", 70)
    call = "linear_onecycle_schedule(60, 0.1, pct_start=0.25, pct_final=0.5)"
    yield one(call, "OneCycle(0.004, 0.1, 15, 61, 4e-7)", 70)


def deepspeeds() -> Iterable[Case]:
    from deepspeed.runtime import lr_schedules as them

    def one(call: str, ours: str, steps: int) -> Case:
        name, _, rest = call.partition("(")
        make, kwargs = getattr(them, name), eval(f"dict({rest}")
        return "deepspeed", call, ours, stepped(lambda o: make(o, **kwargs), steps)

    linear = "warmup_min_lr=0.02, warmup_max_lr=0.1, warmup_num_steps=5, warmup_type='linear'"
    # The first rate is used twice: the scheduler's own count begins after the first step.
    ours = "Chain((Fixed(0.02), 1), (Warmup(Fixed(0.1), 5, 0.02), 0))"
    yield one(f"WarmupLR({linear})", ours, 20)
    ours = "Chain((Fixed(0.02), 1), (WarmupStableDecay(0.1, 5, 0, 40, 'linear', 0.02, 0.02), 0))"
    yield one(f"WarmupDecayLR(total_num_steps=45, {linear})", ours, 60)
    sizes = "cycle_first_step_size=8, cycle_second_step_size=12"
    call = f"OneCycle(cycle_min_lr=0.01, cycle_max_lr=0.1, {sizes}, cycle_momentum=False)"
    yield one(call, "Cyclic(0.01, 0.1, 20, rise=8)", 21)


def main() -> None:
    os.environ.setdefault("DS_ACCELERATOR", "cpu")
    warnings.simplefilter("ignore")
    cases = [
        dict(zip(("package", "call", "ours", "rates"), case, strict=True))
        for peer in (torchs, ignites, timms, transformers, optaxs, deepspeeds)
        for case in peer()
    ]
    versions = json.dumps({name: version(name) for name in PACKAGES})
    lines = ",\n".join(map(json.dumps, cases))
    FILE.write_text(f'{{"versions": {versions},\n"cases": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    main()
