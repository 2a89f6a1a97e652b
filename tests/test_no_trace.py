"""After a range test, however it ended, training goes on bit for bit as if there had been none."""

from __future__ import annotations

import copy
import math
import os
import random
import signal
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from ignite.engine import Engine, Events
from ignite.engine.deterministic import DeterministicEngine
from ignite.handlers import EarlyStopping
from ignite.metrics import RunningAverage
from torch import Tensor

from clr_ignite.no_trace.interrupts import interrupts_wait
from clr_ignite.range_test import LRRangeTest
from tests.rigs import NEEDS_MAX_ITERS, Rig, same, state_of


class Planned(Exception):
    """Raised on purpose."""


def to_the_end(rig: Rig, test: LRRangeTest) -> None:
    test.run(rig.trainer, rig.loader)
    assert test.result is not None and test.result.stop_reason == "completed"


def by_divergence(rig: Rig, test: LRRangeTest) -> None:
    test.diverge_th = 1.5
    start = rig.trainer.state.iteration
    rig.meddle = lambda engine, loss: 50.0 if engine.state.iteration > start + 5 else None
    test.run(rig.trainer, rig.loader)
    assert test.result is not None and test.result.stop_reason == "diverged"


def by_nan(rig: Rig, test: LRRangeTest) -> None:
    test.diverge_th = 4.0

    start = rig.trainer.state.iteration

    def poison(engine: Engine, loss: Tensor) -> Any:
        if engine.state.iteration == start + 7:
            with torch.no_grad():
                next(rig.model.parameters()).fill_(math.nan)
            return math.nan
        return None

    rig.meddle = poison
    test.run(rig.trainer, rig.loader)
    assert test.result is not None and test.result.stop_reason == "diverged"
    assert len(test.result) == 7


def _raising(error: type[BaseException]) -> Callable[[Rig, LRRangeTest], None]:
    def way(rig: Rig, test: LRRangeTest) -> None:
        start = rig.trainer.state.iteration

        def fail(engine: Engine, loss: Tensor) -> None:
            if engine.state.iteration == start + 7:
                raise error("planned")

        rig.meddle = fail
        with pytest.raises(error, match="planned"):
            test.run(rig.trainer, rig.loader)
        assert test.result is not None and len(test.result) == 6

    return way


def by_terminate(rig: Rig, test: LRRangeTest) -> None:
    last = rig.trainer.state.iteration + 7
    rig.meddle = lambda engine, loss: engine.terminate() if engine.state.iteration == last else None
    test.run(rig.trainer, rig.loader)
    assert test.result is not None and test.result.stop_reason == "terminated"


WAYS = {
    "end": to_the_end,
    "divergence": by_divergence,
    "nan": by_nan,
    "exception": _raising(Planned),
    "interrupt": _raising(KeyboardInterrupt),
    "terminate": by_terminate,
}
OPTIMIZERS = {
    "sgd": {},
    "adam": {"make": torch.optim.Adam, "amsgrad": True},
    "tensor-rate": {"make": torch.optim.Adam, "lr": torch.tensor(0.05), "foreach": False},
}


