"""The record's cells, views and files."""

from __future__ import annotations

import contextlib
import csv
import json
import math
import re
import threading
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import same_color

from clr_ignite import LRRangeTest, RangeTestResult
from clr_ignite.plots import new_axes, plot_curves, plot_schedules, save
from clr_ignite.result.curves import picture_of
from clr_ignite.schedules import Fixed, OneCycle, Triangular, Triangular2
from clr_ignite.suggestions import Bounds, bounds_from_loss, minimum


def result_of(rows: int = 40, metric: bool = True, **settings: Any) -> RangeTestResult:
    """Accuracy at every second row, rising from 0.002 to 0.008 of a sweep to 0.02."""
    arguments = {"start_lr": 0.0, "end_lr": 0.02, "num_iter": rows, "step_mode": "linear"}
    result = RangeTestResult(**(arguments | settings))  # type: ignore[arg-type]
    for row, lr in enumerate(np.linspace(0.0, 0.02, rows).tolist()):
        height = float(np.clip((lr - 0.002) / 0.006, 0, 1))
        measured = metric and row % 2 == 1
        result.add_row(
            iteration=row + 1,
            lr=lr,
            loss=2.3 - height,
            evaluation={"accuracy": 0.1 + 0.5 * height, "other": 1.0} if measured else None,
        )
    result.stop_reason, result.stop_detail = "completed", "all steps were taken"
    return result


def test_missing_cells_are_missing_not_zero() -> None:
    result = result_of(4)
    rates, values = result["accuracy"]
    assert rates == [result.lr[1], result.lr[3]] and len(values) == 2
    result.add_row(iteration=5, lr=None, loss=1.0, training={"late": 3.0})
    assert math.isnan(result.lr[4])
    assert [math.isnan(value) for value in result.training["late"]] == [True] * 4 + [False]
    assert math.isnan(result.columns()["eval_accuracy"][4])


def test_an_unknown_metric_is_named_with_those_recorded() -> None:
    with pytest.raises(KeyError, match="no held-out metric 'f1'; recorded: accuracy, other"):
        result_of()["f1"]


@pytest.mark.parametrize("groups", [1, 3])
def test_a_round_trip_through_json_is_equal(tmp_path: Path, groups: int) -> None:
    result = result_of(suspended=["a on STARTED"], hold=2)
    rates = [0.3 * (i + 1) for i in range(groups)] if groups > 1 else None
    other = RangeTestResult(start_lr=(0.1, 0.2), end_lr=(1, 2), num_iter=3, step_mode="exponential")
    for loss in (1.0, math.nan, math.inf, -math.inf):
        other.add_row(iteration=1, lr=0.3, loss=loss, group_lr=rates, training={"x": 0.1})
    for number, one in enumerate((result, other, result_of(0))):
        path = tmp_path / f"{number}.json"
        one.to_json(path)
        again = RangeTestResult.from_json(path)
        assert again == one and again.to_dict().keys() == one.to_dict().keys()
        assert again.group_lr == one.group_lr or groups > 1
        assert [list(c) for c in again.group_lr] == [list(c) for c in one.group_lr]
        json.loads(path.read_text(), parse_constant=pytest.fail)  # valid JSON: no bare NaN
    assert result != other and result != 3


