"""Borrow Engines and the state of training: one call, undone by the closing of a stack."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Collection, Iterable, Iterator

import torch
from ignite.engine import Engine

from clr_ignite.no_trace.engine import private, shared
from clr_ignite.no_trace.loaders import loader_states, moved_counts, no_new_workers
from clr_ignite.no_trace.random_states import random_states
from clr_ignite.no_trace.snapshot import Snapshot

_borrowed: set[int] = set()  # Engines, by id; each is held by its borrower
_lock = threading.Lock()


def borrow(
    stack: contextlib.ExitStack,
    engines: Iterable[Engine],
    saved: Collection[object],
    data: Collection[object],
    keep: Collection[object],
) -> list[str]:
    """Until ``stack`` closes, ``engines`` are private; then all is as it was.

    Args:
        saved: what the training changes.
        data: loaders whose random generators come back; persistent workers that they start end.
        keep: handlers that stay.

    Returns:
        Names of the handlers that are suspended.

    Raises:
        RuntimeError: one of the Engines is borrowed already, by another thread say.
    """
    engines = list({id(engine): engine for engine in engines}.values())
    for engine in engines:
        stack.enter_context(_alone(engine))
    stack.callback(moved_counts(data))  # which looks at what is left when all else is back
    # Last of all: a signal that cuts a no_grad block short leaves gradients off.
    stack.callback(torch.set_grad_enabled, torch.is_grad_enabled())
    common = [one for engine in engines for one in shared(engine)]
    stack.callback(Snapshot([*saved, *common]).restore)
    stack.callback(no_new_workers(data))
    stack.callback(random_states(*data, *saved))
    stack.callback(loader_states(saved))  # which may draw
    return [name for engine in engines for name in stack.enter_context(private(engine, keep))]


@contextlib.contextmanager
def _alone(engine: Engine) -> Iterator[None]:
    with _lock:
        if id(engine) in _borrowed:
            raise RuntimeError(
                "a range test is under way on this Engine, in another thread say: wait for its "
                "end, or give each test an Engine of its own"
            )
        _borrowed.add(id(engine))
    try:
        yield
    finally:
        _borrowed.discard(id(engine))
