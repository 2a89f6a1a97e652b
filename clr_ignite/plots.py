"""Pictures on matplotlib Axes; nothing is ever shown, only returned.

Needs matplotlib: ``pip install "clr_ignite[plot]"``.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clr_ignite import pictures
from clr_ignite._checks import count, instance
from clr_ignite._files import replacing
from clr_ignite.pictures import Picture, marks, range_test, range_tests, sampled
from clr_ignite.schedules import Schedule

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.legend import Legend
    from matplotlib.lines import Line2D

Curve = tuple[Sequence[float], Sequence[float]]
Band = tuple[Sequence[float], Sequence[float], Sequence[float]]
_LETTERS = 80  # of a title's or a legend's line
_STYLES = ("-", "--", ":")
_MARKS = ("--", "-.", ":")
_LOOKS: Mapping[str, Mapping[str, Any]] = {
    "line": {"lw": 1.4},
    "thick": {"lw": 1.8},
    "faint": {"lw": 0.8},
    "points": {"lw": 1.2, "marker": "o", "ms": 3},
}


def new_axes(width: float = 7.0, height: float = 4.0) -> Axes:
    """Axes on a figure of their own, in inches, outside pyplot's global list."""
    return new_figure(width, height).add_subplot()


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, in inches, outside pyplot's global list."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError('plots need matplotlib: pip install "clr_ignite[plot]"') from error
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save(axes: Axes, path: str | Path) -> None:
    """Write the Axes' figure to ``path``, whole or not at all; the ending gives the format."""
    with replacing(Path(path)) as temporary:
        axes.figure.savefig(temporary, dpi=150)  # type: ignore[union-attr]


def draw(picture: Picture, axes: Axes | None = None) -> Axes:
    """Draw a picture, on new Axes by default; the title is above, the legend below."""
    given, axes = axes, new_axes() if axes is None else axes
    right = axes.twinx() if any(curve.right for curve in picture.curves) else axes
    handles = [_line(right if curve.right else axes, curve) for curve in picture.curves]
    for style, (name, x) in zip(_MARKS, picture.marks.items(), strict=False):
        handles.append(axes.axvline(x, color="0.3", ls=style, lw=1.2, label=name))
    for x in picture.ends:
        axes.axvline(x, color="0.7", lw=0.6)
    for side, on_right in ((axes, False), (right, True)):
        if (limits := picture.limits(on_right)) is not None:
            side.set_ylim(*limits)
    if right is not axes:
        right.set_ylabel(picture.right_label, parse_math=False)
    axes.set_xlabel(picture.x_label)
    axes.set_ylabel(picture.y_label, parse_math=False)
    title = "\n".join(textwrap.wrap(picture.title, _LETTERS, break_on_hyphens=False))
    axes.set_title(title, fontsize="medium", parse_math=False)
    if picture.log:
        axes.set_xscale("log")
    rows = _legend_below(axes, handles)
    if given is None and rows > 3:
        axes.figure.set_figheight(4.0 + 0.21 * (rows - 3))  # type: ignore[union-attr]
    return axes


def png(picture: Picture) -> bytes:
    """The picture as a PNG file's content."""
    file = io.BytesIO()
    draw(picture).figure.savefig(file, format="png", dpi=100)  # type: ignore[union-attr]
    return file.getvalue()


def plot_range_test(
    loss: Curve,
    *,
    smoothed: Sequence[float] | None = None,
    metrics: Mapping[str, Curve] | None = None,
    bounds: Sequence[float | None] = (),
    log: bool = False,
    axes: Axes | None = None,
) -> Axes:
    """Loss (left axis) and held-out metrics (right axis) against the rate.

    Args:
        loss: rates and raw losses, one for each step; what is not finite is left out.
        smoothed: a smoothed view of the losses, drawn over them.
        metrics: by name, rates and values.
        bounds: rates to mark with dashed lines, ``base_lr`` and ``max_lr``; None is skipped.
        log: draw the rates on a log axis.
        axes: to draw on; new ones by default.

    Returns:
        The Axes of the loss. What explodes at the end of a diverging test does not flatten the
        picture.
    """
    return draw(range_test(loss, smoothed, metrics or {}, marks=marks(*bounds), log=log), axes)


