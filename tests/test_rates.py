"""Rates in other people's optimizers: factors, what is refused, what is noticed, what is used."""

from __future__ import annotations

import copy
import inspect
import random
import time
import warnings
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from ignite.engine import Engine, Events
from ignite.handlers import ReduceLROnPlateauScheduler
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_pre_hook

from clr_ignite import LRRangeTest, ScheduleHandler
from clr_ignite.optimizers import probing
from clr_ignite.schedules import Fixed, Linear
from tests.rigs import Rig


def weight() -> nn.Parameter:
    return nn.Parameter(torch.zeros(2))


def groups(*given: dict[str, Any], kind: Any = torch.optim.SGD, **options: Any) -> Any:
    return kind([{"params": [weight()], **one} for one in given], **({"lr": 0.1} | options))


def written(optimizer: Any, value: Any = 0.5, **changes: Any) -> list[float]:
    trainer = Engine(lambda engine, batch: None)
    ScheduleHandler(optimizer, lr=lambda step: value).attach(trainer)
    trainer.run([0])
    return [float(group["lr"]) for group in optimizer.param_groups]


# -- factors ------------------------------------------------------------------


@pytest.mark.parametrize("key", ["lr_mult", "lr_scale", "lr_multiplier", "lr_factor", "lr_ratio"])
def test_layer_decay_is_honoured_whatever_its_key(key: str) -> None:
    optimizer = groups({key: 0.25, "lr": 0.3}, {key: 1.0, "lr": 0.7})
    assert written(optimizer) == [0.125, 0.5]
    model = nn.ParameterList(p for group in optimizer.param_groups for p in group["params"])
    saved = {"model": model, "optimizer": optimizer}
    test = LRRangeTest(optimizer, 0.0, 0.8, 3, to_save=saved)
    result = test.run(Engine(lambda engine, batch: optimizer.step() or 1.0), [0])
    assert [list(rates) for rates in result.group_lr] == [[0.0, 0.1, 0.2], [0.0, 0.4, 0.8]]
    assert list(result.lr) == [0.0, 0.4, 0.8]


def test_factors_multiply() -> None:
    assert written(groups({"lr_mult": 2, "lr_scale": 0.25}, {"lr_mult": 2})) == [0.25, 1.0]


def test_a_hyperparameter_of_the_optimizers_own_is_no_factor() -> None:
    class Scaled(torch.optim.SGD):
        def __init__(self, params: Any, lr: float) -> None:
            super().__init__(params, lr)
            self.defaults["lr_scale"] = 3.0
            for group in self.param_groups:
                group["lr_scale"] = 3.0

    assert written(groups({}, {}, kind=Scaled)) == [0.5, 0.5]


# -- what nothing can be written into -----------------------------------------


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.uint8, torch.bool])
def test_a_rate_of_whole_numbers_is_refused(dtype: torch.dtype) -> None:
    optimizer = groups({}, kind=torch.optim.Adam, lr=torch.ones((), dtype=dtype), foreach=False)
    words = f"param group 0 of this Adam is a tensor of {dtype}.*float"
    refused(optimizer, words)


@pytest.mark.parametrize("missing", [False, True])
def test_no_rate_at_all_is_an_error_that_says_so(missing: bool) -> None:
    optimizer = groups({}, {})
    for group in optimizer.param_groups[1:]:
        group["lr"] = None
        if missing:
            del group["lr"]
    refused(optimizer, "no (rate|hyperparameter 'lr')")


def refused(optimizer: Any, words: str) -> None:
    model = nn.ParameterList(p for group in optimizer.param_groups for p in group["params"])
    saved = {"model": model, "optimizer": optimizer}
    with pytest.raises(ValueError, match=words):
        ScheduleHandler(optimizer, lr=Fixed(0.1)).attach(Engine(lambda engine, batch: None))
    with pytest.raises(ValueError, match=words.replace("hyperparameter", "rate")):
        LRRangeTest(optimizer, 0.0, 1.0, 3, to_save=saved).run(Engine(lambda e, b: 1.0), [0])


