"""Take the state of training, in memory, and put it back in place.

In place: the same tensors, dicts and lists as before, with their old content; what was absent is
absent again. One copy of everything mutable is held.
"""

from __future__ import annotations

import functools
import random
import types
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from clr_ignite.no_trace.objects import (
    attributes,
    has_attributes,
    holds_resource,
    is_followed,
    own_attributes,
    putting_back,
    telling,
)
from clr_ignite.no_trace.shared_memory import SHARED, take_shared
from clr_ignite.no_trace.tensors import Restore, Taken, take_array, take_numbers, take_tensor

_TORCHS = frozenset(vars(nn.Module()))  # torch's own bookkeeping in every module
_TABLES = [  # of it, submodules and hooks
    name
    for name, value in vars(nn.Module()).items()
    if isinstance(value, dict) and name not in ("_parameters", "_buffers")
]


class Snapshot:
    """The state of ``objects`` (see :func:`can_be_saved`) at construction.

    Of modules: parameters, buffers, gradients, training flags and attributes of their own; of
    tensors, arrays, containers, random generators and values that processes share their content,
    also where a tensor changes its shape or its storage; of optimizers and any other object its
    attributes, of bound methods and partial functions what they are bound to. All are followed as
    far as attributes and containers go (see :mod:`clr_ignite.no_trace.objects` for what is left
    alone).

    Raises:
        TypeError: a tensor that can be neither copied nor taken apart.
    """

    def __init__(self, objects: Iterable[object]) -> None:
        known: dict[int, object] = {}
        self._restores: list[Restore] = []
        waiting = list(objects)
        given = len(waiting)
        for index, one in enumerate(waiting):  # which grows meanwhile
            if id(one) not in known:
                known[id(one)] = one  # alive, so that its id stays its own
                if take := _take(one) or (_given if index < given else _met(one)):
                    restore, held = take(one)
                    self._restores.append(restore)
                    waiting += held

    def restore(self) -> None:
        """Put everything back, also what comes after something that cannot be.

        Raises:
            Exception: the first one's, once the others are back.
        """
        with torch.no_grad():
            # A view that cannot be written is right as soon as what it views is: hence twice.
            failed = [restore for restore, _ in _failures(self._restores)]
            for _, error in list(_failures(failed)):
                raise error


def can_be_saved(one: object) -> bool:
    """Whether ``one`` has content that a Snapshot takes, or attributes."""
    taken = _take(one) is not None and not isinstance(one, frozenset)
    return taken or has_attributes(one)


def _failures(restores: Iterable[Restore]) -> Iterator[tuple[Restore, Exception]]:
    for restore in restores:
        try:
            restore()
        except Exception as error:
            yield restore, error


def _take(one: object) -> Callable[[Any], Taken] | None:
    return next((take for kind, take in _KINDS.items() if isinstance(one, kind)), None)


def _given(one: object) -> Taken:
    """An object named by the user: its attributes, whatever is among them."""
    held = attributes(one)
    return putting_back(one, held), held.values()


def _met(one: object) -> Callable[[Any], Taken] | None:
    """How to take an object that something else holds."""
    if not is_followed(one):
        return None
    return _aside if holds_resource(attributes(one)) else _given


def _aside(one: object) -> Taken:
    return telling(one, attributes(one)), ()


def _module(module: nn.Module) -> Taken:
    """Its own state, with attributes such as a count of its calls, submodules and hooks."""
    kind, training = type(module), module.training
    own = {name: value for name, value in vars(module).items() if name not in _TORCHS}
    tables = [(table, dict(table)) for table in map(vars(module).get, _TABLES) if table is not None]

    def restore() -> None:
        if type(module) is not kind:  # torch's parametrizations make a class for each module
            module.__class__ = kind
        module.training = training
        for table, before in tables:
            if (table or before) and list(table.items()) != list(before.items()):
                table.clear()
                table.update(before)
        now = vars(module)
        for name in now.keys() - _TORCHS - own.keys():
            del now[name]
        for name, value in own.items():
            if now.get(name, now) is not value:  # untouched, torch.compile notices nothing
                now[name] = value

    # A ScriptModule's tensors stand in no dict of Python's: hence all tensors beside the dicts.
    tensors = (*module.parameters(recurse=False), *module.buffers(recurse=False))
    dicts = (module._parameters, module._buffers)
    return restore, [*dicts, *tensors, *module.children(), *own.values()]


def _optimizer(optimizer: torch.optim.Optimizer) -> Taken:
    # A wrapper may read these two from another object than its attributes show.
    return _nothing, [own_attributes(optimizer), optimizer.state, optimizer.param_groups]


def _mapping(mapping: MutableMapping[Any, Any]) -> Taken:
    content = dict(mapping)

    def restore() -> None:
        mapping.clear()
        mapping.update(content)

    # Keys may be tensors (an optimizer's state).
    return restore, [*content.keys(), *content.values(), *_attributes(mapping)]


def _sequence(sequence: list[Any] | deque[Any]) -> Taken:
    content = list(sequence)

    def restore() -> None:
        sequence.clear()
        sequence.extend(content)

    return restore, [*content, *_attributes(sequence)]


def _set(members: set[Any]) -> Taken:
    content = set(members)

    def restore() -> None:
        members.clear()
        members.update(content)

    return restore, [*content, *_attributes(members)]


def _function(function: types.MethodType | functools.partial[Any]) -> Taken:
    if isinstance(function, types.MethodType):
        return _nothing, [function.__self__]
    return _nothing, [function.func, function.args, function.keywords]


def _tuple(items: tuple[Any, ...] | frozenset[Any]) -> Taken:
    return _nothing, items


def _python_random(generator: random.Random) -> Taken:
    state = generator.getstate()
    return lambda: generator.setstate(state), _attributes(generator)


def _torch_random(generator: torch.Generator) -> Taken:
    state = generator.get_state()
    return lambda: generator.set_state(state), ()


def _numpy_random(generator: np.random.Generator | np.random.BitGenerator) -> Taken:
    bits: Any = getattr(generator, "bit_generator", generator)
    state = bits.state
    return lambda: setattr(bits, "state", state), ()


def _numpy_legacy_random(generator: np.random.RandomState) -> Taken:
    state = generator.get_state()
    return lambda: generator.set_state(state), ()


def _attributes(one: object) -> list[object]:
    """Those that a subclass of a built-in kind has."""
    return [vars(one)] if hasattr(one, "__dict__") else []


def _nothing() -> None:
    """Puts back what has no content of its own."""


_KINDS: dict[Any, Callable[[Any], Taken]] = {
    Tensor: take_tensor,
    nn.Module: _module,
    torch.optim.Optimizer: _optimizer,
    MutableMapping: _mapping,
    list | deque: _sequence,
    set: _set,
    bytearray | array: take_numbers,
    types.MethodType | functools.partial: _function,
    tuple | frozenset: _tuple,
    np.ndarray: take_array,
    random.Random: _python_random,
    torch.Generator: _torch_random,
    np.random.Generator | np.random.BitGenerator: _numpy_random,
    np.random.RandomState: _numpy_legacy_random,
    SHARED: take_shared,
}


def training_flags(module: nn.Module) -> Restore:
    """What sets the ``training`` flag of each submodule back to what it is now."""
    flags = [(part, part.training) for part in module.modules()]

    def restore() -> None:
        for part, flag in flags:
            part.training = flag

    return restore
