"""What every public schedule promises, whatever its arguments; the kinds come from ``__all__``."""

from __future__ import annotations

import copy
import math
import os
import pickle
import shutil
import subprocess
import sys
from dataclasses import FrozenInstanceError, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from clr_ignite.schedules import (
    Chain,
    Fixed,
    Geometric,
    MultiStep,
    Triangular,
    Triangular2,
    ends_cycle,
    length,
    limits,
)
from clr_ignite.schedules.text import parse_schedule
from tests.schedule_strategies import (
    FAR,
    KINDS,
    LARGEST,
    drawn,
    every,
    instances,
    iterations,
    parameters,
)

ROOT = Path(__file__).parent.parent
# Other processes may slow these down; orders that no kind accepts are drawn again.
RELAXED = settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)
each_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


def value(schedule: Any, t: int) -> float | None:
    """The value; None where a ``Strict`` refuses the iteration, as it may."""
    try:
        found: float = schedule(t)
    except ValueError as error:
        assert "iteration must be at most" in str(error) and "Strict" in repr(schedule)
        return None
    return found


def check_value(schedule: Any, t: int) -> None:
    known = limits(schedule)
    assert known is not None
    low, high = known
    found = value(schedule, t)
    assert 0 <= low <= high < math.inf
    assert found is None or (type(found) is float and low <= found <= high)


@each_kind
@given(data=st.data(), t=iterations)
@settings(RELAXED, max_examples=20)
def test_every_value_is_a_finite_float_within_the_limits(kind: type, data: Any, t: int) -> None:
    check_value(data.draw(instances(kind)), t)


@given(every(0), iterations)
@settings(RELAXED, max_examples=30)
@example(Geometric(5e-324, LARGEST, 1_000), 500)  # exp of half the log ratio overflows
@example(Geometric(1e-7, math.nextafter(1e-7, 1), 10), 5)  # the ends are next to each other
@example(Geometric(0.1, 0.1, 7), 3)
@example(MultiStep(1.0, tuple(range(1, 300)), 10.0), 299)
@example(Triangular2(0.001, LARGEST, 1), FAR)
@example(Triangular(0.0, 5e-324, 3), 1)
@example(Triangular(0.0, 1.0, 3), 2**62)
def test_values_at_the_edges_of_arithmetic(schedule: Any, t: int) -> None:
    check_value(schedule, t)


@each_kind
@given(data=st.data(), after=iterations)
@settings(RELAXED, max_examples=10)
def test_what_it_says_of_itself(kind: type, data: Any, after: int) -> None:
    schedule = data.draw(instances(kind, 1))
    total = length(schedule)
    assert total is None or (type(total) is int and total >= 0)
    assert not ends_cycle(schedule, 0)
    if "Stretch" not in repr(schedule):  # it looks at every iteration that it leaves out
        assert type(ends_cycle(schedule, after + 1)) is bool


@each_kind
@given(data=st.data(), at=st.lists(iterations, max_size=4))
@settings(RELAXED, max_examples=10)
def test_copies_pickles_and_text_give_the_same(kind: type, data: Any, at: list[int]) -> None:
    schedule = data.draw(instances(kind))
    again = [pickle.loads(pickle.dumps(schedule)), copy.copy(schedule), copy.deepcopy(schedule)]
    again += [eval(repr(schedule), dict(KINDS)), parse_schedule(repr(schedule))]
    for one in again:
        assert one == schedule and hash(one) == hash(schedule) and one is not schedule
        assert [value(one, t) for t in at] == [value(schedule, t) for t in at]
    with pytest.raises(FrozenInstanceError):
        setattr(schedule, next(iter(vars(schedule))), 1)


@each_kind
@given(data=st.data())
@settings(RELAXED, max_examples=10)
def test_a_changed_argument_makes_another_schedule(kind: type, data: Any) -> None:
    schedule = data.draw(instances(kind, 1))
    name, parameter = data.draw(st.sampled_from(list(parameters(kind).items())))
    new = data.draw(drawn(parameter.annotation, 1))
    try:
        if parameter.kind is parameter.VAR_POSITIONAL:
            changed = kind(*getattr(schedule, name), new)
        else:
            changed = replace(schedule, **{name: new})
    except (TypeError, ValueError):
        return  # the others forbid it
    same = getattr(changed, name) == getattr(schedule, name)
    assert (changed == schedule) is same


