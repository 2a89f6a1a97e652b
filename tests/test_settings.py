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


def of_seeds(rate: float, *lowest: float) -> list[tuple[list[float], list[float]]]:
    return [curve(rate, one) for one in lowest]


def mean(rate: float, lowest: float) -> float:
    """Over the sweep, of which the flat beginning is 2 and the explosion counts as 2."""
    return float(np.mean(np.minimum(curve(rate, lowest)[1], 2.0)))


def test_the_lowest_mean_is_chosen_and_its_numbers_are_told() -> None:
    choice = choose_setting({"a": of_seeds(0.1, 0.5, 0.6), "b": of_seeds(0.1, 0.3, 0.4)})
    assert choice.name == "b" and choice.as_good == ("b",)
    a, b = choice.standings
    assert (a.name, a.seeds) == ("a", 2)
    assert b.best == pytest.approx(0.35, abs=0.4) and b.rate == pytest.approx(0.1, rel=0.3)
    assert b.spread == pytest.approx(0.1 / math.sqrt(2), rel=0.2)
    assert b.bounds.max_lr == pytest.approx(b.rate / 3)
    assert b.means == pytest.approx([mean(0.1, 0.3), mean(0.1, 0.4)], rel=0.01)
    assert b.mean == pytest.approx(np.mean(b.means))
    assert choice.reason == (
        f"b ({b.mean:.4g}) has the lowest mean loss over the sweep, beyond the seeds' spread"
    )
    assert str(choice) == f"b: {choice.reason}"


def test_a_loss_that_stays_low_up_to_a_higher_rate_is_better_than_one_as_low() -> None:
    low, high = of_seeds(0.01, 0.3, 0.4), of_seeds(0.1, 0.3, 0.4)
    early = [(rates, [min(one) for one in zip(values, first, strict=True)])
             for (rates, values), (_, first) in zip(high, low, strict=True)]  # fmt: skip
    choice = choose_setting({"low": low, "early": early}, metric="held-out loss")
    assert choice.name == "early" and choice.as_good == ("early",)
    assert [one.best for one in choice.standings][0] == pytest.approx(choice.standings[1].best)
    assert "lowest mean held-out loss over the sweep" in choice.reason


def test_a_curve_at_other_rates_has_the_same_mean() -> None:
    wide = np.geomspace(1e-8, 1e3, 221).tolist()
    low, high = ([curve(rate, one, wide) for one in (0.3, 0.4)] for rate in (0.01, 0.1))
    one, other = choose_setting({"low": low, "high": high}).standings
    assert one.means == pytest.approx(other.means, rel=1e-3)


def test_what_lies_behind_a_divergence_counts_as_untrained() -> None:
    whole = of_seeds(0.01, 0.3, 0.4)
    ends = sum(value <= 2 for value in whole[0][1])  # then it explodes
    short = [(rates[:ends], values[:ends]) for rates, values in whole]
    one, other = choose_setting({"whole": whole, "short": short}).standings
    assert ends < len(RATES) and one.means == pytest.approx(other.means, rel=5e-3)


def test_the_rate_is_the_seeds_geometric_mean() -> None:
    of_both = [curve(0.01, 0.3), curve(0.1, 0.3)]
    first, *_ = choose_setting({"a": of_both, "b": of_both}).standings
    alone = [choose_setting({"a": [one], "b": [one]}).standings[0].rate for one in of_both]
    assert first.rate == pytest.approx(math.sqrt(alone[0] * alone[1]))
    assert first.bounds.reason.startswith("loss over 2 seeds: base_lr")


def test_accuracy_is_better_higher() -> None:
    def rising(*tops: float) -> list[tuple[list[float], list[float]]]:
        return [(RATES, [1 - value / 2 for value in curve(0.1, 2 - 2 * top)[1]]) for top in tops]

    settings = {"a": rising(0.5, 0.55), "b": rising(0.9, 0.95)}
    choice = choose_setting(settings, metric="accuracy", higher_is_better=True, current="a")
    assert choice.name == "b" and "has the highest mean accuracy" in choice.reason
    a, b = choice.standings
    assert a.best < b.best <= 1 and 0 < a.mean < b.mean < b.best


FLAT = (RATES, [2.0] * len(RATES))
DEAD = (RATES, [math.nan] * len(RATES))


def test_a_setting_without_bounds_is_not_chosen_and_breaks_nothing() -> None:
    choice = choose_setting(
        {"flat": [FLAT], "dead": [DEAD], "short": [([], [])], "a": [curve(0.1, 1.9)]}
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


def test_differences_with_the_same_seed_tell_what_the_spread_over_seeds_hides() -> None:
    a = of_seeds(0.01, 0.20, 0.50, 0.80)
    b = of_seeds(0.01, 0.15, 0.44, 0.75)  # lower by 0.05 or so with each of them
    choice = choose_setting({"a": a, "b": b}, current="a")
    assert choice.name == "b" and choice.as_good == ("b",)
    assert choice.standings[0].spread > 0.2
    other_order = choose_setting({"a": a, "b": b[::-1]}, current="a")
    assert other_order.name == "a" and other_order.as_good == ("a", "b")


def test_the_current_setting_is_kept_unless_another_one_is_clearly_better() -> None:
    settings = {"a": of_seeds(0.1, 0.30, 0.40), "b": of_seeds(0.1, 0.32, 0.36)}
    free = choose_setting(settings)
    assert free.name == "b" and free.as_good == ("a", "b")
    assert free.reason.endswith("by 2 seeds: keep yours if it is one of these")
    kept = choose_setting(settings, current="a")
    assert kept.name == "a" and kept.as_good == ("a", "b")
    assert kept.reason.startswith("keep a (") and ": b (" in kept.reason
    assert kept.reason.endswith("but is not told from it by 2 seeds")
    same = choose_setting(settings, current="b")  # best, and said to be the one at hand
    assert same.name == "b" and same.reason.endswith("but is not told from a (1.684) by 2 seeds")
    left = choose_setting(settings | {"c": of_seeds(0.1, 0.8, 0.9)}, current="c")
    assert left.name == "b" and left.as_good == ("a", "b")
    dead = choose_setting(settings | {"c": [DEAD, DEAD]}, current="c")
    assert dead.name == "b"


def test_one_seed_leaves_nothing() -> None:
    settings = {"a": of_seeds(0.1, 0.8), "b": of_seeds(0.1, 0.2)}
    assert choose_setting(settings).name == "b"
    kept = choose_setting(settings, current="a")
    assert kept.name == "a" and kept.as_good == ("a", "b")
    assert kept.reason.startswith("keep a (")
    assert kept.reason.endswith("one seed tells no spread, run two more")


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
