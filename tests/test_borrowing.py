"""Signals that raise while things are put back, and range tests in several threads."""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Engine, Events
from torch import nn

import clr_ignite
from clr_ignite import LRRangeTest, RangeTestResult
from clr_ignite.no_trace.attached import Attached
from clr_ignite.no_trace.interrupts import Undoing, interrupts_wait
from tests.rigs import Rig, same, state_of

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGALRM, signal.SIGUSR1, signal.SIGHUP]


class Planned(BaseException):
    """Raised by a signal handler."""


@pytest.fixture(autouse=True)
def raising_handlers() -> Iterator[None]:
    def fail(number: int, frame: Any) -> None:
        raise Planned(number)

    before = {number: signal.signal(number, fail) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_inside_the_undoing_waits_for_its_end(number: signal.Signals) -> None:
    done: list[str] = []
    handlers = {one: signal.getsignal(one) for one in SIGNALS}
    with pytest.raises(Planned) as raised, Undoing() as stack, stack:
        stack.callback(done.append, "last")
        stack.callback(os.kill, os.getpid(), number)
        stack.callback(done.append, "first")
    assert done == ["first", "last"] and raised.value.args == (number,)
    assert {one: signal.getsignal(one) for one in SIGNALS} == handlers


def test_several_signals_all_act() -> None:
    acted: list[int] = []
    signal.signal(signal.SIGUSR1, lambda number, frame: acted.append(number))
    with pytest.raises(Planned), interrupts_wait():
        for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGTERM, signal.SIGALRM):
            os.kill(os.getpid(), number)
        assert acted == []
    assert acted == [signal.SIGUSR1]


def test_handlers_that_are_not_pythons_stay() -> None:
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    with interrupts_wait():
        os.kill(os.getpid(), signal.SIGUSR1)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL
    assert signal.getsignal(signal.SIGUSR1) is signal.SIG_IGN


FOLDER = str(Path(clr_ignite.__file__).parent)


def with_a_signal_at(line: int, number: int) -> tuple[Rig, dict[str, Any], dict[str, Any], int]:
    """A range test with a signal at so many lines of ours after its last step."""
    rig = Rig()
    rig.trainer.run(rig.loader)
    before, lines, over = state_of(rig), 0, False

    def trace(frame: Any, event: str, argument: Any) -> Any:
        nonlocal lines
        if over and event == "line":
            lines += 1
            if lines == line:
                os.kill(os.getpid(), number)
        ours = (
            frame.f_code.co_filename.startswith(FOLDER) or "contextlib" in frame.f_code.co_filename
        )
        return trace if ours else None

    def on_row(result: RangeTestResult) -> None:
        nonlocal over
        over = len(result) == 4

    test = rig.test(num_iter=4, on_row=on_row)
    old = sys.gettrace()
    sys.settrace(trace)
    try:
        test.run(rig.trainer, rig.loader)
    except Planned:
        pass
    finally:
        over = False
        sys.settrace(old)
    return rig, before, state_of(rig), lines


