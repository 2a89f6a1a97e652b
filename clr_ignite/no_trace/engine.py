"""A private run on somebody's Engine: everything swapped out, everything put back.

The one place that touches Ignite's private attributes (seen in 0.5.5).
"""

from __future__ import annotations

import contextlib
import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from types import SimpleNamespace
from typing import Any

from ignite.engine import Engine, Events, State
from ignite.metrics import Metric

from clr_ignite._checks import instance
from clr_ignite.no_trace.objects import own_attributes

_CLEAR = {
    "last_event_name": None,
    "should_terminate": False,
    "should_terminate_single_epoch": False,
    "should_interrupt": False,
    "_dataloader_iter": None,
    "_init_iter": None,
    "_internal_run_generator": None,
}


def check_engine(name: str, engine: object) -> None:
    """Refuse what is no Engine."""
    instance(name, engine, Engine, "an ignite.engine.Engine")


def attached_handlers(engine: Engine) -> Iterator[Callable[..., Any]]:
    """Every handler attached to ``engine``, unwrapped from its event filter."""
    for handlers in engine._event_handlers.values():
        for handler, _, _ in handlers:
            yield _unwrapped(handler)


def step_function(engine: Engine) -> Callable[..., Any]:
    """The function that ``engine`` calls with each batch."""
    found: Callable[..., Any] = engine._process_function
    return found


@contextlib.contextmanager
def private(engine: Engine, keep: Collection[object] = ()) -> Iterator[list[str]]:
    """Inside the block ``engine`` is fresh and alone; after it, as it was, however it ended.

    It has a new State (with the user's own attributes), clear run flags and only these handlers:
    Metrics, methods that the class of ``engine`` adds to Engine's, those on custom events, and
    those in ``keep`` (the handler itself or the object whose method it is). Putting back what
    :func:`shared` gives is the caller's business.

    Yields:
        Names of the suspended handlers.
    """
    attributes = own_attributes(engine)
    saved = dict(attributes)
    kept, suspended = _sorted_out(saved["_event_handlers"], [*keep, *_inner_workings(engine)])
    try:
        attributes |= {"_event_handlers": kept, "state": _fresh(engine.state), **_CLEAR}
        yield suspended
    finally:
        try:
            _end_interrupted(attributes)
        finally:
            attributes.clear()
            attributes.update(saved)


def shared(engine: Engine) -> list[object]:
    """What ``engine`` and a private run of it have in common: its Metrics, those inside others
    too, and (as a namespace) the user's own attributes of its State."""
    waiting = [getattr(handler, "__self__", handler) for handler in attached_handlers(engine)]
    metrics: dict[int, object] = {}
    while waiting:
        one = waiting.pop()
        if isinstance(one, Metric) and id(one) not in metrics:
            metrics[id(one)] = one
            for value in vars(one).values():
                waiting += value.values() if isinstance(value, dict) else ()
                waiting += value if isinstance(value, list | tuple) else (value,)
    return [*metrics.values(), SimpleNamespace(**_own(engine.state))]


def _inner_workings(engine: Engine) -> list[Any]:
    """The methods by which a kind of Engine works, such as DeterministicEngine's; Engine's own,
    ``terminate`` say, are attached because somebody wants them."""
    return [
        handler
        for handler in attached_handlers(engine)
        if getattr(handler, "__self__", None) is engine and not hasattr(Engine, handler.__name__)
    ]


def _end_interrupted(attributes: dict[str, Any]) -> None:
    """End a private run that ``interrupt()`` left open while it is still private: it logs its end
    as an error and writes into the Engine."""
    if (left := attributes["_internal_run_generator"]) is not None:
        silent = logging.Logger("private")
        silent.disabled = True
        attributes |= {"logger": silent, "_event_handlers": {}}
        left.close()


def _sorted_out(
    table: Mapping[Any, list[Any]], keep: Collection[object]
) -> tuple[dict[Any, list[Any]], list[str]]:
    """The handlers that stay, and the names of the others."""
    kept: dict[Any, list[Any]] = defaultdict(list)
    suspended = []
    for event, handlers in table.items():
        for entry in handlers:
            handler = _unwrapped(entry[0])
            owner = getattr(handler, "__self__", handler)
            if _is_kept(event, handler, owner, keep):
                kept[event].append(entry)
            else:
                suspended.append(f"{_name(handler)} on {getattr(event, 'name', event)}")
    return kept, suspended


def _is_kept(event: object, handler: object, owner: object, keep: Collection[object]) -> bool:
    # A method is a new object at each access, hence == beside "is".
    asked = any(one is owner or one is handler or one == handler for one in keep)
    # Ignite keys its table by the first event of a name that came, which may be a filtered one and
    # then is no member of Events; events of a name are equal.
    return asked or isinstance(owner, Metric) or event not in tuple(Events)


def _fresh(state: State) -> State:
    fresh = State()
    for name, value in _own(state).items():
        setattr(fresh, name, value)
    return fresh


def _own(state: State) -> dict[str, Any]:
    """The attributes that the user has put there."""
    ignites = State()
    return {
        name: value for name, value in own_attributes(state).items() if not hasattr(ignites, name)
    }


def _unwrapped(handler: Callable[..., Any]) -> Callable[..., Any]:
    """The user's handler behind the wrapper that applies its event filter."""
    parent = getattr(handler, "_parent", None)
    found: Callable[..., Any] | None = handler if parent is None else parent()
    return handler if found is None else found


def _name(handler: object) -> str:
    return getattr(handler, "__qualname__", None) or type(handler).__name__
