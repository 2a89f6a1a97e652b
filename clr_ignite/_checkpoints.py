"""Checkpoints: files for ``torch.load`` with a checksum, whole or not there."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from clr_ignite._files import read_bytes, write_bytes

# The checksum is the comment of the zip archive that torch.save writes; torch.load passes it over.
_SUM = b"clr_ignite sha256 "
_SUM_LENGTH = len(_SUM) + 64
_END = b"PK\x05\x06"  # begins the last 22 bytes of an archive without a comment
# Optimizers whose state is numbers and tensors of their parameters' shapes.
PLAIN = (
    *(torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW, torch.optim.RMSprop),
    *(torch.optim.Adagrad, torch.optim.Adadelta),
)


def write_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """A file for ``torch.load``."""
    # By way of memory: of a full disk, torch.save only says "unexpected pos".
    content = io.BytesIO()
    torch.save(dict(state), content)
    content.seek(-2, io.SEEK_END)  # where the comment's length stands
    content.write(_SUM_LENGTH.to_bytes(2, "little"))
    content.write(_SUM + _digest(content.getbuffer()))
    write_bytes(path, content.getbuffer())


def read_checkpoint(path: Path, **options: Any) -> Any:
    """What :func:`write_checkpoint` wrote, read by ``torch.load`` with ``weights_only``.

    Of a file without a checksum, as earlier versions wrote it, the archive's own are checked.

    Raises:
        OSError: it cannot be read.
        ValueError: its content is not what was written.
    """
    content = read_bytes(path)
    written, comment = content[:-_SUM_LENGTH], content[-_SUM_LENGTH:]
    if content[-22:-18] == _END and content.endswith(b"\0\0"):
        whole = _archive_is_whole(content)
    else:
        whole = comment == _SUM + _digest(written)
    if not whole:
        raise ValueError("its content is not what was written: its checksum is another")
    return torch.load(io.BytesIO(content), weights_only=True, **options)


def check_optimizer_state(optimizer: torch.optim.Optimizer, state: Mapping[str, Any]) -> None:
    """Refuse what ``load_state_dict`` takes and the next step does not: tensors of other shapes.

    Args:
        optimizer: one that holds numbers and tensors of its parameters' shapes, as ``PLAIN``.
        state: for its ``load_state_dict``.

    Raises:
        ValueError: naming the field.
    """
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    places = [place for group in state["param_groups"] for place in group["params"]]
    if places != list(range(len(parameters))) or not state["state"].keys() <= set(places):
        raise ValueError(f"its parameters are numbered {places}")
    for saved, group in zip(state["param_groups"], optimizer.param_groups, strict=True):
        if saved.keys() != group.keys():
            raise ValueError(f"its groups hold {', '.join(sorted(saved.keys() ^ group.keys()))}")
    for place, fields in state["state"].items():
        for name, value in fields.items():
            shape = parameters[place].shape
            if isinstance(value, Tensor) and value.dim() and value.shape != shape:
                raise ValueError(
                    f"{name!r} of parameter {place} has shape {tuple(value.shape)} instead of "
                    f"{tuple(shape)}"
                )


def put_state(one: Any, state: dict[str, Any]) -> None:
    """``load_state_dict``, after which an optimizer's state of each parameter is as it was saved.

    torch's own casts tensors to their parameter's type (moments in single precision, beside
    parameters in half, for good) and makes whatever else has items anew, a string among it.

    Raises:
        ValueError: tensors of other shapes.
    """
    if type(one) in PLAIN:
        check_optimizer_state(one, state)
    one.load_state_dict(state)
    if getattr(type(one), "load_state_dict", None) is torch.optim.Optimizer.load_state_dict:
        _put_as_saved(one, state)


def _put_as_saved(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for place, saved in state["state"].items():
        if isinstance(place, int) and isinstance(saved, dict):
            held = optimizer.state[parameters[place]]
            held.update({key: _as_saved(held[key], saved[key]) for key in saved.keys() & held})


def orders_of(to_save: Mapping[str, Any]) -> dict[str, list[int]]:
    """For each optimizer, where its parameters stand among those of the modules."""
    modules = [one for one in to_save.values() if isinstance(one, nn.Module)]
    every = [parameter for module in modules for parameter in module.parameters()]
    places = {id(parameter): place for place, parameter in enumerate(every)}
    return {
        name: [places.get(id(p), -1) for group in one.param_groups for p in group["params"]]
        for name, one in to_save.items()
        if isinstance(one, torch.optim.Optimizer)
    }


def _as_saved(held: Any, saved: Any) -> Any:
    """``saved`` with its tensors where those of ``held`` are; ``held`` where its class wants
    another kind of thing."""
    if isinstance(saved, Tensor) and isinstance(held, Tensor):
        return held if held.dtype == saved.dtype else saved.to(held.device)
    if not (isinstance(saved, dict) or type(saved) is type(held)):
        return held
    if isinstance(saved, dict):
        for name, value in saved.items():
            saved[name] = _as_saved(held[name], value)
        return saved
    if isinstance(saved, list | tuple):
        return type(saved)(map(_as_saved, held, saved))
    return saved


def _archive_is_whole(content: bytes) -> bool:
    try:
        return zipfile.ZipFile(io.BytesIO(content)).testzip() is None
    except (NotImplementedError, OSError, RuntimeError, zipfile.BadZipFile):
        return False


def _digest(content: bytes | memoryview) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()
