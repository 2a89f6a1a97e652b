"""The report's tables, as Markdown: what each row came to, and how far rows are apart."""

from __future__ import annotations

import statistics
import string
from collections.abc import Mapping, Sequence

from clr_ignite.cifar10.experiments import EXPERIMENTS
from clr_ignite.cifar10.report.differences import Difference, differences
from clr_ignite.cifar10.report.groups import Group, Run
from clr_ignite.cifar10.report.intervals import Interval, of_mean

_HEADER = """\
| experiment | iterations | at the last cycle end, % | at the end, % | interval of the mean | \
published, % | made on |
|---|---|---|---|---|---|---|
"""
_NOTE = """
Accuracy as mean ± sample standard deviation over n seeds, without those that diverged, and the 95 %
interval of the mean (Student's t, which takes runs to be normal); a single run is called so and has
none.
"""
_DIFFERENCES = """
| row | held against | difference, points | interval | it is | first evaluation that is no lower |
|---|---|---|---|---|---|
"""
_DIFFERENCES_NOTE = """
The difference of two rows has Welch's 95 % interval; *not told apart* where 0 lies within. A
published figure is taken as it is printed, without a spread of its own: the interval is that of our
mean, and *as single runs may be* says that 0 lies where 95 % of our single runs do. All intervals
are of seeds, on the same test images, and one in twenty misses what it is of. The last column has
the first evaluation at which the row's mean is at least the other one's at its end; among many
evaluations one may be that high by chance.
"""


def tables(groups: Sequence[Group]) -> str:
    """All tables of some rows, with where they were made."""
    places: dict[str, str] = {}
    for group in groups:
        for place in sorted({place for run in group.runs for place in _made_on(run)}):
            places.setdefault(place, _letter(len(places)))
    lines = [_line(group, places) for group in groups]
    legend = "".join(f"- {letter}: {place}\n" for place, letter in places.items())
    text = f"{_HEADER}{''.join(lines)}{_NOTE}\n{legend}"
    held = [_compared(difference) for difference in differences(groups)]
    if held:
        text += f"{_DIFFERENCES}{''.join(held)}{_DIFFERENCES_NOTE}"
    return text + _not_run(groups)


def mean_and_spread(values: Sequence[float]) -> str:
    """Percent: ``81.25 ± 0.21 (n = 5)``, or ``80.86 (single run)``.

    >>> mean_and_spread([0.81, 0.82])
    '81.50 ± 0.71 (n = 2)'
    """
    percent = [100 * value for value in values]
    if len(percent) == 1:
        return f"{percent[0]:.2f} (single run)"
    return f"{statistics.mean(percent):.2f} ± {statistics.stdev(percent):.2f} (n = {len(percent)})"


def interval_text(interval: Interval | None, signed: bool = False) -> str:
    """``80.83 to 81.28``, or a dash where there is none."""
    if interval is None:
        return "-"
    sign = "+" if signed else ""
    return f"{interval.low:{sign}.2f} to {interval.high:{sign}.2f}"


def _line(group: Group, places: Mapping[str, str]) -> str:
    runs, stable, entry = group.runs, group.stable, group.entry
    found = [run.summary["cycle_end_accuracy"] for run in stable]
    ends = [accuracy for accuracy in found if accuracy is not None]
    at_cycle_end = "no cycle ended"
    if ends:
        at_cycle_end = mean_and_spread(ends)
        if not stable[0].summary["ended_at_cycle_end"]:
            at_cycle_end += f", iteration {stable[0].summary['cycle_end_iteration']}"
    on = " (held out)" if runs[0].experiment.held_out else ""
    diverged = sum(run.summary["diverged"] for run in runs)
    published = (
        "-" if entry is None or entry.published is None else f"{entry.published} ({entry.source})"
    )
    return _row(
        f"{group.name}{on}" + (f", {diverged} of {len(runs)} diverged" if diverged else ""),
        f"{runs[0].experiment.iterations:,}",
        at_cycle_end,
        mean_and_spread(group.accuracies),
        interval_text(of_mean([100 * value for value in group.accuracies])),
        published,
        ", ".join(sorted({places[place] for run in runs for place in _made_on(run)})),
    )


def _compared(found: Difference) -> str:
    return _row(
        found.row,
        found.other,
        f"{found.center:+.2f}",
        interval_text(found.interval, signed=True),
        found.verdict,
        found.reached,
    )


def _row(*cells: str) -> str:
    escaped = " | ".join(cell.replace("|", r"\|") for cell in cells)  # data may be called a|b
    return f"| {escaped} |\n"


def _not_run(groups: Sequence[Group]) -> str:
    """The rows of the table that are missing, where any of them is there."""
    there = {group.entry_name for group in groups if group.entry is not None}
    missing = [name for name in EXPERIMENTS if name not in there]
    return f"\nNot run: {', '.join(missing)}.\n" if there and missing else ""


def _letter(number: int) -> str:
    """a, b, ... z, aa, ab, ..."""
    letters = string.ascii_lowercase
    before, last = divmod(number, len(letters))
    return (_letter(before - 1) if before else "") + letters[last]


def _made_on(run: Run) -> list[str]:
    places = []
    for place in run.config.environments:
        commit, plus, changes = (place["commit"] or "unknown").partition("+")
        version = f"torch {place['torch']}, commit {commit[:7]}{plus}{changes}"
        device = place["device"] + ", TensorFloat-32" * bool(place.get("tf32"))
        if "repeatable" in place:  # a CPU's runs are anyway; earlier runs do not say it
            device += ", repeatable" if place["repeatable"] else ", not repeatable"
        threads = "1 thread" if place["threads"] == 1 else f"{place['threads']} threads"
        places.append(f"{device}, {threads}, {version}")
    return places
