"""Putting things back without being cut short by another Ctrl-C."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType


@contextlib.contextmanager
def interrupts_wait() -> Iterator[None]:
    """Let a Ctrl-C that comes inside the block act only at its end."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        came.append(number)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if came:
            raise KeyboardInterrupt


@contextlib.contextmanager
def undoing() -> Iterator[contextlib.ExitStack]:
    """An ExitStack closed at the end of the block, in full, whatever the block raises."""
    stack = contextlib.ExitStack()
    try:
        yield stack
    finally:
        with interrupts_wait():
            stack.close()
