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
    assert choice.reason == (f"{b} has the lowest loss, but one seed tells no spread: run two more")
    assert choice.as_good == ("a", "b")
    assert str(choice) == f"b: {choice.reason}"


def test_within_the_spread_the_highest_rate_is_chosen_and_the_others_are_named() -> None:
    low = [curve(0.01, 0.30), curve(0.01, 0.40)]
    high = [curve(0.1, 0.32), curve(0.1, 0.40)]
    far = [curve(0.9, 0.80), curve(0.9, 0.90)]
    choice = choose_setting({"low": low, "high": high, "far": far}, metric="held-out loss")
    assert choice.name == "high"
    assert "within the seeds' spread" in choice.reason and "held-out loss" in choice.reason
    assert "keep yours if it is among the others: low (" in choice.reason
    assert choice.as_good == ("low", "high") and "far" not in choice.reason
    assert choice.standings[0].spread == pytest.approx(0.1 / math.sqrt(2), rel=0.2)
    alone = choose_setting({"low": low, "far": far})
    assert alone.name == "low" and alone.as_good == ("low",)
    assert alone.reason.endswith("has the lowest loss, beyond the seeds' spread")


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


def of_seeds(rate: float, *lowest: float) -> list[tuple[list[float], list[float]]]:
    return [curve(rate, one) for one in lowest]


def test_differences_with_the_same_seed_tell_what_the_spread_over_seeds_hides() -> None:
    a = of_seeds(0.01, 0.20, 0.50, 0.80)
    b = of_seeds(0.01, 0.15, 0.44, 0.75)  # lower by 0.05 or so with each of them
    choice = choose_setting({"a": a, "b": b}, current="a")
    assert choice.name == "b" and choice.as_good == ("b",)
    assert choice.standings[0].spread > 0.2
    other_order = choose_setting({"a": a, "b": b[::-1]}, current="a")
    assert other_order.name == "a" and other_order.as_good == ("a", "b")


def test_the_current_setting_is_kept_unless_another_one_is_clearly_better() -> None:
    settings = {"a": of_seeds(0.01, 0.30, 0.40), "b": of_seeds(0.1, 0.31, 0.38)}
    assert choose_setting(settings).name == "b"
    kept = choose_setting(settings, current="a")
    assert kept.name == "a" and kept.as_good == ("a", "b")
    assert kept.reason.startswith("keep a (") and "as good: b (" in kept.reason
    left = choose_setting(settings | {"c": of_seeds(0.01, 0.8, 0.9)}, current="c")
    assert left.name == "b" and left.as_good == ("a", "b")
    dead = choose_setting(settings | {"c": [DEAD, DEAD]}, current="c")
    assert dead.name == "b"


def test_one_seed_leaves_nothing() -> None:
    settings = {"a": of_seeds(0.9, 0.8), "b": of_seeds(0.01, 0.2)}
    assert choose_setting(settings).name == "b"  # not the higher rate
    kept = choose_setting(settings, current="a")
    assert kept.name == "a" and kept.as_good == ("a", "b")
    assert kept.reason.startswith("b (") and ": run two more, and keep a (" in kept.reason


def test_equal_curves_are_as_good() -> None:
    same = of_seeds(0.01, 0.3, 0.4, 0.5)
    choice = choose_setting({"a": same, "b": same, "c": same}, current="b")
    assert choice.name == "b" and choice.as_good == ("a", "b", "c")


def test_a_seed_that_only_one_of_two_settings_has_is_no_pair() -> None:
    a, b = of_seeds(0.01, 0.5, 0.6, 0.7), of_seeds(0.01, 0.2, 0.3, 0.4)
    assert choose_setting({"a": a, "b": b}).as_good == ("b",)
    assert choose_setting({"a": a, "b": [b[0], DEAD, DEAD]}, current="a").name == "a"
    assert choose_setting({"a": a, "b": b[:1]}, current="a").name == "a"


def test_settings_that_diverge_do_not_blur_the_others() -> None:
    wild = [curve(1e-3, height) for height in (1.2, 1.9, 1.6)]
    settings = {"a": of_seeds(0.01, 0.5, 0.6, 0.7), "b": of_seeds(0.01, 0.29, 0.4, 0.51)}
    assert choose_setting({**settings, "wild": wild, "also": settings["a"]}).as_good == ("b",)


# Of the simulated comparisons below each is of settings that are alike but for noise.
@pytest.mark.parametrize(
    ("seeds", "settings", "most"), [(2, 5, 0.15), (3, 2, 0.08), (3, 5, 0.08), (5, 5, 0.04)]
)
@pytest.mark.parametrize("shared", [0.0, 0.2])
def test_noise_seldom_moves_the_current_setting(
    seeds: int, settings: int, most: float, shared: float
) -> None:
    random = np.random.default_rng([seeds, settings])
    moved = 0
    for _ in range(200):
        of_all = shared * random.normal(size=seeds)  # what a seed does to all settings alike
        curves = {
            str(number): [
                curve(0.01, 0.5 + common + 0.05 * own, RATES[::8])
                for common, own in zip(of_all, random.normal(size=seeds), strict=True)
            ]
            for number in range(settings)
        }
        known = dict.fromkeys(curves, Bounds(0.001, 0.01, "", 0.005))
        moved += choose_setting(curves, bounds=known, current="0").name != "0"
    assert moved / 200 <= most


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
        (
            {"curves": {"a": [FLAT], "b": [FLAT]}, "current": "c"},
            ValueError,
            "current must be one of \\['a', 'b'\\], got 'c'",
        ),
    ],
)
def test_bad_arguments_are_named(arguments: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        choose_setting(**arguments)
