"""``reproduce``: rows of the table and seeds into run folders, wherever there is room."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from clr_ignite.cifar10.experiments import Experiment
from clr_ignite.cifar10.reproducing.executors import Place
from clr_ignite.cifar10.reproducing.jobs import Job
from clr_ignite.cifar10.reproducing.progress import RunLines
from clr_ignite.cifar10.runs.run_folder import RunError


def jobs_of(
    experiments: Mapping[str, Experiment],
    seeds: Iterable[int],
    out: Path,
    *,
    iterations: int | None = None,
    **settings: Any,
) -> list[Job]:
    """A job for each experiment and seed, all of the first seed first, in ``out/NAME-SEED``.

    Args:
        iterations: cut every run to so many at most.
        settings: the other fields of :class:`Job`.
    """
    jobs = []
    for seed in seeds:
        for name, whole in experiments.items():
            most = whole.iterations if iterations is None else iterations
            experiment = replace(whole, iterations=min(most, whole.iterations))
            path = out.absolute() / f"{name}-{seed}"
            cut = experiment != whole
            jobs.append(
                Job(name=name, experiment=experiment, cut=cut, seed=seed, out=path, **settings)
            )
    return jobs


def reproduce(
    jobs: Sequence[Job],
    place: Place,
    *,
    progress: bool = True,
    lines: bool = False,
    finished: Callable[[Any, Any], None] = lambda job, result: None,
    on_look: Callable[[], object] = lambda: None,
) -> None:
    """Run what is missing of ``jobs``; every run folder resumes where it stopped.

    Args:
        place: what runs them, such as ``executors.here``.
        progress: a bar for each run.
        lines: without bars, a line at each run's start and at each evaluation.
        finished: called with each job and its result as it ends.
        on_look: called about once a second with a bar or lines, from a thread of its own.

    Raises:
        RunError: runs that could not be finished, each with its error; the others are.
    """
    failed = []
    with (
        RunLines(jobs, bars=progress, on_look=on_look)
        if progress or lines
        else contextlib.nullcontext() as watch,
        contextlib.closing(place(jobs)) as outcomes,
    ):
        for job, outcome in outcomes:
            if isinstance(outcome, Exception):
                failed.append(f"{job.name}, seed {job.seed}: {type(outcome).__name__}: {outcome}")
                continue
            if watch is not None:
                watch.look()  # its last line comes before what is said of its end
            finished(job, outcome)
    if failed:
        raise RunError(f"{len(failed)} of {len(jobs)} runs failed: {'; '.join(failed)}")
