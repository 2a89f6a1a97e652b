"""From run folders and range tests to a Markdown table and pictures."""

from __future__ import annotations

import statistics
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clr_ignite._files import write_text
from clr_ignite.cifar10 import _pictures
from clr_ignite.cifar10._claim import read_config, same_data
from clr_ignite.cifar10._run_folder import RunError, RunFolder
from clr_ignite.cifar10.experiments import EXPERIMENTS, Experiment, Row
from clr_ignite.cifar10.training import summary
from clr_ignite.result import RangeTestResult

_HEADER = """\
| experiment | iterations | at the last cycle end, % | at the end, % | published, % | \
iterations to the end of | made on |
|---|---|---|---|---|---|---|
"""
_CIFAR10 = set("airplane automobile bird cat deer dog frog horse ship truck".split())
_NOTE = """
Accuracy as mean ± sample standard deviation over n seeds; a single run is called so. "Iterations to
the end of" a row: the first evaluation at which the mean is at least that row's mean at its end.
"""


@dataclass(frozen=True)
class Run:
    """A run folder read back: its configuration, its rows, and a summary of them."""

    config: Mapping[str, Any]
    rows: Sequence[Mapping[str, float]]
    summary: Mapping[str, Any]

    @property
    def experiment(self) -> Experiment:
        return Experiment.from_dict(self.config["experiment"])

    @property
    def row(self) -> tuple[str, Row | None]:
        """The name and row of the table of experiments, else the schedule's text and None.

        The table is about CIFAR-10: on other data the row is None as well.
        """
        on_cifar10 = set(self.config["data"]["classes"]) == _CIFAR10
        for name, row in EXPERIMENTS.items():
            if row.experiment == self.experiment:
                return name, row if on_cifar10 else None
        return str(self.config["experiment"]["schedule"]), None


@dataclass(frozen=True)
class Group:
    """Runs that differ in nothing but the seed."""

    runs: Sequence[Run]

    @property
    def name(self) -> str:
        return self.runs[0].row[0]

    @property
    def row(self) -> Row | None:
        return self.runs[0].row[1]

    @property
    def curve(self) -> dict[int, float]:
        """Mean accuracy (0..1) by iteration, where all runs were evaluated."""
        curves = [{int(r["iteration"]): r["eval_accuracy"] for r in run.rows} for run in self.runs]
        shared = sorted(set.intersection(*map(set, curves)))
        return {at: statistics.mean(curve[at] for curve in curves) for at in shared}

    @property
    def ends(self) -> list[int]:
        """Iterations at which a cycle ends."""
        return [int(row["iteration"]) for row in self.runs[0].rows if row["cycle_end"]]

    @property
    def accuracy(self) -> float:
        """The mean at the end, 0..1."""
        return statistics.fmean(run.summary["accuracy"] for run in self.runs)


def read_run(path: Path) -> Run:
    """Read a run folder.

    Raises:
        RunError: there is no run, or none that is finished.
    """
    folder = RunFolder(path)
    config, rows = read_config(folder), folder.rows()
    if config is None or not rows:
        raise RunError(f"{path} holds no run: give folders that train wrote")
    if folder.read_json("result.json") is None:
        raise RunError(f"{path} holds an unfinished run: start it again to finish it")
    return Run(config, rows, summary(rows, config["experiment"]["iterations"]))


def write_report(paths: Sequence[Path], out: Path) -> str:
    """Write report.md and the pictures into ``out`` and return the text.

    Args:
        paths: run folders, and folders of range tests.
        out: gets ``report.md``, ``accuracy-<model>.png``, ``schedules-<model>.png``, and
            ``<name>.png`` for each range test.
    """
    tests = [path for path in paths if (path / "range_test.json").exists()]
    groups = _groups([read_run(path) for path in paths if path not in tests])
    text = _table(groups) + _not_run(groups) if groups else ""
    sweeps = {path.name: RangeTestResult.from_json(path / "range_test.json") for path in tests}
    text += "".join(_bounds(name, result) for name, result in sweeps.items())
    out.mkdir(parents=True, exist_ok=True)
    write_text(out / "report.md", text)
    for model in sorted({group.runs[0].experiment.model for group in groups}):
        chosen = [group for group in groups if group.runs[0].experiment.model == model]
        _pictures.accuracy(
            {_label(group): (group.curve, group.ends) for group in chosen},
            out / f"accuracy-{model}.png",
        )
        _pictures.schedules(
            {_short(group): group.runs[0].experiment for group in chosen},
            out / f"schedules-{model}.png",
        )
    for name, result in sweeps.items():
        result.plot(out / f"{name}.png")
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


