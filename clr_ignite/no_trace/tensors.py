"""The content of tensors and arrays, put back in place, also after a change of shape or storage."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

Restore = Callable[[], Any]
# What puts one thing's own content back, and what that thing holds.
Taken = tuple[Restore, Iterable[object]]

_PLAIN = (Tensor, nn.Parameter, nn.Buffer)


def take_tensor(tensor: Tensor) -> Taken:
    """Content, geometry, gradient and attributes."""
    put_content, parts = _content(tensor)
    if not _is_leaf(tensor):
        return put_content, [vars(tensor), *parts]
    needs, gradient = tensor.requires_grad, tensor.grad

    def restore() -> None:
        put_content()
        tensor.requires_grad_(needs)
        tensor.grad = gradient

    return restore, [gradient, vars(tensor), *parts]


def _is_leaf(tensor: Tensor) -> bool:
    try:
        return tensor.is_leaf
    except RuntimeError:  # a view whose base was written since: autograd asks for its history
        return False


def _content(tensor: Tensor) -> tuple[Restore, Iterable[object]]:
    """What puts a tensor's numbers back, in the storage and shape that they had, and its parts."""
    if type(tensor) not in _PLAIN and hasattr(tensor, "__tensor_flatten__"):
        return _parts(tensor)
    try:
        place = tensor.detach()
        size = _storage_size(place)
        if size == 0 and place.numel():  # freed for now, as sharded modules do
            return lambda: None, ()
        content = place.clone()
    except (RuntimeError, NotImplementedError, TypeError) as error:
        raise TypeError(
            f"a {type(tensor).__name__} of shape {tuple(tensor.shape)} cannot be copied and so "
            f"could not be put back after the test: {error}"
        ) from error

    if size < 0:
        return lambda: tensor.copy_(content), ()

    def restore() -> None:
        if _storage_size(place) < size:
            place.untyped_storage().resize_(size)
        if _geometry(tensor) != _geometry(place):
            tensor.data = place
        try:
            place.copy_(content)
        except RuntimeError:  # one that was expanded cannot be written, nor need it be
            if not torch.equal(_bits(place), _bits(content)):
                raise

    return restore, ()


def _parts(tensor: Any) -> tuple[Restore, Iterable[object]]:
    """Of a subclass around other tensors, such as the states of 8-bit optimizers, which need not
    know how to be cloned."""
    parts = {name: getattr(tensor, name) for name in tensor.__tensor_flatten__()[0]}

    def restore() -> None:
        for name, part in parts.items():
            if getattr(tensor, name) is not part:
                setattr(tensor, name, part)

    return restore, parts.values()


def _storage_size(tensor: Tensor) -> int:
    """In bytes; -1 where a tensor is not one piece of memory, as a sparse one is not."""
    dense = tensor.layout == torch.strided and not tensor.is_nested
    return tensor.untyped_storage().nbytes() if dense else -1


def _geometry(tensor: Tensor) -> tuple[object, ...]:
    """Which memory a tensor reads, and how."""
    return tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype


def _bits(tensor: Tensor) -> Tensor:
    return tensor.detach().reshape(-1).contiguous().view(torch.uint8)


def take_array(array: np.ndarray[Any, Any]) -> Taken:
    """Content and attributes."""
    content = array.copy()

    def restore() -> None:
        if array.shape != content.shape:  # by its own resize()
            array.resize(content.shape, refcheck=False)
        if array.flags.writeable or array.tobytes() != content.tobytes():
            np.copyto(array, content)

    attributes = [vars(array)] if hasattr(array, "__dict__") else []
    return restore, [*attributes, *(array.flat if array.dtype.hasobject else ())]


def take_numbers(numbers: Any) -> Taken:
    """Content of a bytearray or of Python's own kind of array."""
    content = numbers[:]

    def restore() -> None:
        if numbers != content:
            numbers[:] = content

    return restore, [vars(numbers)] if hasattr(numbers, "__dict__") else []
