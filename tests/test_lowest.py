r"""``bounds_below_minimum``: rates below that of the lowest loss, or the true reason why none.

loss   ----.                .   explodes
            \              /
             \____________/     lowest at 0.3: max_lr 0.1, base_lr 0.01, lr 0.05
rate   1e-5    1e-2     0.3  1
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from clr_ignite._metrics import higher_is_better
from clr_ignite.suggestions import bounds_below_minimum, smith_bounds
from clr_ignite.suggestions.lowest import averaged

RATES = np.geomspace(1e-5, 10, 300)
Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


def bowl(rates: Array = RATES, lowest: float = 0.3, explodes: bool = True) -> Array:
    """2.3, falling from 0.003 on, least at ``lowest``, then rising steeply."""
    x = np.log10(rates / lowest)
    fall = np.clip((x + 2) / 2, 0, 1)
    return 2.3 - 2 * fall + (20 * np.clip(x, 0, None) ** 2 if explodes else 0)


@pytest.mark.parametrize("points", [50, 100, 300, 3_000])
@pytest.mark.parametrize("scale", [1.0, 1e-6, 1e6])
def test_a_third_of_the_rate_with_the_lowest_loss(points: int, scale: float) -> None:
    rates = np.geomspace(1e-5, 10, points)
    found = bounds_below_minimum(rates, scale * bowl(rates))
    assert found.max_lr is not None and 0.06 < found.max_lr < 0.1
    assert found.base_lr == pytest.approx(found.max_lr / 10)
    assert found.lr == pytest.approx(found.max_lr / 2)
    assert found.metric == "loss"
    assert f"loss is lowest at {3 * found.max_lr:.3g}; max_lr is a third of that" in found.reason


def test_the_sign_of_a_loss_does_not_matter_and_a_gain_is_a_loss_upside_down() -> None:
    plain = bounds_below_minimum(RATES, bowl())
    below_zero = bounds_below_minimum(RATES, bowl() - 100)
    gain = bounds_below_minimum(RATES, -bowl(), metric="likelihood", higher_is_better=True)
    assert plain.max_lr == below_zero.max_lr == gain.max_lr
    assert gain.reason.startswith("likelihood is highest at 0.")
    assert gain.curve[1] == pytest.approx((-np.array(plain.curve[1])).tolist())


def test_the_curve_that_was_read_is_that_of_the_means() -> None:
    found = bounds_below_minimum(RATES, bowl())
    assert found.curve[0] == tuple(RATES)
    assert found.curve[1] == pytest.approx(averaged(bowl(), 15).tolist())
    assert found.max_lr == pytest.approx(RATES[np.argmin(found.curve[1])] / 3)
    assert averaged(np.array([1.0, 2.0, 6.0, 4.0]), 1).tolist() == [1.5, 3.0, 4.0, 5.0]
    assert averaged(np.array([1.0, 2.0]), 0).tolist() == [1.0, 2.0]


@pytest.mark.parametrize("seed", range(10))
def test_noisy_losses_that_fell_have_an_answer(seed: int) -> None:
    noise = np.random.default_rng(seed).normal(0, 0.7, 300)
    found = bounds_below_minimum(RATES, bowl() + noise)
    assert found.max_lr is not None and 0.01 < found.max_lr < 0.3


def test_early_noise_is_no_collapse() -> None:
    """A batch that is far worse than the others, while the rate is still tiny."""
    losses = bowl()
    losses[[3, 40]] = 30.0
    assert bounds_below_minimum(RATES, losses).max_lr == bounds_below_minimum(RATES, bowl()).max_lr


def test_a_net_that_has_learnt_all_is_still_told_what_it_bears() -> None:
    """The loss is at its floor from 0.03 on and explodes at 3 only."""
    x = np.log10(RATES)
    losses = 2 - 1.9 * np.clip((x + 3.5) / 2, 0, 1) - 0.002 * x + 50 * np.clip(x - 0.4, 0, None)
    found = bounds_below_minimum(RATES, losses)
    assert found.max_lr is not None and found.max_lr > 0.3


@pytest.mark.parametrize("points", [20, 50, 300])
@pytest.mark.parametrize("draw", ["normal", "exponential"])
def test_pure_noise_has_no_answer(points: int, draw: str) -> None:
    random = np.random.default_rng(0)
    rates = np.geomspace(1e-5, 10, points)
    found = [
        bounds_below_minimum(rates, 2.3 + getattr(random, draw)(size=points)) for _ in range(200)
    ]
    given = sum(bounds.base_lr is not None for bounds in found)
    assert given <= 30
    none = next(bounds for bounds in found if bounds.base_lr is None)
    assert (none.max_lr, none.lr) == (None, None) and "did not fall" in none.reason


@pytest.mark.parametrize("held_out", [False, True])
def test_a_net_that_stands_still_and_then_wanders_around_chance_has_no_answer(
    held_out: bool,
) -> None:
    """One whose last layer begins at zero, on labels without a meaning: the loss of each batch
    scatters ever more, that of the same held-out data wanders, and both rise at the end."""
    given = 0
    for seed in range(50):
        random = np.random.default_rng(seed)
        rates = np.geomspace(1e-6, 10, 50 if held_out else 300)
        moved = 0.003 * (rates / 0.01) ** 0.6
        steps = moved * random.standard_normal(len(rates))
        losses = math.log(10) + (np.cumsum(steps) / 4 if held_out else steps) + 5 * moved**2
        given += bounds_below_minimum(rates, losses).base_lr is not None
    assert given <= 7


@pytest.mark.parametrize(("share", "found"), [(0.004, False), (0.006, True)])
def test_a_fall_of_less_than_half_a_percent_is_none(share: float, found: bool) -> None:
    bounds = bounds_below_minimum(RATES, 2.3 + 2.3 * share * (bowl() - 2.3) / 2)
    assert (bounds.max_lr is not None) is found
    assert (
        "did not fall between 1e-05 and 10 by more than 0.5% before" in bounds.reason
    ) is not found


def test_too_few_points_are_said() -> None:
    found = bounds_below_minimum([1, 2, 3, 4], [4, 3, 2, 1])
    assert found.reason == "loss: 4 finite points are too few; measure more"
    assert bounds_below_minimum([], []).reason.startswith("loss: 0 finite points")


def flat(rates: Array) -> Array:
    return np.full(len(rates), 2.3)


def explodes_at_once(rates: Array) -> Array:
    return 2.3 * np.exp(np.arange(len(rates)) / 10)


def never_learns_then_explodes(rates: Array) -> Array:
    noise = np.random.default_rng(1).normal(0, 0.1, len(rates))
    return 2.3 + noise + 100 * np.clip(np.log10(rates), 0, None)


@pytest.mark.parametrize(
    ("losses", "words"),
    [
        (flat, "did not fall between 1e-05 and 10 by more than its noise; try an end_lr of 100 or"),
        (explodes_at_once, "it rose from the lowest rate on; try "),
        (never_learns_then_explodes, "before it rose at "),
    ],
)
def test_no_answer_has_its_true_reason(losses: Callable[[Array], Array], words: str) -> None:
    found = bounds_below_minimum(RATES, losses(RATES))
    assert (found.base_lr, found.max_lr, found.lr) == (None, None, None)
    assert words in found.reason


def test_no_range_is_advised_that_leads_into_the_divergence() -> None:
    found = bounds_below_minimum(RATES[:20], explodes_at_once(RATES[:20]), diverged=True)
    low, high = found.reason.partition("; try ")[2].split(" to ")
    assert float(low) < float(high) <= RATES[0]


@pytest.mark.parametrize("mode", ["linear", "exponential"])
def test_a_loss_still_falling_at_the_end_has_no_max_lr_but_rates_that_train(mode: str) -> None:
    rates = np.geomspace(1e-4, 0.1, 100) if mode == "exponential" else np.linspace(0, 0.1, 100)
    found = bounds_below_minimum(rates, 2.3 - 10 * rates)
    assert found.max_lr is None and "still falling at the last rate, 0.1; try an" in found.reason
    assert found.base_lr == pytest.approx(0.1 / 30, rel=0.2)
    assert found.lr == pytest.approx(0.1 / 6, rel=0.2)
    ended = bounds_below_minimum(rates, 2.3 - 10 * rates, diverged=True)
    assert ended.max_lr == pytest.approx(0.1 / 3, rel=0.2)


def test_what_is_not_finite_is_left_out() -> None:
    losses = bowl()
    losses[[5, 299]] = math.nan, math.inf
    kept = np.isfinite(losses)
    assert bounds_below_minimum(RATES, losses) == bounds_below_minimum(RATES[kept], losses[kept])


@pytest.mark.parametrize("samples", [50, 300, 2_000])
@pytest.mark.parametrize("percent", [False, True])
@pytest.mark.parametrize("sticky", [False, True])
def test_accuracy_at_chance_is_no_rise(samples: int, percent: bool, sticky: bool) -> None:
    """A net that guesses, also one whose guesses change seldom and are the same at the start."""
    given = 0
    for seed in range(50):
        random = np.random.default_rng(seed)
        accuracy = random.binomial(samples, 0.1, 50) / samples
        if sticky:
            accuracy = np.repeat(accuracy[:10], 5)
            accuracy[:20] = 0.1
        found = smith_bounds(np.geomspace(1e-6, 10, 50), accuracy * (100 if percent else 1))
        given += found.base_lr is not None
    assert given <= 2


def test_a_real_rise_from_chance_is_one() -> None:
    rates = np.geomspace(1e-6, 10, 50)
    accuracy = np.clip(0.1 + 0.2 * np.log10(rates / 1e-4), 0.1, 0.8)
    accuracy = np.round(300 * accuracy) / 300
    assert smith_bounds(rates, accuracy).base_lr == pytest.approx(1e-4, rel=0.5)


@pytest.mark.parametrize(
    ("names", "higher"),
    [
        ("accuracy top5_accuracy Accuracy valAccuracy f1 F1 roc_auc mIoU AP psnr r2 R2", True),
        ("acc1 mAP50 BLEU4 Top5 acc@5 ndcg@10", True),
        ("loss val_loss nll NLL MSE rmse meanAbsoluteError perplexity word_error wer", False),
        ("loss2 dice_loss DiceLoss ssim_loss logloss", False),
    ],
)
def test_well_known_names_tell_which_way_is_better(names: str, higher: bool) -> None:
    assert {name: higher_is_better(name) for name in names.split()} == dict.fromkeys(
        names.split(), higher
    )


@pytest.mark.parametrize(
    "name",
    [
        "other",
        "",
        "x",
        "loss_accuracy",
        "brier_score",
        "negative_loss",
        "neg_log_loss",
        "NegLogLikelihood",
        "-loss",
        "-nll",
        "1-accuracy",
        "1 - IoU",
        "1-SSIM",
        "inverse_accuracy",
        "accuracy_drop",
        "acc_std",
    ],
)
def test_other_names_do_not(name: str) -> None:
    with pytest.raises(ValueError, match="higher_is_better must be given for the metric"):
        higher_is_better(name)
    assert higher_is_better("top-1 accuracy") and not higher_is_better("loss-1")


@pytest.mark.parametrize("hold", [1, 10])
@pytest.mark.parametrize("learnt", [2, 4, 8])
def test_a_loss_that_is_lowest_at_the_very_first_rates_is_no_reason_for_a_rate_of_0(
    learnt: int, hold: int
) -> None:
    """A linear sweep from 0 whose every rate but the first few is too high."""
    at = np.arange(300)
    loss = np.where(at < learnt, 2.3 - 1.8 * at / learnt, 0.5 + 0.1 * (at - learnt))
    rates = np.linspace(0, 10, 300 // hold).repeat(hold)
    found = bounds_below_minimum(rates, loss)
    assert found.base_lr is not None and found.max_lr is not None and found.lr is not None
    assert 0 < found.base_lr < found.max_lr < found.lr * 3 < 1