@pytest.mark.parametrize("points", [15, pytest.param(1_000, marks=pytest.mark.slow)])
def test_a_signal_at_any_point_of_the_restore_loses_nothing(points: int) -> None:
    handlers = {one: signal.getsignal(one) for one in SIGNALS}
    *_, total = with_a_signal_at(-1, 0)
    assert total > 500
    for place, line in enumerate(range(1, total, max(1, total // points))):
        rig, before, after, _ = with_a_signal_at(line, SIGNALS[place % len(SIGNALS)])
        assert same(after, before), line
        assert torch.is_grad_enabled()
        assert {one: signal.getsignal(one) for one in SIGNALS} == handlers, line
        assert "run" not in vars(rig.trainer)
        assert len(rig.test(num_iter=2).run(rig.trainer, rig.loader)) == 2  # not busy for ever


def test_a_signal_while_a_test_is_attached_or_detached_leaves_the_trainers_own_run() -> None:
    def attached_with_a_signal_at(line: int) -> tuple[Engine, int]:
        trainer, lines = Engine(lambda engine, batch: None), 0

        def trace(frame: Any, event: str, argument: Any) -> Any:
            nonlocal lines
            if frame.f_code.co_name not in ("__enter__", "__exit__"):
                return None
            # What comes before a function's first statement no function can guard.
            if event == "line" and frame.f_lineno > frame.f_code.co_firstlineno + 1:
                lines += 1
                if lines == line:
                    os.kill(os.getpid(), signal.SIGTERM)
            return trace

        old = sys.gettrace()
        sys.settrace(trace)
        try:
            attached = Attached(trainer, lambda *given, **named: None)
            with attached:
                pass
        except Planned:
            pass
        finally:
            sys.settrace(old)
        return trainer, lines

    _, total = attached_with_a_signal_at(-1)
    assert total > 5
    for line in range(1, total + 1):
        trainer, _ = attached_with_a_signal_at(line)
        assert "run" not in vars(trainer), line


def test_a_run_that_the_step_interrupts_ends_with_the_test() -> None:
    """Left open, it would end when it is collected, and write into the Engine, and log an error."""
    rig = Rig()
    rig.trainer.add_event_handler(Events.ITERATION_COMPLETED(once=7), lambda e: e.interrupt())
    rig.trainer.run(rig.loader, max_epochs=3)
    under_way = vars(rig.trainer)["_dataloader_iter"]
    said: list[str] = []
    rig.trainer.logger = logging.Logger("own")
    rig.trainer.logger.addFilter(lambda record: said.append(record.msg) is None)
    rig.meddle = lambda engine, loss: engine.interrupt() if engine.state.iteration == 9 else None
    result = rig.test().run(rig.trainer, rig.loader)
    assert result.stop_reason == "terminated" and len(result) == 2
    gc.collect()  # an error in there would fail the test
    assert not [words for words in said if "exception" in words]
    assert under_way is not None and vars(rig.trainer)["_dataloader_iter"] is under_way


def test_an_engine_keeps_its_attributes_and_their_order() -> None:
    rig = Rig()
    rig.trainer.state.mine = 1
    before = list(vars(rig.trainer).items())
    state = list(vars(rig.trainer.state).items())
    rig.test().run(rig.trainer, rig.loader)
    assert list(vars(rig.trainer).items()) == before
    assert list(vars(rig.trainer.state).items()) == state


def test_gradients_that_the_step_turned_off_are_on_again() -> None:
    rig = Rig()
    rig.meddle = lambda engine, loss: (
        torch.set_grad_enabled(False) and None if engine.state.iteration == 2 else None
    )
    rig.test(num_iter=2).run(rig.trainer, rig.loader)
    assert torch.is_grad_enabled()


# -- threads ------------------------------------------------------------------


def plain(seed: int) -> tuple[LRRangeTest, Engine]:
    torch.manual_seed(seed)
    model = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    def step(engine: Engine, batch: torch.Tensor) -> float:
        optimizer.zero_grad()
        loss = model(batch).square().mean()
        loss.backward()
        optimizer.step()
        return loss.item()

    saved = {"model": model, "optimizer": optimizer}
    return LRRangeTest(optimizer, 0.0, 0.1, 200, to_save=saved), Engine(step)


DATA = list(torch.randn(5, 8, 4, generator=torch.Generator().manual_seed(0)))


def test_range_tests_on_several_trainers_at_once() -> None:
    alone = [test.run(trainer, DATA) for test, trainer in map(plain, range(4))]
    tests = list(map(plain, range(4)))
    weights = [test.to_save["model"].weight.detach().clone() for test, _ in tests]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda pair: pair[0].run(pair[1], DATA), tests))
    assert together == alone
    for (test, _), weight in zip(tests, weights, strict=True):
        assert torch.equal(test.to_save["model"].weight, weight)


def test_a_second_one_on_the_same_trainer_is_refused() -> None:
    rig, untouched = Rig(), Rig()
    inside, go_on = threading.Event(), threading.Event()

    def wait(engine: Engine, loss: torch.Tensor) -> None:
        inside.set()
        assert go_on.wait(60)

    rig.meddle = wait
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(rig.test().run, rig.trainer, rig.loader)
        assert inside.wait(60)
        for second in (rig.test(), rig.test(evaluator=rig.trainer, eval_data=rig.held)):
            trainer = rig.trainer if second.evaluator is None else Engine(lambda e, b: 1.0)
            with pytest.raises(RuntimeError, match="a range test is under way on this Engine"):
                second.run(trainer, rig.loader)
        go_on.set()
        result = first.result()
    assert len(result) == 12 and same(
        state_of(rig)["parameters"], state_of(untouched)["parameters"]
    )