def test_a_different_cell_makes_results_differ() -> None:
    a, b = result_of(), result_of()
    assert a == b
    b.amend(3, loss=0.0)
    assert a != b


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda v: v.pop("kind"), "not a range test's file"),
        (lambda v: v.pop("hold"), "fields: hold"),
        (lambda v: v.update(extra=1), "fields: extra"),
        (lambda v: v.update(num_iter="40"), "field 'num_iter' holds '40'"),
        (lambda v: v["columns"].pop("loss"), "missing columns: loss"),
        (lambda v: v["columns"]["loss"].pop(), "column 'loss' is not a list as long as 'lr'"),
        (lambda v: v["columns"]["lr"].__setitem__(0, "x"), "column 'lr' holds 'x'"),
        (lambda v: v["columns"]["lr"].__setitem__(0, None), "column 'lr' holds None"),
        (lambda v: v.update(start_lr=["a"]), r"field 'start_lr' holds \['a'\]"),
        (lambda v: v.update(start_lr=[]), r"field 'start_lr' holds \[\]"),
        (lambda v: v.update(end_lr=10**400), "field 'end_lr' holds 1000"),
        (lambda v: v.update(num_iter=-1), "field 'num_iter' holds -1"),
        (lambda v: v.update(hold=True), "field 'hold' holds True"),
        (lambda v: v.update(step_mode="cubic"), "field 'step_mode' holds 'cubic'"),
        (lambda v: v.update(suspended=[1]), r"field 'suspended' holds \[1\]"),
        (lambda v: v.update(stop_reason="tired"), "field 'stop_reason' holds 'tired'"),
        (lambda v: v["columns"].update(x=[1] * 40), "unknown column 'x'"),
        (lambda v: v["columns"].update(group_lr_7=[1] * 40), "columns of groups are group_lr_7"),
        (lambda v: v["columns"]["lr"].__setitem__(0, 10**400), "column 'lr' holds 1000"),
        (lambda v: v["columns"]["lr"].__setitem__(0, True), "column 'lr' holds True"),
        (lambda v: v["columns"]["iteration"].__setitem__(0, 0), "'iteration' holds 0"),
        (lambda v: v["columns"]["iteration"].__setitem__(0, 1.5), "'iteration' holds 1.5"),
        (lambda v: v["columns"]["iteration"].__setitem__(0, "NaN"), "'iteration' holds nan"),
        (lambda v: v["columns"]["iteration"].__setitem__(0, 2**63), "'iteration' holds 9223"),
        (lambda v: v["columns"]["loss"].__setitem__(0, math.nan), "NaN is not in JSON"),
    ],
)
def test_json_that_we_did_not_write_is_refused(tmp_path: Path, spoil: Any, words: str) -> None:
    path = tmp_path / "r.json"
    result_of().to_json(path)
    values = json.loads(path.read_text())
    spoil(values)
    path.write_text(json.dumps(values))
    with pytest.raises(ValueError, match=rf"{path} cannot be read: .*{words}"):
        RangeTestResult.from_json(path)


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "\udcff", "[" * 99_999, "9" * 5_000])
def test_json_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "r.json"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ValueError, match="cannot be read"):
        RangeTestResult.from_json(path)


def test_the_csv(tmp_path: Path) -> None:
    result = result_of(4)
    result.add_row(iteration=5, lr=None, loss=math.nan)
    result.to_csv(tmp_path / "r.csv")
    with open(tmp_path / "r.csv") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["iteration", "lr", "loss", "eval_accuracy", "eval_other"]
    assert [float(row["loss"]) for row in rows[:4]] == list(result.loss)[:4]
    first, second = map(repr, result["accuracy"][1])
    assert [row["eval_accuracy"] for row in rows] == ["", first, "", second, ""]
    assert (rows[4]["lr"], rows[4]["loss"]) == ("", "nan")
    assert [path.name for path in tmp_path.iterdir()] == ["r.csv"]


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    result_of().to_json(path)
    before = path.read_text()
    broken = result_of()
    broken.suspended = (object(),)  # type: ignore[assignment]
    with pytest.raises(TypeError):
        broken.to_json(path)
    assert path.read_text() == before and len(list(tmp_path.iterdir())) == 1


def test_smoothing_is_a_view() -> None:
    result = RangeTestResult(start_lr=0, end_lr=1, num_iter=3, step_mode="linear")
    for iteration, loss in enumerate((1.0, math.nan, 4.0, 2.0)):
        result.add_row(iteration=iteration + 1, lr=0.1, loss=loss)
    smoothed = result.smoothed_loss(0.5)
    # Bias-corrected: weights 1; then 1/3, 2/3; then 1/7, 2/7, 4/7.
    expected = [1.0, math.nan, 3.0, (1 + 2 * 4 + 4 * 2) / 7]
    assert smoothed == pytest.approx(expected, nan_ok=True)
    assert result.smoothed_loss(0.0) == pytest.approx(list(result.loss), nan_ok=True)
    with pytest.raises(ValueError, match="beta must be at least 0 and below 1, got 1"):
        result.smoothed_loss(1)


