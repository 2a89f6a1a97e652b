"""The report's pictures, drawn by matplotlib."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clr_ignite.cifar10.report.intervals import Interval
from clr_ignite.cifar10.report.overview import Overview, Point
from clr_ignite.cifar10.report.pictures import COLORS, Accuracies, End, Rates
from clr_ignite.pictures import Curve, Points
from clr_ignite.plots import new_figure, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DASHES: dict[str, Any] = dict(
    zip(COLORS, ("-", "--", "-.", (0, (1, 1)), (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2))), strict=True)
)
_SIDES: dict[str, tuple[tuple[float, float], str, str]] = {
    "left": ((-10, 0), "right", "center"),
    "right": ((10, 0), "left", "center"),
    "above": ((6, 10), "right", "bottom"),
}
_MANY = 40  # cycle ends, beyond which dots are small
_WIDTH = 48  # characters of a line in the panel of ends


def draw_accuracies(shown: Accuracies, path: Path) -> None:
    """Curves on the left; on the right, under each row's name, how its runs ended."""
    figure = new_figure(11.0, max(4.6, 1.0 + 0.75 * len(shown.ends)))
    left, right = figure.subplots(1, 2, width_ratios=(5, 4))
    for curve, dots in zip(shown.picture.curves, shown.dots, strict=True):
        _draw_curve(left, curve, dots)
    left.set_ylim(*shown.limits)
    _iterations(left, shown.picture.log)
    left.set_ylabel(shown.picture.y_label)
    for row, end in enumerate(shown.ends):
        _draw_end(right, end, -float(row), shown.span)
        right.axhline(-row - 0.4, color="0.8", lw=0.8)
    right.set_xlim(*shown.span)
    right.set_ylim(0.6 - len(shown.ends), 0.7)
    right.set_yticks([])
    right.grid(axis="x", alpha=0.3)
    right.set_xlabel("accuracy at the end, %")
    figure.suptitle(
        "\n".join(textwrap.wrap(shown.picture.title, 100)), fontsize=13, parse_math=False
    )
    figure.supxlabel("\n".join(textwrap.wrap(shown.caption, 165)), fontsize=9.5, color="0.3")
    save(left, path)


