"""Pictures of curves and schedules on matplotlib Axes; nothing is ever shown, only returned.

Needs matplotlib: ``pip install clr_ignite[plot]``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from clr_ignite._checks import count
from clr_ignite._files import replacing
from clr_ignite.schedules import Schedule

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

Curve = tuple[Sequence[float], Sequence[float]]
Band = tuple[Sequence[float], Sequence[float], Sequence[float]]
_POINTS = 2_000  # drawn of a schedule at most
_STYLES = ("-", "--", ":")


def new_axes(width: float = 7.0, height: float = 4.0) -> Axes:
    """Axes on a figure of their own, in inches, outside pyplot's global list."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("plots need matplotlib: pip install clr_ignite[plot]") from error
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure.add_subplot()


def save(axes: Axes, path: str | Path) -> None:
    """Write the Axes' figure to ``path``, whole or not at all; the ending gives the format."""
    with replacing(Path(path)) as temporary:
        axes.figure.savefig(temporary, dpi=150)  # type: ignore[union-attr]


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
        bounds: rates to mark with dashed lines; None is skipped.
        log: draw the rates on a log axis.
        axes: to draw on; new ones by default.

    Returns:
        The Axes of the loss. Its limits follow the bulk of the losses, so that the huge ones
        at the end of a diverging test do not flatten the picture.
    """
    axes = new_axes() if axes is None else axes
    rates, losses = (np.asarray(values, dtype=float) for values in loss)
    keep = np.isfinite(rates) & np.isfinite(losses)
    axes.plot(rates[keep], losses[keep], color="tab:blue", alpha=0.35, lw=0.8, label="loss")
    if smoothed is not None:
        curve = np.asarray(smoothed, dtype=float)
        axes.plot(rates[keep], curve[keep], color="tab:blue", lw=1.8, label="loss, smoothed")
    if keep.any():
        axes.set_ylim(*_bulk(losses[keep]))
    axes.set_xlabel("learning rate")
    axes.set_ylabel("training loss")
    if log:
        axes.set_xscale("log")
    handles = list(axes.get_lines())
    if metrics:
        handles += _draw_metrics(axes, metrics)
    _finish(axes, handles, bounds)
    return axes


def plot_bands(
    bands: Mapping[str, Band],
    *,
    bounds: Sequence[float | None] = (),
    log: bool = False,
    axes: Axes | None = None,
) -> Axes:
    """Means with bands of one standard deviation against the rate, one y axis for each name.

    Args:
        bands: by name, rates, means and standard deviations; the first on the left axis.
        bounds, log, axes: as for :func:`plot_range_test`.
    """
    axes = new_axes() if axes is None else axes
    handles: list[Line2D] = []
    for number, (name, columns) in enumerate(bands.items()):
        side = axes if number == 0 else axes.twinx()
        rates, means, spreads = (np.asarray(column, dtype=float) for column in columns)
        color = f"C{number}"
        handles += side.plot(rates, means, color=color, lw=1.6, label=f"{name}, mean")
        side.fill_between(rates, means - spreads, means + spreads, color=color, alpha=0.25, lw=0)
        side.set_ylabel(name)
        if number == 0 and len(means):
            side.set_ylim(*_bulk(means))
    axes.set_xlabel("learning rate")
    if log:
        axes.set_xscale("log")
    _finish(axes, handles, bounds)
    return axes


def plot_curves(
    curves: Mapping[str, Curve],
    *,
    x_label: str,
    y_label: str,
    marks: Mapping[str, Curve] | None = None,
    axes: Axes | None = None,
) -> Axes:
    """Curves by label; ``marks`` puts dots, such as cycle ends, on the curve of the same label."""
    axes = new_axes() if axes is None else axes
    for index, (label, (x, y)) in enumerate(curves.items()):
        style = _STYLES[index // 10 % len(_STYLES)]  # matplotlib's cycle has ten colors
        (line,) = axes.plot(x, y, style, lw=1.4, label=label)
        if marks and label in marks:
            axes.plot(*marks[label], "o", ms=4, color=line.get_color())
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    return axes


def plot_schedules(
    schedules: Mapping[str, Schedule], iterations: int, axes: Axes | None = None
) -> Axes:
    """The values that ``schedules`` give at iterations 0 to ``iterations - 1``."""
    iterations = count("iterations", iterations)
    at = np.unique(np.linspace(0, iterations - 1, min(iterations, _POINTS)).round().astype(int))
    curves: dict[str, Curve] = {
        label: (at.tolist(), [schedule(int(i)) for i in at])
        for label, schedule in schedules.items()
    }
    return plot_curves(curves, x_label="iteration", y_label="learning rate", axes=axes)


def _finish(axes: Axes, handles: list[Line2D], bounds: Sequence[float | None]) -> None:
    """Dashed lines at the suggested rates, and the legend."""
    for rate in bounds:
        if rate is not None:
            line = axes.axvline(rate, color="0.3", ls="--", lw=1.2, label=f"suggested: {rate:.3g}")
            handles.append(line)
    # Above the picture: inside, the right axis's curves would run over it.
    axes.legend(
        handles=handles, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, frameon=False
    )


def _draw_metrics(axes: Axes, metrics: Mapping[str, Curve]) -> list[Line2D]:
    right = axes.twinx()
    right.set_ylabel(", ".join(metrics))
    colors = ("tab:orange", "tab:green", "tab:red", "tab:purple")
    lines: list[Line2D] = []
    for number, (name, (rates, values)) in enumerate(metrics.items()):
        color = colors[number % len(colors)]
        lines += right.plot(rates, values, "o-", ms=3, lw=1.2, color=color, label=name)
    return lines


def _bulk(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> tuple[float, float]:
    """Limits that show the lowest value and three spreads of the lower nine tenths above it."""
    low, high = float(values.min()), float(np.quantile(values, 0.9))
    middle = float(np.median(values))
    top = min(float(values.max()), max(high, middle + 3 * (middle - low)))
    margin = 0.05 * (top - low) or 0.05 * abs(low) or 1.0
    return low - margin, top + margin