@pytest.mark.parametrize("name", ["lr", "momentum", "weight_decay"])
@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        (float("nan"), ValueError, "gave nan at step 0: it must be finite"),
        (float("inf"), ValueError, "must be finite"),
        (float("-inf"), ValueError, "must be finite"),
        (torch.tensor(float("nan")), ValueError, "must be finite"),
        (-0.1, ValueError, "gave -0.1 at step 0: it must not be negative"),
        (np.float32(-1), ValueError, "must not be negative"),
        (True, TypeError, "gave True at step 0: it must be a number"),
        (np.True_, TypeError, "must be a number"),
        ("0.1", TypeError, "gave '0.1' at step 0: it must be a number"),
        (None, TypeError, "must be a number"),
        ([0.1], TypeError, "must be a number"),
    ],
)
def test_what_a_schedule_gives_is_checked(
    name: str, value: Any, error: type[Exception], words: str
) -> None:
    optimizer = groups({}, momentum=0.9)
    before = dict(optimizer.param_groups[0])
    trainer = Engine(lambda engine, batch: None)
    ScheduleHandler(optimizer, **{name: lambda step: value}).attach(trainer)
    with pytest.raises(error, match=f"the schedule of {name} {words}|{words}"):
        trainer.run([0])
    assert optimizer.param_groups[0] == before


@pytest.mark.parametrize("value", [1, np.float32(0.5), torch.tensor(0.5), np.array(0.25)])
def test_numbers_of_any_kind_are_written_as_floats(value: Any) -> None:
    optimizer = groups({})
    assert written(optimizer, value) == [float(value)]
    assert type(optimizer.param_groups[0]["lr"]) is float


def test_a_hyperparameter_that_may_be_negative_may() -> None:
    optimizer = groups({}, dampening=0.5, momentum=0.9)
    trainer = Engine(lambda engine, batch: None)
    ScheduleHandler(optimizer, dampening=lambda step: -1.0).attach(trainer)
    trainer.run([0])
    assert optimizer.param_groups[0]["dampening"] == -1.0


# -- groups that come later ---------------------------------------------------


def test_a_group_that_comes_later_with_a_rate_of_its_own_is_refused() -> None:
    for when in ("before the run", "in it"):
        optimizer = groups({})
        trainer = Engine(lambda engine, batch: None)
        ScheduleHandler(optimizer, lr=Linear(0.1, 0.2, 10)).attach(trainer)
        add = partial(optimizer.add_param_group, {"params": [weight()], "lr": 0.001})
        if when == "in it":
            trainer.add_event_handler(Events.ITERATION_COMPLETED(once=3), add)
        else:
            add()
        with pytest.raises(ValueError, match=r"rates differ \(0.1.*, 0.001\).*lr_mult"):
            trainer.run(range(5))
        assert optimizer.param_groups[1]["lr"] == 0.001


def test_a_group_that_comes_later_without_one_or_with_a_factor_is_scheduled() -> None:
    optimizer = groups({})
    trainer = Engine(lambda engine, batch: None)
    ScheduleHandler(optimizer, lr=Fixed(0.5)).attach(trainer)

    def add() -> None:
        optimizer.add_param_group({"params": [weight()]})
        optimizer.add_param_group({"params": [weight()], "lr": 0.3, "lr_mult": 0.1})

    trainer.add_event_handler(Events.ITERATION_COMPLETED(once=3), add)
    trainer.run(range(5))
    assert [group["lr"] for group in optimizer.param_groups] == [0.5, 0.5, 0.05]


@pytest.mark.parametrize("when", ["before the run", "in it"])
def test_a_checkpoint_whose_groups_lose_their_factor_is_refused(when: str) -> None:
    optimizer = groups({"lr_mult": 0.1, "lr": 0.01}, {})
    trainer = Engine(lambda engine, batch: None)
    ScheduleHandler(optimizer, lr=Fixed(0.1)).attach(trainer)
    trainer.run([0])
    state = copy.deepcopy(optimizer.state_dict())
    load = partial(optimizer.load_state_dict, state)
    trainer.run([0], max_epochs=2)  # with the factor all is well
    del state["param_groups"][0]["lr_mult"]
    if when == "in it":
        trainer.add_event_handler(Events.ITERATION_COMPLETED(once=3), load)
    else:
        load()
    with pytest.raises(ValueError, match=r"rates differ \(0.01\d*, 0.1\).*lr_mult"):
        trainer.run([0], max_epochs=4)