def test_the_running_median_shrugs_off_spikes() -> None:
    result = RangeTestResult(start_lr=0, end_lr=1, num_iter=6, step_mode="linear")
    for loss in (1.0, 2.0, 100.0, math.inf, 3.0, 4.0):
        result.add_row(iteration=1, lr=0.1, loss=loss)
    expected = [1.5, 2.0, 3.0, math.nan, 4.0, 3.5]
    assert result.median_loss(3) == pytest.approx(expected, nan_ok=True)
    assert result.median_loss(1)[:3] == [1.0, 2.0, 100.0]
    with pytest.raises(ValueError, match="width must be odd, got 4"):
        result.median_loss(4)


def with_held_out(**metrics: float) -> RangeTestResult:
    """``result_of(80)`` with held-out metrics that are lowest at the rates given."""
    result = result_of(80)
    result.evaluation.clear()
    for row, lr in enumerate(result.lr):
        measured = {name: 1 + 100 * abs(lr - lowest) for name, lowest in metrics.items()}
        result.amend(row, evaluation=measured)
    return result


def test_the_held_out_loss_is_read_else_the_training_loss() -> None:
    found = with_held_out(accuracy=0.005, mae=0.003, loss=0.012, mse=0.006).suggest()
    assert found.metric == "held-out loss" and found.reason.startswith("held-out loss is lowest")
    assert found.max_lr == pytest.approx(0.004, rel=0.05)
    assert found.base_lr == pytest.approx(0.0004, rel=0.05)
    assert found.lr == pytest.approx(0.002, rel=0.05)
    by_mae = with_held_out(accuracy=0.005, mae=0.003).suggest()
    assert by_mae.metric == "held-out mae" and by_mae.max_lr == pytest.approx(0.001, rel=0.05)
    assert result_of(80).suggest().metric == "training loss"
    assert result_of(80).suggest() == result_of(80, metric=False).suggest()


def test_accuracy_is_read_by_the_papers_rule_where_it_is_asked_for() -> None:
    bounds = result_of(80).suggest("accuracy")
    assert bounds.base_lr == pytest.approx(0.002, abs=0.0006)
    assert bounds.max_lr == pytest.approx(0.008, abs=0.0006)
    assert bounds.reason.startswith("accuracy")


def test_a_metric_has_a_direction_and_its_own_name_in_the_words() -> None:
    result = with_held_out(val_error=0.012, other=0.012, f1=0.012)
    lower = result.suggest("val_error")
    assert lower.max_lr == pytest.approx(0.004, rel=0.05)
    assert lower.reason.startswith("held-out val_error is lowest at 0.0119;")
    assert result.suggest("other", higher_is_better=False).max_lr == lower.max_lr
    assert result.suggest("f1").reason.startswith("f1 ")
    with pytest.raises(ValueError, match="higher_is_better must be given for the metric 'other'"):
        result.suggest("other")
    with pytest.raises(KeyError, match="no held-out metric 'auc'"):
        result.suggest("auc")


@pytest.mark.parametrize("answer", [None, (0.001, 0.01), "fast"])
def test_a_rule_that_gives_no_rate_is_named(answer: Any) -> None:
    with pytest.raises(TypeError, match="rule must return Bounds or one rate, got "):
        result_of().suggest(rule=lambda rates, values: answer)


def test_a_metric_is_a_name() -> None:
    with pytest.raises(TypeError, match=r"metric must be the name of .*, got \['accuracy'\]"):
        result_of().suggest(["accuracy"])  # type: ignore[arg-type]


def test_a_result_without_metrics_says_what_records_them() -> None:
    with pytest.raises(
        KeyError, match=r"'accuracy'; recorded: none \(.* evaluator= and eval_data="
    ):
        result_of(metric=False).suggest("accuracy")


def test_two_curves_that_disagree_are_said_to() -> None:
    """Where the held-out loss turns while the training loss falls on, the rate is not too high."""
    early = with_held_out(loss=0.001).suggest()
    alone = with_held_out(loss=0.001).suggest("loss")
    training = with_held_out().suggest()
    assert early.metric == "training loss" and early.max_lr == training.max_lr
    assert alone.metric == "held-out loss" and 5 * alone.max_lr < training.max_lr
    words = f"the held-out loss alone would say {alone.max_lr:.3g}, but training goes on above it"
    assert words in early.reason
    assert "alone" not in with_held_out(loss=0.012).suggest().reason
    late = with_held_out(loss=0.015)
    for row, lr in enumerate(late.lr):
        late.amend(row, loss=2 + 100 * abs(lr - 0.002))
    found = late.suggest()
    assert found.metric == "held-out loss" and found.max_lr == late.suggest("loss").max_lr
    assert "; the training loss alone would say 0.000" in found.reason


