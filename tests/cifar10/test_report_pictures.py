"""What the report's pictures hold, as data; some are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from matplotlib.axes import Axes

from clr_ignite.cifar10.experiments import EXPERIMENTS, Experiment
from clr_ignite.cifar10.report import drawing
from clr_ignite.cifar10.report.groups import Group, grouped, read_run
from clr_ignite.cifar10.report.overview import overview
from clr_ignite.cifar10.report.pictures import COLORS, Accuracies, accuracies, rates
from clr_ignite.cifar10.report.plates import MOST, PLATES, Drawn, plates_of
from clr_ignite.schedules import Fixed, Triangular
from tests.cifar10.folders import finished_run

OWN = Experiment(schedule=Triangular(0.001, 0.006, 50), iterations=1_000, model="quick")


def read(paths: Sequence[Path]) -> list[Group]:
    return grouped([read_run(path) for path in paths])


def of_rows(folder: Path, rows: dict[str, list[list[float]]]) -> list[Group]:
    """Each row's runs by their accuracies, seeds from 0 on."""
    return read(
        [
            finished_run(folder / f"{name}-{seed}", name, seed, found)
            for name, runs in rows.items()
            for seed, found in enumerate(runs)
        ]
    )


def of_own(folder: Path, runs: Sequence[tuple[Experiment, list[float]]], **how: Any) -> list[Drawn]:
    """Runs outside the table, each a row of its own."""
    return plates_of(
        read(
            [
                finished_run(folder / str(n), f"mine {n}", 0, found, experiment=one, **how)
                for n, (one, found) in enumerate(runs)
            ]
        )
    )


def test_every_row_of_the_table_is_in_one_plate_and_no_plate_holds_too_many() -> None:
    own = [name for plate in PLATES.values() for name in plate.own]
    assert sorted(own) == sorted(EXPERIMENTS)
    for plate in PLATES.values():
        assert len(plate.own) + len(plate.beside) <= MOST
        titles = [EXPERIMENTS[name].title for name in (*plate.beside, *plate.own)]
        assert all(titles) and len(set(titles)) == len(titles)


def test_rows_are_drawn_by_plate_with_those_that_they_are_held_against(tmp_path: Path) -> None:
    names = ("full-muon-1500", "quick-caffe", "full-decay", "full-fixed", "full-adam-fixed")
    drawn = plates_of(of_rows(tmp_path, {name: [[0.5, 0.7]] for name in names}))
    assert {one.name: list(one.rows) for one in drawn} == {
        "full-table-1": ["SGD, fixed rate", "decay policy"],
        "full-muon": ["SGD, fixed rate", "Muon, 1,500 iterations"],
        "full-adam": ["SGD, fixed rate", "Adam, fixed rate"],
        "quick-caffe": ["Caffe's recipe, shuffled"],
    }
    logarithmic = {one.name: accuracies(one).picture.log for one in drawn}
    assert [name for name, log in logarithmic.items() if log] == ["full-muon"]


def shown(folder: Path, rows: dict[str, list[list[float]]]) -> Accuracies:
    return accuracies(plates_of(of_rows(folder, rows))[0])


def test_curves_have_the_seeds_band_and_ends_their_interval(tmp_path: Path) -> None:
    one = shown(
        tmp_path,
        {"full-fixed": [[0.5, 0.6, 0.8], [0.5, 0.7, 0.82]], "full-decay": [[0.5, 0.7, 0.75]]},
    )
    fixed, decay = one.picture.curves
    assert fixed.y == pytest.approx([50, 65, 81]) and decay.spread is None
    assert fixed.spread == pytest.approx([0, 50**0.5, 2**0.5])
    assert fixed.color != decay.color
    ends = {end.name: end for end in one.ends}
    assert list(ends) == ["SGD, fixed rate: 81.00 (n = 2)", "decay policy: 75.00 (single run)"]
    first, second = one.ends
    assert first.seeds == pytest.approx([80, 82]) and first.published == 81.4
    assert first.interval and first.interval.half == pytest.approx(12.706, abs=1e-3)
    assert second.interval is None and second.published == 78.5
    low, high = one.span
    assert low < 75 and 82 < high < 90  # not as wide as an interval of two seeds
    assert all(words in one.caption for words in ("band", "a run", "interval", "published"))
    assert "beyond the frame" in one.caption and "cycle ends" not in one.caption
    below, above = one.limits
    assert 47 < below < 50 and 82.4 < above < 85


