"""Training data for a run that ends by its own count."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any


class Endless:
    """``data`` again and again; refuses data that gives nothing."""

    def __init__(self, data: Iterable[Any]) -> None:
        self.data = data

    def __iter__(self) -> Iterator[Any]:
        while True:
            empty = True
            for batch in self.data:
                empty = False
                yield batch
            if empty:
                raise ValueError("data must not be empty: it gave no batch")


def length(data: Iterable[Any]) -> int | None:
    """Batches in an epoch where the data says so."""
    try:
        return len(data)  # type: ignore[arg-type]
    except TypeError:
        return None
