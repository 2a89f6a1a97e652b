"""Numbers out of what Engines give; what lies on an accelerator is read later, in one go."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from typing import Any

import torch
from torch import Tensor

from clr_ignite._checks import shown

Value = float | Tensor  # a tensor where it lies on an accelerator


def scalar_of(name: str, function: Callable[[Any], Any]) -> Callable[[Any], Value]:
    """``function`` of the trainer's output, held to giving a scalar: a float, or a copy on the
    accelerator of what is there."""
    label = "output_transform" if name == "loss" else f"training_metrics[{name!r}]"

    def scalar(output: Any) -> Value:
        try:
            value = function(output)
        except (AttributeError, IndexError, KeyError, TypeError) as error:
            raise TypeError(
                f"{label} must fit what the trainer's step returns, {shown(output)} of type "
                f"{type(output).__name__}; on that it raised {type(error).__name__}: {error}"
            ) from error
        return value if type(value) is float else _scalar(label, value, output)

    return scalar


def floats(values: Sequence[Value]) -> list[float]:
    """The values on the host, with one transfer for all that lies on a device."""
    remote = [value for value in values if isinstance(value, Tensor)]
    fetched = iter(torch.stack(remote).tolist() if remote else [])
    return [next(fetched) if isinstance(value, Tensor) else value for value in values]


def numbers_of(metrics: Mapping[str, Any]) -> dict[str, float]:
    """The metrics that are a number, NumPy's among them, or a tensor of one element."""
    return {
        name: float(value)
        for name, value in metrics.items()
        if isinstance(value, Real) or (isinstance(value, Tensor) and value.numel() == 1)
    }


def _scalar(label: str, value: Any, output: Any) -> Value:
    """``value``, made of ``output``, if it is a number or a tensor of one element."""
    if isinstance(value, Tensor):
        if value.numel() == 1:
            return _kept(value) if _is_remote(value) else float(value.detach())
        found = f"a tensor of shape {tuple(value.shape)}"
    else:
        with contextlib.suppress(TypeError, ValueError):
            if not isinstance(value, bool | str):
                return float(value)
        found = f"{shown(value)} of type {type(value).__name__}"
    raise TypeError(
        f"{label} must give a number or a tensor of one element, got {found}"
        + _way_out(label, value, output)
    )


def _way_out(label: str, value: Any, output: Any) -> str:
    """What would give a scalar, where that can be told."""
    if output is None:
        return ": return the loss from the trainer's step"
    if value is not output:
        return f", made of the output {shown(output)} of type {type(output).__name__}"
    if isinstance(output, Mapping) and output:
        part = f"[{'loss' if 'loss' in output else next(iter(output))!r}]"
    elif isinstance(output, Sequence) and output and not isinstance(output, str | bytes):
        part = "[0]"
    elif hasattr(output, "mean"):
        part = ".mean()"
    elif hasattr(output, "loss"):
        part = ".loss"
    else:
        return ""
    return f": give {label}=lambda output: output{part}, or what else leads to the loss"


def _kept(value: Tensor) -> Tensor:
    """A copy: the next step may write its loss into the same memory, as CUDA graphs do."""
    return value.detach().to(_widest(value.device), copy=True).reshape(())


def _widest(device: torch.device) -> torch.dtype:
    return torch.float32 if device.type == "mps" else torch.float64  # all that Metal has


def _is_remote(value: Tensor) -> bool:
    return value.device.type != "cpu"