def test_a_factor_by_a_name_that_is_not_known_is_warned_of() -> None:
    optimizer = groups({"lr_coef": 0.1}, {})
    with pytest.warns(UserWarning, match=r"lr_coef of the groups \(0.1, None\).*'lr_mult'"):
        assert written(optimizer) == [0.5, 0.5]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        written(groups({"lr_max": 0.0}, {"lr_max": 0.0}))  # an optimizer's own, say
        written(groups({}, {}, kind=torch.optim.Adagrad, lr_decay=0.1))


@pytest.mark.parametrize(
    "value", [None, float("nan"), float("inf"), -1, [0.1], torch.tensor([0.1, 0.2])]
)
def test_a_factor_that_is_none_is_refused_by_name(value: Any) -> None:
    """Before a NaN, or a rate below 0, comes to the optimizer."""
    optimizer = groups({}, {"lr_scale": value})
    words = r"lr_scale of param group 1 of this SGD must be a number of at least 0.* got .*leave"
    handler = ScheduleHandler(optimizer, lr=Fixed(0.1))
    with pytest.raises(ValueError, match=words):
        handler.attach(Engine(lambda engine, batch: None))
    model = nn.ParameterList(p for group in optimizer.param_groups for p in group["params"])
    for ends in ((0.1, 0.2), ([0.1, 0.1], [0.2, 0.3])):
        saved = {"model": model, "optimizer": optimizer}
        test = LRRangeTest(optimizer, *ends, 3, to_save=saved)
        with pytest.raises(ValueError, match=words):
            test.run(Engine(lambda engine, batch: optimizer.step() or 1.0), [0])


@pytest.mark.parametrize(
    "value", [float("nan"), torch.tensor(float("nan")), torch.tensor([0.1, 0.2]), lambda step: 0.1]
)
def test_a_rate_that_is_no_number_is_refused_by_group(value: Any) -> None:
    optimizer = groups({}, {})
    for group in optimizer.param_groups:
        group["lr"] = copy.deepcopy(value)
    words = "rate of param group 0 of this SGD must be a finite number or a tensor of one, got "
    with pytest.raises(ValueError, match=words):
        written(optimizer)
    model = nn.ParameterList(p for group in optimizer.param_groups for p in group["params"])
    test = LRRangeTest(optimizer, to_save={"model": model, "optimizer": optimizer})
    with pytest.raises(ValueError, match=words):
        test.run(Engine(lambda engine, batch: 1.0), [0])


# -- other setters ------------------------------------------------------------


def halving(optimizer: Any, engine: Engine) -> None:
    for group in optimizer.param_groups[-1:]:
        if isinstance(group["lr"], Tensor):
            group["lr"].mul_(0.5)
        else:
            group["lr"] = group["lr"] / 2


@pytest.mark.parametrize("kind", ["one", "two", "factors", "tensor"])
@pytest.mark.parametrize("way", ["lambda", "partial", "step"])
def test_another_setter_is_noticed_once(kind: str, way: str) -> None:
    given: dict[str, Any] = {
        "one": groups({}),
        "two": groups({}, {}),
        "factors": groups({"lr_mult": 0.5}, {}),
        "tensor": groups({}, kind=torch.optim.Adam, lr=torch.tensor(0.1), foreach=False),
    }
    optimizer = given[kind]
    step = (lambda e, b: halving(optimizer, e)) if way == "step" else lambda e, b: None
    trainer = Engine(step)
    ScheduleHandler(optimizer, lr=Linear(0.1, 0.2, 10)).attach(trainer)
    if way != "step":
        act = partial(halving, optimizer) if way == "partial" else lambda e: halving(optimizer, e)
        trainer.add_event_handler(Events.ITERATION_COMPLETED, act)
    with pytest.warns(UserWarning, match=r"rate of this \w+ is 0.05.* something else") as caught:
        trainer.run(range(5), max_epochs=2)
    assert len(caught) == 1
    assert float(optimizer.param_groups[0]["lr"]) > 0.09  # the schedule's, or half of it


