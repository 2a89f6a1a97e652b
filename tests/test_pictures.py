"""What pictures show: the bulk of curves, the same in matplotlib and Visdom, with the words."""

from __future__ import annotations

import html
import math
import sys

import numpy as np
import pytest

from clr_ignite import RangeTestResult, RepeatedResult
from clr_ignite.live.windows import plotly
from clr_ignite.pictures import Better, Curve, Picture, better, sampled, thinned
from clr_ignite.plots import draw, plot_curves
from clr_ignite.result.curves import picture_of
from clr_ignite.schedules import Triangular
from clr_ignite.suggestions import Bounds
from tests.test_result import result_of

NOISE = 0.1 * np.random.default_rng(0).normal(size=200)
FALL = np.r_[np.full(60, 2.3), np.linspace(2.3, 0.5, 80), np.full(60, 0.5)] + NOISE
EXPLOSION = np.exp(np.linspace(0, 60, 30))
TAIL = 2.3 * np.exp(-40 * np.linspace(0, 1, 400)) + 0.001


@pytest.mark.parametrize(
    ("values", "way", "inside", "height"),
    [
        (FALL, "lower", (0.5, 2.3), 2.5),
        (np.r_[FALL, EXPLOSION], "lower", (0.5, 2.3), 4),
        (np.r_[FALL, EXPLOSION], None, (0.5, 2.3), 110),
        (np.r_[TAIL], "lower", (0.001, 2.3), 2.6),  # its start, though nearly all lies near 0
        (np.r_[TAIL, 1e3, 1e9, math.inf, math.nan], "lower", (0.001, 2.3), 4),
        (np.r_[-FALL, -EXPLOSION], "higher", (-2.3, -0.5), 4),  # R2, say
        (np.r_[FALL[:5], 1e6, FALL], "lower", (0.5, 2.3), 4),  # a single batch
        (np.r_[0.1 + 0.001 * NOISE, np.linspace(0.1, 0.9, 9)], "higher", (0.1, 0.9), 0.9),
        (np.r_[0.1 + 0.001 * NOISE, np.linspace(0.1, 99, 9)], None, (0.1, 99), 120),
        (np.r_[2.3, 2.4, 3.0, 10.0, 1e9], "lower", (2.3, 2.4), 2.5),  # never falls
        (np.array([2.0]), "lower", (2.0, 2.0), 0.5),
        (np.zeros(9), None, (0.0, 0.0), 2.5),
    ],
)
def test_an_explosion_does_not_flatten_what_comes_before(
    values: np.ndarray, way: Better | None, inside: tuple[float, float], height: float
) -> None:
    for right in (False, True):
        curve = Curve("c", np.arange(len(values)).tolist(), values.tolist(), better=way)
        curve.right = right
        limits = Picture([curve]).limits(right)
        assert limits is not None
        low, high = limits
        assert low <= inside[0] and inside[1] <= high and 0 < high - low < height


def test_a_band_has_room_and_one_that_explodes_flattens_nothing() -> None:
    y = [2.0, 1.5, 1.0, 0.8, 1.0, 900.0]
    bare = Picture([Curve("c", range(6), y, better="lower")]).limits()
    assert bare is not None
    spread = [0.1, 0.1, 0.1, 0.1, 0.3, 5000.0]
    curve = Curve("c", range(6), y, spread=spread, better="lower")
    banded = Picture([curve]).limits()
    assert banded is not None
    low, high = banded
    assert bare[0] - 0.2 < low < 0.7 - 1e-9 and 2.1 < high < bare[1] + 0.6


def test_what_has_no_finite_value_has_no_limits() -> None:
    assert Picture([Curve("c", [1], [math.nan])]).limits() is None
    assert Picture().limits(right=True) is None


@pytest.mark.parametrize(
    ("name", "way"),
    [("val_loss", "lower"), ("Error", "lower"), ("top5_accuracy", "higher"), ("odd", None)],
)
def test_which_way_is_better(name: str, way: str | None) -> None:
    assert better(name) == way


