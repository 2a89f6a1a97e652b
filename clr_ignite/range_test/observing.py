"""What hears of each row of a range test: the user's ``on_row``, the progress bar."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from clr_ignite.range_test.ranks import is_first
from clr_ignite.result import RangeTestResult

Observer = Callable[[RangeTestResult], None]


@contextlib.contextmanager
def observing(on_row: Observer | None, total: int | None) -> Iterator[Observer | None]:
    """Gives what is to be called with the result after each row, on rank 0 alone.

    Args:
        total: steps of the test, for a tqdm bar; None: no bar.
    """
    heard = is_first()
    if not heard or total is None:
        yield on_row if heard else None
        return
    from tqdm import tqdm

    with tqdm(total=total, desc="range test") as bar:

        def observe(result: RangeTestResult) -> None:
            bar.set_postfix(lr=f"{result.lr[-1]:.3g}", refresh=False)
            bar.update(len(result) - bar.n)
            if on_row is not None:
                on_row(result)

        yield observe
