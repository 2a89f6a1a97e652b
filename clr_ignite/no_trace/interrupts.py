"""Putting things back without being cut short by another Ctrl-C."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any


@contextlib.contextmanager
def interrupts_wait() -> Iterator[None]:
    """Let a Ctrl-C that comes inside the block act only at its end, by the handler in force."""
    in_main = threading.current_thread() is threading.main_thread()
    # Of a handler that is not Python's there is nothing that could be put back.
    if not in_main or signal.getsignal(signal.SIGINT) is None:
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
            signal.raise_signal(signal.SIGINT)


class Undoing(contextlib.ExitStack):
    """An ExitStack that is closed in full; entered twice: ``with Undoing() as stack, stack:``.

    A Ctrl-C may come when the block has ended and others are not yet kept waiting. It cuts the
    inner exit short; the outer one then does the work.
    """

    def __exit__(self, *error: Any) -> None:
        with interrupts_wait():
            super().__exit__(*error)
