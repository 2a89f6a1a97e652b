"""torch's settings under which two runs of a seed on one kind of GPU give the same bits."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import torch
from torch.backends import cudnn

_WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
_memory: Any = torch.utils.deterministic


@contextlib.contextmanager
def repeatable(device: torch.device, wanted: bool = True) -> Iterator[None]:
    """On a CUDA device: algorithms that add in one order and are not chosen by timing, meanwhile.

    An operation that has no such algorithm warns; docs/notes.md has those that a run uses. All of
    these are settings of the process: other threads have them too. Elsewhere, and unless
    ``wanted``, nothing is changed.
    """
    if device.type != "cuda" or not wanted:
        yield
        return
    before = (
        torch.get_deterministic_debug_mode(),
        _memory.fill_uninitialized_memory,
        cudnn.deterministic,
        cudnn.benchmark,
        os.environ.get(_WORKSPACE),
    )
    # Not use_deterministic_algorithms: it loads Inductor, more than a second. Filling fresh memory
    # is for finding reads of it, a kernel each.
    _set(max(before[0], 1), False, True, False, before[4] or ":4096:8")
    try:
        yield
    finally:
        _set(*before)


def _set(mode: int, fill: bool, one_order: bool, by_timing: bool, workspace: str | None) -> None:
    torch.set_deterministic_debug_mode(mode)
    _memory.fill_uninitialized_memory = fill
    cudnn.deterministic, cudnn.benchmark = one_order, by_timing
    if workspace is None:
        os.environ.pop(_WORKSPACE, None)
    else:  # read when a process first uses cuBLAS
        os.environ[_WORKSPACE] = workspace