def test_where_the_held_out_loss_says_nothing_the_training_loss_is_read() -> None:
    result = result_of(80)
    for row in (19, 39, 79):
        result.amend(row, evaluation={"loss": 2.0})
    found = result.suggest()
    assert found.metric == "training loss" and found.max_lr is not None
    assert "(held-out loss: 3 finite points are too few; measure more)" in found.reason


def test_where_neither_carries_a_pair_the_one_with_more_to_say_is_read() -> None:
    rows = [(10.0 ** (row / 10 - 5), 2.3) for row in range(30)]

    def reason(rows: list[tuple[float, float]], stop: str = "completed") -> str:
        result = RangeTestResult(start_lr=1e-5, end_lr=1.0, num_iter=30, step_mode="exponential")
        for row, (lr, loss) in enumerate(rows):
            result.add_row(iteration=row + 1, lr=lr, loss=loss)
        result.amend(len(rows) - 1, evaluation={"loss": 2.3})
        result.stop_reason, result.stop_detail = stop, "the loss reached nan"
        return result.suggest().reason

    assert reason(rows).startswith("training loss did not fall between 1e-05")
    assert "(held-out loss: 1 finite points are too few" in reason(rows)
    falling = reason([(lr, 2.3 - 0.5 * row / 30) for row, (lr, _) in enumerate(rows)])
    assert falling.startswith("training loss was still falling at the last rate")
    at_once = reason([(10.0, 2.3), (20.0, math.nan)], "diverged")
    assert at_once.startswith("training loss: 1 finite points are too few")
    assert at_once.endswith("(the loss reached nan; try 0.01 to 10)")


def test_a_rule_of_ones_own_can_be_asked() -> None:
    result = with_held_out(loss=0.012)
    one = result.suggest(rule=minimum)
    assert one.lr == pytest.approx(0.0012, rel=0.05) and one.max_lr is None
    assert one.reason == "minimum of the held-out loss"
    assert result.suggest("loss", rule=bounds_from_loss) == bounds_from_loss(*result["loss"])
    mine = Bounds(0.1, 0.2, "because")
    assert result.suggest(rule=lambda lr, values: mine) == mine
    with pytest.raises(TypeError, match="rule must be a function of rates and values, got 'steep'"):
        result.suggest(rule="steep")  # type: ignore[arg-type]


def test_a_diverged_test_says_so_in_the_reason() -> None:
    result = result_of()
    result.stop_reason, result.stop_detail = "diverged", "the loss reached 9 at a rate of 0.02"
    assert result.suggest().reason.endswith("(the loss reached 9 at a rate of 0.02)")


def test_the_schedule_that_the_bounds_imply() -> None:
    result = result_of(80)
    low, high = result.suggest().base_lr, result.suggest().max_lr
    assert low is not None and high is not None
    assert result.schedule(2_000) == Triangular(low, high, 2_000)
    assert result.schedule(2_000, "triangular2") == Triangular2(low, high, 2_000)
    assert result.schedule(100, "onecycle") == OneCycle(low, high, 100, 225, low / 100)
    assert result.schedule(100, "onecycle", total=300) == OneCycle(low, high, 100, 300, low / 100)
    with pytest.raises(ValueError, match="policy must be .*, got 'cosine'"):
        result.schedule(100, "cosine")  # type: ignore[arg-type]


def test_without_a_pair_the_schedule_says_why() -> None:
    with pytest.raises(ValueError, match="supports no pair of bounds: .* too few"):
        result_of(3).schedule(10)


def test_plateaus_are_the_means_of_held_rates() -> None:
    result = result_of(0, hold=2)
    for row, (lr, loss) in enumerate([(0.1, 1.0), (0.1, 3.0), (0.2, 5.0), (0.2, 5.0), (0.3, 7.0)]):
        result.add_row(iteration=row + 1, lr=lr, loss=loss)
    assert result.plateaus() == ([0.1, 0.2, 0.3], [2.0, 5.0, 7.0], [1.0, 0.0, 0.0])


def test_its_repr_is_a_line() -> None:
    assert repr(result_of(4)) == ("<RangeTestResult: 4 of 4 steps, 0.0 to 0.02 linear, completed>")