def test_a_plateau_scheduler_on_the_evaluator_is_noticed() -> None:
    rig = Rig()
    ScheduleHandler(rig.optimizer, lr=Fixed(0.1)).attach(rig.trainer)
    plateau = ReduceLROnPlateauScheduler(
        rig.optimizer, "accuracy", trainer=rig.trainer, patience=0, factor=0.5
    )
    rig.evaluator.add_event_handler(Events.COMPLETED, plateau)
    evaluate = Events.EPOCH_COMPLETED
    rig.trainer.add_event_handler(evaluate, lambda engine: rig.evaluator.run(rig.held))
    with pytest.warns(UserWarning, match="something else sets it as well"):
        rig.trainer.run(rig.loader, max_epochs=20)


@pytest.mark.filterwarnings("error")
def test_what_happens_between_runs_and_to_other_rates_is_nobodys_fault() -> None:
    optimizer = groups({}, {}, momentum=0.5)
    trainer = Engine(lambda engine, batch: None)
    handler = ScheduleHandler(optimizer, lr=Linear(0.1, 0.2, 10))
    handler.attach(trainer)

    def meddle() -> None:
        for group in optimizer.param_groups:
            group["momentum"] = 0.7
        optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))

    trainer.add_event_handler(Events.ITERATION_COMPLETED, meddle)
    for epochs in (1, 2):
        trainer.run(range(5), max_epochs=epochs)
        for group in optimizer.param_groups:
            group["lr"] = 0.9
    assert copy.deepcopy(handler) is not handler


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("rate", [0.1, torch.tensor(0.1)])
@pytest.mark.parametrize("factors", [{}, {"lr_mult": 0.3}])
def test_a_range_test_in_mid_training_is_nobodys_fault(
    rate: float | torch.Tensor, factors: dict[str, float]
) -> None:
    """It puts the rate back: a tensor in place, which then was written once more."""
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD([{"params": model.parameters(), **factors}], lr=rate)

    def step(engine: Engine, batch: torch.Tensor) -> float:
        optimizer.zero_grad()
        loss = model(batch).square().mean()
        loss.backward()
        optimizer.step()
        return loss.item()

    trainer, data = Engine(step), [torch.ones(1, 2)] * 4
    ScheduleHandler(optimizer, lr=Linear(0.1, 0.2, 10)).attach(trainer)
    test = LRRangeTest(optimizer, num_iter=5, to_save={"model": model, "optimizer": optimizer})
    trainer.add_event_handler(
        Events.EPOCH_COMPLETED(once=1), lambda engine: test.run(Engine(step), data)
    )
    trainer.run(data, max_epochs=2)
    assert test.result is not None and len(test.result) == 5


@pytest.mark.parametrize("factors", [({}, {}), ({"lr_mult": 0.5}, {})])
@pytest.mark.parametrize("group", [0, 1])
def test_a_rate_set_elsewhere_in_one_group_is_noticed_and_written_over(
    factors: tuple[dict[str, float], ...], group: int
) -> None:
    optimizer = groups(*factors)
    trainer = Engine(lambda engine, batch: None)
    ScheduleHandler(optimizer, lr=Linear(0.1, 0.2, 10)).attach(trainer)

    def meddle() -> None:
        optimizer.param_groups[group]["lr"] = 0.7

    trainer.add_event_handler(Events.ITERATION_COMPLETED(once=3), meddle)
    with pytest.warns(UserWarning, match=r"is 0\.7, not what") as caught:
        trainer.run(range(11))
    assert len(caught) == 1
    found = [one["lr"] for one in optimizer.param_groups]
    assert found == [0.2 * one.get("lr_mult", 1.0) for one in factors]


# -- what the step makes of the rate ------------------------------------------


