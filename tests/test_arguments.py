"""Wrong arguments of every kind, everywhere: refused where they enter, by name, before anything
has changed; numbers of other kinds are taken and become plain ones."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ignite.engine import Engine, Events
from torch.utils.data import TensorDataset

from clr_ignite import (
    LRRangeTest,
    RangeTestResult,
    ScheduleHandler,
    cycle_end,
    plots,
    repeat_range_test,
)
from clr_ignite.cifar10.experiments import Experiment
from clr_ignite.live import VisdomPlotter
from clr_ignite.schedules import (
    Chain,
    Exponential,
    ExpRange,
    Fixed,
    Geometric,
    Linear,
    MultiStep,
    OneCycle,
    Triangular,
    Triangular2,
    step_size_from_epochs,
)
from clr_ignite.suggestions import (
    bounds_from_loss,
    minimum,
    slide,
    smith_bounds,
    steepest,
    valley,
)
from tests.rigs import Rig, same, state_of
from tests.test_result import result_of

NAN, INF = math.nan, math.inf
NO_NUMBER = [None, "1", b"1", True, np.bool_(True), [1.0], {}, 1j, Decimal(1), object()]
NO_NUMBER += [torch.tensor(True), np.array(True)]
ONE_RATE = [[1.0], np.array([1.0]), torch.tensor([1.0])]  # right for an optimizer with one group
NO_NUMBER += [*ONE_RATE[1:], torch.tensor(1j), torch.empty((), device="meta"), np.array("1")]
NOT_FINITE = [NAN, INF, -INF, np.float32(NAN), 10**400, Fraction(10**400), np.longdouble("1e400")]
BELOW_0 = [-1, -0.5, -5e-324, Fraction(-1, 3), np.float16(-1)]
TO_1 = [1.0001, 2, *BELOW_0, 0, 0.0, *NO_NUMBER, *NOT_FINITE]  # wrong where (0, 1] is right
RATE = [*NO_NUMBER, *NOT_FINITE, *BELOW_0]
ABOVE_0 = [*RATE, 0, 0.0, Fraction(1, 10**400)]
WHOLE = [*NO_NUMBER, 2.0, 2.5, NAN, INF, Fraction(2), np.float64(2), torch.tensor(2.0)]
COUNT = [*WHOLE, 0, -1, np.int64(-1)]
CALLABLE = [None, 1, 0, 0.1, "f", [], object()]
CALLABLE_OR_NONE = CALLABLE[1:]
SCHEDULE = [*CALLABLE, Fixed]  # a class makes a schedule, and is none
CHOICE = [None, 1, "", "Linear", b"linear", ["linear"], np.array(["linear", "x"])]
FLAG = [None, 0, 1, "yes", np.bool_(True), [], np.array([1, 2])]
ENGINE = [None, 1, 0, "trainer", Engine, torch.tensor(1.0), object()]
MAPPING = [1, 0, "model", b"", [], [("a", 1)], object()]
SEQUENCE = [1, None, 0.5, "12", b"12", object(), np.array(1), torch.tensor(1)]
NUMBERS = [None, 1.0, "12", ["a"], [[1.0], [1.0, 2.0]], {}, 1j, object(), iter([1.0])]
TEXT_OR_NONE = [1, 0, True, b"x", ["x"], object()]
DATASET = TensorDataset(torch.ones(3))  # examples, no batches
DATA = [1, 0.5, object(), iter([1]), [], (), zip([1], [2], strict=True), DATASET]

_LR = [0.1 * i for i in range(1, 31)]
_VALUES = [1.0 / i for i in range(1, 31)]
_BOUNDS: dict[str, Any] = {"base_lr": 0.1, "max_lr": 0.2, "step_size": 3}
_WRONG_BOUNDS = {"base_lr": [*RATE, 0.3], "max_lr": [*RATE, 0.05], "step_size": COUNT}
_RISE: dict[str, Any] = {"start": 0.1, "end": 0.2, "steps": 3}


def _momentum(**arguments: Any) -> Any:
    return OneCycle(0.1, 0.2, 3, 9, 0.01).momentum(**arguments)


def _smoothed(**arguments: Any) -> Any:
    result = RangeTestResult(start_lr=0.0, end_lr=0.1, num_iter=3, step_mode="linear")
    return result.smoothed_loss(**arguments)


def _median(**arguments: Any) -> Any:
    result = RangeTestResult(start_lr=0.0, end_lr=0.1, num_iter=3, step_mode="linear")
    return result.median_loss(**arguments)


def _plotted(iterations: Any) -> None:
    plots.plot_schedules({"a": Fixed(0.1)}, iterations)


# What is called, arguments that are right, and by name what is wrong.
TABLE: list[tuple[Callable[..., Any], dict[str, Any], dict[str, list[Any]]]] = [
    (Fixed, {"lr": 0.1}, {"lr": RATE}),
    (
        MultiStep,
        {"base_lr": 0.1, "milestones": (2, 4), "gamma": 0.5},
        {
            "base_lr": RATE,
            "milestones": [*SEQUENCE, (4, 2), (2, 2), (0, 2), (-1,), (2.0,), (True,), ("2",)],
            "gamma": [*ABOVE_0, 1e200],
        },
    ),
    (Exponential, {"base_lr": 0.1, "gamma": 0.5}, {"base_lr": RATE, "gamma": TO_1}),
    (Linear, _RISE, {"start": RATE, "end": RATE, "steps": COUNT}),
    (Geometric, _RISE, {"start": ABOVE_0, "end": ABOVE_0, "steps": COUNT}),
    (Triangular, _BOUNDS, _WRONG_BOUNDS),
    (Triangular2, _BOUNDS, _WRONG_BOUNDS),
    (ExpRange, _BOUNDS | {"gamma": 0.9}, _WRONG_BOUNDS | {"gamma": TO_1, "scale": CHOICE}),
    (
        OneCycle,
        _BOUNDS | {"total": 9, "final_lr": 0.01},
        _WRONG_BOUNDS | {"total": [*COUNT, 7], "final_lr": [*RATE, 0.11]},
    ),
    (_momentum, {"high": 0.9, "low": 0.5}, {"high": [*ABOVE_0, 1.0, 0.4], "low": [*RATE, 0.91]}),
    (step_size_from_epochs, {"epochs": 1, "iterations_per_epoch": 5},
     {"epochs": ABOVE_0, "iterations_per_epoch": COUNT}),
    (cycle_end, {"schedule": Fixed(0.1)}, {
        "schedule": SCHEDULE, "start": [*WHOLE, -1], "accumulation_steps": COUNT,
    }),
    (smith_bounds, {"lr": _LR, "accuracy": _VALUES},
     {"lr": [*NUMBERS, _LR[::-1], [-1.0, *_LR[1:]]], "accuracy": [*NUMBERS, _VALUES[1:]]}),
    *(
        (method, {"lr": _LR, "loss": _VALUES},
         {"lr": [*NUMBERS, _LR[::-1], [-1.0, *_LR[1:]]], "loss": [*NUMBERS, _VALUES[1:]]})
        for method in (bounds_from_loss, steepest, minimum, valley)
    ),
    (slide, {"lr": _LR, "loss": _VALUES},
     {"lr": NUMBERS, "loss": NUMBERS, "width": COUNT, "threshold": RATE}),
    (_smoothed, {"beta": 0.9}, {"beta": [*RATE, 1, 1.5]}),
    (_median, {"width": 3}, {"width": [*COUNT, 2]}),
    (_plotted, {"iterations": 3}, {"iterations": COUNT}),
    (
        Experiment,
        {"schedule": Fixed(0.1), "iterations": 5},
        {
            "schedule": SCHEDULE,
            **{name: COUNT for name in ("iterations", "batch_size")},
            **{name: CHOICE for name in ("model", "pixels", "pooling", "init", "order")},
            "momentum": [*RATE, 1, 1.5],
            **{name: FLAG for name in ("nesterov", "multipliers")},
            "weight_decay": RATE,
            "held_out": [*WHOLE, -1],
        },
    ),
]  # fmt: skip
CASES = [
    pytest.param(make, right, name, wrong, id=f"{make.__name__}-{name}")
    for make, right, by_name in TABLE
    for name, wrong in by_name.items()
]


def refused(make: Callable[..., Any], name: str, value: Any) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        make(**{name: value})
    assert name in str(caught.value), f"{value!r}: {caught.value}"


@pytest.mark.parametrize(("make", "right", "name", "wrong"), CASES)
def test_each_wrong_argument_is_named(
    make: Callable[..., Any], right: dict[str, Any], name: str, wrong: list[Any]
) -> None:
    make(**right)
    for value in wrong:
        refused(lambda **bad: make(**(right | bad)), name, value)


@pytest.mark.parametrize(
    "wrong", [*SEQUENCE[:3], Fixed(0.1), (Fixed(0.1),), [Fixed(0.1), 2], (Fixed, 2)]
)
def test_stages_of_a_chain(wrong: Any) -> None:
    with pytest.raises(TypeError, match="stages must be"):
        Chain((Fixed(0.1), 2), wrong)
    for iterations in [*WHOLE, -1, np.int64(-1)]:  # a stage of 0 is one that a count left out
        with pytest.raises((TypeError, ValueError), match="iterations must be"):
            Chain((Fixed(0.1), iterations))


LENGTHS = {"start": [*WHOLE, -1], "accumulation_steps": COUNT, "trainer": ENGINE}


@pytest.mark.parametrize("name", LENGTHS)
def test_of_attaching_a_schedule_handler(name: str) -> None:
    rig = Rig()
    handler = ScheduleHandler(rig.optimizer, lr=Fixed(0.1))
    for value in LENGTHS[name]:
        refused(lambda **bad: handler.attach(**({"trainer": rig.trainer} | bad)), name, value)
    assert not rig.trainer.has_event_handler(handler._write)
    for value in [None, 1, "sgd", torch.optim.SGD, rig.optimizer.param_groups]:
        refused(lambda **bad: ScheduleHandler(**bad, lr=Fixed(0.1)), "optimizer", value)
    for value in SCHEDULE:
        refused(lambda **bad: ScheduleHandler(rig.optimizer, **bad), "lr", value)


def test_what_is_plotted_has_labels() -> None:
    for value in [None, *MAPPING, Fixed(0.1)]:
        refused(lambda **bad: plots.plot_schedules(iterations=3, **bad), "schedules", value)
        refused(lambda **bad: plots.plot_curves(x_label="", y_label="", **bad), "curves", value)


def test_what_a_schedule_gives_is_written_as_a_plain_float() -> None:
    """NumPy's scalars would end up in checkpoints, which torch then refuses to load."""
    rig = Rig()
    giving = {"lr": lambda t: np.float64(0.1), "momentum": lambda t: torch.tensor(0.5)}
    ScheduleHandler(rig.optimizer, **giving).attach(
        rig.trainer, start=np.int64(1), accumulation_steps=np.int64(2)
    )
    rig.trainer.run(rig.loader)
    group = rig.optimizer.param_groups[0]
    assert (type(group["lr"]), group["lr"]) == (float, 0.1)
    assert (type(group["momentum"]), group["momentum"]) == (float, 0.5)
    failing = Rig()
    ScheduleHandler(failing.optimizer, lr=lambda t: None).attach(failing.trainer)
    with pytest.raises(TypeError, match="the schedule of lr gave None at step 0"):
        failing.trainer.run(failing.loader)