def test_a_difference_of_a_point_is_seen_beside_a_run_that_failed(tmp_path: Path) -> None:
    one = shown(tmp_path, {"full-fixed": [[0.82]], "full-decay": [[0.81]], "full-exp": [[0.1]]})
    low, high = one.span
    assert 75 < low < 78.5 and 82 < high < 84 and "beyond the frame" in one.caption


def test_the_rise_is_not_what_a_picture_shows_most_of(tmp_path: Path) -> None:
    rise = [0.1, *([0.6] * 9), *([0.8] * 10)]
    one = shown(tmp_path, {"full-fixed": [rise]})
    assert one.limits == pytest.approx((59, 81))


def test_dots_are_where_cycles_end(tmp_path: Path) -> None:
    drawn = of_own(tmp_path, [(OWN, [0.5, 0.8])], cycle_ends=(1, 2))[0]
    one, rate = accuracies(drawn), rates(drawn)
    (dots,) = one.dots
    assert dots == ([500, 1_000], [50, 80]) and "dots on lines: a cycle ends" in one.caption
    assert rate.dots == [([500, 1_000], pytest.approx([0.001, 0.001]))]


def test_curves_that_coincide_have_one_color_and_say_so(tmp_path: Path) -> None:
    flat, other = [0.1] * 10, [0.1, 0.2] * 5
    runs = [(replace(OWN, schedule=Fixed(r)), y) for r, y in ((1, flat), (2, other), (3, flat))]
    one = accuracies(of_own(tmp_path, runs)[0])
    first, second, third = (end.color for end in one.ends)
    assert first == third != second
    assert "on the line of mine 0" in one.ends[2].name and "line" not in one.ends[1].name


def test_each_schedule_has_axes_of_its_own_as_it_is(tmp_path: Path) -> None:
    rows = {"full-fixed": [[0.8]], "full-fixed-order": [[0.8]], "full-triangular2": [[0.8]]}
    one = rates(next(p for p in plates_of(of_rows(tmp_path, rows)) if p.name == "full-order"))
    assert [panel.title for panel in one.panels] == [
        "SGD, fixed rate",
        "triangular2 (Table 2)",
        "SGD, fixed rate, images in one order",
    ]
    assert one.shared and not any(panel.log for panel in one.panels)
    fixed, cycles, _ = (panel.curves[0] for panel in one.panels)
    assert max(fixed.y) == 0.001 and max(cycles.y) == pytest.approx(0.005, rel=0.01)
    assert (fixed.x[-1], cycles.x[-1]) == (69_999, 24_999)


def test_twelve_runs_of_ones_own_are_two_pictures(tmp_path: Path) -> None:
    runs = [(replace(OWN, schedule=Fixed(0.01 * n)), [0.1 * n % 1]) for n in range(1, 13)]
    first, second = of_own(tmp_path, runs)
    assert (first.name, second.name) == ("quick", "quick-2")
    assert (len(first.rows), len(second.rows)) == (6, 6)
    assert first.title == "Caffe's quick net (1 of 2)"
    assert {end.color for end in accuracies(second).ends} == set(COLORS)


