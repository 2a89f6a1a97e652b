"""Random states of Python, NumPy, torch and loaders: taken as plain values, and put back."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import torch

States = dict[str, Any]  # what torch.load reads with weights_only


def random_states(*loaders: object) -> Callable[[], None]:
    """What puts the random states back as they are now, those of the loaders' generators too."""
    own = generators(loaders)
    return functools.partial(put_random, random_now(own), own)


def random_now(own: Iterable[torch.Generator] = ()) -> States:
    """The random states of Python, NumPy, torch, CUDA (where initialized) and of ``own``."""
    initialized: bool = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    return {
        "python": random.getstate(),
        # Not its legacy form, which only one of NumPy's bit generators has.
        "numpy": _plain(np.random.get_state(legacy=False)),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if initialized else [],
        "own": [generator.get_state() for generator in own],
    }


def put_random(states: States, own: Sequence[torch.Generator] = ()) -> None:
    """The reverse of :func:`random_now`."""
    random.setstate(states["python"])
    np.random.set_state(states["numpy"])
    torch.set_rng_state(states["torch"])
    if states["cuda"]:
        torch.cuda.set_rng_state_all(states["cuda"])
    for generator, state in zip(own, states["own"], strict=True):
        generator.set_state(state)


def generators(loaders: Iterable[object]) -> list[torch.Generator]:
    """The public generators of loaders, of their samplers and batch samplers, each once."""
    holders = list(loaders)
    for loader in loaders:
        batch_sampler = getattr(loader, "batch_sampler", None)
        holders += [getattr(loader, "sampler", None), batch_sampler]
        holders.append(getattr(batch_sampler, "sampler", None))
    found = [getattr(holder, "generator", None) for holder in holders]
    return list({id(g): g for g in found if isinstance(g, torch.Generator)}.values())


def _plain(state: Any) -> Any:
    """NumPy's state with lists in place of arrays."""
    if isinstance(state, dict):
        return {name: _plain(value) for name, value in state.items()}
    return state.tolist() if isinstance(state, np.ndarray | np.generic) else state
