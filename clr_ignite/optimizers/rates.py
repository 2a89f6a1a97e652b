"""The rates of param groups: factors on them, writing them, what is refused."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from clr_ignite._checks import shown
from clr_ignite.optimizers.wrapped import to_rates

Group = dict[str, Any]

# Keys of a param group that hold a factor on its rate: Caffe's name and ours, timm's and fairseq's,
# DINOv2's, and what people call it otherwise.
FACTORS = ("lr_mult", "lr_scale", "lr_multiplier", "lr_factor", "lr_ratio")


def factor_keys(optimizer: torch.optim.Optimizer) -> tuple[str, ...]:
    """The keys that hold factors in some group; what has a default is the optimizer's own."""
    groups, defaults = optimizer.param_groups, defaults_of(optimizer)
    return tuple(
        key for key in FACTORS if key not in defaults and any(key in group for group in groups)
    )


def defaults_of(optimizer: torch.optim.Optimizer) -> Mapping[str, Any]:
    """An optimizer's hyperparameters for new groups; wrappers may have none."""
    found: Mapping[str, Any] = getattr(optimizer, "defaults", None) or {}
    return found


def factor(group: Mapping[str, Any], keys: Sequence[str]) -> float:
    """The product of a group's factors, 1 where it has none."""
    if len(keys) == 1:  # in line: it is asked for every group at every iteration
        return float(group.get(keys[0], 1.0))
    return math.prod(float(group[key]) for key in keys if key in group)


def check_rates(optimizer: torch.optim.Optimizer) -> None:
    """Refuse rates that nothing can be written into, and factors that no rate can be scaled by."""
    name, keys = type(optimizer).__name__, factor_keys(optimizer)
    for index, group in enumerate(optimizer.param_groups):
        for key in keys:
            if key in group and not 0 <= _number(group[key]) < math.inf:
                raise ValueError(
                    f"{key} of param group {index} of this {name} must be a number of at least 0, "
                    f"the factor on the schedule's rate, got {shown(group[key])}: leave it out "
                    "where there is none"
                )
        rate = group.get("lr")
        if rate is None:
            raise ValueError(
                f"param group {index} of this {name} has no rate (lr={rate}): {to_rates(optimizer)}"
            )
        if isinstance(rate, Tensor) and not rate.is_floating_point():
            raise ValueError(
                f"the rate of param group {index} of this {name} is a tensor of {rate.dtype}, "
                "which makes every rate a whole number: construct it with a float"
            )
        if not math.isfinite(_number(rate)):
            raise ValueError(
                f"the rate of param group {index} of this {name} must be a finite number or a "
                f"tensor of one, got {shown(rate)}: construct it with a float"
            )


def _number(value: Any) -> float:
    """``value`` as a float; NaN where it is no number."""
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError):  # a tensor of several, or without data
        return math.nan


def check_group_rates(
    optimizer: torch.optim.Optimizer, or_else: str = "", *, known: int | None = None
) -> None:
    """Refuse groups of differing rates without a factor: one schedule would make them equal.

    Args:
        or_else: another way out, in words.
        known: groups after so many were added later; where they gave no rate of their own they
            have the optimizer's default.
    """
    check_rates(optimizer)
    keys, groups = factor_keys(optimizer), optimizer.param_groups
    free = [i for i, group in enumerate(groups) if not any(key in group for key in keys)]
    default = defaults_of(optimizer).get("lr")
    default = None if default is None else float(default)
    rates = [
        float(groups[i]["lr"])
        for i in free
        if known is None or i < known or float(groups[i]["lr"]) != default
    ]
    if len(set(rates)) > 1:
        raise ValueError(
            f"the groups' rates differ ({shown(rates)[1:-1]}) and one schedule would make them "
            f"equal: give each group an 'lr_mult', the factor on the schedule's rate{or_else}"
        )
    for key in {key for group in groups for key in group if key.startswith("lr_")} - {*FACTORS}:
        given = [group.get(key) for group in groups]
        if len(set(map(shown, given))) > 1:
            words = "is no factor here: if it scales the rate, call it 'lr_mult'"
            warnings.warn(f"{key} of the groups ({shown(given)[1:-1]}) {words}", stacklevel=2)


def put_rates(groups: list[Group], rates: Sequence[float]) -> None:
    """Set each group's rate, a tensor in place.

    torch gives groups without a rate of their own one and the same tensor; where their rates
    differ, such a group gets its own.
    """
    # Floats in line: this runs at every iteration.
    for at, group in enumerate(groups):
        if type(group["lr"]) is not float:
            break
        group["lr"] = rates[at]
    else:
        return
    filled: dict[int, float] = {}
    for group, rate in zip(groups, rates, strict=True):
        held = group["lr"]
        if is_tensor(held) and filled.setdefault(id(held), rate) != rate:
            group["lr"] = held.clone()
        put(group, "lr", rate)