def draw_rates(shown: Rates, path: Path) -> None:
    """A panel for each schedule."""
    columns = min(2, len(shown.panels))
    rows = -(-len(shown.panels) // columns)
    figure = new_figure(5.5 * columns, 0.9 + 2.1 * rows)
    grid = figure.subplots(rows, columns, squeeze=False, sharex=shown.shared)
    places = list(grid.flat)
    for axes, panel, dots in zip(places, shown.panels, shown.dots, strict=False):
        _draw_curve(axes, panel.curves[0], dots, dashes="-")
        axes.set_title("\n".join(textwrap.wrap(panel.title, 60)), fontsize=11, parse_math=False)
        low, high = min(0.0, *panel.curves[0].y), max(panel.curves[0].y)
        axes.set_ylim(low - 0.06 * (high - low or 1), high + 0.06 * (high - low or 1))
        axes.locator_params(axis="y", nbins=5)
        _iterations(axes, log=False)
        axes.tick_params(labelbottom=True)
        if axes not in places[len(shown.panels) - columns : len(shown.panels)]:
            axes.set_xlabel("")
    for axes in places[len(shown.panels) :]:
        axes.set_axis_off()
    figure.suptitle(
        "\n".join(textwrap.wrap(shown.title, 50 * columns)), fontsize=13, parse_math=False
    )
    signs = "; dots: a cycle ends" * any(x for x, _ in shown.dots)
    figure.supxlabel(f"Each rate on a scale of its own{signs}.", fontsize=9.5, color="0.3")
    save(places[0], path)


def draw_overview(shown: Overview, path: Path) -> None:
    """What is printed on the left, what came out on the right, on the same axes."""
    figure = new_figure(11.0, 5.2)
    left, right = figure.subplots(1, 2, sharex=True, sharey=True)
    for point in shown.points:
        color, x = point.color, point.iterations
        if point.published is not None:
            left.plot(x, point.published, "D", color=color, mfc="white", ms=9, mew=2)
            _label(left, point, point.published, f"{point.published}")
        error = [[point.interval.half]] * 2 if point.interval else None
        right.errorbar(x, point.mean, yerr=error, fmt="o", color=color, ms=7, capsize=5, lw=2)
        _label(right, point, point.mean, f"{point.mean:.2f}")
    fixed, cycles = shown.points[:2]
    style: Any = {"ls": ":", "color": "0.3", "lw": 1.5, "zorder": 0}
    left.plot([cycles.iterations, fixed.iterations], [cycles.published, fixed.published], **style)
    right.plot([cycles.iterations, fixed.iterations], [fixed.mean] * 2, **style)
    right.plot([cycles.iterations] * 2, [cycles.mean, fixed.mean], **style)
    middle = (cycles.iterations, (cycles.mean + fixed.mean) / 2)
    right.annotate(shown.gap, middle, (6, 0), textcoords="offset points", va="center")
    for axes, title in ((left, shown.left), (right, shown.right)):
        axes.set_title(title, fontsize=11.5)
        _iterations(axes, log=False)
    left.set_xlim(0, 1.06 * max(point.iterations for point in shown.points))
    left.set_ylim(*shown.limits)
    left.set_ylabel("test accuracy, %")
    _words(figure, shown.title, shown.caption, 86)
    save(left, path)


def _words(figure: Figure, title: str, caption: str, width: int) -> None:
    """The title, in lines of at most ``width`` characters, above all and the caption below."""
    # Names are anybody's: a dollar sign in one begins no formula.
    figure.suptitle("\n".join(textwrap.wrap(title, width)), fontsize=13, parse_math=False)
    figure.supxlabel("\n".join(textwrap.wrap(caption, 165)), fontsize=9.5, color="0.3")


def _label(axes: Axes, point: Point, y: float, value: str) -> None:
    """The name and the value of a point, to the side that has room."""
    offset, across, along = _SIDES[point.side]
    axes.annotate(
        f"{point.name}\n{value}",
        (point.iterations, y),
        offset,
        textcoords="offset points",
        ha=across,
        va=along,
        fontsize=10.5,
    )


def _iterations(axes: Axes, log: bool) -> None:
    """The horizontal axis, in whole iterations."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    axes.set_xlabel("iteration")
    axes.xaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10], integer=True))
    if log:
        axes.set_xscale("log")
        low, high = axes.get_xlim()
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 1_000 * low else (1,)))
        axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}"))
    axes.grid(alpha=0.3)


def _draw_curve(axes: Axes, curve: Curve, dots: Points, dashes: Any = None) -> None:
    if curve.spread is not None:
        axes.fill_between(curve.x, *curve.edges(), color=curve.color, alpha=0.18, lw=0)
    axes.plot(
        curve.x,
        curve.y,
        ls=dashes or _DASHES[curve.color],
        lw=1.6,
        color=curve.color,
        marker="x" if len(curve.x) == 1 else "",
        ms=9,
    )
    axes.plot(*dots, "o", ms=4.5 if len(dots[0]) <= _MANY else 2, color=curve.color)


def _draw_end(axes: Axes, end: End, at: float, span: tuple[float, float]) -> None:
    """A row: a sample of its line and its name, and below them the runs."""
    whole = axes.get_yaxis_transform()  # across in shares of the axes, along in rows
    sample = {"ls": _DASHES[end.color], "color": end.color, "transform": whole}
    axes.plot([0.02, 0.10], [at + 0.36] * 2, **sample)
    together = end.name.replace("n = ", "n\u00a0=\u00a0")
    lines = textwrap.wrap(together, _WIDTH, break_on_hyphens=False)
    words = lines if len(lines) <= 2 else [lines[0], f"{lines[1][: _WIDTH - 3]}..."]
    name = axes.text(0.12, at + 0.36, "\n".join(words), va="center", fontsize=10, transform=whole)
    name.set_parse_math(False)
    inside = [seed for seed in end.seeds if seed >= span[0]]
    axes.plot(inside, [at] * len(inside), "o", mfc="none", mec=end.color, ms=6, alpha=0.7)
    if len(inside) < len(end.seeds):
        axes.plot(span[0], at, "<", color=end.color, ms=9, clip_on=False)
    if end.interval is not None:
        _draw_interval(axes, end.interval, end.color, at, span)
    if end.published is not None:
        place, sign = (end.published, "D") if end.published >= span[0] else (span[0], "<")
        axes.plot(place, at, sign, mfc="white", mec="black", ms=7, mew=1.5, clip_on=False)


def _draw_interval(
    axes: Axes, interval: Interval, color: str, at: float, span: tuple[float, float]
) -> None:
    """A bar with its mean, cut at the frame."""
    low, mean, high = (
        min(max(value, span[0]), span[1])
        for value in (interval.low, interval.center, interval.high)
    )
    axes.plot([low, high], [at, at], color=color, lw=2, alpha=0.8)
    axes.plot(mean, at, "|", color=color, ms=14, mew=2.5)
    for edge, sign, cut in ((low, "<", interval.low), (high, ">", interval.high)):
        if edge != cut:
            axes.plot(edge, at, sign, color=color, ms=7, clip_on=False)
