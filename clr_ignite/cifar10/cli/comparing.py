"""``compare``: range tests of several settings and seeds, a table, a choice and how to train."""

from __future__ import annotations

import argparse
import contextlib
import itertools
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from clr_ignite._checks import choice
from clr_ignite.cifar10.cli.options import (
    PASSED_ON,
    prepared_data,
    range_experiment,
    requested_place,
    threads_of,
)
from clr_ignite.cifar10.cli.speaking import visdom_plotter, wants_bar
from clr_ignite.cifar10.cli.values import PROG, check_numbers, option
from clr_ignite.cifar10.data import DataSet
from clr_ignite.cifar10.experiments import Experiment
from clr_ignite.cifar10.experiments.experiment import CHOICES
from clr_ignite.cifar10.range_testing import views
from clr_ignite.cifar10.reproducing import reproduce
from clr_ignite.cifar10.reproducing.jobs import SweepJob
from clr_ignite.cifar10.runs import COMPARISON
from clr_ignite.cifar10.runs.run_folder import RunError
from clr_ignite.comparing import ComparedResult
from clr_ignite.live import Observer
from clr_ignite.range_test.repeated import RepeatedResult
from clr_ignite.result import RangeTestResult

_FLAGS = {"true": True, "false": False}
_VARIED = tuple(name for name in PASSED_ON if name != "ema_decay")  # none in a range test
_SWITCHES = {("nesterov", True): "--nesterov", ("multipliers", False): "--no-multipliers"}


@dataclass(frozen=True)
class _Setting:
    """What varies, the options with it put in, and the sweep that they ask for."""

    varied: Mapping[str, Any]
    options: argparse.Namespace
    experiment: Experiment


def compare(options: argparse.Namespace) -> None:
    """Run what is missing, print the table, the choice and how to train with it."""
    data = prepared_data(options)
    settings = _settings(options, data)
    usual = range_experiment(options, data)
    current = next((name for name, one in settings.items() if one.experiment == usual), None)
    jobs, bars = _jobs(options, settings), wants_bar(options)
    tests = _Tests(settings, current, jobs)

    def finished(job: SweepJob, result: RangeTestResult) -> None:
        tests.results[job.name, job.seed] = result
        if not bars:
            said = f"{result.stop_reason}: {result.stop_detail}"
            print(f"{job.name}, seed {job.seed}: {said}", flush=True)

    with visdom_plotter(options) as plotter:
        watching = {} if plotter is None else {"on_look": lambda: tests.draw(plotter)}
        place = requested_place(options)
        reproduce(jobs, place, progress=bars, lines=not bars, finished=finished, **watching)
    compared = tests.compared()
    path = options.out / COMPARISON
    with views():
        compared.to_json(path)
        compared.to_csv(path.with_suffix(".csv"))
        compared.plot(path.with_suffix(".png"))
    print(f"{compared}\n\n{_advice(compared, settings, options)}")


class _Tests:
    """The range tests so far.

    Attributes:
        results: by setting and seed.
    """

    def __init__(
        self, settings: Mapping[str, _Setting], current: str | None, jobs: list[SweepJob]
    ) -> None:
        self.settings, self.current, self.jobs = settings, current, jobs
        self.results: dict[tuple[str, int], RangeTestResult] = {}

    def draw(self, plotter: Observer) -> None:
        """Draw what the folders hold."""
        for job in self.jobs:
            known = self.results.get((job.name, job.seed))
            if known is None or known.stop_reason is None:
                with contextlib.suppress(OSError, RunError):  # the next look will see
                    if len(found := job.so_far()):
                        self.results[job.name, job.seed] = found
        if self.results:
            plotter.compared(self.compared())

    def compared(self) -> ComparedResult:
        """They, side by side."""
        own: dict[str, dict[int, RangeTestResult]] = {}
        for job in self.jobs:
            if (result := self.results.get((job.name, job.seed))) is not None:
                own.setdefault(job.name, {})[job.seed] = result
        return ComparedResult(
            {name: setting.varied for name, setting in self.settings.items()},
            {name: RepeatedResult(list(one), list(one.values())) for name, one in own.items()},
            {name: setting.experiment.batch_size for name, setting in self.settings.items()},
            self.current,
        )


def _settings(options: argparse.Namespace, data: DataSet) -> dict[str, _Setting]:
    """Every combination of what varies, by name."""
    values = {name: _values(name, texts) for name, texts in _varied(options).items()}
    found: dict[str, _Setting] = {}
    for texts in itertools.product(*values.values()):
        varied = {name: values[name][text] for name, text in zip(values, texts, strict=True)}
        own = argparse.Namespace(**(vars(options) | varied))
        check_numbers(own)
        experiment = range_experiment(own, data)
        name = ",".join(f"{key}={text}" for key, text in zip(values, texts, strict=True))
        for other, setting in found.items():
            if setting.experiment == experiment:
                raise ValueError(f"--vary must name different settings: {other} and {name} are one")
        found[name] = _Setting(varied, own, experiment)
    if len(found) < 2:
        raise ValueError(f"--vary must name at least two settings, got {', '.join(found)}")
    return found


def _varied(options: argparse.Namespace) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, texts in options.vary:
        choice("--vary", name, _VARIED)
        if name in found:
            raise ValueError(f"--vary must name each option once, got {name} twice")
        if len(set(texts)) < len(texts):
            raise ValueError(f"--vary must name each value once, got {name}={','.join(texts)}")
        found[name] = texts
    return found


def _values(name: str, texts: list[str]) -> dict[str, Any]:
    """The values of an option, by what was typed."""
    types: dict[str, Callable[[str], Any]] = {"batch_size": int, "weight_decay": float}
    if name in CHOICES or name in ("nesterov", "multipliers"):
        for text in texts:
            choice(f"--vary {name}", text, CHOICES.get(name, tuple(_FLAGS)))
    if name in ("nesterov", "multipliers"):
        return {text: _FLAGS[text] for text in texts}
    try:
        return {text: types.get(name, str)(text) for text in texts}
    except ValueError as error:
        raise ValueError(f"--vary {name} must be numbers: {error}") from None


def _jobs(options: argparse.Namespace, settings: Mapping[str, _Setting]) -> list[SweepJob]:
    """A range test for each setting and seed, all of the first seed first."""
    return [
        SweepJob(
            name=name,
            experiment=setting.experiment,
            seed=seed,
            out=options.out.absolute() / f"{name}-{seed}",
            data=options.data,
            folder=options.folder and options.folder.absolute(),
            device=options.device,
            eval_every=options.eval_every or max(1, setting.experiment.iterations // 40),
            repeatable=options.repeatable,
            threads=threads_of(options),
            diverge_th=options.diverge_th or None,
        )
        for seed in options.seeds
        for name, setting in settings.items()
    ]


def _advice(
    compared: ComparedResult, settings: Mapping[str, _Setting], options: argparse.Namespace
) -> str:
    """The command that trains with what was chosen."""
    chosen = compared.choose().name
    if chosen is None or compared.suggest().max_lr is None:
        return "no bounds to train between: try another range, more steps or other settings"
    own = vars(settings[chosen].options)
    words = ["train", "--bounds", str(options.out), "--out", str(options.out / "train")]
    for name in ("data", "folder", "experiment", *_VARIED):
        if isinstance(own[name], bool):
            words += [_SWITCHES[name, own[name]]] if (name, own[name]) in _SWITCHES else []
        elif own[name] is not None:
            words += [option(name), str(own[name])]
    return f"train with it: {PROG} {shlex.join(words)}"
