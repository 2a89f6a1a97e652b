"""The schedule that a pair of suggested bounds implies."""

from __future__ import annotations

from typing import Literal, get_args

from clr_ignite._checks import choice, count
from clr_ignite.schedules import OneCycle, Triangular, Triangular2
from clr_ignite.suggestions import Bounds

Policy = Literal["triangular", "triangular2", "onecycle"]


def implied(
    bounds: Bounds,
    step_size: int | None,
    epoch_length: int | None,
    policy: Policy,
    total: int | None,
) -> Triangular | Triangular2 | OneCycle:
    """See :meth:`clr_ignite.RangeTestResult.schedule`."""
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
