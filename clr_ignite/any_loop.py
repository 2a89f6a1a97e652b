"""Schedules in loops without an Ignite Engine: ``lambda_lr`` makes a scheduler of torch's kind.

``docs/any-loop.md`` has the lines for a plain loop, Lightning, Fabric, Accelerate and Transformers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch.optim.lr_scheduler import LambdaLR

from clr_ignite._checks import check_schedule, instance
from clr_ignite.optimizers.rates import check_group_rates, check_rates, factor, factor_keys
from clr_ignite.schedules import Schedule


def lambda_lr(
    optimizer: torch.optim.Optimizer, lr: Schedule | Sequence[Schedule], last_epoch: int = -1
) -> LambdaLR:
    """A ``torch.optim.lr_scheduler.LambdaLR`` that gives ``optimizer`` the rates of a schedule.

    torch's class multiplies a function's value by each group's ``initial_lr``; that becomes 1 here,
    or the group's factors (``lr_mult``). Its ``step()`` belongs after each optimizer step. Its
    state holds the count alone: a checkpoint brings back the place, never other arguments.

    Args:
        optimizer: any ``torch.optim.Optimizer``; its first rate is set at once.
        lr: a callable from the 0-based iteration to a rate, or a sequence with one for each param
            group.
        last_epoch: as LambdaLR's: the steps taken before, less one.

    Raises:
        TypeError: an argument that is not an optimizer or not callable.
        ValueError: groups of differing rates without a factor, or another number of schedules than
            of groups.

    >>> import torch
    >>> from clr_ignite.schedules import Linear
    >>> optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=123.0)
    >>> scheduler = lambda_lr(optimizer, Linear(1.0, 0.0, steps=4))
    >>> optimizer.param_groups[0]["lr"]
    1.0
    """
    instance("optimizer", optimizer, torch.optim.Optimizer, "a torch.optim.Optimizer")
    groups = optimizer.param_groups
    schedules = list(lr) if isinstance(lr, Sequence) else [lr] * len(groups)
    if len(schedules) != len(groups):
        raise ValueError(
            f"lr must be one schedule or one for each of {len(groups)} param groups, "
            f"got {len(schedules)}"
        )
    for schedule in schedules:
        check_schedule("lr", schedule)
    (check_rates if isinstance(lr, Sequence) else check_group_rates)(optimizer)
    keys = factor_keys(optimizer)
    for group in groups:
        group["initial_lr"] = factor(group, keys)
    return LambdaLR(optimizer, [_plain(schedule) for schedule in schedules], last_epoch)


def _plain(schedule: Schedule) -> Callable[[int], float]:
    """A function around a schedule.

    Of any other object LambdaLR saves the attributes, and writes them into the object when it
    loads: an old checkpoint would change a frozen schedule's arguments, for all who hold it.
    """
    return lambda step: schedule(step)
