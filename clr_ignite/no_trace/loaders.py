"""Loaders that keep a place or a pass count: whether it is as before, and if not, given back."""

from __future__ import annotations

import copy
import inspect
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, Sampler

from clr_ignite.no_trace.objects import DATA, attributes, is_ours
from clr_ignite.no_trace.reachable import reachable
from clr_ignite.no_trace.shared_memory import SHARED, shared_content
from clr_ignite.no_trace.snapshot import Snapshot

_KEEP_A_PLACE = (DataLoader, IterableDataset, Sampler)  # a data set that is indexed has none
_NAMED = 5  # counts in a warning
Counts = dict[str, int | bytes]


def loader_states(saved: Iterable[Any]) -> Callable[[], None]:
    """What gives the loaders among ``saved`` the state that they have now.

    Attributes come back first, those of the loaders, samplers and iterable data sets inside too; a
    place that is not in them (in a generator, or outside Python) is given back by
    ``load_state_dict``, but only where it is another one: of a pass that has ended some loaders
    make an empty one.
    """
    loaders = [one for one in saved if not isinstance(one, nn.Module | torch.optim.Optimizer)]
    loaders = [one for one in loaders if hasattr(one, "__iter__")]
    sources = [getattr(loader, "dataset", None) for loader in loaders]
    stateful = [one for one in (*sources, *loaders) if _is_stateful(one)]
    inside = reachable(loaders, lambda one: isinstance(one, _KEEP_A_PLACE), inside=True)
    undo = [Snapshot(inside).restore, *map(_state_of, stateful)]

    def restore() -> None:
        for each in undo:
            each()

    return restore


def no_new_workers(data: Iterable[Any]) -> Callable[[], None]:
    """What ends persistent workers that DataLoaders reached from ``data`` start in the meantime.

    A loader that has them draws no seed for them in its first pass: its order and that of all
    random numbers after it would be another one.
    """
    loaders = reachable(data, lambda one: isinstance(one, DataLoader))
    idle = [one for one in loaders if one.persistent_workers and one._iterator is None]

    def restore() -> None:
        for loader in idle:
            loader._iterator = None

    return restore


def moved_counts(data: Iterable[Any]) -> Callable[[], None]:
    """What warns if a whole number has changed that something reached from ``data`` keeps.

    Of a count of epochs depends which order the next pass has.
    """
    watched = reachable(data, _may_count, inside=True)
    counting = [(one, counts) for one in watched if (counts := _counts(one))]

    def tell() -> None:
        moved = [
            f"{type(one).__name__}.{name}"
            for one, before in counting
            for name, now in _counts(one).items()
            if before.get(name, now) != now
        ]
        if moved:
            named = ", ".join(moved[:_NAMED]) + ", ..." * (len(moved) > _NAMED)
            warnings.warn(
                f"the data was not put back: its {named} changed during the test, on which the "
                "order of its next pass may depend. Give the loader to to_save as well",
                stacklevel=2,
            )

    return tell


def _may_count(one: object) -> bool:
    torchs = type(one).__module__.partition(".")[0] == "torch"  # which has the loaders' machinery
    return not torchs and (is_ours(one) or isinstance(one, (*DATA, *SHARED)))


def _counts(one: object) -> Counts:
    if isinstance(one, SHARED):
        return {"content": shared_content(one)}
    return {name: value for name, value in attributes(one).items() if type(value) is int}


def _is_stateful(one: Any) -> bool:
    """Whether its state can be asked for; some ask for numbers that only their loader knows."""
    if not (hasattr(one, "state_dict") and hasattr(one, "load_state_dict")):
        return False
    try:
        inspect.signature(one.state_dict).bind()
    except (TypeError, ValueError):
        return False
    return True


def _state_of(loader: Any) -> Callable[[], None]:
    attributes = Snapshot([loader])
    before = copy.deepcopy(loader.state_dict())
    attributes.restore()  # to ask makes an iterator in some

    def restore() -> None:
        attributes.restore()
        now = loader.state_dict()
        attributes.restore()
        if not _equal(now, before):
            loader.load_state_dict(before)

    return restore


def _equal(one: Any, other: Any) -> bool:
    """Whether two states are the same, tensors and arrays in them too."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_equal(one[k], other[k]) for k in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(_equal, one, other))
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, np.ndarray):
        return np.array_equal(one, other)
    return bool(one == other)
