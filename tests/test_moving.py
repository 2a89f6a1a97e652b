"""docs/moving.md holds: the mappings that it gives, against the peers that are installed."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from ignite.handlers import FastaiLRFinder
from ignite.handlers.param_scheduler import LinearCyclicalScheduler
from torch.optim.lr_scheduler import OneCycleLR

import clr_ignite
from clr_ignite import schedules, suggestions
from clr_ignite.schedules import Cyclic, OneCycle, Triangular
from clr_ignite.suggestions import steepest

PAGE = (Path(__file__).parents[1] / "docs/moving.md").read_text()


def optimizer() -> torch.optim.SGD:
    return torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)


def test_the_names_that_it_gives_exist() -> None:
    given = "".join(row.split("|")[2] for row in PAGE.splitlines() if row.startswith("|"))
    called = set(re.findall(r"\b([A-Z]\w+|torch_one_cycle)\(", given))
    assert {"LRRangeTest", "ScheduleHandler", "Triangular", "Cyclic", "torch_one_cycle"} <= called
    for name in called:
        assert hasattr(clr_ignite, name) or hasattr(schedules, name), name
    for name in ("minimum", "steepest", "valley", "slide"):
        assert f"`{name}`" in PAGE.replace("`clr_ignite.suggestions.", "`")
        assert hasattr(suggestions, name)


@pytest.mark.parametrize("size", [2, 5, 6, 7])
def test_ignites_cycles_of_any_length(size: int) -> None:
    pairs = LinearCyclicalScheduler.simulate_values(
        3 * size, param_name="lr", start_value=0.1, end_value=0.5, cycle_size=size
    )
    expected = [value for _, value in pairs]
    assert [Cyclic(0.1, 0.5, size)(t) for t in range(3 * size)] == pytest.approx(
        expected, rel=1e-12
    )
    assert (max(expected) == pytest.approx(0.5, rel=1e-12)) == (size % 2 == 0)
    if size % 2 == 0:
        triangular = Triangular(0.1, 0.5, size // 2)
        assert [triangular(t) for t in range(3 * size)] == pytest.approx(expected, rel=1e-12)


def test_torchs_linear_one_cycle_in_three_phases() -> None:
    scheduler = OneCycleLR(
        optimizer(), 0.5, total_steps=40, pct_start=0.3, three_phase=True, anneal_strategy="linear"
    )
    ours = OneCycle(0.5 / 25, 0.5, 11, 40, 0.5 / 25 / 1e4)
    for t in range(40):
        assert ours(t) == pytest.approx(scheduler.get_last_lr()[0], rel=1e-12)
        if t < 39:
            scheduler.optimizer.step()
            scheduler.step()


def ignites(lr: list[float], loss: list[float]) -> float:
    finder = FastaiLRFinder()
    finder._history = {"lr": lr, "loss": loss}
    return finder.lr_suggestion()


def test_ignites_suggestion_with_either_spacing() -> None:
    def loss(lr: np.ndarray) -> list[float]:
        """Falls fastest, per factor of the rate, at 0.01."""
        return (2 - 1.5 / (1 + np.exp(-4 * np.log10(lr / 0.01)))).tolist()

    rates = np.geomspace(1e-5, 1, 101)
    step = np.log(rates[1] / rates[0])
    found, theirs = steepest(rates.tolist(), loss(rates)), ignites(rates.tolist(), loss(rates))
    assert abs(np.log(found / theirs)) <= 1.001 * step
    rates = np.linspace(1e-3, 1, 500)
    found, theirs = steepest(rates.tolist(), loss(rates)), ignites(rates.tolist(), loss(rates))
    assert found == pytest.approx(0.01, rel=0.2) and theirs < found / 1.5
