"""Random states of Python, NumPy, torch and loaders: taken as plain values, and put back."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from clr_ignite.no_trace.reachable import reachable

_KINDS = (
    random.Random,
    torch.Generator,
    np.random.Generator,
    np.random.BitGenerator,
    np.random.RandomState,
)
States = dict[str, Any]  # what torch.load reads with weights_only


def random_states(*holders: object) -> Callable[[], None]:
    """What puts the random states back as they are now, those of all generators that can be
    reached from ``holders`` too."""
    own = generators(holders)
    return functools.partial(put_random, random_now(own), own)


def random_now(own: Iterable[Any] = ()) -> States:
    """The random states of Python, NumPy, torch, CUDA (where initialized) and of ``own``."""
    initialized: bool = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    return {
        "python": random.getstate(),
        # Not its legacy form, which only one of NumPy's bit generators has.
        "numpy": _plain(np.random.get_state(legacy=False)),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if initialized else [],
        "own": [_state(generator) for generator in own],
    }


def put_random(states: States, own: Sequence[Any] = ()) -> None:
    """The reverse of :func:`random_now`."""
    random.setstate(states["python"])
    np.random.set_state(states["numpy"])
    torch.set_rng_state(states["torch"])
    if states["cuda"]:
        torch.cuda.set_rng_state_all(states["cuda"])
    for generator, state in zip(own, states["own"], strict=True):
        _put_state(generator, state)


def generators(holders: Iterable[object]) -> list[Any]:
    """The generators that can be reached from loaders, pipelines and augmentations, each once."""
    # What a model or an optimizer holds is in a snapshot, and is much.
    outside = [one for one in holders if not isinstance(one, nn.Module | torch.optim.Optimizer)]
    return reachable(outside, _draws)


def _draws(one: object) -> bool:
    return isinstance(one, _KINDS) and not isinstance(one, random.SystemRandom)


def _state(generator: Any) -> Any:
    if isinstance(generator, random.Random):
        return generator.getstate()
    if isinstance(generator, np.random.RandomState):
        return _plain(generator.get_state(legacy=False))
    if isinstance(generator, np.random.Generator | np.random.BitGenerator):
        return _plain(_bits(generator).state)
    return generator.get_state()


def _put_state(generator: Any, state: Any) -> None:
    if isinstance(generator, random.Random):
        generator.setstate(state)
    elif isinstance(generator, np.random.Generator | np.random.BitGenerator):
        _bits(generator).state = state
    else:
        generator.set_state(state)


def _bits(generator: Any) -> Any:
    return getattr(generator, "bit_generator", generator)


def _plain(state: Any) -> Any:
    """NumPy's state with lists in place of arrays."""
    if isinstance(state, dict):
        return {name: _plain(value) for name, value in state.items()}
    return state.tolist() if isinstance(state, np.ndarray | np.generic) else state
