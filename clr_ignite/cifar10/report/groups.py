"""Run folders read back, those that differ in nothing but the seed together."""

from __future__ import annotations

import os
import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from clr_ignite._files import printable
from clr_ignite.cifar10.experiments import EXPERIMENTS, Entry, Experiment
from clr_ignite.cifar10.runs.provenance import Config, read_config
from clr_ignite.cifar10.runs.records import Evaluation, Outcome
from clr_ignite.cifar10.runs.result import read_result
from clr_ignite.cifar10.runs.run_folder import RunError, RunFolder

_CIFAR10 = set("airplane automobile bird cat deer dog frog horse ship truck".split())


@dataclass(frozen=True)
class Run:
    """A run folder read back: its configuration, its rows, and a summary of them."""

    config: Config
    rows: Sequence[Evaluation]
    summary: Outcome

    @property
    def experiment(self) -> Experiment:
        return self.config.experiment

    @cached_property
    def name(self) -> str:
        """What the run is called; the schedule's text where it has no name.

        A folder of an earlier version holds none: it has that of the table's equal experiment.
        """
        if self.config.name is not None:
            return self.config.name
        found = (name for name, row in EXPERIMENTS.items() if row.experiment == self.experiment)
        return next(found, _rounded(repr(self.experiment.schedule)))

    @property
    def entry(self) -> Entry | None:
        """The row of the table that it is a run of; on other data than CIFAR-10 None."""
        row = EXPERIMENTS.get(self.name)
        same = row is not None and row.experiment == self.experiment
        return row if same and set(self.config.data["classes"]) == _CIFAR10 else None


@dataclass(frozen=True)
class Group:
    """Runs that differ in nothing but the seed.

    Args:
        name: the row's, or the schedule's text with what tells it from others of that text.
        runs: at least one.
    """

    name: str
    runs: Sequence[Run]

    @property
    def stable(self) -> Sequence[Run]:
        """Those that did not diverge; all of them where every one did."""
        return [run for run in self.runs if not run.summary["diverged"]] or self.runs

    @property
    def entry_name(self) -> str:
        """In the table of experiments, if there."""
        return self.runs[0].name

    @property
    def entry(self) -> Entry | None:
        return self.runs[0].entry

    @property
    def curve(self) -> dict[int, float]:
        """Mean accuracy (0..1) by iteration, where all stable runs were evaluated."""
        return {at: statistics.mean(values) for at, values in self._evaluated.items()}

    @property
    def spread(self) -> dict[int, float]:
        """The standard deviation of the stable runs at the iterations of the curve."""
        return {at: statistics.stdev(values) for at, values in self._evaluated.items()}

    @property
    def ends(self) -> list[int]:
        """Iterations at which a cycle ends."""
        return [row["iteration"] for row in self.stable[0].rows if row["cycle_end"]]

    @property
    def accuracies(self) -> list[float]:
        """Of each stable run at the end, 0..1."""
        return [run.summary["accuracy"] for run in self.stable]

    @property
    def accuracy(self) -> float:
        """The mean of the stable runs at the end, 0..1."""
        return statistics.fmean(self.accuracies)

    @cached_property
    def _evaluated(self) -> dict[int, list[float]]:
        """The stable runs' accuracies by iteration, where all of them were evaluated."""
        curves = [{r["iteration"]: r["eval_accuracy"] for r in run.rows} for run in self.stable]
        shared = sorted(set.intersection(*map(set, curves)))
        return {at: [curve[at] for curve in curves] for at in shared}


def read_run(path: Path) -> Run:
    """Read a run folder.

    Raises:
        RunError: there is no run, or none that is finished.
    """
    folder = RunFolder(path)
    config, rows = read_config(folder), folder.rows()
    if config is None or not rows:
        raise RunError(f"{path} holds no run: give folders that train or range-test wrote")
    result = read_result(folder, config.experiment)
    if result is None:
        raise RunError(f"{path} holds an unfinished run: start it again to finish it")
    return Run(config, rows, result)


def grouped(runs: Sequence[Run]) -> list[Group]:
    """Rows of the table of experiments in its order, then the others as they were given."""
    found: dict[str, list[Run]] = {}
    for run in runs:
        found.setdefault(repr((run.experiment, run.config.same_data)), []).append(run)
    for same in found.values():
        _refuse_repeated_seeds(same)
    order = list(EXPERIMENTS)
    alike: dict[str, list[Sequence[Run]]] = {}
    for runs in found.values():
        alike.setdefault(runs[0].name, []).append(runs)
    groups = [
        Group(name, runs)
        for text, several in alike.items()
        for name, runs in zip(_told_apart(text, several), several, strict=True)
    ]
    return sorted(
        groups, key=lambda g: order.index(g.entry_name) if g.entry_name in order else len(order)
    )


def _rounded(schedule: str) -> str:
    """A schedule's text with its rates to three digits.

    >>> _rounded("Triangular(base_lr=0.00138888, max_lr=0.12, step_size=4000)")
    'Triangular(base_lr=0.00139, max_lr=0.12, step_size=4000)'
    """
    return re.sub(r"((?:lr|start|end)=)([\d.e+-]+)", lambda m: f"{m[1]}{float(m[2]):.3g}", schedule)


def _told_apart(text: str, several: Sequence[Sequence[Run]]) -> list[str]:
    """``text`` for one, else with the settings in which they differ, or with numbers."""
    settings = [
        {**runs[0].experiment.to_dict(), "data": runs[0].config.data.get("name")}
        for runs in several
    ]
    differing = [key for key in settings[0] if len({repr(one[key]) for one in settings}) > 1]
    names = [", ".join([text, *(f"{key} {one[key]}" for key in differing)]) for one in settings]
    return distinct([printable(name, "") for name in names])


def distinct(names: Sequence[str]) -> list[str]:
    """``names``, the second and later ones of the same with a number.

    >>> distinct(["a", "b", "a"])
    ['a', 'b', 'a (2)']
    """
    found: list[str] = []
    for name in names:
        told_apart, number = name, 1
        while told_apart in found:
            number += 1
            told_apart = f"{name} ({number})"
        found.append(told_apart)
    return found


def names_of(folders: Sequence[Path]) -> list[str]:
    """What folders are called, ``.`` too, those of one name told apart."""
    whole = (Path(os.path.abspath(path)) for path in folders)
    return distinct([printable(path.name, "") for path in whole])


def _refuse_repeated_seeds(runs: Sequence[Run]) -> None:
    seeds = [run.config.seed for run in runs]
    if len(set(seeds)) < len(seeds):
        raise RunError(
            f"the same experiment and seed are given twice (seeds {seeds}): n counts seeds"
        )
