"""What can be reached from data through attributes, containers and functions: a bounded walk."""

from __future__ import annotations

import functools
import itertools
import sys
import types
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from ignite.engine import Engine, State
from torch import Tensor

from clr_ignite.no_trace.objects import DATA, RESOURCES, attributes, is_ours

_MOST = 10_000  # objects looked at: a millisecond for each thousand
_ITEMS = 200  # of each container; a data set's pictures need not all be asked
_LIBRARIES = sys.stdlib_module_names | {"torch", "ignite"}  # whose code names nothing of the user's
_ENDS = (type, types.ModuleType, str, bytes, int, float, Tensor, np.ndarray, Engine, State)


def reachable(
    roots: Iterable[object], wanted: Callable[[object], bool], *, inside: bool = False
) -> list[Any]:
    """Every object that is ``wanted``, each once, the nearest first and always in the same order.

    It goes through attributes and slots, containers, bound methods, partial functions, what
    functions close over and the globals that they name (a library's name none of the user's); not
    into what is wanted (but ``inside``), classes, modules, Engines, and what belongs to the
    outside.
    """
    known: dict[int, object] = {}
    found = []
    waiting = deque(roots)
    while waiting and len(known) < _MOST:
        one = waiting.popleft()
        if one is None or isinstance(one, _ENDS) or id(one) in known:
            continue
        known[id(one)] = one
        if is_wanted := wanted(one):
            found.append(one)
        if inside or not is_wanted:
            waiting.extend(_held(one))
    return found


def _held(one: Any) -> Iterator[object]:
    if isinstance(one, dict):
        yield from itertools.islice(one.values(), _ITEMS)
    elif isinstance(one, list | tuple | deque | set | frozenset):
        yield from itertools.islice(one, _ITEMS)
    elif isinstance(one, functools.partial):
        yield from (one.func, one.args, one.keywords)
    elif isinstance(one, types.MethodType):
        yield from (one.__self__, one.__func__)
    elif isinstance(one, types.FunctionType):
        yield from (one.__defaults__, one.__kwdefaults__)
        if not _is_librarys(str(one.__module__)):  # whose globals are its own
            yield from (one.__globals__.get(name) for name in one.__code__.co_names)
        for cell in one.__closure__ or ():
            try:
                yield cell.cell_contents
            except ValueError:  # not filled yet
                continue
    if not isinstance(one, RESOURCES) and (is_ours(one) or isinstance(one, DATA)):
        yield from attributes(one).values()
        # Of the class too: an attribute that its objects share, methods that name a global one.
        for base in type(one).__mro__[:-1]:
            if not _is_librarys(base.__module__):
                yield from vars(base).values()


def _is_librarys(module: str) -> bool:
    return module.partition(".")[0] in _LIBRARIES
