"""The one picture of the reproduction: what the paper prints, and what came out. As data."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clr_ignite.cifar10.report.groups import Group
from clr_ignite.cifar10.report.intervals import Interval, of_difference, of_mean
from clr_ignite.cifar10.report.pictures import COLORS

CLAIMED = ("full-fixed", "full-triangular2")  # which the paper has equal
_ROWS = {  # what a row is called, and the side of its point that has room for that
    "full-fixed": ("fixed rate", "above"),
    "full-triangular2": ("triangular2 cycles", "left"),
    "full-decay": ("decay policy", "left"),
    "full-exp-range": ("exp_range", "right"),
    "full-exp": ("exp", "left"),
    "full-muon-5000": ("Muon, ours", "right"),
}
_CLAIM = (
    "The paper: in 25,000 iterations cycles are as accurate as the fixed rate in 70,000. Here they "
)


@dataclass(frozen=True)
class Point:
    """A row: its length, and its accuracies in percent.

    Args:
        side: of the point on which its name stands.
        interval: of the mean; None of a single run.
        published: None for a row of our own.
    """

    name: str
    side: str
    color: str
    iterations: int
    mean: float
    interval: Interval | None
    published: float | None


@dataclass(frozen=True)
class Overview:
    """Two panels on the same axes, the paper's and ours.

    Args:
        points: first the two that the paper has equal.
        gap: between those, in words.
        limits: of the accuracies.
    """

    title: str
    left: str
    right: str
    points: Sequence[Point]
    gap: str
    limits: tuple[float, float]
    caption: str


def overview(groups: Sequence[Group]) -> Overview | None:
    """The picture of the rows of Table 1 that are there; None without those of the claim."""
    rows = {group.entry_name: group for group in groups if group.entry is not None}
    if not rows.keys() >= set(CLAIMED):
        return None
    points = [_point(rows[n], c) for n, c in zip(_ROWS, COLORS, strict=True) if n in rows]
    fixed, cycles = (_ends(rows[name]) for name in CLAIMED)
    gap = of_difference(cycles, fixed)
    values = [point.mean for point in points]
    values += [point.published for point in points if point.published is not None]
    # An interval of two runs may be wider than all that is to be compared.
    halves = [min(point.interval.half, 1.5) for point in points if point.interval]
    low, high = min(values) - max(halves, default=0.0), max(values)
    return Overview(
        _CLAIM + _said(gap),
        "The paper prints (arXiv:1506.01186, Table 1)",
        f"Here: the mean, and its 95 % interval over {_seeds(rows)}",
        points,
        "" if gap is None else f"{gap.center:+.2f} ({gap.low:+.2f} to {gap.high:+.2f})",
        (low - 0.7, high + 0.7),
        "CIFAR-10, Caffe's full net, no augmentation, batch 100; accuracy at the end of each run. "
        "Muon is a row of ours: another optimizer on the same net and data.",
    )


def _point(group: Group, color: str) -> Point:
    entry, ends = group.entry, _ends(group)
    assert entry is not None  # only rows of the table come here
    name, side = _ROWS[group.entry_name]
    length, mean = entry.experiment.iterations, statistics.mean(ends)
    return Point(name, side, color, length, mean, of_mean(ends), entry.published)


def _ends(group: Group) -> list[float]:
    return [100 * accuracy for accuracy in group.accuracies]


def _seeds(rows: Mapping[str, Group]) -> str:
    counts = sorted({len(rows[name].stable) for name in _ROWS if name in rows})
    return f"{counts[0]} seeds" if len(counts) == 1 else f"{counts[0]} to {counts[-1]} seeds"


def _said(gap: Interval | None) -> str:
    if gap is None:
        return "are held against it in single runs"
    if gap.verdict == "not told apart":
        return "and that rate are not told apart"
    return f"end {abs(gap.center):.1f} points {gap.verdict} it"
