"""Random schedules of every public kind, from their signatures: a new kind needs no word here."""

from __future__ import annotations

import dataclasses
import inspect
import itertools
import types
import typing
from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import reject
from hypothesis import strategies as st

from clr_ignite import schedules
from clr_ignite.schedules import Schedule

LARGEST = 1.7e308
FAR = 10**15

KINDS = {
    name: kind
    for name in schedules.__all__
    if dataclasses.is_dataclass(kind := getattr(schedules, name))
}
numbers = st.one_of(
    st.floats(0, 1),
    st.floats(0.9, 1, exclude_max=True),
    st.floats(0, 10),
    st.floats(0, LARGEST),
    st.sampled_from([0.0, 5e-324, 0.1, 1.0, 2.0]),
)
sizes = st.one_of(st.integers(1, 50), st.integers(1, 50), st.integers(0, FAR))
iterations = st.one_of(st.integers(0, 200), st.integers(0, FAR), st.just(FAR))
_TRIED = 40  # orders of the numbers drawn
steps = st.sets(st.integers(1, 300), max_size=8).map(lambda found: tuple(sorted(found)))


def parameters(kind: type) -> dict[str, inspect.Parameter]:
    """The arguments of a schedule, with their types."""
    return dict(inspect.signature(kind, eval_str=True).parameters)


def drawn(annotation: Any, depth: int) -> st.SearchStrategy[Any]:
    """Values of a type; schedules within schedules down to ``depth``."""
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation == Schedule:
        return every(depth - 1)
    if annotation in (float, int):
        return numbers if annotation is float else sizes
    if origin is typing.Literal:
        return st.sampled_from(inner)
    if origin in (typing.Union, types.UnionType):
        return st.one_of(*(drawn(one, depth) for one in inner))
    if annotation == tuple[int, ...]:
        return steps
    if origin is tuple:
        return st.tuples(*(drawn(one, depth) for one in inner))
    assert annotation is types.NoneType, f"what are values of {annotation}?"
    return st.none()


@st.composite
def instances(draw: Callable[..., Any], kind: type, depth: int = 2) -> Any:
    """Schedules of one kind: numbers are drawn, and put in an order that the kind accepts."""
    positional: list[Any] = []
    named: dict[str, Any] = {}
    for name, parameter in parameters(kind).items():
        values = drawn(parameter.annotation, depth)
        if parameter.kind is parameter.VAR_POSITIONAL:
            positional = draw(st.lists(values, min_size=1, max_size=4))
        else:
            named[name] = draw(values)
    for arranged in itertools.islice(orders(named), _TRIED):
        try:
            return kind(*positional, **arranged)
        except (TypeError, ValueError):
            continue
    reject()


def orders(named: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The same arguments with their floats, and their whole numbers, exchanged in every way."""
    floats, wholes = (
        [name for name, value in named.items() if type(value) is kind] for kind in (float, int)
    )
    for first in itertools.permutations(named[name] for name in floats):
        for second in itertools.permutations(named[name] for name in wholes):
            yield (
                named
                | dict(zip(floats, first, strict=True))
                | dict(zip(wholes, second, strict=True))
            )


def every(depth: int = 2) -> st.SearchStrategy[Any]:
    """Schedules of all kinds; at depth 0 those without others in them."""
    kinds = [kind for kind in KINDS.values() if depth > 0 or not holds_others(kind)]
    return st.sampled_from(kinds).flatmap(lambda kind: instances(kind, depth))


def holds_others(kind: type) -> bool:
    """Whether a schedule is an argument that must be given."""
    return any(
        "Callable" in str(p.annotation) and p.default is p.empty for p in parameters(kind).values()
    )
