"""What Visdom is to show: traces that grow, kept within bounds, and whole views of them."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from clr_ignite.range_test.repeated import RepeatedResult
from clr_ignite.result import RangeTestResult
from clr_ignite.result.range_test_result import read_by_default

SHOWN = 2_000  # points of a trace in a view
_KEPT = 100_000  # points of a trace in memory

COLORS = ("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f")


def thinned(x: Sequence[float], y: Sequence[float], points: int) -> tuple[list[float], list[float]]:
    """At most about ``points`` of a curve: of each stretch its lowest and its highest.

    Values that are not finite come out as NaN; a stretch of nothing else keeps one.
    """
    xs, ys = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    ys = np.where(np.isfinite(ys), ys, np.nan)
    if len(xs) > points:
        size = math.ceil(len(xs) / max(1, points // 2))
        padded = np.append(ys, np.full(-len(ys) % size, np.nan)).reshape(-1, size)
        lowest = np.where(np.isnan(padded), np.inf, padded).argmin(axis=1)
        highest = np.where(np.isnan(padded), -np.inf, padded).argmax(axis=1)
        starts = size * np.arange(len(padded))
        chosen = np.unique(np.concatenate([starts + lowest, starts + highest]))
        xs, ys = xs[chosen], ys[chosen]
    return xs.tolist(), ys.tolist()


@dataclass
class Trace:
    """A named curve; ``append`` from one thread, ``view`` from another."""

    name: str
    color: str
    mode: str = "lines"  # or "markers"
    dash: str = "solid"
    right: bool = False  # on the right axis
    points: tuple[array[float], array[float]] = field(
        default_factory=lambda: (array("d"), array("d"))
    )

    def append(self, x: float, y: float) -> None:
        xs, ys = self.points
        xs.append(x)
        ys.append(y)
        if len(xs) > _KEPT:
            kept = thinned(xs, ys, _KEPT // 2)
            self.points = array("d", kept[0]), array("d", kept[1])

    def view(self) -> dict[str, Any]:
        """plotly's trace; gaps where the value is not finite, since Visdom cannot send it."""
        x, y = (array("d", values) for values in self.points)
        length = min(len(x), len(y))  # the other thread may be between the two appends
        xs, ys = thinned(x[:length], y[:length], SHOWN)
        return {
            "type": "scatter",
            "name": self.name,
            "mode": self.mode,
            "x": xs,
            "y": [None if math.isnan(value) else value for value in ys],
            "line": {"color": self.color, "width": 1.5, "dash": self.dash},
            "marker": {"color": self.color, "size": 6},
            **({"yaxis": "y2"} if self.right else {}),
        }


