"""From run folders to a Markdown table and a figure."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clr_ignite.cifar10._run_folder import RunError, RunFolder, replacing
from clr_ignite.cifar10.experiments import EXPERIMENTS, Row
from clr_ignite.cifar10.training import summary
from clr_ignite.plots import plot_curves, save

_HEADER = """\
| experiment | iterations | at the last cycle end, % | at the end, % | published, % | made on |
|---|---|---|---|---|---|
"""
_CIFAR10 = set("airplane automobile bird cat deer dog frog horse ship truck".split())
_NOTE = """
Accuracy as mean ± sample standard deviation over n seeds; a single run is called so.
"""


@dataclass(frozen=True)
class Run:
    """A run folder read back: its configuration, its rows, and a summary of them."""

    config: Mapping[str, Any]
    rows: Sequence[Mapping[str, float]]
    summary: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """Equal for runs that differ in nothing but the seed."""
        return repr((self.config["experiment"], self.config["data"]))

    @property
    def row(self) -> tuple[str, Row | None]:
        """The name and row of the table of experiments, else the schedule's text and None.

        The table is about CIFAR-10: on other data the row is None as well.
        """
        on_cifar10 = set(self.config["data"]["classes"]) == _CIFAR10
        for name, row in EXPERIMENTS.items():
            if row.experiment.to_dict() == self.config["experiment"]:
                return name, row if on_cifar10 else None
        return str(self.config["experiment"]["schedule"]), None


def read_run(path: Path) -> Run:
    """Read a run folder.

    Raises:
        RunError: there is no run, or none that is finished.
    """
    folder = RunFolder(path)
    config, rows = folder.read_json("config.json"), folder.rows()
    if config is None or not rows:
        raise RunError(f"{path} holds no run: give folders that train wrote")
    if folder.read_json("result.json") is None:
        raise RunError(f"{path} holds an unfinished run: start it again to finish it")
    return Run(config, rows, summary(rows, config["experiment"]["iterations"]))


def write_report(paths: Sequence[Path], out: Path) -> str:
    """Write report.md and report.png into ``out`` and return the table."""
    groups: dict[str, list[Run]] = {}
    for path in paths:
        run = read_run(path)
        groups.setdefault(run.kind, []).append(run)
    for runs in groups.values():
        _refuse_repeated_seeds(runs)
    text = _HEADER + "".join(_line(runs) for runs in groups.values()) + _NOTE
    out.mkdir(parents=True, exist_ok=True)
    with replacing(out / "report.md") as temporary:
        temporary.write_text(text)
    curves, ends = {}, {}
    for runs in groups.values():
        for run in runs:
            label = f"{run.row[0]}, seed {run.config['seed']}"
            curves[label] = _curve(run.rows)
            ends[label] = _curve([row for row in run.rows if row["cycle_end"]])
    axes = plot_curves(curves, x_label="iteration", y_label="accuracy, %", marks=ends)
    save(axes, out / "report.png")
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


def _line(runs: Sequence[Run]) -> str:
    name, row = runs[0].row
    ends = [run.summary["cycle_end_accuracy"] for run in runs]
    at_cycle_end = "no cycle ended"
    if None not in ends:
        at_cycle_end = mean_and_spread(ends)
        if not runs[0].summary["ended_at_cycle_end"]:
            at_cycle_end += f", iteration {runs[0].summary['cycle_end_iteration']}"
    on = " (held out)" if runs[0].config["experiment"]["held_out"] else ""
    diverged = sum(run.summary["diverged"] for run in runs)
    published = "-" if row is None or row.published is None else f"{row.published} ({row.source})"
    cells = [
        f"{name}{on}" + (f", {diverged} of {len(runs)} diverged" if diverged else ""),
        f"{runs[0].config['experiment']['iterations']:,}",
        at_cycle_end,
        mean_and_spread([run.summary["accuracy"] for run in runs]),
        published,
        "; ".join(sorted({where for run in runs for where in _made_on(run)})),
    ]
    return f"| {' | '.join(cells)} |\n"


def _made_on(run: Run) -> list[str]:
    places = []
    for place in run.config["environments"]:
        commit, plus, changes = (place["commit"] or "unknown").partition("+")
        version = f"torch {place['torch']}, commit {commit[:7]}{plus}{changes}"
        places.append(f"{place['device']}, {place['threads']} threads, {version}")
    return places


def _curve(rows: Sequence[Mapping[str, float]]) -> tuple[list[float], list[float]]:
    return [row["iteration"] for row in rows], [100 * row["eval_accuracy"] for row in rows]


def _refuse_repeated_seeds(runs: Sequence[Run]) -> None:
    seeds = [run.config["seed"] for run in runs]
    if len(set(seeds)) < len(seeds):
        raise RunError(
            f"the same experiment and seed are given twice (seeds {seeds}): n counts seeds"
        )
