"""What the report's pictures show, as data; ``drawing`` draws it. Accuracies are in percent."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clr_ignite.cifar10.report.groups import Group
from clr_ignite.cifar10.report.intervals import Interval, of_mean
from clr_ignite.cifar10.report.plates import MOST, Drawn
from clr_ignite.pictures import Curve, Picture, Points, sampled

# Okabe and Ito's, which people who see fewer colors tell apart; dashes differ besides.
COLORS = ("#000000", "#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00")
_WINDOW = 16.0  # points below the best that the panel of ends shows in place


@dataclass(frozen=True)
class End:
    """How a row ended.

    Args:
        name: in words, with the mean and the number of seeds.
        color: that of its curve.
        seeds: the accuracy of each run.
        interval: of their mean; None of a single one.
        published: what is printed elsewhere, if anything.
    """

    name: str
    color: str
    seeds: Sequence[float]
    interval: Interval | None
    published: float | None

    @property
    def extent(self) -> list[float]:
        """All that is drawn of it."""
        edges = [self.interval.low, self.interval.high] if self.interval else []
        return [*self.seeds, *edges, *([] if self.published is None else [self.published])]


@dataclass(frozen=True)
class Accuracies:
    """Accuracy over iterations, and on an axis of its own what each row ended at.

    Args:
        picture: the mean of each row with a band of a standard deviation on either side.
        limits: of the accuracy there; what is lower was early.
        dots: where cycles end, on the curves in their order.
        ends: in the order of the curves.
        span: of the axis of the ends.
        caption: what lines, bands and signs are.
    """

    picture: Picture
    limits: tuple[float, float]
    dots: Sequence[Points]
    ends: Sequence[End]
    span: tuple[float, float]
    caption: str


@dataclass(frozen=True)
class Rates:
    """The schedules of some rows, each on axes of its own.

    Args:
        panels: a title and a curve for each.
        dots: where cycles end, in the order of the panels.
        shared: all have one horizontal axis.
    """

    title: str
    panels: Sequence[Picture]
    dots: Sequence[Points]
    shared: bool


def accuracies(drawn: Drawn) -> Accuracies:
    """The picture of a plate, as the paper's Figure 1; iterations are on a log axis where one run
    is more than ten times as long as another."""
    colors = _colors([group.curve for group in drawn.rows.values()])
    curves, dots, ends = [], [], []
    for color, (name, group) in zip(colors, drawn.rows.items(), strict=True):
        first = list(drawn.rows)[colors.index(color)]
        same = "" if first == name else f"on the line of {first}"
        means = _percent(group.curve)
        spread = None if len(group.stable) == 1 else [100 * s for s in group.spread.values()]
        curves.append(Curve(name, *means, color=color, spread=spread, better="higher"))
        dots.append(_percent({at: group.curve[at] for at in group.ends if at in group.curve}))
        ends.append(_end(name, color, group, same))
    lengths = [max(curve.x) for curve in curves if len(curve.x)]
    log = bool(lengths) and max(lengths) > 10 * min(lengths)
    picture = Picture(curves, y_label="accuracy, %", title=drawn.title, log=log)
    span = _span(ends)
    caption = _caption(curves, dots, ends, *span)
    return Accuracies(picture, _limits(curves), dots, ends, span, caption)


def rates(drawn: Drawn) -> Rates:
    """The rates of a plate's rows from the first iteration to the last."""
    colors = _colors([group.curve for group in drawn.rows.values()])
    panels, dots = [], []
    for color, (name, group) in zip(colors, drawn.rows.items(), strict=True):
        experiment = group.runs[0].experiment
        length, schedule = experiment.iterations, experiment.schedule
        curve = Curve(name, *sampled(schedule, length), color=color)
        panels.append(Picture([curve], y_label="learning rate", title=name))
        # Where the rate jumps as a cycle ends, the dot stays at the end of the fall.
        at_ends = [min(schedule(at - 1), schedule(at)) for at in group.ends]
        dots.append((list(group.ends), at_ends))
    lengths = [group.runs[0].experiment.iterations for group in drawn.rows.values()]
    return Rates(f"Learning rates. {drawn.title}", panels, dots, max(lengths) <= 10 * min(lengths))


