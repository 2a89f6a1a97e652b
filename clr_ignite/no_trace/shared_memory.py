"""What processes share: the values of multiprocessing and small blocks of shared memory, in which
loaders with workers count their epochs."""

from __future__ import annotations

from multiprocessing.shared_memory import SharedMemory
from multiprocessing.sharedctypes import SynchronizedBase
from typing import Any

from clr_ignite.no_trace.tensors import Taken

SHARED = (SharedMemory, SynchronizedBase)
_MOST = 4096  # bytes, a page; what is larger holds data


def shared_content(one: Any) -> bytes:
    """A copy of the content; of a large or a closed block nothing."""
    return bytes(_bytes(one))


def take_shared(one: Any) -> Taken:
    """Its content."""
    content = shared_content(one)

    def restore() -> None:
        if now := _bytes(one):
            now[:] = content

    return restore, ()


def _bytes(one: Any) -> memoryview:
    if isinstance(one, SharedMemory):
        return one.buf if one.buf is not None and len(one.buf) <= _MOST else memoryview(b"")
    return memoryview(one.get_obj()).cast("B")