class Streaming:
    """Iterable again and again, without a length."""

    def __iter__(self) -> Iterator[Any]:
        return iter([1, 2])


def is_one_rate(value: Any) -> bool:
    return any(value is one for one in ONE_RATE) or isinstance(value, list)


RANGE_TEST: dict[str, list[Any]] = {
    "start_lr": [
        *(v for v in RATE[1:] if v != [1.0]),
        0.1,
        0.2,
        [],
        [0.0, 0.0],
        [NAN],
        ["a"],
        [0.2],
    ],
    "end_lr": [
        *(v for v in ABOVE_0[1:] if not is_one_rate(v)),
        0.001,
        [],
        [0.5, 0.5],
        [INF],
        [True],
    ],
    "num_iter": [*COUNT[1:], 1, 4],  # None is the default of these, first in each list
    "step_mode": [*CHOICE[1:], "exp"],
    "to_save": [*MAPPING, None, {}],
    "output_transform": CALLABLE,
    "diverge_th": [*(v for v in ABOVE_0 if v is not None), 1, 1.0, 0.5],
    "evaluator": [None, *ENGINE[1:]],
    "eval_data": [None, *DATA],
    "every": [*COUNT[1:], 13],
    "hold": [*COUNT, 5, 12],
    "training_metrics": [*MAPPING, {"a": 1}, {"a": None}, {1: abs}, {"loss": abs}],
    "keep": [None, 1, 0.5, "handler", b"", object(), torch.tensor(1.0)],
    "on_row": CALLABLE_OR_NONE,
    "progress": FLAG,
    "checkpoint": [1, True, b"x", ["x"], object()],
}