def test_the_picture_holds_the_record_and_the_pair(tmp_path: Path) -> None:
    result = result_of(80)
    axes = result.plot(tmp_path / "r.png")
    assert (tmp_path / "r.png").read_bytes().startswith(b"\x89PNG") and len(
        list(tmp_path.iterdir())
    ) == 1
    raw, smoothed, *marks = axes.get_lines()
    assert raw.get_label() == "loss" and smoothed.get_label() == "training loss, as read"
    assert raw.get_xdata().tolist() == list(result.lr)
    assert raw.get_ydata().tolist() == list(result.loss)
    bounds = result.suggest()
    assert smoothed.get_ydata().tolist() == list(bounds.curve[1])
    assert [mark.get_xdata()[0] for mark in marks] == [bounds.base_lr, bounds.max_lr, bounds.lr]
    (right,) = (other for other in axes.figure.axes if other is not axes)
    (accuracy,) = right.get_lines()
    assert (accuracy.get_xdata().tolist(), accuracy.get_ydata().tolist()) == result["accuracy"]
    assert right.get_ylabel() == "accuracy" and axes.get_xscale() == "linear"
    assert not same_color(accuracy.get_color(), raw.get_color())


def test_a_picture_on_given_axes_and_on_a_log_axis() -> None:
    result = result_of(40, start_lr=0.001, step_mode="exponential")
    axes = new_axes()
    assert result.plot(axes, metric="other") is axes
    assert axes.get_xscale() == "log"
    assert [other.get_ylabel() for other in axes.figure.axes[1:]] == ["other"]


def test_losses_of_a_diverging_end_do_not_flatten_the_picture() -> None:
    result = result_of(100, metric=False)
    for row, loss in enumerate((1e30, math.inf, math.nan)):
        result.add_row(iteration=101 + row, lr=0.021, loss=loss)
    axes = result.plot()
    low, high = axes.get_ylim()
    assert low < 1.3 and 2.3 < high < 10


def test_schedules_and_curves_are_drawn(tmp_path: Path) -> None:
    axes = plot_schedules({"clr": Triangular(0.1, 0.5, 4), "fixed": Fixed(0.2)}, 9)
    clr, fixed = axes.get_lines()
    assert clr.get_ydata().tolist() == [Triangular(0.1, 0.5, 4)(t) for t in range(9)]
    (long,) = plot_schedules({"long": Fixed(0.1)}, 10**9).get_lines()
    assert len(long.get_xdata()) <= 2_000 and long.get_xdata()[[0, -1]].tolist() == [0, 10**9 - 1]
    with pytest.raises(ValueError, match="iterations must be at least 1, got 0"):
        plot_schedules({}, 0)
    many = plot_curves({str(i): ([1, 2], [i, i]) for i in range(25)}, x_label="x", y_label="y")
    assert len({(line.get_color(), line.get_linestyle()) for line in many.get_lines()}) == 25
    marked = plot_curves({"a": ([1, 2], [3, 4])}, x_label="x", y_label="y", marks={"a": ([2], [4])})
    line, dots = marked.get_lines()
    assert dots.get_xdata().tolist() == [2] and dots.get_color() == line.get_color()
    with pytest.raises(ValueError):
        save(marked, tmp_path / "picture.nonsense")
    assert list(tmp_path.iterdir()) == []


def test_help_says_everything_without_private_doors() -> None:
    for name in (field.name for field in fields(RangeTestResult)):
        assert name in (RangeTestResult.__doc__ or "")
    members = [getattr(RangeTestResult, name).__doc__ or "" for name in dir(RangeTestResult)]
    text = " ".join([*members, RangeTestResult.__doc__ or "", LRRangeTest.__doc__ or ""])
    assert "best + (diverge_th - 1) * scale" in text
    assert re.findall(r"clr_ignite\.(?:result|range_test)\b\S*", text) == []


def test_a_view_from_another_thread_does_not_keep_the_record_from_growing() -> None:
    result = result_of(200)
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            with contextlib.suppress(ValueError, IndexError):  # half way through a row
                picture_of(result, None, None)
                result["accuracy"]

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for row in range(3_000):
            lr = 0.02 + 1e-6 * row
            result.add_row(iteration=201 + row, lr=lr, loss=1.0, evaluation={"accuracy": 0.5})
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert len(result) == 3_200
