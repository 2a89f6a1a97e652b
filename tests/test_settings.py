"""Which of several settings is chosen from their curves."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from clr_ignite.suggestions import Bounds, choose_setting

RATES = np.geomspace(1e-4, 1.0, 81).tolist()


#   loss  2 ------\            /     its lowest value at ``rate``; to its right it explodes
#                  \          /
#           lowest  \________/
def curve(
    rate: float, lowest: float, rates: list[float] = RATES
) -> tuple[list[float], list[float]]:
    x = np.log(np.asarray(rates) / rate)
    depth = 2.0 - lowest
    return rates, np.where(x < 0, 2.0 - depth * np.exp(x / 1.5), lowest + 3 * x).tolist()


def test_the_lowest_loss_is_chosen_and_its_numbers_are_told() -> None:
    choice = choose_setting({"a": [curve(0.1, 0.5)], "b": [curve(0.01, 0.3)]})
    assert choice.name == "b"
    a, b = choice.standings
    assert (a.name, a.seeds, a.spread) == ("a", 1, 0.0)
    assert b.best == pytest.approx(0.3, abs=0.4) and b.rate == pytest.approx(0.01, rel=0.3)
    assert b.bounds.max_lr == pytest.approx(b.rate / 3)
    assert choice.reason == f"{b} has the lowest loss; one seed tells no spread"
    assert str(choice) == f"b: {choice.reason}"


def test_within_the_spread_the_highest_rate_is_chosen_and_the_others_are_named() -> None:
    low = [curve(0.01, 0.30), curve(0.01, 0.40)]
    high = [curve(0.1, 0.31), curve(0.1, 0.41)]
    far = [curve(0.9, 0.80), curve(0.9, 0.90)]
    choice = choose_setting({"low": low, "high": high, "far": far}, metric="held-out loss")
    assert choice.name == "high"
    assert "within the seeds' spread" in choice.reason and "held-out loss" in choice.reason
    assert "as good: low (" in choice.reason and "far" not in choice.reason
    assert choice.standings[0].spread == pytest.approx(0.1 / math.sqrt(2), rel=0.2)
    alone = choose_setting({"low": low, "far": far})
    assert alone.name == "low" and "as good" not in alone.reason and "seed" not in alone.reason


def test_the_rate_is_the_seeds_geometric_mean() -> None:
    of_both = [curve(0.01, 0.3), curve(0.1, 0.3)]
    first, *_ = choose_setting({"a": of_both, "b": of_both}).standings
    alone = [choose_setting({"a": [one], "b": [one]}).standings[0].rate for one in of_both]
    assert first.rate == pytest.approx(math.sqrt(alone[0] * alone[1]))
    assert first.bounds.reason.startswith("loss over 2 seeds: base_lr")


def test_accuracy_is_better_higher() -> None:
    def rising(top: float) -> tuple[list[float], list[float]]:
        return RATES, [1 - value / 2 * (1 - top) for value in curve(0.1, 0.2)[1]]

    choice = choose_setting(
        {"a": [rising(0.5)], "b": [rising(0.9)]}, metric="accuracy", higher_is_better=True
    )
    assert choice.name == "b" and "has the highest accuracy" in choice.reason
    assert choice.standings[0].best < choice.standings[1].best <= 1


FLAT = (RATES, [2.0] * len(RATES))
DEAD = (RATES, [math.nan] * len(RATES))


def test_a_setting_without_bounds_is_not_chosen_and_breaks_nothing() -> None:
    choice = choose_setting(
        {"flat": [FLAT], "dead": [DEAD], "short": [([], [])], "a": [curve(0.1, 2 - 1e-3)]}
    )
    assert choice.name == "a"
    flat, dead, short, _ = choice.standings
    assert flat.bounds.max_lr is None and flat.best == 2.0
    assert dead.seeds == short.seeds == 0 and math.isnan(dead.best) and math.isnan(dead.rate)
    none = choose_setting({"flat": [FLAT], "dead": [DEAD]}, metric="held-out loss")
    assert none.name is None
    assert none.reason == "no setting's held-out loss carries a rate to train at"
    assert str(none).startswith("none: no setting")


def test_a_seed_without_a_curve_is_not_counted() -> None:
    choice = choose_setting({"a": [curve(0.1, 0.3), DEAD], "b": [curve(0.1, 0.6)] * 2})
    assert [one.seeds for one in choice.standings] == [1, 2]
    assert "(1 of them without one)" in choice.standings[0].bounds.reason


def test_bounds_that_are_known_are_taken() -> None:
    known = Bounds(0.02, 0.2, "read from two curves", 0.1, "held-out loss")
    choice = choose_setting({"a": [curve(0.1, 0.3)], "b": [FLAT]}, bounds={"b": known})
    assert choice.standings[1].bounds is known
    assert choice.standings[0].bounds.max_lr is not None


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"curves": [curve(0.1, 0.3)]}, TypeError, "curves must be a mapping of settings' names"),
        ({"curves": {"a": [FLAT]}}, ValueError, "at least two settings, got \\['a'\\]"),
        (
            {"curves": {"a": [FLAT], "b": []}},
            ValueError,
            "curves\\['b'\\] must hold a curve for each",
        ),
        (
            {"curves": {"a": [FLAT], "b": 3}},
            TypeError,
            "curves\\['b'\\] must be a sequence of pairs",
        ),
        (
            {"curves": {"a": [FLAT], "b": [([1], [1, 2])]}},
            ValueError,
            "two sequences of one length",
        ),
        (
            {"curves": {"a": [FLAT], "b": [3]}},
            TypeError,
            "must hold pairs, rates and values, got 3",
        ),
        (
            {"curves": {"a": [FLAT], "b": [FLAT]}, "higher_is_better": "yes"},
            TypeError,
            "higher_is_better must be True or False",
        ),
    ],
)
def test_bad_arguments_are_named(arguments: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        choose_setting(**arguments)
