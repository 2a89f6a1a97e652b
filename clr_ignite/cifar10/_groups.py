"""Run folders read back, those that differ in nothing but the seed together."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clr_ignite.cifar10._claim import read_config, same_data
from clr_ignite.cifar10._run_folder import RunError, RunFolder
from clr_ignite.cifar10.experiments import EXPERIMENTS, Experiment, Row
from clr_ignite.cifar10.training import summary

_CIFAR10 = set("airplane automobile bird cat deer dog frog horse ship truck".split())


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


def grouped(runs: Sequence[Run]) -> list[Group]:
    """Rows of the table of experiments in its order, then the others as they were given."""
    found: dict[str, list[Run]] = {}
    for run in runs:
        found.setdefault(repr((run.experiment, same_data(run.config["data"]))), []).append(run)
    for same in found.values():
        _refuse_repeated_seeds(same)
    order = list(EXPERIMENTS)
    groups = [Group(same) for same in found.values()]
    return sorted(groups, key=lambda g: order.index(g.name) if g.name in order else len(order))


def _refuse_repeated_seeds(runs: Sequence[Run]) -> None:
    seeds = [run.config["seed"] for run in runs]
    if len(set(seeds)) < len(seeds):
        raise RunError(
            f"the same experiment and seed are given twice (seeds {seeds}): n counts seeds"
        )
