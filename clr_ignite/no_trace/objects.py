"""Objects of other people's classes: which are followed, and how their attributes come back.

Followed is what a class written in Python keeps in attributes or slots: the projector of a low-rank
optimizer, peft's rank allocator, a replay buffer. Left alone is what belongs to the world outside
(files, threads, processes, sockets, CUDA streams and graphs) and the object that works with it: a
writer whose queue came back would write twice.
"""

from __future__ import annotations

import enum
import io
import socket
import subprocess
import sys
import tempfile
import threading
import types
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from multiprocessing.process import BaseProcess
from typing import Any

import torch
from ignite.engine import Engine, State
from torch.utils.data import DataLoader, Dataset, Sampler
from torch.utils.data.dataloader import _BaseDataLoaderIter

Attributes = dict[str, Any]

_HEAP = 1 << 9  # Py_TPFLAGS_HEAPTYPE: a class made by a class statement
RESOURCES = (
    io.IOBase,
    tempfile._TemporaryFileWrapper,
    socket.socket,
    subprocess.Popen,
    threading.Thread,
    BaseProcess,
    Executor,
    torch.cuda.Stream,
    torch.cuda.Event,
    torch.cuda.CUDAGraph,
)
DATA = (
    Dataset,
    DataLoader,
    Sampler,
    _BaseDataLoaderIter,
)  # large, and no part of training's state; but if given
_NEVER = (type, types.ModuleType, enum.Enum, Engine, State, *DATA, *RESOURCES)
# Of torch's own classes those that hold state of training; the others are its machinery, compilers
# and loaders among them.
_TRAINING = (
    "torch.optim",
    "torch.amp",
    "torch.cuda.amp",
    "torch.ao",
    "torch.nn",
    "torch.quasirandom",
)
_LOOKED_AT = 64  # items of a container, for a resource among them


def is_followed(one: object) -> bool:
    """Whether ``one``, met inside something else, has attributes that come back."""
    return not isinstance(one, _NEVER) and is_ours(one) and has_attributes(one)


def is_ours(one: object) -> bool:
    """Whether the class of ``one`` is written in Python, by neither the standard library nor, but
    for what holds state of training, torch."""
    kind = type(one)
    if isinstance(one, types.SimpleNamespace):
        return True
    if not kind.__flags__ & _HEAP:
        return False
    module = str(kind.__module__)
    top = module.partition(".")[0]
    if top == "torch":
        return module.startswith(_TRAINING)
    return top not in sys.stdlib_module_names or top == "argparse"


def has_attributes(one: object) -> bool:
    """Whether there is a dict of attributes, or slots."""
    if isinstance(one, type):
        return False
    return isinstance(getattr(one, "__dict__", None), dict) or any(_slots(type(one)))


def attributes(one: object) -> Attributes:
    """Attributes and filled slots of an object, by name."""
    held = dict(_slot_values(one))
    if isinstance(found := getattr(one, "__dict__", None), dict):
        held |= found
    return held


def own_attributes(one: object) -> Attributes:
    """The dict of attributes itself.

    CPython before 3.13 reads attributes slowly once their dict was asked for, for as long as the
    object lives, a few microseconds a step with an Engine; a dict that something was popped from
    is read quickly again.
    """
    found = vars(one)
    found[""] = None
    found.popitem()
    return found


def putting_back(one: object, before: Attributes) -> Callable[[], None]:
    """What gives ``one`` the attributes that it had; untouched ones are not written."""
    slots = dict(_slots(type(one)))

    def restore() -> None:
        for name, now in attributes(one).items():
            if name not in before:
                _delete(one, slots, name)
            elif now is not before[name]:
                _set(one, slots, name, before[name])
        for name in before.keys() - attributes(one).keys():
            _set(one, slots, name, before[name])

    return restore


def telling(one: object, before: Attributes) -> Callable[[], None]:
    """What warns if an object that is left alone has changed."""

    def tell() -> None:
        now = attributes(one)
        changed = [name for name in {**before, **now} if now.get(name, one) is not before.get(name)]
        if changed:
            warnings.warn(
                f"a {type(one).__name__} was not put back, since it holds a file, a thread or the "
                f"like: its {', '.join(sorted(changed))} changed during the test. Give what "
                "training depends on to to_save by itself",
                stacklevel=2,
            )

    return tell


def holds_resource(held: Attributes) -> bool:
    """Whether one of the attributes, or something in a container among them, is of the outside."""
    return any(isinstance(one, RESOURCES) for value in held.values() for one in _inside(value))


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple | set):
        return [value, *list(value)[:_LOOKED_AT]]
    return (value,)


def _slots(kind: type) -> Iterator[tuple[str, Any]]:
    """Name and descriptor of each slot that a class written in Python has."""
    for base in kind.__mro__:
        if base.__flags__ & _HEAP and "__slots__" in vars(base):
            for name, found in vars(base).items():
                if isinstance(found, types.MemberDescriptorType):
                    yield name, found


def _slot_values(one: object) -> Iterator[tuple[str, Any]]:
    for name, slot in _slots(type(one)):
        try:
            yield name, slot.__get__(one)
        except AttributeError:  # an empty one
            continue


# Past the class's own __setattr__, which a frozen dataclass refuses.
def _set(one: Any, slots: dict[str, Any], name: str, value: object) -> None:
    if name in slots:
        slots[name].__set__(one, value)
    else:
        one.__dict__[name] = value


def _delete(one: Any, slots: dict[str, Any], name: str) -> None:
    if name in slots:
        slots[name].__delete__(one)
    else:
        del one.__dict__[name]