class Read(RangeTestResult):
    """A result whose suggestion holds one rate and a curve as it was read."""

    metric = "accuracy"

    def suggest(self, metric: str | None = None) -> Bounds:
        rates, values = (0.001, 0.01, 0.02), (0.1, 0.5, 0.6)
        return Bounds(0.002, 0.008, "it rises & slows", 0.004, self.metric, (rates, values))


def exploding(kind: type[RangeTestResult] = RangeTestResult) -> RangeTestResult:
    result = kind(start_lr=0.0, end_lr=0.02, num_iter=100, step_mode="linear")
    for row, lr in enumerate(np.linspace(0.0, 0.02, 100).tolist()):
        height = float(np.clip((lr - 0.002) / 0.006, 0, 1))
        collapse = 10.0 ** max(0, row - 90)
        evaluation = {"accuracy": height} if row % 2 else None
        result.add_row(iteration=row + 1, lr=lr, loss=2 - height + collapse, evaluation=evaluation)
    result.stop_reason, result.stop_detail = "completed", "all 100 steps were taken"
    return result


def labels(result: RangeTestResult | RepeatedResult) -> list[str]:
    legend = result.plot().get_legend()
    assert legend is not None
    return [text.get_text() for text in legend.get_texts()]


def names(result: RangeTestResult | RepeatedResult) -> list[str]:
    return [one["name"] for one in plotly(result.picture())["data"] if one.get("showlegend", True)]


@pytest.mark.parametrize(
    "result",
    [
        exploding(),
        exploding(Read),
        result_of(3),
        result_of(80, metric=False),
        RepeatedResult([0, 1], [exploding(), result_of(100)]),
    ],
    ids=["pair", "one rate", "no pair", "loss alone", "repeated"],
)
def test_matplotlib_and_visdom_show_the_same(result: RangeTestResult | RepeatedResult) -> None:
    axes, layout = result.plot(), plotly(result.picture())["layout"]
    sides = [axes, *(other for other in axes.figure.axes if other is not axes)]
    for side, name in zip(sides, ("yaxis", "yaxis2"), strict=False):
        assert list(side.get_ylim()) == layout[name]["range"]
        assert side.get_ylabel() == layout[name]["title"]["text"]
    assert ("yaxis2" in layout) == (len(sides) == 2)
    assert axes.get_xscale() == layout["xaxis"]["type"]
    shown = layout["title"]["text"].replace("<br>", " ")
    assert axes.get_title().replace("\n", " ") == shown == result.suggest().reason
    assert labels(result) == names(result)


def test_the_rates_are_named_with_their_values_and_the_curve_is_as_it_was_read() -> None:
    assert labels(exploding(Read)) == [
        *("loss", "held-out accuracy", "accuracy, as read"),
        *("base_lr 0.002", "max_lr 0.008", "lr 0.004"),
    ]
    *_, as_read = exploding(Read).picture().curves
    assert (as_read.x, as_read.y) == exploding(Read).suggest().curve and as_read.right
    of_loss = exploding(Read)
    of_loss.metric = "training loss"  # type: ignore[attr-defined]
    *_, as_read = of_loss.picture().curves
    assert as_read.name == "training loss, as read" and not as_read.right


def test_where_there_is_no_pair_the_picture_says_why() -> None:
    assert "too few" in result_of(3).plot().get_title()
    stopped = result_of(80)
    stopped.stop_reason, stopped.stop_detail = "terminated", "the trainer was terminated"
    assert stopped.plot().get_title().endswith("(the trainer was terminated)")


@pytest.mark.parametrize("steps", [100, 300])
def test_the_smooth_curve_keeps_up_with_short_tests(steps: int) -> None:
    result = RangeTestResult(start_lr=0.0, end_lr=1.0, num_iter=steps, step_mode="linear")
    for row in range(steps):
        result.add_row(iteration=row + 1, lr=row / steps, loss=1.0 - row / steps)
    _, smooth = picture_of(result, None, None).curves
    assert max(abs(np.array(smooth.y) - np.array(result.loss))) < 0.02


