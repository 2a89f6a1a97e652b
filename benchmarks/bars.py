"""A picture of gains lost: a bar for a mean, a dot for each task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from clr_ignite.plots import new_axes, save


@dataclass(frozen=True)
class Bar:
    label: str
    mean: float
    dots: Sequence[float]
    ours: bool


def draw_bars(bars: Sequence[Bar], title: str, path: Path) -> None:
    """The least mean at the top."""
    axes = new_axes(8.0, 0.45 * len(bars) + 1.2)
    ordered = sorted(bars, key=lambda bar: -bar.mean)
    for place, bar in enumerate(ordered):
        color = "tab:blue" if bar.ours else "tab:gray"
        axes.barh(place, bar.mean, color=color, alpha=0.35)
        axes.plot(bar.dots, [place] * len(bar.dots), "o", ms=4, color=color)
        axes.text(1.02, place, f"{bar.mean:.3f}", va="center", fontsize="small")
    axes.set_yticks(range(len(ordered)), [bar.label for bar in ordered])
    axes.set_xlim(-0.05, 1.0)
    axes.set_xlabel("gain lost: 0 is the best of the grid, 1 is no training")
    axes.set_title(title, fontsize="medium")
    save(axes, path)