@pytest.mark.parametrize("name", RANGE_TEST)
def test_of_a_range_test(name: str) -> None:
    rig = Rig()
    before = state_of(rig)
    right = {"start_lr": 0.05, **rig.with_evaluator(every=5)}
    if name == "hold":
        right["num_iter"] = 12
    rig.test(**right)
    for value in RANGE_TEST[name]:
        refused(lambda **bad: rig.test(**(right | bad)), name, value)
    for value in [None, 1, "sgd", rig.optimizer.param_groups]:
        refused(
            lambda **bad: LRRangeTest(**bad, start_lr=0, end_lr=1, num_iter=5, to_save={}),
            "optimizer",
            value,
        )
    assert same(state_of(rig), before)


@pytest.mark.parametrize("kind", ["run", "attach"])
def test_of_running_it(kind: str) -> None:
    rig = Rig()
    before = state_of(rig)
    for value in ENGINE:
        with pytest.raises(TypeError, match="trainer must be an ignite.engine.Engine, got"):
            if kind == "run":
                rig.test().run(value, rig.loader)
            else:
                with rig.test().attach(value):
                    pass
    for value in [None, *DATA]:
        with pytest.raises((TypeError, ValueError), match="data must"):
            if kind == "run":
                rig.test().run(rig.trainer, value)
            else:
                with rig.test().attach(rig.trainer):
                    rig.trainer.run(value)
    assert same(state_of(rig), before) and "run" not in vars(rig.trainer) and rig.used == []


