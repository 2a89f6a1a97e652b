"""Draws the schedules of ``docs/schedules.md`` into ``docs/schedules.png``."""

from __future__ import annotations

import re
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from clr_ignite._files import replacing
from clr_ignite.schedules import Schedule, ends_cycle, length
from clr_ignite.schedules.text import parse_schedule

PAGE = Path(__file__).with_name("schedules.md")
ITERATIONS, COLUMNS = 1_000, 4


def examples() -> dict[str, Schedule]:
    """The page's schedules by their text."""
    texts = re.findall(r"^\| `([A-Z]\w*\(.*?\))` \|", PAGE.read_text(), re.MULTILINE)
    return {text: parse_schedule(text) for text in texts}


def main() -> None:
    shown = examples()
    rows = -(-len(shown) // COLUMNS)
    figure = Figure(figsize=(3.2 * COLUMNS, 1.75 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (text, schedule) in zip(
        figure.subplots(rows, COLUMNS).flat, shown.items(), strict=False
    ):
        last = length(schedule) if text.startswith("Strict") else None
        at = range(min(ITERATIONS, last or ITERATIONS) + 1)
        axes.plot(at, [schedule(t) for t in at], lw=1.6)
        ends = [t for t in at if ends_cycle(schedule, t)]
        # Where the rate jumps at a cycle's end, the dot stays at the end of the fall.
        axes.plot(ends, [min(schedule(t - 1), schedule(t)) for t in ends], "o", ms=3.5)
        name = text.partition("(")[0]
        axes.set_title(name, fontsize=10)
        axes.set_xlim(-20, ITERATIONS + 20)
        axes.set_ylim(*((0.84, 0.96) if name == "Opposite" else (-0.005, 0.11)))
        axes.tick_params(labelsize=7)
        axes.grid(alpha=0.3)
    for axes in list(figure.axes)[len(shown) :]:
        axes.set_axis_off()
    figure.supxlabel("iteration (dots: cycle ends)", fontsize=9)
    figure.supylabel("value", fontsize=9)
    with replacing(PAGE.with_suffix(".png")) as temporary:
        figure.savefig(temporary, dpi=100, format="png")


if __name__ == "__main__":
    main()
