"""Ignite's private side: the one place that touches an Engine's private attributes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ignite.engine import Engine


def attached_handlers(engine: Engine) -> Iterator[Callable[..., Any]]:
    """Every handler attached to ``engine``, unwrapped from its event filter."""
    for handlers in engine._event_handlers.values():
        for handler, _, _ in handlers:
            parent = getattr(handler, "_parent", None)
            yield handler if parent is None else parent()