class Cached(torch.optim.SGD):
    """Keeps the rate that it was constructed with."""

    def __init__(self, params: Any, lr: float = 0.1) -> None:
        super().__init__(params, lr)
        self.kept = lr

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                p.sub_(p.grad, alpha=self.rate(group))

    def rate(self, group: dict[str, Any]) -> float:
        return self.kept


class Late(Cached):
    def rate(self, group: dict[str, Any]) -> float:
        rate, self.kept = self.kept, group["lr"]
        return rate


class Capped(Cached):
    def rate(self, group: dict[str, Any]) -> float:
        return min(group["lr"], 0.05)


class Honest(Cached):
    """Prints, warns and draws, which nobody is to notice."""

    def rate(self, group: dict[str, Any]) -> float:
        print("a step")
        warnings.warn("a step", stacklevel=2)
        assert random.random() < 2 and np.random.rand() < 2 and torch.rand(1) < 2
        return float(group["lr"])


def sweep(kind: Any, **options: Any) -> Any:
    model = nn.Linear(4, 2)
    optimizer = kind(model.parameters(), lr=0.1, **options)

    def step(engine: Engine, batch: Tensor) -> float:
        optimizer.zero_grad()
        loss = model(batch).square().mean()
        loss.backward()
        optimizer.step(lambda: loss)
        return loss.item()

    saved = {"model": model, "optimizer": optimizer}
    test = LRRangeTest(optimizer, 0.01, 0.4, 20, to_save=saved, diverge_th=None)
    return test.run(Engine(step), [torch.randn(8, 4)])


def attach(kind: Any, **options: Any) -> None:
    optimizer = kind([nn.Parameter(torch.zeros(2, 2))], lr=0.1, **options)
    ScheduleHandler(optimizer, lr=Fixed(0.1)).attach(Engine(lambda engine, batch: None))


@pytest.mark.parametrize("use", [sweep, attach])
@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (torch.optim.ASGD, "ASGD: its step uses the rate of the step before"),
        (torch.optim.Rprop, "Rprop: it reads the rate in its first step only"),
        (torch.optim.Adafactor, r"Adafactor: its step never uses a rate above 1 / sqrt\(step\)"),
        (Cached, "Cached: its step does not use the rate that its group has then"),
        (Late, "Late: its step does not use the rate"),
        (Capped, "Capped: its step does not use the rate"),
    ],
)
def test_an_optimizer_that_does_not_use_its_rate_is_named(use: Any, kind: Any, words: str) -> None:
    with pytest.warns(UserWarning, match=words):
        use(kind)


def optimizers_of_torch() -> list[Any]:
    found = [kind for _, kind in inspect.getmembers(torch.optim, inspect.isclass)]
    return [
        k for k in found if issubclass(k, torch.optim.Optimizer) and k is not torch.optim.Optimizer
    ]


def test_of_torchs_own_these_three() -> None:
    named = set()
    for kind in optimizers_of_torch():
        optimizer = kind([nn.Parameter(torch.zeros(2, 2))], lr=0.1)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            probing.warn_of_unused_rate(optimizer)
        named |= {kind.__name__} if caught else set()
    assert named == {"ASGD", "Adafactor", "Rprop"}


@pytest.mark.filterwarnings("error:.*its step")
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (torch.optim.SGD, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
        (torch.optim.Adam, {"amsgrad": True, "foreach": True}),
        (torch.optim.AdamW, {"fused": True}),
    ],
)
def test_an_optimizer_that_uses_its_rate_is_not(kind: Any, options: dict[str, Any]) -> None:
    sweep(kind, **options)
    attach(kind, **options)