def put(group: Group, name: str, value: float) -> None:
    """Fill a tensor in place: torch.compile and CUDA graphs hold on to the object."""
    if is_tensor(group[name]):
        group[name].fill_(value)
    else:
        group[name] = value


def rounded(rate: float, like: Any) -> float:
    """``rate`` as a tensor of the kind of ``like`` holds it."""
    return float(torch.tensor(rate, dtype=like.dtype)) if is_tensor(like) else rate


def is_tensor(value: object) -> bool:
    """Whether a hyperparameter is a tensor."""
    # float first: asking a float whether it is a Tensor takes longer than all the rest.
    return type(value) is not float and isinstance(value, torch.Tensor)


class RateWriter:
    """Writes a rate, times each group's factors, into all groups of an optimizer.

    It notices groups that came since (checked as at the beginning) and, within a run, a rate that
    is not the one it left: something else sets it as well.
    """

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self.optimizer = optimizer
        self._groups: list[Group] | None = None  # to know the list again; it is read anew each time
        self._known = len(optimizer.param_groups)
        self._keys: tuple[str, ...] = ()
        self._written: list[float] = []  # each group's rate
        self._left: list[Any] = []  # the object that held it then
        self._versions: list[int] = []  # of those that are tensors
        self._floats = False  # whether none is one
        self._common: float | None = None  # the rate of all groups, where it is one float
        self._warned = False

    def check(self, several: bool = False) -> None:
        """Refuse the groups as they are now; ``several`` rates, one for each, may differ."""
        (check_rates if several else check_group_rates)(self.optimizer)
        self._known = len(self.optimizer.param_groups)

    def start(self) -> None:
        """A run begins: what happened to the rates before it is nobody's fault."""
        self._groups = None

    def write(self, groups: list[Group], value: float) -> None:
        """Set the rate of all groups."""
        if groups is self._groups and len(groups) == self._known:
            # The common cases are in line: they run for every group at every iteration.
            if (common := self._common) is not None:
                for group in groups:
                    if group["lr"] is not common:
                        break
                    group["lr"] = value
                else:
                    self._common = value
                    return
                self._left = self._written = [common] * len(groups)
            elif self._floats:
                left, keys = self._left, self._keys
                for at, group in enumerate(groups):
                    if group["lr"] is not left[at]:
                        break
                    group["lr"] = left[at] = value * factor(group, keys)
                else:
                    return
            self._check_left(groups, value)
        else:
            check_group_rates(self.optimizer, known=self._known)
            self._groups, self._known = groups, len(groups)
            self._keys = factor_keys(self.optimizer)
        self._write_each(groups, [value] * len(groups))
        if self._floats and not self._keys:
            self._common = value

    def write_several(self, groups: list[Group], values: Sequence[float]) -> None:
        """Set each group's rate to its own value, times its factors."""
        if groups is self._groups and len(groups) == self._known:
            self._check_left(groups)
        else:
            check_rates(self.optimizer)
            self._groups, self._known = groups, len(groups)
            self._keys = factor_keys(self.optimizer)
        self._write_each(groups, values)

    def _write_each(self, groups: list[Group], values: Sequence[float]) -> None:
        if keys := self._keys:
            pairs = zip(groups, values, strict=True)
            values = [value * factor(group, keys) for group, value in pairs]
        put_rates(groups, values)
        self._left = [group["lr"] for group in groups]
        self._floats = all(type(rate) is float for rate in self._left)
        self._written = self._left if self._floats else list(values)
        self._versions = [_version(rate) for rate in self._left]
        self._common = None

    def _check_left(self, groups: list[Group], value: float | None = None) -> None:
        """Warn, once, of a rate that something else has set."""
        known = zip(groups, self._left, self._versions, self._written, strict=True)
        for group, last, version, written in known:
            held = group["lr"]
            if held is value or (held is last and _version(held) == version):
                continue
            # An equal one, put back by a checkpoint or a range test say.
            if float(held) == rounded(written, held):
                continue
            if not self._warned:
                self._warned = True
                warnings.warn(_set_elsewhere(self.optimizer, float(held)), stacklevel=2)


def _version(rate: object) -> int:
    """How often a rate that is a tensor was written in place; to look needs no device."""
    return rate._version if is_tensor(rate) else 0  # type: ignore[attr-defined]


def _set_elsewhere(optimizer: torch.optim.Optimizer, rate: float) -> str:
    return (
        f"the rate of this {type(optimizer).__name__} is {rate:.6g}, not what its ScheduleHandler "
        "left there: something else sets it as well, such as a scheduler on another Engine or "
        "inside a function, and the schedule writes over it. Detach one of the two"
    )
