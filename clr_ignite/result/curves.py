"""What the picture of a result shows, and how a result draws itself, in a notebook too."""

from __future__ import annotations

import base64
import html
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from clr_ignite import plots
from clr_ignite._smoothing import fitting_beta, moving_average
from clr_ignite.pictures import Picture, marks, range_test
from clr_ignite.result.reading import read_by_default
from clr_ignite.suggestions import Bounds

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from clr_ignite.result.range_test_result import RangeTestResult


class Drawn:
    """A result that can be drawn: what it suggests, and a picture of that."""

    def suggest(self, metric: str | None = None) -> Bounds:
        """The bounds that the curve of ``metric`` supports."""
        raise NotImplementedError

    def picture(self, metric: str | None = None) -> Picture:
        """What :meth:`plot` draws, as data."""
        raise NotImplementedError

    def plot(self, where: str | Path | Axes | None = None, metric: str | None = None) -> Axes:
        """Draw losses and held-out metrics against the rate with the suggested rates.

        The title tells what they were read from, or why there is no pair.

        Args:
            where: a file to write, or Axes to draw on; new Axes by default.
            metric: the one held-out metric to read and draw; by default the one that
                :meth:`suggest` reads, and accuracy where there is one.
        """
        if not isinstance(where, str | Path):
            return plots.draw(self.picture(metric), where)
        axes = plots.draw(self.picture(metric))
        plots.save(axes, where)
        return axes

    def _repr_png_(self) -> bytes | None:
        """A notebook's view, whatever matplotlib's back end; None without matplotlib."""
        try:
            return plots.png(self.picture())
        except ImportError:
            return None

    def _repr_html_(self) -> str:
        """The same with the suggestion in words."""
        words = self._html_words()
        drawn = self._repr_png_()
        if drawn is None:
            return words
        return f'{words}<img src="data:image/png;base64,{base64.b64encode(drawn).decode()}">'

    def _html_words(self) -> str:
        return f"<p>{html.escape(str(self.suggest()))}</p>"


def picture_of(result: RangeTestResult, bounds: Bounds | None, metric: str | None) -> Picture:
    """The picture of a range test.

    Args:
        bounds: what is suggested; None for a test that still runs.
        metric: the held-out metric that was asked for.
    """
    read = metric or read_by_default(result.metrics)
    beside = [] if metric else [name for name in ("accuracy",) if name in result.metrics]
    names = dict.fromkeys([*([read] if read else []), *beside]) or result.metrics
    # Lists: an array that NumPy looks into cannot grow, and training may be going on.
    rates, losses = result.lr.tolist(), result.loss.tolist()
    smoothed = moving_average(losses, fitting_beta(len(result)))
    picture = range_test(
        (rates, losses),
        smoothed,
        {name: result[name] for name in names},
        log=result.step_mode == "exponential",
        title=f"step {len(result):,} of {result.num_iter:,}",
    )
    if bounds is not None:
        ended = f" ({result.stop_detail})" if result.stop_reason == "terminated" else ""
        picture.title = bounds.reason + ended
        picture.marks = marks(bounds.base_lr, bounds.max_lr, bounds.lr)
        if bounds.curve[0]:
            _add_as_read(picture, bounds)
    return picture


def _add_as_read(picture: Picture, bounds: Bounds) -> None:
    """The curve that the rates were read from; it takes the place of the smoothed loss."""
    raw, smoothed, *held_out = picture.curves
    name = f"held-out {bounds.metric.removeprefix('held-out ')}"
    like = next((curve for curve in held_out if curve.name == name), smoothed)
    x, y = bounds.curve
    as_read = replace(like, name=f"{bounds.metric}, as read", x=x, y=y, look="thick")
    picture.curves = [raw, *held_out, as_read]
