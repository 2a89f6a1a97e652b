"""Take the state of training, in memory, and put it back in place.

In place: the same tensors, dicts and lists as before, with their old content; what was absent is
absent again. One copy of everything mutable is held.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterable, MutableMapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

Restore = Callable[[], Any]


class Snapshot:
    """The state of ``objects`` (modules, optimizers, anything with attributes) at construction.

    Of modules: parameters, buffers, gradients, training flags and attributes of their own; of
    optimizers: state and param groups; of other objects their attributes, followed into tensors,
    containers, modules and optimizers.
    """

    def __init__(self, objects: Iterable[object]) -> None:
        self._known: dict[int, tuple[object, Restore]] = {}
        self._restores = [self._object(one) for one in objects]

    def restore(self) -> None:
        """Put everything back."""
        with torch.no_grad():
            for restore in self._restores:
                restore()

    def _object(self, one: object) -> Restore:
        if isinstance(one, nn.Module):
            return self._module(one)
        if isinstance(one, torch.optim.Optimizer):
            return self._optimizer(one)
        if not hasattr(one, "__dict__"):
            raise TypeError(f"to_save holds {one!r}, whose state cannot be saved and put back")
        return self._mapping(vars(one))

    def _optimizer(self, optimizer: torch.optim.Optimizer) -> Restore:
        state, groups = self._value(optimizer.state), self._value(optimizer.param_groups)

        def restore() -> None:
            # Its load_state_dict replaces both; the ones that were there come back.
            optimizer.state, optimizer.param_groups = state(), groups()

        return restore

    def _value(self, value: Any) -> Restore:
        """What puts the content of ``value`` back and returns it; shared objects once."""
        if id(value) in self._known:
            return self._known[id(value)][1]
        # A container that holds itself meets this before its own restore exists.
        self._known[id(value)] = (value, lambda: value)
        restore = self._new_value(value)
        self._known[id(value)] = (value, restore)
        return restore

    def _new_value(self, value: Any) -> Restore:
        if isinstance(value, Tensor):
            return self._tensor(value)
        if isinstance(value, MutableMapping):
            return self._mapping(value)
        if isinstance(value, list | deque):
            return self._sequence(value)
        if isinstance(value, tuple):
            items = [self._value(item) for item in value]
            return lambda: ([item() for item in items], value)[1]
        if isinstance(value, set):
            members = set(value)
            return lambda: (value.clear(), value.update(members), value)[2]  # type: ignore[func-returns-value]
        if isinstance(value, np.ndarray):
            content = value.copy()
            return lambda: (np.copyto(value, content), value)[1]  # type: ignore[func-returns-value]
        if isinstance(value, nn.Module | torch.optim.Optimizer):
            inner = self._object(value)
            return lambda: (inner(), value)[1]
        return lambda: value

    def _tensor(self, tensor: Tensor) -> Restore:
        content = tensor.detach().clone()
        gradient = tensor.grad if tensor.is_leaf else None
        put_gradient = self._value(gradient)
        needs = tensor.requires_grad

        def restore() -> Tensor:
            tensor.detach().copy_(content)
            if tensor.is_leaf:
                tensor.requires_grad_(needs)
                tensor.grad = put_gradient()
            return tensor

        return restore

    def _mapping(self, mapping: MutableMapping[Any, Any]) -> Restore:
        items = {key: self._value(value) for key, value in mapping.items()}
        # Keys that are tensors (an optimizer's state) come back in place as well.
        keys = [self._value(key) for key in mapping if isinstance(key, Tensor)]

        def restore() -> MutableMapping[Any, Any]:
            for key in keys:
                key()
            content = {key: item() for key, item in items.items()}
            mapping.clear()
            mapping.update(content)
            return mapping

        return restore

    def _sequence(self, sequence: list[Any] | deque[Any]) -> Restore:
        items = [self._value(item) for item in sequence]

        def restore() -> list[Any] | deque[Any]:
            content = [item() for item in items]
            sequence.clear()
            sequence.extend(content)
            return sequence

        return restore

    def _module(self, module: nn.Module) -> Restore:
        parts: list[Restore] = []
        for part in module.modules():
            parts.append(self._value(part._parameters))
            parts.append(self._value(part._buffers))
            parts.append(self._attributes(part))
        # Those of a ScriptModule stand in no dict of Python's.
        parts += [self._value(tensor) for tensor in (*module.parameters(), *module.buffers())]
        put_flags = training_flags(module)
        return lambda: ([part() for part in parts], put_flags())

    def _attributes(self, part: nn.Module) -> Restore:
        """What a module keeps beside torch's own bookkeeping, such as a count of its calls."""
        torchs = vars(nn.Module())
        own = {name: self._value(v) for name, v in vars(part).items() if name not in torchs}

        def restore() -> None:
            now = vars(part)
            for name in now.keys() - torchs.keys() - own.keys():
                del now[name]
            for name, value in own.items():
                before = value()
                if now.get(name, now) is not before:  # untouched, torch.compile notices nothing
                    now[name] = before

        return restore


def check_covered(optimizer: torch.optim.Optimizer, to_save: Iterable[object]) -> None:
    """Refuse parameters that ``optimizer`` changes and no module of ``to_save`` puts back."""
    held = {id(p) for one in to_save if isinstance(one, nn.Module) for p in one.parameters()}
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            if nn.parameter.is_lazy(parameter):
                raise ValueError("a lazy module has no parameters yet: run one batch first")
            if id(parameter) not in held:
                raise ValueError(
                    "to_save must hold every module whose parameters the optimizer changes; "
                    f"a parameter of shape {tuple(parameter.shape)} is in none of them"
                )


def training_flags(module: nn.Module) -> Restore:
    """What sets the ``training`` flag of each submodule back to what it is now."""
    flags = [(part, part.training) for part in module.modules()]

    def restore() -> None:
        for part, flag in flags:
            part.training = flag

    return restore


def random_states(*loaders: object) -> Restore:
    """What puts back the random states of Python, NumPy, torch, CUDA (where initialized) and of
    the loaders' and their samplers' public generators."""
    python, numpy, cpu = random.getstate(), np.random.get_state(), torch.get_rng_state()
    initialized: bool = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    cuda = torch.cuda.get_rng_state_all() if initialized else None
    own = [(generator, generator.get_state()) for generator in generators(loaders)]

    def restore() -> None:
        random.setstate(python)
        np.random.set_state(numpy)
        torch.set_rng_state(cpu)
        if cuda is not None:
            torch.cuda.set_rng_state_all(cuda)
        for generator, state in own:
            generator.set_state(state)

    return restore


def generators(loaders: Iterable[object]) -> list[torch.Generator]:
    """The generators of loaders, of their samplers and batch samplers, each once."""
    holders = list(loaders)
    for loader in loaders:
        batch_sampler = getattr(loader, "batch_sampler", None)
        holders += [getattr(loader, "sampler", None), batch_sampler]
        holders.append(getattr(batch_sampler, "sampler", None))
    found = [getattr(holder, "generator", None) for holder in holders]
    return list({id(g): g for g in found if isinstance(g, torch.Generator)}.values())