@pytest.mark.parametrize(
    ("runs", "how"),
    [
        ([(OWN, [0.3, 0.2])], {"diverged": True}),
        ([(replace(OWN, iterations=2), [0.1, 0.1]), (replace(OWN, iterations=1), [0.1])], {}),
        ([(OWN, [0.5]), (replace(OWN, iterations=70_000), [0.1] * 70)], {}),
        ([(replace(OWN, schedule=Fixed(0.0)), [0.0])], {}),
    ],
    ids=["diverged", "two iterations", "lengths", "nothing"],
)
def test_unusual_runs_have_axes(
    runs: list[tuple[Experiment, list[float]]], how: dict[str, Any], tmp_path: Path
) -> None:
    (drawn,) = of_own(tmp_path, runs, **how)
    one = accuracies(drawn)
    for low, high in (one.limits, one.span):
        assert low < high
    assert ("1 of 1 diverged" in one.ends[0].name) == bool(how)
    assert len(rates(drawn).panels) == len(runs)


def test_runs_that_diverged_where_nothing_is_shared_have_a_picture(tmp_path: Path) -> None:
    paths = [
        finished_run(tmp_path / str(n), "mine", n, [0.2] * n, experiment=OWN, diverged=True)
        for n in (3, 7)
    ]
    one = accuracies(plates_of(read(paths))[0])
    assert one.limits[0] < one.limits[1] and one.ends[0].seeds == [20, 20]


def test_the_overview_holds_the_claim_against_what_came_out(tmp_path: Path) -> None:
    rows = {
        "full-fixed": [[0.82], [0.821], [0.822]],
        "full-triangular2": [[0.81], [0.811], [0.812]],
    }
    one = overview(of_rows(tmp_path, rows))
    assert one is not None and one.title.endswith("Here they end 1.0 points below it")
    assert one.gap == "-1.00 (-1.23 to -0.77)" and "3 seeds" in one.right
    assert [(p.iterations, p.published) for p in one.points] == [(70_000, 81.4), (25_000, 81.4)]
    low, high = one.limits
    assert low < 80.8 and high > 82.2


@pytest.mark.parametrize(
    ("cycles", "words"),
    [
        ([[0.81], [0.83]], "they and that rate are not told apart"),
        ([[0.81]], "they are held against it in single runs"),
        ([[0.90], [0.901]], "they end 8.0 points above it"),
    ],
)
def test_the_overviews_title_follows_the_interval(
    cycles: list[list[float]], words: str, tmp_path: Path
) -> None:
    rows = {"full-fixed": [[0.82], [0.821]], "full-triangular2": cycles}
    one = overview(of_rows(tmp_path, rows))
    assert one is not None and one.title.endswith(words)


def test_without_the_claims_rows_there_is_no_overview(tmp_path: Path) -> None:
    assert overview(of_rows(tmp_path, {"full-fixed": [[0.8]]})) is None


def test_names_are_drawn_as_they_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long one is cut, and a dollar sign begins no formula."""
    figures: list[Any] = []

    def saved(axes: Axes, path: Path) -> None:
        axes.figure.canvas.draw()
        figures.append(axes.figure)

    monkeypatch.setattr(drawing, "save", saved)
    names = (r"$\frac{x$", "word " * 40, "x" * 200)
    runs = [
        finished_run(
            tmp_path / str(n), name, 0, [0.5, 0.8], experiment=replace(OWN, schedule=Fixed(n))
        )
        for n, name in enumerate(names)
    ]
    (drawn,) = plates_of(read(runs))
    one = accuracies(drawn)
    drawing.draw_accuracies(one, tmp_path / "a.png")
    drawing.draw_rates(rates(drawn), tmp_path / "b.png")
    left, right = figures[0].axes
    texts = [text.get_text() for text in right.texts]
    assert texts[0] == r"$\frac{x$: 80.00 (single run)"
    assert all(len(line) <= 48 for text in texts for line in text.split("\n"))
    assert left.get_ylim() == one.limits and right.get_xlim() == one.span
    assert [axes.get_yscale() for axes in figures[1].axes] == ["linear"] * 4
    assert figures[1].axes[0].get_title() == names[0]