COUNTS = [np.uint8, np.int16, np.array, torch.tensor, lambda n: torch.tensor(n).byte()]
SHARES = [np.float16, np.float32, np.array, torch.tensor, lambda x: torch.tensor(x).bfloat16()]


@pytest.mark.parametrize(
    ("make", "right"), [case[:2] for case in TABLE if case[0] not in (cycle_end, _plotted)]
)
def test_scalars_of_numpy_and_torch_are_taken_as_plain_numbers(
    make: Callable[..., Any], right: dict[str, Any]
) -> None:
    for name, value in right.items():
        for kind in {int: COUNTS, float: SHARES}.get(type(value), []):
            small = kind(value)
            found, expected = (make(**(right | {name: v})) for v in (small, small.item()))
            assert repr(found) == repr(expected), (name, small)


def test_small_types_do_not_overflow_later() -> None:
    """A uint8 ends at 255, a test or a run does not."""
    engine = Engine(lambda engine, batch: None)
    ends = cycle_end(Triangular(0.1, 0.2, 150), np.uint8(200), np.uint8(3))
    assert [event for event in range(2_500) if ends(engine, event)] == [1100, 2000]
    assert step_size_from_epochs(np.uint8(4), np.uint8(200)) == 800
    result = result_of(600)
    assert result.median_loss(np.uint8(15)) == result.median_loss(15)
    assert result.smoothed_loss(np.float16(0.5)) == result.smoothed_loss(0.5)
    for policy in ("triangular", "onecycle"):
        assert result.schedule(np.uint8(200), policy) == result.schedule(200, policy)
    held = RangeTestResult(
        start_lr=0, end_lr=1, num_iter=np.int16(600), step_mode="linear", hold=np.uint8(200)
    )
    for row in range(600):
        held.add_row(iteration=row + 1, lr=row // 200, loss=1.0)
    assert held.plateaus()[0] == [0.0, 1.0, 2.0]


def test_a_factor_of_a_small_type_scales_a_rate_exactly() -> None:
    for factor in (np.float16(3), np.uint8(3), torch.tensor(3), torch.tensor(3.0)):
        rig = Rig()
        rig.optimizer.param_groups[0]["lr_mult"] = factor
        ScheduleHandler(rig.optimizer, lr=Fixed(0.1)).attach(rig.trainer)
        rig.trainer.run(rig.loader)
        rate = rig.optimizer.param_groups[0]["lr"]
        assert (type(rate), rate) == (float, 0.1 * 3)
        tested = rig.test().run(rig.trainer, rig.loader)
        assert list(tested.group_lr[0]) == [3.0 * rate for rate in tested.lr]


def test_long_arguments_are_shortened() -> None:
    wrong = [[1.0] * 10_000, torch.ones(90, 90), {"a" * 9_999: 1}, "1" * 9_999, [Rig().model] * 5]
    for value in wrong:
        with pytest.raises(TypeError, match="base_lr must be a number, got ") as caught:
            Triangular(value, 0.2, 3)
        assert len(str(caught.value)) < 600 and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "meant"), [("one_cycle", "onecycle"), ("Triangular", "triangular")]
)
def test_a_name_that_is_nearly_right_is_understood(given: Any, meant: str) -> None:
    with pytest.raises(
        ValueError, match=f"policy must be .*, got '{given}': did you mean '{meant}"
    ):
        result_of(80).schedule(3, given)
    with pytest.raises(ValueError, match="step_mode .*, got 'exp': did you mean 'exponential'"):
        Rig().test(step_mode="exp")
    with pytest.raises(ValueError, match="got 'cosine'$"):
        result_of(80).schedule(3, "cosine")  # type: ignore[arg-type]


