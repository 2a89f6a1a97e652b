"""Range tests repeated over seeds: the mean, the band, what the seeds agree on."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ignite.engine import Engine, Events

from clr_ignite import RangeTestResult, RepeatedResult, repeat_range_test
from clr_ignite.suggestions import minimum
from tests.rigs import Rig


def set_up(seed: int) -> tuple[Any, ...]:
    torch.manual_seed(seed)
    rig = Rig()
    with torch.no_grad():
        for parameter in rig.model.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=_generator(seed)))
    saved = {"model": rig.model, "optimizer": rig.optimizer}
    return rig.trainer, rig.loader, rig.optimizer, saved, rig.with_evaluator(every=4)


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_each_seed_is_a_test_of_its_own() -> None:
    repeated = repeat_range_test(set_up, [3, 5], 0.0, 0.1, 12, diverge_th=None)
    assert repeated.seeds == (3, 5)
    for seed, result in zip((3, 5), repeated.results, strict=True):
        trainer, data, optimizer, saved, own = set_up(seed)
        from clr_ignite import LRRangeTest

        alone = LRRangeTest(optimizer, 0.0, 0.1, 12, to_save=saved, diverge_th=None, **own)
        assert alone.run(trainer, data) == result
    assert repeated.results[0] != repeated.results[1]


def test_the_mean_and_its_band() -> None:
    repeated = repeat_range_test(set_up, range(3), 0.0, 0.1, 12, diverge_th=None)
    losses = np.array([list(result.loss) for result in repeated.results])
    rates, means, spreads = repeated["loss"]
    assert rates == list(repeated.results[0].lr)
    assert means == pytest.approx(losses.mean(axis=0).tolist())
    assert spreads == pytest.approx(losses.std(axis=0, ddof=1).tolist())
    accuracies = np.array([result["accuracy"][1] for result in repeated.results])
    rates, means, _ = repeated["accuracy"]
    assert rates == [repeated.results[0].lr[row - 1] for row in (4, 8, 12)]
    assert means == pytest.approx(accuracies.mean(axis=0).tolist())
    assert repeated.metrics == ("accuracy", "loss")


def made(base: float, top: float, rows: int = 80, stop: int = 80) -> RangeTestResult:
    result = RangeTestResult(start_lr=0.0, end_lr=0.02, num_iter=rows, step_mode="linear")
    for row in range(stop):
        lr = 0.02 * row / (rows - 1)
        height = min(1.0, max(0.0, (lr - base) / (top - base)))
        result.add_row(iteration=row + 1, lr=lr, loss=2 - height, evaluation={"accuracy": height})
    return result


def test_tests_of_different_length_share_the_rates_they_reached() -> None:
    long, short = made(0.002, 0.008), made(0.002, 0.008, stop=30)
    short.add_row(iteration=31, lr=short.lr[29] * 1.5, loss=math.nan)
    rates, means, spreads = RepeatedResult([0, 1], [long, short])["loss"]
    assert rates == list(long.lr) and means == list(long.loss)
    assert spreads == [0.0] * 80


def test_seeds_that_agree_and_seeds_that_do_not() -> None:
    both = [made(0.002, 0.008), made(0.0021, 0.0081)]
    agreeing = RepeatedResult([0, 1], both).suggest("accuracy")
    assert agreeing.base_lr == pytest.approx(0.002, abs=0.0005)
    assert agreeing.max_lr == pytest.approx(0.008, abs=0.0005)
    assert "over 2 seeds: base_lr 0.002" in agreeing.reason and "wide" not in agreeing.reason
    apart = RepeatedResult([0, 1], [made(0.002, 0.004), made(0.002, 0.012)])
    found = apart.suggest("accuracy")
    assert "a wide spread, measure with more steps or seeds" in found.reason
    assert found.max_lr == pytest.approx(math.sqrt(0.004 * 0.012), rel=0.05)  # geometric mean
    assert [bounds.max_lr for bounds in apart.pairs("accuracy")] == [
        pytest.approx(0.004, abs=0.0005),
        pytest.approx(0.012, abs=0.0005),
    ]
    some = RepeatedResult([0, 1], [made(0.002, 0.008), made(0.002, 0.05)]).suggest("accuracy")
    assert "(1 of them without one)" in some.reason
    none = RepeatedResult([0], [made(0.002, 0.05)]).suggest("accuracy")
    assert "over 1 seed: " in none.reason
    assert none.max_lr is None and "none gives a max_lr alone" in none.reason


def test_what_a_setup_returns_has_an_order() -> None:
    trainer, data, optimizer, saved, _ = set_up(0)
    with pytest.raises(TypeError, match="setup must return trainer, data, optimizer, to_save"):
        repeat_range_test(lambda seed: (optimizer, trainer, data, saved), [0])


def test_seeds_do_not_share_a_checkpoint() -> None:
    with pytest.raises(ValueError, match="checkpoint must be left out, .* a.pt: let setup return"):
        repeat_range_test(lambda seed: (), [1, 2], checkpoint="a.pt")


def test_ranges_for_groups_are_told_once() -> None:
    both = [made(0.002, 0.008), made(0.0021, 0.0081)]
    for one in both:
        one.start_lr, one.end_lr = (0.0, 0.0), (0.02, 0.2)
    repeated = RepeatedResult([0, 1], both)
    found = repeated.suggest("accuracy")
    others = repeated.schedule(5)
    assert isinstance(others, list) and len(others) == 2
    assert f"beside its max_lr the others had {10 * found.max_lr:.3g}" in found.reason
    none = RepeatedResult([0, 1], [made(0.002, 0.05)] * 2).suggest("accuracy")
    assert none.max_lr is None and "param group" not in none.reason


def test_without_accuracy_the_loss_is_read() -> None:
    bare = made(0.002, 0.008)
    bare.evaluation.clear()
    found = RepeatedResult([0, 1], [bare, bare]).suggest()
    alone = bare.suggest()
    assert found.reason.startswith("training loss over 2 seeds")
    assert found.max_lr == pytest.approx(alone.max_lr) and found.lr == pytest.approx(alone.lr)
    assert RepeatedResult([0, 1], [bare, bare]).suggest(rule=minimum).lr == pytest.approx(
        minimum(bare.lr, bare.loss)
    )


def test_picture_and_csv(tmp_path: Path) -> None:
    repeated = RepeatedResult([7, 9], [made(0.002, 0.008), made(0.003, 0.009, stop=40)])
    axes = repeated.plot(tmp_path / "r.png")
    assert (tmp_path / "r.png").read_bytes().startswith(b"\x89PNG")
    assert axes.get_lines()[0].get_ydata().tolist() == repeated["loss"][1]
    assert len(axes.collections) == 1 and len(axes.figure.axes) == 2
    assert axes.figure.axes[1].get_lines()[0].get_ydata().tolist() == repeated["accuracy"][1]
    marks = [line.get_xdata()[0] for line in axes.get_lines()[1:]]
    found = repeated.suggest()
    assert marks == [found.base_lr, found.max_lr, found.lr]
    repeated.to_csv(tmp_path / "r.csv")
    with open(tmp_path / "r.csv") as file:
        rows = list(csv.DictReader(file))
    assert [row["seed"] for row in rows] == ["7"] * 80 + ["9"] * 40
    assert [float(row["loss"]) for row in rows[80:]] == list(repeated.results[1].loss)


def test_the_csv_of_tests_with_different_columns(tmp_path: Path) -> None:
    def stop(engine: Engine) -> None:
        if engine.state.iteration == 2:
            engine.terminate()

    def differing(seed: int) -> tuple[Any, ...]:
        trainer, data, optimizer, saved, own = set_up(seed)
        if seed == 3:  # never evaluated, and its losses are NaN
            trainer.add_event_handler(Events.ITERATION_COMPLETED, stop)
            torch.nn.init.constant_(saved["model"][0].weight, math.nan)
            own["keep"] = [stop]
        if seed == 7:
            own["training_metrics"] = {"twice": lambda loss: 2 * loss}
        return trainer, data, optimizer, saved, own

    repeated = repeat_range_test(differing, [3, 5, 7], 0.0, 0.1, 6, diverge_th=None)
    assert [len(result) for result in repeated.results] == [2, 6, 6]
    repeated.to_csv(tmp_path / "r.csv")
    with open(tmp_path / "r.csv") as file:
        rows = list(csv.DictReader(file))
    names = ["seed", "iteration", "lr", "loss", "eval_accuracy", "eval_loss", "train_twice"]
    assert list(rows[0]) == names
    for seed, result in zip(repeated.seeds, repeated.results, strict=True):
        result.to_csv(tmp_path / "single.csv")
        with open(tmp_path / "single.csv") as file:
            single = list(csv.DictReader(file))
        lacking = dict.fromkeys(names, "") | {"seed": str(seed)}
        assert [row for row in rows if row["seed"] == str(seed)] == [lacking | r for r in single]
    assert rows[0]["loss"] == "nan"


@pytest.mark.parametrize("seeds", [[], [1, 1]])
def test_bad_seeds_are_named(seeds: list[int]) -> None:
    with pytest.raises(ValueError, match="seeds must be different, and at least one"):
        repeat_range_test(set_up, seeds, 0.0, 0.1, 12)
