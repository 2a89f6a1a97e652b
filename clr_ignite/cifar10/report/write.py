"""From run folders and range tests to a Markdown table and pictures."""

from __future__ import annotations

import re
import statistics
import string
from collections.abc import Mapping, Sequence
from pathlib import Path

from clr_ignite._files import make_folder, printable, write_text
from clr_ignite.cifar10.experiments import EXPERIMENTS, FAMILIES
from clr_ignite.cifar10.report import pictures
from clr_ignite.cifar10.report.groups import Group, Run, distinct, grouped, names_of, read_run
from clr_ignite.cifar10.runs.run_folder import RunError, RunFolder
from clr_ignite.result import RangeTestResult

_HEADER = """\
| experiment | iterations | at the last cycle end, % | at the end, % | published, % | \
iterations to the end of | made on |
|---|---|---|---|---|---|---|
"""
_NOTE = """
Accuracy as mean ± sample standard deviation over n seeds, without those that diverged; a single run
is called so. "Iterations to the end of" a row: the first evaluation at which the mean is at least
that row's mean at its end.
"""


def write_report(paths: Sequence[Path], out: Path) -> str:
    """Write report.md and the pictures into ``out`` and return the text.

    Args:
        paths: run folders, and folders of range tests; those of earlier reports are passed over.
        out: gets ``report.md``, ``<name>.png`` for each range test, and ``accuracy-<family>.png``
            and ``schedules-<family>.png`` for the rows of each of ``FAMILIES``, with those that
            they are held against; the family of a run outside the table is its model.
    """
    tests = [path for path in paths if RunFolder(path).range_test.exists()]
    runs = [path for path in paths if path not in tests and not _is_report(path)]
    if not runs and not tests:
        raise RunError(f"{', '.join(map(str, paths))}: no run and no range test, only reports")
    groups = grouped([read_run(path) for path in runs])
    text = _table(groups) + _not_run(groups) if groups else ""
    sweeps = {
        name: RangeTestResult.from_json(RunFolder(path).range_test)
        for name, path in zip(names_of(tests), tests, strict=True)
    }
    text += "".join(_bounds(name, result) for name, result in sweeps.items())
    text = printable(text)  # names of folders may hold anything
    make_folder(out)
    write_text(out / "report.md", text)
    for family, chosen in _families(groups).items():
        names = distinct([_short(group.name) for group in chosen])
        named = dict(zip(names, chosen, strict=True))
        pictures.accuracy(
            {_label(name, group): (group.curve, group.ends) for name, group in named.items()},
            out / f"accuracy-{family}.png",
        )
        pictures.schedules(
            {name: group.runs[0].experiment for name, group in named.items()},
            out / f"schedules-{family}.png",
        )
    for name, result in sweeps.items():
        result.plot(out / f"{name}.png", metric=_read(result))
    return text


def mean_and_spread(values: Sequence[float]) -> str:
    """Percent: ``81.25 ± 0.21 (n = 5)``, or ``80.86 (single run)``.

    >>> mean_and_spread([0.81, 0.82])
    '81.50 ± 0.71 (n = 2)'
    """
    percent = [100 * value for value in values]
    if len(percent) == 1:
        return f"{percent[0]:.2f} (single run)"
    return f"{statistics.mean(percent):.2f} ± {statistics.stdev(percent):.2f} (n = {len(percent)})"


def _families(groups: Sequence[Group]) -> dict[str, list[Group]]:
    """What is drawn together, in the order of ``groups``."""
    found: dict[str, list[Group]] = {}
    for group in groups:
        rows = (
            family for family, rows in FAMILIES.items() if group.entry and group.entry_name in rows
        )
        family = next(rows, group.runs[0].experiment.model)
        together = found.setdefault(family, [])
        for one in (_against(group, groups), group):
            if one is not None and one not in together:
                together.append(one)
    return found


def _against(group: Group, groups: Sequence[Group]) -> Group | None:
    """Those of the row that this one's iterations are held against."""
    return next(
        (g for g in groups if group.entry and g.entry and g.entry_name == group.entry.against), None
    )


def _table(groups: Sequence[Group]) -> str:
    places: dict[str, str] = {}
    for group in groups:
        for place in sorted({place for run in group.runs for place in _made_on(run)}):
            places.setdefault(place, _letter(len(places)))
    lines = [_line(group, groups, places) for group in groups]
    legend = "".join(f"- {letter}: {place}\n" for place, letter in places.items())
    return f"{_HEADER}{''.join(lines)}{_NOTE}\n{legend}"


def _line(group: Group, groups: Sequence[Group], places: Mapping[str, str]) -> str:
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
    cells = [
        f"{group.name}{on}" + (f", {diverged} of {len(runs)} diverged" if diverged else ""),
        f"{runs[0].experiment.iterations:,}",
        at_cycle_end,
        mean_and_spread([run.summary["accuracy"] for run in stable]),
        published,
        _reached(group, groups),
        ", ".join(sorted({places[place] for run in runs for place in _made_on(run)})),
    ]
    escaped = " | ".join(cell.replace("|", r"\|") for cell in cells)  # a data set may be called a|b
    return f"| {escaped} |\n"


def _reached(group: Group, groups: Sequence[Group]) -> str:
    """``full-fixed: 49,000``: when the row it is held against was caught up with."""
    target = _against(group, groups)
    if target is None or target is group or group.entry is None:
        return "-"
    at = next((at for at, mean in group.curve.items() if mean >= target.accuracy), None)
    return f"{group.entry.against}: {'not reached' if at is None else f'{at:,}'}"


def _not_run(groups: Sequence[Group]) -> str:
    """The rows of the table that are missing, where any of them is there."""
    there = {group.entry_name for group in groups if group.entry is not None}
    missing = [name for name in EXPERIMENTS if name not in there]
    return f"\nNot run: {', '.join(missing)}.\n" if there and missing else ""


def _bounds(name: str, result: RangeTestResult) -> str:
    read = _read(result)
    how = ", by accuracy and the paper's rule" if read else ""
    return (
        f"\nRange test {name}, {result.start_lr:g} to {result.end_lr:g} in {result.num_iter:,} "
        f"steps{how}: {result.suggest(read)}.\n"
    )


def _read(result: RangeTestResult) -> str | None:
    """Accuracy, as the paper does, where it was measured."""
    return "accuracy" if "accuracy" in result.metrics else None


def _is_report(path: Path) -> bool:
    """Such as the one that ``reproduce`` leaves beside its runs."""
    return (path / "report.md").exists() and not RunFolder(path).config.exists()


def _label(name: str, group: Group) -> str:
    seeds = len(group.stable)
    return f"{name}, " + (f"mean of {seeds}" if seeds > 1 else "single run")


def _short(name: str) -> str:
    """For a picture's legend: a schedule without its arguments' names, a long one cut."""
    name = re.sub(r"\w+=", "", name)
    return name if len(name) <= 60 else f"{name[:57]}..."


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
        threads = "1 thread" if place["threads"] == 1 else f"{place['threads']} threads"
        places.append(f"{device}, {threads}, {version}")
    return places