def plot_bands(
    bands: Mapping[str, Band],
    *,
    bounds: Sequence[float | None] = (),
    log: bool = False,
    axes: Axes | None = None,
) -> Axes:
    """Means with bands of one standard deviation against the rate.

    Args:
        bands: by name, rates, means and standard deviations; the first on the left axis, the
            others on the right.
        bounds, log, axes: as for :func:`plot_range_test`.
    """
    return draw(range_tests(bands, marks=marks(*bounds), log=log), axes)


def plot_curves(
    curves: Mapping[str, Curve],
    *,
    x_label: str,
    y_label: str,
    marks: Mapping[str, Curve] | None = None,
    axes: Axes | None = None,
) -> Axes:
    """Curves over one axis, with a legend.

    Args:
        curves: by label, positions and values.
        x_label, y_label: names of the axes, with their units.
        marks: dots, such as cycle ends, on the curve of the same label.
        axes: to draw on; new ones by default.

    Raises:
        TypeError: ``curves`` is no mapping.
    """
    instance("curves", curves, Mapping, "a mapping of labels to curves")
    axes = new_axes() if axes is None else axes
    for index, (label, (x, y)) in enumerate(curves.items()):
        style = _STYLES[index // 10 % len(_STYLES)]  # matplotlib's cycle has ten colors
        (line,) = axes.plot(x, y, style, lw=1.4, label=label)
        if marks and label in marks:
            axes.plot(*marks[label], "o", ms=4, color=line.get_color())
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.grid(alpha=0.3)
    _as_written(axes.legend(fontsize="small"))
    return axes


def plot_schedules(
    schedules: Mapping[str, Schedule], iterations: int, axes: Axes | None = None
) -> Axes:
    """The values that ``schedules`` give at iterations 0 to ``iterations - 1``.

    Args:
        schedules: by label; ``{repr(clr): clr}`` names one by itself.
        iterations: at least 1.
        axes: to draw on; new ones by default.

    Raises:
        TypeError: ``schedules`` is no mapping.
    """
    instance("schedules", schedules, Mapping, "a mapping of labels to schedules")
    iterations = count("iterations", iterations)
    curves = {label: sampled(schedule, iterations) for label, schedule in schedules.items()}
    return plot_curves(curves, x_label="iteration", y_label="learning rate", axes=axes)


def _legend_below(axes: Axes, handles: Sequence[Line2D]) -> int:
    """The rows of a legend, its columns as many as the names leave room for; long names break."""
    from matplotlib.transforms import ScaledTranslation

    names = [textwrap.fill(str(handle.get_label()), _LETTERS) for handle in handles]
    longest = max((len(line) for name in names for line in name.splitlines()), default=0)
    columns = min(3, (_LETTERS + 10) // (longest + 10))  # a line and a gap are as wide as ten
    under_label = ScaledTranslation(0, -0.4, axes.figure.dpi_scale_trans)  # inches
    legend = axes.legend(
        handles,
        names,
        loc="upper center",
        bbox_to_anchor=(0.5, 0.0),
        bbox_transform=axes.transAxes + under_label,
        ncols=columns,
        frameon=False,
    )
    _as_written(legend)
    return sum(len(name.splitlines()) for name in names) // max(1, columns)


def _as_written(legend: Legend) -> None:
    """Names are anybody's: a dollar sign in one begins no formula."""
    for text in legend.get_texts():
        text.set_parse_math(False)


def _line(axes: Axes, curve: pictures.Curve) -> Line2D:
    if curve.spread is not None:
        low, high = curve.edges()
        axes.fill_between(curve.x, low, high, color=curve.color, alpha=0.25, lw=0)
    (line,) = axes.plot(curve.x, curve.y, label=curve.name, color=curve.color, **_LOOKS[curve.look])
    return line