def _groups(runs: Sequence[Run]) -> list[Group]:
    """Rows of the table of experiments in its order, then the others as they were given."""
    found: dict[str, list[Run]] = {}
    for run in runs:
        found.setdefault(repr((run.experiment, same_data(run.config["data"]))), []).append(run)
    for same in found.values():
        _refuse_repeated_seeds(same)
    order = list(EXPERIMENTS)
    groups = [Group(same) for same in found.values()]
    return sorted(groups, key=lambda g: order.index(g.name) if g.name in order else len(order))


def _table(groups: Sequence[Group]) -> str:
    places: dict[str, str] = {}
    for group in groups:
        for place in sorted({place for run in group.runs for place in _made_on(run)}):
            places.setdefault(place, _letter(len(places)))
    lines = [_line(group, groups, places) for group in groups]
    legend = "".join(f"- {letter}: {place}\n" for place, letter in places.items())
    return f"{_HEADER}{''.join(lines)}{_NOTE}\n{legend}"


def _line(group: Group, groups: Sequence[Group], places: Mapping[str, str]) -> str:
    runs, row = group.runs, group.row
    ends = [run.summary["cycle_end_accuracy"] for run in runs]
    at_cycle_end = "no cycle ended"
    if None not in ends:
        at_cycle_end = mean_and_spread(ends)
        if not runs[0].summary["ended_at_cycle_end"]:
            at_cycle_end += f", iteration {runs[0].summary['cycle_end_iteration']}"
    on = " (held out)" if runs[0].experiment.held_out else ""
    diverged = sum(run.summary["diverged"] for run in runs)
    published = "-" if row is None or row.published is None else f"{row.published} ({row.source})"
    cells = [
        f"{group.name}{on}" + (f", {diverged} of {len(runs)} diverged" if diverged else ""),
        f"{runs[0].experiment.iterations:,}",
        at_cycle_end,
        mean_and_spread([run.summary["accuracy"] for run in runs]),
        published,
        _reached(group, groups),
        ", ".join(sorted({places[place] for run in runs for place in _made_on(run)})),
    ]
    return f"| {' | '.join(cells)} |\n"


def _reached(group: Group, groups: Sequence[Group]) -> str:
    """``full-fixed: 49,000``: when the row it is held against was caught up with."""
    target = next((g for g in groups if group.row and g.row and g.name == group.row.against), None)
    if target is None or target is group or group.row is None:
        return "-"
    at = next((at for at, mean in group.curve.items() if mean >= target.accuracy), None)
    return f"{group.row.against}: {'not reached' if at is None else f'{at:,}'}"


def _not_run(groups: Sequence[Group]) -> str:
    """The rows of the table that are missing, where any of them is there."""
    there = {group.name for group in groups if group.row is not None}
    missing = [name for name in EXPERIMENTS if name not in there]
    return f"\nNot run: {', '.join(missing)}.\n" if there and missing else ""


def _bounds(name: str, result: RangeTestResult) -> str:
    return (
        f"\nRange test {name}, {result.start_lr:g} to {result.end_lr:g} in {result.num_iter:,} "
        f"steps: {result.suggest()}.\n"
    )


def _label(group: Group) -> str:
    seeds = len(group.runs)
    return f"{_short(group)}, " + (f"mean of {seeds}" if seeds > 1 else "single run")


def _short(group: Group) -> str:
    """The name for a picture's legend: a long schedule is cut."""
    return group.name if len(group.name) <= 40 else f"{group.name[:37]}..."


def _letter(number: int) -> str:
    """a, b, ... z, aa, ab, ..."""
    letters = string.ascii_lowercase
    before, last = divmod(number, len(letters))
    return (_letter(before - 1) if before else "") + letters[last]


def _made_on(run: Run) -> list[str]:
    places = []
    for place in run.config["environments"]:
        commit, plus, changes = (place["commit"] or "unknown").partition("+")
        version = f"torch {place['torch']}, commit {commit[:7]}{plus}{changes}"
        device = place["device"] + ", TensorFloat-32" * bool(place.get("tf32"))
        places.append(f"{device}, {place['threads']} threads, {version}")
    return places


def _refuse_repeated_seeds(runs: Sequence[Run]) -> None:
    seeds = [run.config["seed"] for run in runs]
    if len(set(seeds)) < len(seeds):
        raise RunError(
            f"the same experiment and seed are given twice (seeds {seeds}): n counts seeds"
        )