def _end(name: str, color: str, group: Group, same: str) -> End:
    stable = [100 * accuracy for accuracy in group.accuracies]
    diverged = sum(run.summary["diverged"] for run in group.runs)
    last = group.stable[0].summary
    said = [
        f"n = {len(stable)}" if len(stable) > 1 else "single run",
        f"{diverged} of {len(group.runs)} diverged" if diverged else "",
        "held out" if group.runs[0].experiment.held_out else "",
        "in mid-cycle" if last["cycle_end_iteration"] and not last["ended_at_cycle_end"] else "",
        same,
    ]
    words = f"{name}: {statistics.mean(stable):.2f} ({', '.join(filter(None, said))})"
    published = group.entry.published if group.entry else None
    return End(words, color, stable, of_mean(stable), published)


def _percent(curve: Mapping[int, float]) -> Points:
    return list(curve), [100 * value for value in curve.values()]


def _colors(curves: Sequence[Mapping[int, float]]) -> list[str]:
    """One for each curve; curves that coincide have the same, for one would hide the other."""
    found: list[str] = []
    fresh = itertools.cycle(COLORS[:MOST])
    for number, curve in enumerate(curves):
        alike = (c for c, other in zip(found, curves[:number], strict=True) if _same(curve, other))
        found.append(next(alike, None) or next(fresh))
    return found


def _same(curve: Mapping[int, float], other: Mapping[int, float]) -> bool:
    equal = sum(curve[at] == other[at] for at in curve.keys() & other.keys())
    return equal > 0.9 * min(len(curve), len(other))


def _limits(curves: Sequence[Curve]) -> tuple[float, float]:
    """From the lowest that any curve has after a tenth of it to the highest of all."""
    low, high = [], []
    for curve in (curve for curve in curves if len(curve.x)):
        begin = next(at for at, x in enumerate(curve.x) if x >= max(curve.x) / 10)
        below, above = curve.edges()
        low.append(float(min(below[begin:])))
        high.append(float(max(above)))
    if not low:
        return 0.0, 100.0
    margin = 0.05 * (max(high) - min(low)) or 1.0
    return min(low) - margin, max(high) + margin


def _span(ends: Sequence[End]) -> tuple[float, float]:
    """What the axis of the ends shows: the runs that are not far below the best, and of the
    intervals as much as leaves the runs apart."""
    known = [e.published for e in ends if e.published is not None]
    values = [*known, *(seed for end in ends for seed in end.seeds)]
    values = [value for value in values if value >= max(values) - _WINDOW]
    low, high = min(values), max(values)
    room = 0.3 * max(high - low, 1.0)
    intervals = [e.interval for e in ends if e.interval and e.interval.center >= low]
    left = min([low, *(max(interval.low, low - room) for interval in intervals)])
    right = max([high, *(min(interval.high, high + room) for interval in intervals)])
    margin = max(0.06 * (right - left), (1.0 - (right - left)) / 2)
    return left - margin, right + margin


def _caption(
    curves: Sequence[Curve], dots: Sequence[Points], ends: Sequence[End], low: float, high: float
) -> str:
    """What is to be seen, of what is there."""
    several = any(curve.spread is not None for curve in curves)
    left = ["line: mean of the seeds", "band: ± 1 standard deviation"] if several else []
    if any(len(curve.x) == 1 for curve in curves):
        left.append("cross: the only evaluation")
    if any(x for x, _ in dots):
        left.append("dots on lines: a cycle ends")
    right = ["ring: a run"]
    if several:
        right.append("bar: mean and its 95 % interval")
    if any(end.published is not None for end in ends):
        right.append("diamond: published")
    if any(not low <= value <= high for end in ends for value in end.extent):
        right.append("triangle: beyond the frame")
    left_words = f"Left, {'; '.join(left)}. " if left else ""
    return f"{left_words}Right, {'; '.join(right)}."
