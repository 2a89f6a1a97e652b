"""Panes of Visdom: curves that grow, kept within bounds, and whole views of pictures for plotly."""

from __future__ import annotations

import dataclasses
import math
import textwrap
from array import array
from collections.abc import Sequence
from typing import Any

from clr_ignite.pictures import COLORS, Curve, Picture, thinned

SHOWN = 2_000  # points of a curve in a view
_KEPT = 100_000  # points of a curve in memory
_ENDS = 200  # lines at cycle ends in a view
_DASHES = ("dash", "dashdot", "dot")
_LOOKS = {  # plotly's mode and the width of the line
    "line": ("lines", 1.5),
    "thick": ("lines", 2.5),
    "faint": ("lines", 1.0),
    "points": ("lines+markers", 1.5),
}


def kind(pane: str) -> str:
    """What a pane belongs to: the curves of one run, range tests, comparisons, or itself."""
    if pane in ("lr", "momentum", "loss", "summary") or pane.startswith("held-out "):
        return "run"
    several = ("range test ", "comparison ")
    return next((start.rstrip() for start in several if pane.startswith(start)), pane)


class Trace:
    """A curve that grows; ``append`` from one thread, ``curve`` from another."""

    def __init__(self, name: str, **look: Any) -> None:
        self.name, self.look = name, look
        self.points: tuple[array[float], array[float]] = array("d"), array("d")

    def append(self, x: float, y: float) -> None:
        xs, ys = self.points
        xs.append(x)
        ys.append(y)
        if len(xs) > _KEPT:
            kept = thinned(xs, ys, _KEPT // 2)
            self.points = array("d", kept[0]), array("d", kept[1])

    def curve(self) -> Curve:
        """The curve so far."""
        x, y = (array("d", values) for values in self.points)
        length = min(len(x), len(y))  # the other thread may be between the two appends
        return Curve(self.name, x[:length], y[:length], **self.look)


class Window:
    """A pane of Visdom: text, or a picture, whose curves the traces are where there are any.

    Attributes:
        ends: iterations at which cycles ended.
        text: shown instead of a picture where it is set.
        changed: whether it must be sent.
        seen: what was drawn last, for whoever draws.
    """

    def __init__(self, name: str, picture: Picture | None = None) -> None:
        self.name, self.picture = name, picture or Picture()
        self.traces: dict[str, Trace] = {}
        self.ends: list[float] = []
        self.text: str | None = None
        self.changed = True
        self.seen: object = None

    def trace(self, name: str, **look: Any) -> Trace:
        """The trace of that name, made where it is new."""
        if name not in self.traces:
            color = COLORS[len(self.traces) % len(COLORS)]
            self.traces[name] = Trace(name, **({"color": color} | look))
        return self.traces[name]

    def end(self, x: float) -> None:
        """Mark the end of a cycle; of very many, every second is forgotten."""
        self.ends.append(x)
        if len(self.ends) > 10 * _ENDS:
            del self.ends[-2::-2]

    def message(self, env: str) -> dict[str, Any]:
        """The whole pane as Visdom's server takes it."""
        opts = {"title": self.name, "width": 480, "height": 380}
        pane = {"win": self.name, "eid": env, "opts": opts}
        if self.text is not None:
            return pane | {"data": [{"content": self.text, "type": "text"}]}
        curves = [trace.curve() for trace in list(self.traces.values())]
        ends = self.ends[:: -max(1, len(self.ends) // _ENDS)][::-1]
        picture = self.picture
        if curves:
            picture = dataclasses.replace(picture, curves=curves, ends=ends)
        return pane | plotly(picture)


def plotly(picture: Picture) -> dict[str, Any]:
    """``data`` and ``layout`` of a picture, with at most about 2,000 points a curve."""
    left, right = picture.limits(), picture.limits(right=True)
    data = [one for curve in picture.curves for one in _scatters(curve)]
    for dash, (name, x) in zip(_DASHES, picture.marks.items(), strict=False):
        line = {"color": "#444444", "width": 1.5, "dash": dash}
        data.append(
            {"type": "scatter", "name": name, "mode": "lines", "line": line}
            | {"x": [x, x], "y": list(left or (0, 1))}
        )
    layout: dict[str, Any] = {
        "title": {"text": "<br>".join(textwrap.wrap(picture.title, 70)), "font": {"size": 12}},
        "showlegend": True,
        "legend": {"orientation": "h", "y": -0.25},
        "margin": {"l": 60, "r": 60, "t": 50 if picture.title else 20, "b": 40},
        "xaxis": {
            "title": {"text": picture.x_label},
            "type": "log" if picture.log else "linear",
        },
        "yaxis": {"title": {"text": picture.y_label}, **_range(left)},
        "shapes": [_vertical(x) for x in picture.ends],
    }
    if right is not None:
        title = {"text": picture.right_label}
        layout["yaxis2"] = {"title": title, "overlaying": "y", "side": "right", **_range(right)}
    return {"data": data, "layout": layout}


def _scatters(curve: Curve) -> list[dict[str, Any]]:
    """plotly's traces of a curve; where it has a band, those of the band's edges before it."""
    color, (mode, width) = {"color": curve.color}, _LOOKS[curve.look]
    style = {"mode": mode, "line": color | {"width": width}, "marker": color | {"size": 6}}
    line = _scatter(curve, curve.name, curve.y) | style
    if curve.spread is None:
        return [line]
    name = curve.name.removesuffix(", mean")
    bare = {"mode": "lines", "line": {"width": 0}, "showlegend": False}
    fill = {"fill": "tonexty", "fillcolor": f"{curve.color}40"}  # a quarter opaque
    low, high = (edge.tolist() for edge in curve.edges())
    lower, upper = _scatter(curve, f"{name}, lower", low), _scatter(curve, f"{name}, upper", high)
    return [lower | bare, upper | bare | fill, line]


def _scatter(curve: Curve, name: str, y: Sequence[float]) -> dict[str, Any]:
    """Gaps where a value is not finite, since Visdom cannot send it."""
    points = dict(zip("xy", map(_or_none, thinned(curve.x, y, SHOWN)), strict=True))
    return {"type": "scatter", "name": name, **points, **({"yaxis": "y2"} if curve.right else {})}


def _or_none(values: Sequence[float]) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in values]


def _range(limits: tuple[float, float] | None) -> dict[str, Any]:
    return {} if limits is None else {"range": list(limits)}


def _vertical(x: float) -> dict[str, Any]:
    line = {"color": "#bbbbbb", "width": 1, "dash": "dash"}
    place = {"xref": "x", "yref": "paper", "x0": x, "x1": x, "y0": 0, "y1": 1}
    return {"type": "line", "line": line, **place}
