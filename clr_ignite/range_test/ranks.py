"""What the processes of a distributed run decide together; asked only where there are several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import ignite.distributed as idist
import torch
from torch import Tensor


def mean_over_ranks(
    rows: list[dict[str, float]], weights: Sequence[float]
) -> list[dict[str, float]]:
    """Each value's mean over the ranks, weighted; every rank gives the same rows and names."""
    if not rows:
        return rows
    weighted = [
        [weight, *(weight * value for value in row.values())]
        for row, weight in zip(rows, weights, strict=True)
    ]
    table = torch.tensor(weighted, dtype=torch.float64, device=idist.device())
    summed = idist.all_reduce(table).tolist()  # type: ignore[union-attr]
    return [
        dict(zip(row, (value / total for value in values), strict=True))
        for row, (total, *values) in zip(rows, summed, strict=True)
    ]


def several_ranks() -> bool:
    """Whether this is a run of several processes."""
    return idist.get_world_size() > 1


def any_rank(flag: bool) -> bool:
    """Whether ``flag`` is set on one of the ranks."""
    return bool(idist.all_reduce(int(flag)))


def is_first() -> bool:
    """Whether this is the rank that observers hear from."""
    return idist.get_rank() == 0


def batch_size(batch: Any) -> int:
    """The length of the first tensor in a batch; 1 where there is none."""
    if isinstance(batch, Tensor):
        return len(batch) if batch.ndim else 1
    parts: Sequence[Any] = ()
    if isinstance(batch, Mapping):
        parts = list(batch.values())
    elif isinstance(batch, Sequence) and not isinstance(batch, str | bytes):
        parts = batch
    for part in parts:
        if isinstance(part, Tensor) and part.ndim:
            return len(part)
    return batch_size(parts[0]) if parts and not isinstance(parts[0], Tensor) else 1