@dataclass
class Window:
    """A pane of curves, or of text where ``text`` is set."""

    name: str
    title: str
    x_label: str = "iteration"
    y_label: str = ""
    right_label: str = ""
    log: bool = False
    traces: dict[str, Trace] = field(default_factory=dict)
    lines: list[float] = field(default_factory=list)  # dashed, vertical
    text: str | None = None
    changed: bool = True
    seen: object = None  # what was drawn last, for whoever draws

    def trace(self, name: str, **style: Any) -> Trace:
        """The trace of that name, made where it is new."""
        if name not in self.traces:
            color = style.pop("color", COLORS[len(self.traces) % len(COLORS)])
            self.traces[name] = Trace(name, color, **style)
        return self.traces[name]

    def message(self, env: str) -> dict[str, Any]:
        """The whole pane as Visdom's server takes it."""
        opts = {"title": self.title.partition("<br>")[0], "width": 480, "height": 380}
        if self.text is not None:
            data: list[dict[str, Any]] = [{"content": self.text, "type": "text"}]
            return {"data": data, "win": self.name, "eid": env, "opts": opts}
        data = [trace.view() for trace in list(self.traces.values())]
        return {
            "data": data,
            "win": self.name,
            "eid": env,
            "layout": self._layout(data),
            "opts": opts,
        }

    def show(self, result: RangeTestResult) -> None:
        """Fill the pane with a range test: loss, held-out metrics, and how it ended."""
        self.log = result.step_mode == "exponential"
        self.traces.clear()
        rates = list(result.lr)
        curves = {"loss": list(result.loss), "smoothed": result.smoothed_loss()}
        for name, values in curves.items():
            trace = self.trace(name, color="#aec7e8" if name == "loss" else COLORS[0])
            for x, y in zip(
                *thinned(rates[: len(values)], values[: len(rates)], 50_000), strict=True
            ):
                trace.append(x, y)
        chosen = read_by_default(result.metrics)
        metrics = [chosen] if chosen else list(result.metrics)
        for number, name in enumerate(metrics):
            color = COLORS[(number + 1) % len(COLORS)]
            trace = self.trace(f"held-out {name}", color=color, mode="lines+markers", right=True)
            for x, y in zip(*result[name], strict=True):
                trace.append(x, y)
        self.right_label = ", ".join(metrics)
        if result.stop_reason is not None:
            bounds = result.suggest()
            self.lines = [rate for rate in (bounds.base_lr, bounds.max_lr) if rate is not None]
            pair = " and ".join(f"{rate:.3g}" for rate in self.lines) or "none"
            self.title = f"range test, suggested: {pair}<br>{result.stop_detail}"

    def show_band(self, repeated: RepeatedResult) -> None:
        """Fill the pane with means, and one standard deviation around them dotted."""
        self.log = repeated.results[0].step_mode == "exponential"
        self.traces.clear()
        names = ["loss", *(name for name in repeated.metrics if name == "accuracy")]
        for number, name in enumerate(names):
            rates, means, spreads = (np.asarray(column) for column in repeated[name])
            style = {"color": COLORS[number], "right": number > 0}
            curves = {"mean": means, "lower": means - spreads, "upper": means + spreads}
            for which, values in curves.items():
                dash = "solid" if which == "mean" else "dot"
                trace = self.trace(f"{name}, {which}", dash=dash, **style)
                for x, y in zip(rates, values, strict=True):
                    trace.append(float(x), float(y))
        self.right_label = "accuracy" if len(names) > 1 else ""
        bounds = repeated.suggest()
        self.lines = [rate for rate in (bounds.base_lr, bounds.max_lr) if rate is not None]
        self.title = f"range test over {len(repeated.seeds)} seeds<br>{bounds.reason}"

    def _layout(self, data: list[dict[str, Any]]) -> dict[str, Any]:
        layout: dict[str, Any] = {
            "title": {"text": self.title, "font": {"size": 14}},
            "showlegend": True,
            "legend": {"orientation": "h", "y": -0.25},
            "margin": {"l": 60, "r": 60, "t": 50, "b": 40},
            "xaxis": {"title": {"text": self.x_label}, "type": "log" if self.log else "linear"},
            "yaxis": {"title": {"text": self.y_label}},
            "shapes": [_vertical(x) for x in self.lines],
        }
        left = [v for t in data if "yaxis" not in t for v in t["y"] if v is not None]
        if len(left) > 10 and (limits := _bulk(left)) is not None:
            layout["yaxis"]["range"] = limits
        if self.right_label:
            layout["yaxis2"] = {
                "title": {"text": self.right_label},
                "overlaying": "y",
                "side": "right",
            }
        return layout


def _vertical(x: float) -> dict[str, Any]:
    return {
        "type": "line",
        "xref": "x",
        "yref": "paper",
        "x0": x,
        "x1": x,
        "y0": 0,
        "y1": 1,
        "line": {"color": "#444444", "width": 1.5, "dash": "dash"},
    }


def _bulk(values: list[float]) -> list[float] | None:
    """Limits that huge values do not stretch; None where the values need none."""
    low, middle, high = np.quantile(values, (0.0, 0.5, 0.95)).tolist()
    top = max(high, middle + 3 * (middle - low))
    if max(values) <= top + 0.2 * (top - low):
        return None
    margin = 0.05 * (top - low) or 0.05 * abs(top) or 1.0
    return [low - margin, top + margin]