def test_a_cap_that_is_never_reached_is_none() -> None:
    optimizer = torch.optim.Adafactor([weight()], lr=0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        probing.warn_of_unused_rate(optimizer, [0.01] * 9_000)
        with pytest.raises(UserWarning, match="Adafactor"):
            probing.warn_of_unused_rate(optimizer, [0.011] * 9_000)


def test_a_probe_has_so_many_steps_however_long_they_take() -> None:
    """A step that waits for those of other processes would wait for ever."""

    def steps(seconds: float) -> int:
        taken: list[int] = []

        class Slow(torch.optim.SGD):
            def step(self, closure: Any = None) -> Any:
                if not taken:
                    time.sleep(seconds)
                taken.append(1)
                return super().step(closure)

        probing.warn_of_unused_rate(Slow([weight()], lr=0.1))
        return len(taken)

    assert steps(0.05) == steps(0.0) > 10


def test_a_probe_is_noticed_by_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    seen: list[object] = []
    hook = register_optimizer_step_pre_hook(lambda *given: seen.append(given))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            attach(Honest)
    finally:
        hook.remove()
    assert seen == [] and capsys.readouterr() == ("", "")
    now = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    assert now == states


class Relative(torch.optim.SGD):
    """As timm's AdamC and adam-atan2-pytorch's Adopt: decays by lr over the first one."""

    def __init__(self, params: Any, lr: float = 0.1, weight_decay: float = 0.0) -> None:
        super().__init__(params, lr, weight_decay=weight_decay)
        self.first = lr

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            for p in group["params"]:
                p.mul_(1 - group["lr"] / self.first * group["weight_decay"])
        return super().step(closure)


class Drawing(torch.optim.SGD):
    def step(self, closure: Any = None) -> Any:
        for p in self.param_groups[0]["params"]:
            p.grad = p.grad + torch.randn_like(p)
        return super().step(closure)


def test_an_optimizer_that_remembers_its_first_rate_is_named() -> None:
    with pytest.warns(
        UserWarning, match=r"Relative: its step depends on the lr that .* \(0\.1\), as"
    ):
        sweep(Relative, weight_decay=0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        attach(Relative, weight_decay=0.1)  # a schedule changes nothing about it
        for kind in (Relative, Drawing, torch.optim.SGD, torch.optim.AdamW):
            sweep(kind)


def test_such_a_one_is_found_in_whatever_group() -> None:
    optimizer = groups({"weight_decay": 0.0}, {"weight_decay": 0.1}, kind=Relative)
    with pytest.warns(UserWarning, match="Relative: its step depends on the lr that"):
        probing.warn_of_remembered_rate(optimizer, [0.0, 0.1])


class Split(torch.optim.SGD):
    """Takes the matrices first, then all parameters, and keeps what else it is given."""

    def __init__(self, matrices: Any, params: Any = (), lr: float = 0.1, watched: Any = ()) -> None:
        matrices, first = list(matrices), {id(p) for p in matrices}
        rest = [p for p in params if id(p) not in first]
        super().__init__([{"params": rest}, {"params": matrices}], lr)
        self.defaults["watched"] = watched

    def step(self, closure: Any = None) -> Any:
        for held in self.defaults["watched"]:
            held.append(1) if isinstance(held, list) else held.mul_(2)
        return super().step(closure)


@pytest.mark.parametrize("use", ["params", "watched", "a list"])
def test_a_probe_touches_nothing_that_the_optimizer_was_given(use: str) -> None:
    matrix, vector = nn.Parameter(torch.ones(2, 2)), nn.Parameter(torch.ones(2))
    matrix.grad, vector.grad = torch.ones(2, 2), torch.ones(2)
    watched: Any = {"params": (), "watched": [vector.data], "a list": ([],)}[use]
    optimizer = Split([matrix], [matrix, vector], watched=watched)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        probing.warn_of_unused_rate(optimizer, [0.1] * 20)
    assert bool((matrix == 1).all()) and bool((vector == 1).all())
    assert use != "a list" or watched == ([],)


def test_the_warning_points_to_the_users_line() -> None:
    model = nn.Linear(2, 1)
    optimizer = torch.optim.Rprop(model.parameters())
    test = LRRangeTest(optimizer, num_iter=2, to_save={"model": model, "optimizer": optimizer})
    trainer = Engine(lambda engine, batch: optimizer.step() or 1.0)
    with pytest.warns(UserWarning, match="Rprop") as caught:
        ScheduleHandler(optimizer, lr=Fixed(0.1)).attach(Engine(lambda engine, batch: None))
        test.run(trainer, [0])
    assert [warning.filename for warning in caught] == [__file__, __file__]
