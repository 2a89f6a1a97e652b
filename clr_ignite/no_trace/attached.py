"""An Engine whose ``run`` is something else for the length of a ``with`` block."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

from ignite.engine import Engine

from clr_ignite.no_trace.engine import check_engine


class Attached:
    """``with Attached(...) as trainer:`` lets ``trainer.run`` be ``instead(trainer, ...)``.

    It acts inside the block alone; one that is dropped without a block warns, for then ``run``
    trains as ever.

    Args:
        engine: whose ``run`` it is.
        instead: takes the engine and what ``run`` is given; what it returns is put aside for the
            engine's state.

    Raises:
        TypeError: ``engine`` is no Engine.
        ValueError: on entering, where something is attached already.
    """

    _entered = True  # one that was refused says nothing more

    def __init__(self, engine: Engine, instead: Callable[..., object]) -> None:
        check_engine("trainer", engine)
        self._engine, self._instead = engine, instead
        self._entered = False

    def __enter__(self) -> Engine:
        self._entered = True
        if "run" in vars(self._engine):
            raise ValueError("a range test is already attached to this trainer")
        try:
            self._engine.run = self._run  # type: ignore[method-assign]
            return self._engine
        except BaseException:  # a signal: of a block that is not entered nobody calls the exit
            self.__exit__()
            raise

    def __exit__(self, *error: object) -> None:
        try:
            vars(self._engine).pop("run", None)
        finally:  # for a signal that comes first
            vars(self._engine).pop("run", None)

    def __del__(self) -> None:
        if not self._entered:
            warnings.warn(
                "a range test was attached without a with block, so trainer.run trains as ever: "
                "write 'with test.attach(trainer): trainer.run(data)', or test.run(trainer, data)",
                RuntimeWarning,
                stacklevel=2,
            )

    def _run(self, data: Any = None, *limits: Any, **named: Any) -> Any:
        self._instead(self._engine, data, *limits, **named)
        return self._engine.state


def own_run(engine: Engine) -> Callable[..., object]:
    """The ``run`` of ``engine`` itself, also where something is attached."""
    run = engine.run
    if isinstance(getattr(run, "__self__", None), Attached):
        return functools.partial(type(engine).run, engine)
    return run
