"""The schedule that a pair of suggested bounds implies, or one for each param group."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, get_args

from clr_ignite._checks import choice, count
from clr_ignite.schedules import OneCycle, Triangular, Triangular2
from clr_ignite.suggestions import Bounds

if TYPE_CHECKING:
    from clr_ignite.result.range_test_result import RangeTestResult

Policy = Literal["triangular", "triangular2", "onecycle"]
Implied = Triangular | Triangular2 | OneCycle
Rates = float | tuple[float, ...]
_SHOWN = 4  # groups whose rates are told


def implied_by(
    bounds: Bounds,
    test: RangeTestResult,
    step_size: int | None,
    policy: Policy,
    total: int | None,
) -> Implied | list[Implied]:
    """See :meth:`clr_ignite.RangeTestResult.schedule`; ``bounds`` are of tests like ``test``."""
    schedules = [
        _implied(own, step_size, test.epoch_length, policy, total)
        for own in for_groups(bounds, test.start_lr, test.end_lr, test.step_mode)
    ]
    return schedules if len(schedules) > 1 else schedules[0]


def _implied(
    bounds: Bounds,
    step_size: int | None,
    epoch_length: int | None,
    policy: Policy,
    total: int | None,
) -> Implied:
    choice("policy", policy, get_args(Policy))
    if bounds.base_lr is None or bounds.max_lr is None:
        raise ValueError(f"the range test supports no pair of bounds: {bounds.reason}")
    if step_size is None:
        if epoch_length is None:
            raise ValueError(
                "step_size must be given, such as 4 * len(train_loader): the length of an epoch "
                "is not in the record of this test"
            )
        step_size = 4 * epoch_length
    step_size = count("step_size", step_size)
    pair = bounds.base_lr, bounds.max_lr
    if policy == "triangular":
        return Triangular(*pair, step_size)
    if policy == "triangular2":
        return Triangular2(*pair, step_size)
    length = total if total is not None else 2 * step_size + max(2, step_size // 4)
    return OneCycle(*pair, step_size, length, bounds.base_lr / 100)


def said_of_groups(bounds: Bounds, test: RangeTestResult) -> Bounds:
    """``bounds`` that say whose they are where each param group had a range of its own."""
    _, *others = for_groups(bounds, test.start_lr, test.end_lr, test.step_mode)
    top = [rate for group in others if (rate := group.max_lr or group.lr) is not None]
    if not others or not top:
        return bounds
    rates = ", ".join(f"{rate:.3g}" for rate in top[:_SHOWN]) + ", ..." * (len(top) > _SHOWN)
    of = "max_lr" if bounds.max_lr is not None else "lr"
    words = (
        f"these are the first param group's rates; beside its {of} the others had {rates}, a ratio "
        "that schedule() keeps"
    )
    return replace(bounds, reason=f"{bounds.reason}; {words}")


def for_groups(bounds: Bounds, start_lr: Rates, end_lr: Rates, step_mode: str) -> list[Bounds]:
    """For each param group with a range of its own: its rates where the first group had ``bounds``.

    Only one element where all groups had the same range.
    """
    starts, ends = ((one if isinstance(one, tuple) else (one,)) for one in (start_lr, end_lr))
    groups = max(len(starts), len(ends))
    starts, ends = starts * (groups // len(starts)), ends * (groups // len(ends))
    (first, last), *others = zip(starts, ends, strict=True)

    def beside(rate: float | None, start: float, end: float) -> float | None:
        if rate is None:
            return None
        if step_mode == "exponential":
            share = math.log(rate / first) / math.log(last / first)
            # So written, a ratio that was the same at all steps stays the same to the last digits.
            return rate * (start / first) * math.pow((end / start) / (last / first), share)
        return max(0.0, start + (end - start) * (rate - first) / (last - first))

    return [
        bounds,
        *(
            replace(
                bounds,
                base_lr=beside(bounds.base_lr, start, end),
                max_lr=beside(bounds.max_lr, start, end),
                lr=beside(bounds.lr, start, end),
            )
            for start, end in others
        ),
    ]