@pytest.mark.parametrize("warm", [False, True], ids=["fresh", "warm"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("way", WAYS)
def test_the_same_trainer_trains_on_as_if_nothing_had_been(
    way: str, optimizer: str, warm: bool
) -> None:
    def prepared() -> Rig:
        options = dict(OPTIMIZERS[optimizer])
        if isinstance(options.get("lr"), Tensor):
            options["lr"] = options["lr"].clone()
        rig = Rig(**options)
        if warm:
            rig.trainer.run(rig.loader, max_epochs=2)
            rig.evaluator.run(rig.held)
        return rig

    untouched = prepared()
    before = state_of(untouched)
    untouched.trainer.run(untouched.loader, max_epochs=4 if warm else 2)
    expected, expected_losses = state_of(untouched), list(untouched.losses)

    rig = prepared()
    objects = list(map(id, [*rig.model.parameters(), *rig.model.buffers(), *rig.optimizer.state]))
    count = len(rig.losses)
    WAYS[way](rig, rig.test(**rig.with_evaluator()))
    assert same(state_of(rig), before)
    assert objects == list(
        map(id, [*rig.model.parameters(), *rig.model.buffers(), *rig.optimizer.state])
    )
    assert len(rig.losses) > count  # the test did train
    del rig.losses[count:]
    rig.meddle = lambda engine, loss: None
    rig.trainer.run(rig.loader, max_epochs=4 if warm else 2)
    assert rig.losses == expected_losses
    assert same(state_of(rig), expected)


def test_without_being_put_back_the_comparison_fails() -> None:
    """The proof above can fail: a test run whose model is not restored is told apart."""
    rig = Rig()
    before = state_of(rig)
    rig.trainer.run(rig.loader)
    after = state_of(rig)
    for part in ("parameters", "buffers", "optimizer", "torch", "loader", "trainer"):
        assert not same(before[part], after[part]), part


def test_gradients_and_optimizer_state_come_back_as_the_same_objects() -> None:
    rig = Rig()
    rig.trainer.run(rig.loader)
    parameter = next(rig.model.parameters())
    gradient, momentum = parameter.grad, rig.optimizer.state[parameter]["momentum_buffer"]
    content = gradient.clone(), momentum.clone()
    group = rig.optimizer.param_groups[0]
    rig.test().run(rig.trainer, rig.loader)
    assert parameter.grad is gradient and torch.equal(gradient, content[0])
    assert rig.optimizer.state[parameter]["momentum_buffer"] is momentum
    assert torch.equal(momentum, content[1])
    assert rig.optimizer.param_groups[0] is group


def test_what_was_absent_is_absent_again() -> None:
    rig = Rig()
    rig.test().run(rig.trainer, rig.loader)
    assert all(parameter.grad is None for parameter in rig.model.parameters())
    assert len(rig.optimizer.state) == 0
    assert (
        not rig.optimizer._optimizer_step_pre_hooks.keys() - {0}
        or len(rig.optimizer._optimizer_step_pre_hooks) == 1
    )  # the rig's own


def test_the_engines_come_back_with_all_that_they_had() -> None:
    rig = Rig()
    rig.trainer.state.note = ["kept"]
    before = dict(vars(rig.trainer)), dict(vars(rig.evaluator)), list(rig.trainer.state.note)

    def meddle(engine: Engine, loss: Tensor) -> None:
        engine.state.note.append("during the test")

    rig.meddle = meddle
    rig.test(**rig.with_evaluator()).run(rig.trainer, rig.loader)
    assert vars(rig.trainer) == before[0] and vars(rig.evaluator) == before[1]
    assert rig.trainer.state is before[0]["state"]
    assert rig.trainer.state.note == before[2]


def test_it_runs_alone() -> None:
    rig = Rig()
    calls: list[str] = []
    for event in Events:
        rig.trainer.add_event_handler(event, lambda *_: calls.append("trainer"))
        rig.evaluator.add_event_handler(event, lambda *_: calls.append("evaluator"))
    stopping = EarlyStopping(patience=1, score_function=lambda engine: 0.0, trainer=rig.trainer)
    rig.evaluator.add_event_handler(Events.COMPLETED, stopping)
    before = stopping.state_dict()
    result = rig.test(**rig.with_evaluator(every=2)).run(rig.trainer, rig.loader)
    assert len(result) == 12 and len(result["accuracy"][0]) == 6
    assert calls == [] and stopping.state_dict() == before
    assert sum("EarlyStopping" in name for name in result.suspended) == 1
    assert sum("lambda" in name for name in result.suspended) == 2 * len(Events)
    rig.evaluator.run(rig.held)
    assert "evaluator" in calls  # attached again


@pytest.mark.parametrize("event", Events)
def test_handlers_on_a_filtered_event_are_suspended(event: Events) -> None:
    rig = Rig()
    calls: list[str] = []
    kinds = [
        event(event_filter=lambda engine, count: True),
        event(every=2),
        event(once=1),
        event(every=1),
        event,  # in Ignite's table under the first of them
    ]
    for first in range(len(kinds)):
        rig.trainer = Engine(rig.step)
        for kind in kinds[first:]:
            rig.trainer.add_event_handler(kind, lambda *_: calls.append("called"))
        result = rig.test().run(rig.trainer, rig.loader)
        assert len(result) == 12 and calls == []
        assert len(result.suspended) == len(kinds) - first
        assert all(name.endswith(f"on {event.name}") for name in result.suspended)


def test_a_filtered_terminate_does_not_end_the_test() -> None:
    rig = Rig()
    rig.trainer.add_event_handler(Events.ITERATION_COMPLETED(once=5), rig.trainer.terminate)
    result = rig.test().run(rig.trainer, rig.loader)
    assert result.stop_reason == "completed" and len(result.suspended) == 1


def test_metrics_and_what_is_kept_act_and_metrics_are_put_back() -> None:
    rig = Rig()
    average = RunningAverage(output_transform=lambda output: output)
    average.attach(rig.trainer, "average")
    rig.trainer.run(rig.loader, max_epochs=1)
    before = average.compute()
    calls: list[int] = []

    class Counter:
        def count(self, engine: Engine) -> None:
            calls.append(engine.state.iteration)
            assert "average" in engine.state.metrics

    counter = Counter()
    rig.trainer.add_event_handler(Events.ITERATION_COMPLETED, counter.count)
    result = rig.test(keep=[counter]).run(rig.trainer, rig.loader)
    assert calls == list(range(6, 18))  # after the epoch that there was
    assert average.compute() == before
    assert not any("count" in name for name in result.suspended)


def test_custom_events_belong_to_the_step_and_fire() -> None:
    from ignite.engine import EventEnum

    class Step(EventEnum):
        BACKWARD = "backward"

    rig = Rig()
    rig.trainer.register_events(*Step)
    calls: list[int] = []
    rig.trainer.add_event_handler(Step.BACKWARD, lambda: calls.append(1))
    rig.meddle = lambda engine, loss: engine.fire_event(Step.BACKWARD)
    rig.test().run(rig.trainer, rig.loader)
    assert len(calls) == 12


def test_a_second_interrupt_waits_until_everything_is_back() -> None:
    rig = Rig()
    before = state_of(rig)

    class Holder(dict[str, Any]):
        """Sends SIGINT while it is being put back, before the model is."""

        def clear(self) -> None:
            os.kill(os.getpid(), signal.SIGINT)
            super().clear()

    class Extra:
        def __init__(self) -> None:
            self.holder = Holder(a=1)

    def fail(engine: Engine, loss: Tensor) -> None:
        raise KeyboardInterrupt("first")

    rig.meddle = fail
    saved = {"extra": Extra(), "model": rig.model, "optimizer": rig.optimizer}
    with pytest.raises(KeyboardInterrupt):
        rig.test(to_save=saved).run(rig.trainer, rig.loader)
    assert same(state_of(rig), before)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("own", ["a function", "ignored"])
def test_an_interrupt_goes_to_the_handler_in_force(own: str) -> None:
    came: list[int] = []
    handler = signal.SIG_IGN if own == "ignored" else lambda number, frame: came.append(number)
    before = signal.signal(signal.SIGINT, handler)
    try:
        with interrupts_wait():
            os.kill(os.getpid(), signal.SIGINT)
            assert came == []
        assert signal.getsignal(signal.SIGINT) is handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert came == ([] if own == "ignored" else [signal.SIGINT])


def test_a_deterministic_engine_is_tested_and_trains_on() -> None:
    def prepared() -> Rig:
        rig = Rig()
        rig.trainer = DeterministicEngine(rig.step)
        return rig

    untouched = prepared()
    untouched.trainer.run(untouched.loader, max_epochs=2)
    expected = state_of(untouched)
    rig = prepared()
    result = rig.test().run(rig.trainer, rig.loader)
    assert (len(result), result.suspended) == (12, ())
    del rig.losses[:]
    rig.trainer.run(rig.loader, max_epochs=2)
    assert rig.losses == untouched.losses
    assert same(state_of(rig), expected)


def test_after_an_exception_the_trainer_runs_and_tests_again() -> None:
    """Ignite alone leaves an Engine that raised unable to run: its next run() trains nothing."""
    rig = Rig()
    WAYS["exception"](rig, rig.test())
    rig.meddle = lambda engine, loss: None
    again = rig.test().run(rig.trainer, rig.loader)
    fresh = Rig()
    assert again == fresh.test().run(fresh.trainer, fresh.loader)


@pytest.mark.parametrize(
    "ran",
    [
        "not at all",
        pytest.param("to max_iters", marks=NEEDS_MAX_ITERS),
        "to its end",
        "was interrupted",
    ],
)
def test_whatever_the_trainer_did_before(ran: str) -> None:
    rig = Rig()
    if ran == "to max_iters":
        rig.trainer.run(rig.loader, max_iters=7)
    elif ran == "to its end":
        rig.trainer.run(rig.loader, max_epochs=2)
    elif ran == "was interrupted":
        rig.meddle = lambda engine, loss: engine.interrupt()
        rig.trainer.run(rig.loader, max_epochs=2)
        rig.meddle = lambda engine, loss: None
    before = dict(vars(rig.trainer))
    result = rig.test().run(rig.trainer, rig.loader)
    assert len(result) == 12
    assert vars(rig.trainer) == before


def test_extra_objects_in_to_save_come_back() -> None:
    class Average:
        """An exponential moving average of the weights, as people write it."""

        def __init__(self, model: torch.nn.Module) -> None:
            self.shadow = [p.detach().clone() for p in model.parameters()]
            self.updates, self.history = 0, [0.0]

    rig = Rig()
    average = Average(rig.model)
    content = [tensor.clone() for tensor in average.shadow]

    def update(engine: Engine, loss: Tensor) -> None:
        average.updates += 1
        average.history.append(loss.item())
        for shadow, parameter in zip(average.shadow, rig.model.parameters(), strict=True):
            shadow.lerp_(parameter.detach(), 0.5)

    rig.meddle = update
    saved = {"model": rig.model, "optimizer": rig.optimizer, "average": average}
    rig.test(to_save=saved).run(rig.trainer, rig.loader)
    assert average.updates == 0 and average.history == [0.0]
    assert same(average.shadow, content)


class SharpnessAware(torch.optim.Optimizer):
    """SAM as people write it: another optimizer inside, which has the buffers and the groups."""

    def __init__(self, params: Any, lr: float, rho: float = 0.05) -> None:
        super().__init__(params, {"lr": lr, "rho": rho})
        self.base_optimizer = torch.optim.SGD(self.param_groups, lr=lr, momentum=0.9)
        self.param_groups = self.base_optimizer.param_groups
        self.calls, self.mean = 0, torch.zeros(1)

    def step(self, closure: Any = None) -> None:
        self.calls += 1
        self.started = True
        for group in self.param_groups:
            for parameter in group["params"]:
                self.mean.lerp_(parameter.grad.abs().mean(), 0.5)
                # Without a second pass through the model the counts and means show up here.
                parameter.grad.add_(parameter, alpha=group["rho"] / self.calls).add_(self.mean)
        self.base_optimizer.step()


@pytest.mark.parametrize("epochs", [0, 2])
def test_an_optimizer_around_another_trains_on_as_if_nothing_had_been(epochs: int) -> None:
    rig, untouched = Rig(SharpnessAware), Rig(SharpnessAware)
    for one in (rig, untouched):
        torch.manual_seed(5)  # both draw their dropout from the global generator
        if epochs:
            one.trainer.run(one.loader, max_epochs=epochs)
    optimizer = rig.optimizer
    before = dict(vars(optimizer)), dict(optimizer._optimizer_step_pre_hooks)
    rig.test().run(rig.trainer, rig.loader)
    assert vars(optimizer).keys() == before[0].keys()
    assert all(vars(optimizer)[name] is value for name, value in before[0].items())
    assert optimizer._optimizer_step_pre_hooks == before[1]
    assert optimizer.param_groups is optimizer.base_optimizer.param_groups
    for one in (rig, untouched):
        torch.manual_seed(6)
        del one.losses[:]
        one.trainer.run(one.loader, max_epochs=4)
    assert rig.losses == untouched.losses
    assert same(state_of(rig), state_of(untouched))


def test_entries_of_every_kind_come_back() -> None:
    class Named(dict[str, int]):
        seen = 0

    rig = Rig()
    kinds: dict[str, Any] = {
        "tensor": torch.zeros(2),
        "array": np.zeros(2),
        "dict": {"a": 1},
        "named": Named(a=1),
        "ordered": OrderedDict(a=1),
        "counter": Counter("aab"),
        "list": [1, {"a": 1}],
        "deque": deque([1, 2], maxlen=2),
        "set": {1},
        "tuple": ([1], torch.zeros(1)),
        "random": random.Random(1),
        "torch": torch.Generator().manual_seed(1),
        "numpy": np.random.default_rng(1),
        "legacy": np.random.RandomState(1),
    }
    untouched = copy.deepcopy({n: v for n, v in kinds.items() if n != "torch"})

    def change(engine: Engine, loss: Tensor) -> None:
        for name in ("tensor", "array"):
            kinds[name] += 1
        for name in ("dict", "named", "ordered", "counter"):
            kinds[name].update(a=5, b=engine.state.iteration)
        kinds["named"].seen += 1
        kinds["list"][1].clear()
        for name in ("list", "deque"):
            kinds[name].append(3)
        kinds["set"].add(2)
        kinds["tuple"][0].append(2)
        kinds["tuple"][1].add_(1)
        draw()

    def draw() -> list[float]:
        return [
            kinds["random"].gauss(0, 1),
            torch.rand(1, generator=kinds["torch"]).item(),
            kinds["numpy"].random(),
            kinds["legacy"].normal(),
        ]

    rig.meddle = change
    saved = {"model": rig.model, "optimizer": rig.optimizer, **kinds}
    rig.test(to_save=saved).run(rig.trainer, rig.loader)
    for name in untouched.keys() - {"array", "random", "numpy", "legacy"}:
        assert same(kinds[name], untouched[name]), name
    assert not kinds["array"].any() and kinds["named"].seen == 0
    first = draw()
    kinds |= {n: untouched[n] for n in ("random", "numpy", "legacy")}
    kinds["torch"] = torch.Generator().manual_seed(1)
    assert draw() == first


def test_what_nobody_can_write_stays_as_it_is() -> None:
    rig = Rig()
    rig.model.register_buffer("wide", torch.tensor([math.nan]).expand(4))
    rig.model.table = np.arange(3.0)
    rig.model.table.flags.writeable = False
    before = state_of(rig)
    del before["buffers"]  # nan is not equal to itself
    rig.test().run(rig.trainer, rig.loader)
    after = state_of(rig)
    assert all(same(after[part], before[part]) for part in before)
    assert rig.model.wide.isnan().all() and rig.model.table.tolist() == [0, 1, 2]
