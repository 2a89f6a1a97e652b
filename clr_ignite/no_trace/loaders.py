"""Loaders that keep a place or a pass count: whether it is as before, and if not, given back."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader

from clr_ignite.no_trace.reachable import reachable
from clr_ignite.no_trace.snapshot import Snapshot


def loader_states(saved: Iterable[Any]) -> Callable[[], None]:
    """What gives the loaders among ``saved`` the state that they have now.

    Attributes come back first; a place that is not in them (in a generator, or outside Python) is
    given back by ``load_state_dict``, but only where it is another one: of a pass that has ended
    some loaders make an empty one.
    """
    loaders = [one for one in saved if not isinstance(one, nn.Module | torch.optim.Optimizer)]
    loaders = [one for one in loaders if hasattr(one, "__iter__")]
    sources = [getattr(loader, "dataset", None) for loader in loaders]
    undo = [_state_of(one) for one in (*sources, *loaders) if _is_stateful(one)]

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


def _is_stateful(one: object) -> bool:
    return hasattr(one, "state_dict") and hasattr(one, "load_state_dict")


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