@pytest.mark.parametrize("result", [exploding(Read), RepeatedResult([0], [result_of(100)])])
def test_a_notebook_shows_picture_and_words(
    result: RangeTestResult | RepeatedResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = result._repr_png_()
    assert drawn is not None and drawn.startswith(b"\x89PNG")
    text = result._repr_html_()
    assert html.escape(str(result.suggest())) in text
    assert 'src="data:image/png;base64,iVBOR' in text
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert result._repr_png_() is None and "img" not in result._repr_html_()


def test_a_sampled_schedule_has_its_turns_and_its_ends() -> None:
    clr = Triangular(0.1, 0.5, 5_000)
    at, rates = sampled(clr, 20_000)
    assert at[0] == 0 and at[-1] == 19_999 and len(at) <= 2_000
    assert {5_000, 10_000, 15_000} <= set(at) and rates == [clr(int(t)) for t in at]
    assert sampled(clr, 3) == ([0, 1, 2], [clr(0), clr(1), clr(2)])


def test_a_thinned_curve_keeps_first_and_last_lows_and_highs() -> None:
    random = np.random.default_rng(0)
    x, y = np.arange(70_000.0).tolist(), random.normal(size=70_000)
    y[12_345], y[54_321] = 99.0, -99.0
    xs, ys = thinned(x, y.tolist(), 2_000)
    assert len(xs) <= 2_000 and xs == sorted(xs) and (xs[0], xs[-1]) == (0, 69_999)
    assert {(12_345.0, 99.0), (54_321.0, -99.0)} <= set(zip(xs, ys, strict=True))
    assert thinned([1, 2], [3, math.inf], 10)[0] == [1, 2]
    assert all(map(math.isnan, thinned(range(100), [math.nan] * 100, 10)[1]))


def test_a_step_that_was_skipped_leaves_valid_json() -> None:
    result = result_of(20)
    result.add_row(iteration=21, lr=None, loss=1.0)
    (loss, *_) = plotly(result.picture())["data"]
    assert loss["x"][-1] is None and loss["x"][:-1] == list(result.lr)[:-1]


def test_a_long_title_breaks_between_words_only() -> None:
    for before in range(9):
        words = before * "a" + " held-out" * 20
        title = draw(Picture([Curve("c", [1, 2], [3, 4])], title=words)).get_title()
        assert title.count("\n") > 1 and title.split() == words.split()


def test_a_dollar_sign_in_a_name_begins_no_formula() -> None:
    odd = r"$\frac{x$"
    curves = [Curve(odd, [1, 2], [3, 4], right=right) for right in (False, True)]
    for axes in (
        draw(Picture(curves, y_label=odd, right_label=odd, title=odd, log=True)),
        plot_curves({odd: ([1, 2], [3, 4])}, x_label="x", y_label="y"),
    ):
        axes.figure.canvas.draw()


@pytest.mark.parametrize(
    ("length", "columns"), [(5, 3), (20, 3), (21, 2), (35, 2), (36, 1), (300, 1)]
)
@pytest.mark.filterwarnings("error")
def test_long_names_leave_the_curves_their_room(length: int, columns: int) -> None:
    curves = [Curve(f"{at}" + "x" * (length - 1), [1, 2], [1, 2]) for at in range(10)]
    axes = draw(Picture(curves, "learning rate", "loss", "title"))
    axes.figure.canvas.draw()
    legend = axes.get_legend()
    assert legend is not None and legend._ncols == columns  # type: ignore[attr-defined]
    box, page = legend.get_window_extent(), axes.figure.bbox
    assert page.x0 <= box.x0 and box.x1 <= page.x1
    label = axes.xaxis.label.get_window_extent()
    assert box.y1 <= label.y0 and page.y0 <= box.y0
    room = axes.get_window_extent()
    assert room.width > page.width * 0.7 and room.height > 200  # of 400 pixels


def test_the_draw_goes_on_given_axes() -> None:
    axes = draw(Picture())
    assert draw(Picture([Curve("c", [1, 2], [3, 4])], title="t", ends=[1.5]), axes) is axes
    assert axes.get_title() == "t" and len(axes.get_lines()) == 2