WRONG: dict[type, list[Any]] = {
    float: [math.nan, math.inf, -1.0, "0.1", True, 10**400],
    int: [-1, 1.5, 2.0, "3", True],
    str: ["no such word", 1, None],
}


@each_kind
@given(data=st.data())
@settings(RELAXED, max_examples=5)
def test_a_wrong_argument_is_refused_by_name_and_value(kind: type, data: Any) -> None:
    schedule = data.draw(instances(kind, 1))
    for name, parameter in parameters(kind).items():
        if parameter.kind is parameter.VAR_POSITIONAL:
            with pytest.raises(TypeError, match=f"{name} must be .*, got"):
                kind("none")
            continue
        given_type = type(getattr(schedule, name))
        for wrong in WRONG.get(given_type, ["none"]):
            with pytest.raises((TypeError, ValueError), match=rf"{name} must .*got"):
                replace(schedule, **{name: wrong})


@given(st.lists(st.tuples(every(0), st.integers(0, 40)), min_size=1, max_size=5), st.data())
@settings(RELAXED, max_examples=40)
def test_a_chain_is_its_parts_one_after_another(parts: list[Any], data: Any) -> None:
    laid_out = [(one, t) for one, n in parts[:-1] for t in range(n)]
    last, start = parts[-1][0], len(laid_out)
    at = data.draw(st.one_of(st.integers(0, start + 60), iterations))
    part, own = laid_out[at] if at < start else (last, at - start)
    chain = Chain(*parts)
    assert chain(at) == part(own)
    assert ends_cycle(chain, at + 1) == ends_cycle(part, own + 1)
    assert not ends_cycle(chain, 0)


@given(st.lists(st.tuples(every(0), st.integers(0, 40)), min_size=2, max_size=5), st.data())
@settings(RELAXED, max_examples=40)
def test_a_chain_within_a_chain_is_the_chain_laid_flat(parts: list[Any], data: Any) -> None:
    cut = data.draw(st.integers(1, len(parts) - 1))
    inner = Chain(*parts[:cut]), sum(n for _, n in parts[:cut])
    at = data.draw(st.integers(0, 250))
    assert Chain(inner, *parts[cut:])(at) == Chain(*parts)(at)


def test_a_long_chain_far_out() -> None:
    long = Chain(*((Fixed(float(i)), 3) for i in range(2_000)))
    assert [long(t) for t in (0, 2, 3, 5_996, 5_997, FAR)] == [0, 0, 1, 1_998, 1_999, 1_999]


PLANTED = """
from dataclasses import dataclass

from clr_ignite._checks import Fields, non_negative


@dataclass(frozen=True)
class Half(Fields):
    lr: float

    def __post_init__(self) -> None:
        self._set(lr=non_negative("lr", self.lr))

    @property
    def limits(self) -> tuple[float, float]:
        return self.lr / 2, self.lr / 2

    def __call__(self, iteration: int) -> float:
        return self.lr / 2
"""


def test_a_new_schedule_is_one_file(tmp_path: Path) -> None:
    """A file and its name in ``__init__``: the parser and these tests find it."""
    for folder in ("clr_ignite", "tests"):
        ignored = shutil.ignore_patterns("__pycache__", "*.json", "cifar10")
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=ignored)
    room = tmp_path / "clr_ignite" / "schedules"
    (room / "half.py").write_text(PLANTED)
    names = (room / "__init__.py").read_text()
    names = names.replace('    "Geometric",', '    "Geometric",\n    "Half",')
    names = names.replace("\n__all__", "\nfrom clr_ignite.schedules.half import Half\n\n__all__")
    (room / "__init__.py").write_text(names)
    options = ["-q", "-p", "no:cacheprovider", "-k", "Half", "--rootdir", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "tests/test_every_schedule.py"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert "5 passed" in done.stdout, done.stdout + done.stderr
