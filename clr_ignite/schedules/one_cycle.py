"""1cycle in its three forms; public through ``clr_ignite.schedules``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from clr_ignite._checks import choice, count, flag, non_negative, positive, whole
from clr_ignite.schedules.cyclical import Swing, check_momenta
from clr_ignite.schedules.joined import Chain
from clr_ignite.schedules.ramps import Cosine, Linear
from clr_ignite.schedules.shapes import COOLDOWNS

Anneal = Literal["linear", "cosine"]
_ANNEALS = ("linear", "cosine")
_RAMPS = {"linear": Linear, "cosine": Cosine}


class _Once(Swing):
    """What rises once and ends at ``final_lr`` after ``total`` iterations."""

    step_size: int
    total: int
    final_lr: float
    anneal: Anneal

    def _check(self, least: int) -> None:
        super().__post_init__()
        self._set(
            step_size=count("step_size", self.step_size),
            total=whole("total", self.total),
            final_lr=non_negative("final_lr", self.final_lr),
        )
        if self.total < least:
            raise ValueError(
                f"total must be at least {least} with a step_size of {self.step_size}, "
                f"got {self.total}"
            )
        if self.final_lr > self.base_lr:
            raise ValueError(
                f"final_lr must be at most base_lr ({self.base_lr}), got {self.final_lr}"
            )
        choice("anneal", self.anneal, _ANNEALS)

    @property
    def length(self) -> int:
        """``total``."""
        return self.total

    @property
    def limits(self) -> tuple[float, float]:
        """``final_lr`` and ``max_lr``."""
        return self.final_lr, self.max_lr

    def ends_cycle(self, done: int) -> bool:
        """Whether ``done`` is the whole run: the one cycle down to ``final_lr``."""
        return done == self.total

    def _there_and_back(self, high: float, low: float, back: int) -> Chain:
        """``high`` to ``low`` over ``step_size`` iterations, over ``back`` to ``high`` again."""
        check_momenta(high, low)
        ramp = _RAMPS[self.anneal]
        down, up = ramp(high, low, self.step_size), ramp(low, high, back)
        return Chain((down, self.step_size), (up, back))


@dataclass(frozen=True)
class OneCycle(_Once):
    """One triangle, then a line down to ``final_lr`` ("annihilation") at the last iteration.

    Args:
        base_lr: the rate at iteration 0 and again at ``2 * step_size``.
        max_lr: the rate at iteration ``step_size``; the paper takes ``base_lr`` a tenth of it.
        step_size: half the cycle, in iterations.
        total: iterations in the whole run, at least ``2 * step_size + 2``; the rate is ``final_lr``
            at iteration ``total - 1`` and, if the run goes on, after it.
        final_lr: at most ``base_lr``; the paper goes several orders of magnitude below it.
        anneal: ``"linear"``, as the paper, or ``"cosine"`` in all three parts, as torch's
            ``three_phase=True``.

    Source: arXiv:1803.09820, section 4.

    >>> [OneCycle(1.0, 3.0, step_size=2, total=7, final_lr=0.0)(t) for t in range(8)]
    [1.0, 2.0, 3.0, 2.0, 1.0, 0.5, 0.0, 0.0]
    """

    base_lr: float
    max_lr: float
    step_size: int
    total: int
    final_lr: float
    anneal: Anneal = "linear"

    def __post_init__(self) -> None:
        self._check(least=2 * count("step_size", self.step_size) + 2)

    def __call__(self, iteration: int) -> float:
        shape, step_size = COOLDOWNS[self.anneal], self.step_size
        if iteration <= step_size:
            return shape(self.base_lr, self.max_lr, iteration, step_size)
        if iteration <= 2 * step_size:
            return shape(self.base_lr, self.max_lr, 2 * step_size - iteration, step_size)
        after, steps = iteration - 2 * step_size, self.total - 1 - 2 * step_size
        return self.final_lr if after >= steps else shape(self.base_lr, self.final_lr, after, steps)

    def momentum(self, high: float, low: float) -> Chain:
        """The momentum that falls from ``high`` to ``low`` as the rate rises, comes back as it
        falls, and stays ``high`` during the annihilation (the paper: 0.95 and 0.85).

        Raises:
            ValueError: unless ``0 <= low <= high < 1``.
        """
        return self._there_and_back(high, low, self.step_size)


@dataclass(frozen=True)
class OneCycleTwoPhase(_Once):
    """1cycle as torch's and fastai's default: a rise, then one fall past the start to the end.

    Args:
        base_lr: the rate at iteration 0.
        max_lr: the rate at iteration ``step_size``.
        step_size: the rise, in iterations.
        total: iterations in the whole run, at least ``step_size + 2``; the rate is ``final_lr`` at
            iteration ``total - 1`` and, if the run goes on, after it.
        final_lr: at most ``base_lr``.
        anneal: ``"cosine"`` (the default of both) or ``"linear"``.

    >>> [OneCycleTwoPhase(1.0, 3.0, 1, 6, 0.0, anneal="linear")(t) for t in range(7)]
    [1.0, 3.0, 2.25, 1.5, 0.75, 0.0, 0.0]
    """

    base_lr: float
    max_lr: float
    step_size: int
    total: int
    final_lr: float
    anneal: Anneal = "cosine"

    def __post_init__(self) -> None:
        self._check(least=count("step_size", self.step_size) + 2)

    def __call__(self, iteration: int) -> float:
        shape, step_size = COOLDOWNS[self.anneal], self.step_size
        if iteration <= step_size:
            return shape(self.base_lr, self.max_lr, iteration, step_size)
        after, steps = iteration - step_size, self.total - 1 - step_size
        return self.final_lr if after >= steps else shape(self.max_lr, self.final_lr, after, steps)

    def momentum(self, high: float, low: float) -> Chain:
        """The momentum that falls from ``high`` to ``low`` as the rate rises and is back at the
        last iteration.

        Raises:
            ValueError: unless ``0 <= low <= high < 1``.
        """
        return self._there_and_back(high, low, self.total - 1 - self.step_size)


def torch_one_cycle(
    max_lr: float,
    total_steps: int,
    pct_start: float = 0.3,
    anneal_strategy: Literal["cos", "linear"] = "cos",
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
    three_phase: bool = False,
) -> OneCycle | OneCycleTwoPhase:
    """The schedule of ``torch.optim.lr_scheduler.OneCycleLR`` with the same arguments.

    torch's rise takes ``pct_start * total_steps - 1`` iterations. Where that is no whole number its
    rate never reaches ``max_lr``; such arguments are refused here.

    Raises:
        ValueError: a rise that is not whole or below 1, or what the schedule refuses.

    >>> schedule = torch_one_cycle(0.1, total_steps=100)
    >>> [round(schedule(t), 7) for t in (0, 29, 99)]
    [0.004, 0.1, 4e-07]
    """
    choice("anneal_strategy", anneal_strategy, ("cos", "linear"))
    flag("three_phase", three_phase)
    total = count("total_steps", total_steps)
    share = positive("pct_start", pct_start) * total
    rise = round(share)
    if abs(share - rise) > 1e-9 * total or rise < 2:
        raise ValueError(
            f"pct_start must make pct_start * total_steps a whole number of at least 2, got "
            f"{pct_start} * {total}: take {max(rise, 2)} / {total}"
        )
    base_lr = positive("max_lr", max_lr) / positive("div_factor", div_factor)
    return (OneCycle if three_phase else OneCycleTwoPhase)(
        base_lr,
        max_lr,
        rise - 1,
        total,
        base_lr / positive("final_div_factor", final_div_factor),
        "cosine" if anneal_strategy == "cos" else "linear",
    )
