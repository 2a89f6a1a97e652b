"""The same bits again: gradients, and runs twice, cut off and beside others."""

from __future__ import annotations

import contextlib
import multiprocessing
from dataclasses import replace
from pathlib import Path

import torch
from ignite.engine import Events
from torch import Tensor, nn

from benchmarks.device.forms import Form
from benchmarks.device.place import Gradients, Place
from benchmarks.device.record import Record
from clr_ignite.cifar10.experiments import EXPERIMENTS, Experiment
from clr_ignite.cifar10.models import CaffeFull
from clr_ignite.cifar10.parts import Parts
from clr_ignite.cifar10.runs.run_folder import RunFolder
from clr_ignite.cifar10.training import train

ROWS = ("full-triangular2", "full-muon-1500")
_SPAWN = multiprocessing.get_context("spawn")


def run(record: Record, place: Place) -> None:
    for name in ROWS:
        with record.measuring("repeats", f"runs: {name}") as found:
            if found is not None:
                found |= runs(name, place)
    for name, form in place.forms.items():
        with record.measuring("repeats", f"gradients: {name}") as found:
            if found is not None:
                found |= gradients(form, place)


def gradients(form: Form, place: Place) -> dict[str, bool]:
    """Whether 20 passes over one batch, and those of a second capture, have the same bits."""
    torch.manual_seed(0)
    model = CaffeFull(init="torch").to(place.device, memory_format=torch.channels_last)
    x = 60 * torch.randn(place.batch, 3, 32, 32, device=place.device)
    x = x.contiguous(memory_format=torch.channels_last)
    y = torch.randint(10, (place.batch,), device=place.device)

    def bits(one: nn.Module, way: str) -> list[list[Tensor]]:
        call = getattr(Gradients(one, place), way)
        passes = range(2 if place.quick else 20)
        return [[call(x, y), *(p.grad.clone() for p in model.parameters())] for _ in passes]

    with form.settings(place.device):
        eager = bits(form.of(model), "eager")
        first, second = (bits(form.of(model), "__call__") for _ in range(2))
    return {"eager": alike(eager), "graphed": alike(first), "captured anew": alike(first + second)}


def alike(passes: list[list[Tensor]]) -> bool:
    return all(
        torch.equal(one, other)
        for each in passes
        for one, other in zip(each, passes[0], strict=True)
    )


def runs(name: str, place: Place) -> dict[str, bool]:
    """Whether a short run of a row has the bits of the first one: in this process and another,
    cut off and resumed, beside others; and, for comparison, with the fastest algorithms."""
    whole = EXPERIMENTS[name].experiment
    experiment = replace(whole, iterations=place.iterations, batch_size=place.batch)
    folder = place.out / "repeats" / name
    mine = (experiment, place)

    def path(which: str) -> Path:
        return folder / which

    short_run(*mine, path("first"))
    short_run(*mine, path("again"))
    with contextlib.suppress(KeyboardInterrupt):
        short_run(*mine, path("cut"), cut=True)
    short_run(*mine, path("cut"))
    short_run(*mine, path("fastest"), fastest=True)
    short_run(*mine, path("fastest again"), fastest=True)
    others = [
        _SPAWN.Process(target=short_run, args=(*mine, path(f"beside {seed}"), seed))
        for seed in range(2 if place.quick else 4)
    ]
    for other in others:
        other.start()
    for other in others:
        other.join()
    first = bits_of(path("first"))
    return {
        "again": same(first, bits_of(path("again"))),
        "cut off": same(first, bits_of(path("cut"))),
        "beside others, in another process": same(first, bits_of(path("beside 0"))),
        "another seed": same(first, bits_of(path("beside 1"))),  # must not be
        "fastest, again": same(bits_of(path("fastest")), bits_of(path("fastest again"))),
    }


def short_run(
    experiment: Experiment,
    place: Place,
    out: Path,
    seed: int = 0,
    *,
    cut: bool = False,
    fastest: bool = False,
) -> None:
    """Into ``out``, or what is missing of it; ``cut``: ended by force in mid-interval."""

    def die() -> None:
        raise KeyboardInterrupt

    def observe(parts: Parts) -> None:
        if cut:
            at = Events.ITERATION_STARTED(once=experiment.iterations * 2 // 3)
            parts.trainer.add_event_handler(at, die)

    train(
        experiment,
        place.data,
        out,
        seed=seed,
        device=place.device,
        eval_every=max(1, experiment.iterations // 2),
        repeatable=not fastest,
        observe=observe,
    )


def bits_of(path: Path) -> tuple[list, dict[str, Tensor]]:
    state = RunFolder(path).load_checkpoint()
    assert state is not None, path
    return RunFolder(path).rows(), state["model"]


def same(one: tuple[list, dict[str, Tensor]], other: tuple[list, dict[str, Tensor]]) -> bool:
    weights = all(torch.equal(tensor, other[1][name]) for name, tensor in one[1].items())
    return one[0] == other[0] and weights
