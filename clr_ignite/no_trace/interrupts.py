"""Putting things back without being cut short by a signal whose handler raises."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

Handler = Callable[[int, FrameType | None], Any]

_SIGNALS = tuple(signal.valid_signals())  # to ask takes longer than all the rest


@contextlib.contextmanager
def interrupts_wait() -> Iterator[None]:
    """Let signals that come inside the block act only at its end, by the handlers in force.

    That is all that Python code handles: Ctrl-C, a scheduler's SIGTERM, the SIGALRM of a time
    limit. In other threads than the main one Python runs no handlers, so there nothing waits.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        came.append(number)

    before: dict[int, Handler] = {}
    try:
        for number in _SIGNALS:
            # Of a handler that is not Python's there is nothing that could be put back.
            if callable(handler := signal.getsignal(number)):
                before[number] = handler
                signal.signal(number, note)
        yield
    finally:
        with contextlib.ExitStack() as stack:
            stack.callback(_act, came)
            stack.callback(_put_back, before)  # first: what comes meanwhile is noted and acts too


def _act(came: list[int]) -> None:
    """Raise each signal that came, whatever the handlers of the others raise."""
    with contextlib.ExitStack() as stack:
        for number in reversed(dict.fromkeys(came)):
            stack.callback(signal.raise_signal, number)


def _put_back(handlers: dict[int, Handler]) -> None:
    try:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    except BaseException:  # raised by one that is back already
        _put_back(handlers)
        raise


class Undoing(contextlib.ExitStack):
    """An ExitStack that is closed in full; entered twice: ``with Undoing() as stack, stack:``.

    A signal may come when the block has ended and others are not yet kept waiting. It cuts the
    inner exit short; the outer one then does the work.
    """

    _undone = False

    def __exit__(self, *error: Any) -> None:
        if not self._undone:
            with interrupts_wait():
                super().__exit__(*error)
            self._undone = True
