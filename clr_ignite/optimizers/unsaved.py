"""What a step changes beside what is put back: a second optimizer, its net, an average."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from clr_ignite.no_trace.reachable import reachable
from clr_ignite.optimizers.wrapped import inner_optimizers

_KINDS = (torch.optim.Optimizer, nn.Module, torch.amp.GradScaler)


def warn_of_unsaved(steps: Iterable[object], saved: Collection[object]) -> Callable[[], None]:
    """What warns of optimizers, modules and GradScalers that ``steps`` (functions, handlers) reach,
    that are not in ``saved`` and that have changed since; called before anything is put back."""
    known = {id(tensor) for one in saved if isinstance(one, nn.Module) for tensor in _tensors(one)}
    aside = _with_inner(_reached(saved))
    marks = [
        (one, mark)
        for one in _reached(steps)
        if not any(own is other for own in _with_inner([one]) for other in aside)
        and (mark := _mark(one, known)) is not None
    ]

    def warn() -> None:
        changed = [type(one).__name__ for one, mark in marks if _mark(one, known) != mark]
        if changed:
            names = " and ".join(dict.fromkeys(changed))
            warnings.warn(
                f"after this range test {names} will not be as before: the step changed what "
                "to_save does not name. Name it there",
                stacklevel=2,
            )

    return warn


def _reached(roots: Iterable[object]) -> list[Any]:
    return reachable(roots, lambda one: isinstance(one, _KINDS))


def _with_inner(found: Iterable[object]) -> list[object]:
    inner = (inner_optimizers(o) for o in found if isinstance(o, torch.optim.Optimizer))
    return [*found, *(one for several in inner for one in several)]


def _mark(one: Any, known: Collection[int]) -> object:
    """What is another one where ``one`` has changed; None where nothing of it could."""
    if isinstance(one, torch.amp.GradScaler):
        return one.state_dict()
    if isinstance(one, nn.Module):
        return [_version(tensor) for tensor in _tensors(one) if id(tensor) not in known] or None
    return [[_version(value) for value in own.values()] for own in list(one.state.values())]


def _tensors(module: nn.Module) -> Iterator[Tensor]:
    yield from module.parameters()
    yield from module.buffers()


def _version(value: Any) -> object:
    if not isinstance(value, Tensor):
        return value if isinstance(value, int | float) else None
    return None if value.is_inference() else (id(value), value._version)