NUMPY = {
    "start_lr": np.float64(0.5), "end_lr": [np.float32(1.0)], "num_iter": np.int64(12),
    "hold": np.int8(2), "diverge_th": np.float64(50), "every": np.int64(5),
}  # fmt: skip
ARRAYS = NUMPY | {"start_lr": np.array([0.5]), "end_lr": np.ones(1, np.float32)}
TORCH = {
    "start_lr": torch.tensor(0.5), "end_lr": torch.ones(1), "num_iter": torch.tensor(12).byte(),
    "hold": torch.tensor(2), "diverge_th": torch.tensor(50).half(), "every": torch.tensor(5),
}  # fmt: skip


@pytest.mark.parametrize("given", [NUMPY, ARRAYS, TORCH])
def test_numbers_of_other_kinds_leave_plain_ones_in_result_and_files(
    tmp_path: Path, given: dict[str, Any]
) -> None:
    rig, plain = Rig(), Rig()
    test = rig.test(checkpoint=tmp_path / "test.pt", **(rig.with_evaluator() | given))
    result = test.run(rig.trainer, rig.loader)
    start = [0.5] if given is ARRAYS else 0.5
    expected = plain.test(
        start_lr=start, end_lr=[1.0], num_iter=12, hold=2, **plain.with_evaluator(every=5)
    ).run(plain.trainer, plain.loader)
    assert result == expected  # to the letter: a NumPy number has another repr
    result.to_json(tmp_path / "r.json")
    assert RangeTestResult.from_json(tmp_path / "r.json") == result


def test_experiments_become_json_whatever_their_numbers_were() -> None:
    given = Experiment(
        schedule=Fixed(0.1), iterations=np.int64(5), batch_size=np.int64(2), held_out=np.int64(3),
        momentum=np.float32(0.5), weight_decay=Fraction(1, 4),
    )  # fmt: skip
    assert Experiment.from_dict(json.loads(json.dumps(given.to_dict()))) == given


def test_of_repeating_it() -> None:
    calls: list[int] = []
    right: dict[str, Any] = {"setup": calls.append, "start_lr": 0.0, "end_lr": 0.1, "num_iter": 5}
    for value in CALLABLE:
        refused(lambda **bad: repeat_range_test(seeds=[1], **(right | bad)), "setup", value)
    for value in [*SEQUENCE, [], [1, 1], [1.0], [True], ["1"], [[1]], [None]]:
        refused(lambda **bad: repeat_range_test(**right, **bad), "seeds", value)
    assert calls == []


PLOTTER: dict[str, list[Any]] = {
    "url": [*TEXT_OR_NONE, "ftp://here", "http://", "http://h:99999", "http://h:x"],
    "username": TEXT_OR_NONE,
    "password": TEXT_OR_NONE,
    "env": [None, *TEXT_OR_NONE],
    "every": ABOVE_0,
    "timeout": ABOVE_0,
}
ATTACHED: dict[str, list[Any]] = {
    "trainer": ENGINE,
    "optimizer": [None, 1, "sgd", object()],
    "evaluator": ENGINE[1:],
    "output_transform": CALLABLE,
    "cycle_end": CALLABLE_OR_NONE,
    "total": [value for value in COUNT if value is not None],
}


@pytest.mark.parametrize("name", PLOTTER)
def test_of_a_plotter(name: str) -> None:
    for value in PLOTTER[name]:
        refused(VisdomPlotter, name, value)


@pytest.fixture(scope="module")
def plotter() -> Iterator[VisdomPlotter]:
    with VisdomPlotter("http://127.0.0.1:9", every=60.0, timeout=0.1) as found:
        yield found


@pytest.mark.parametrize("name", ATTACHED)
def test_of_attaching_a_plotter(plotter: VisdomPlotter, name: str) -> None:
    rig = Rig()
    right = {"trainer": rig.trainer, "optimizer": rig.optimizer, "evaluator": rig.evaluator}
    for value in ATTACHED[name]:
        refused(lambda **bad: plotter.attach(**(right | bad)), name, value)
    for value in COUNT:
        refused(lambda **bad: plotter.preview({}, **bad), "iterations", value)
    assert not rig.trainer._event_handlers[Events.ITERATION_COMPLETED]
