"""Microseconds an iteration, today's form and the others by turns; where they go; many at once."""

from __future__ import annotations

import multiprocessing
import os
import statistics
import time
from collections.abc import Mapping
from dataclasses import replace
from multiprocessing.synchronize import Barrier

import torch
from ignite.engine import Engine
from torch import Tensor
from torch.optim import SGD, Optimizer
from torch.profiler import ProfilerActivity, profile

from benchmarks.device.forms import FORMS, Form
from benchmarks.device.place import Place
from benchmarks.device.record import Record
from benchmarks.device.seeds import SeveralFull, SummedGradients
from clr_ignite import ScheduleHandler
from clr_ignite.cifar10.batches import Batches
from clr_ignite.cifar10.experiments import EXPERIMENTS
from clr_ignite.cifar10.models import CaffeFull, param_groups
from clr_ignite.cifar10.parts import build
from clr_ignite.cifar10.training import train

MANY = ("fastest (commit 4792351)", "repeatable", "compiled")  # in processes that share the device
SEEDS = 5  # as one net
_SPAWN = multiprocessing.get_context("spawn")


class Trainer:
    """The reproduction's trainer with its schedule, in one form, ready to go on.

    Several take turns on the one stream that a process begins with: on two they have hung.
    """

    def __init__(self, form: Form, place: Place) -> None:
        self.place = place
        with form.settings(place.device):
            parts = build(place.experiment, place.data, seed=0, device=place.device, form=form.of)
            self._begin(parts.trainer, parts.optimizer, parts.batches)

    def _begin(self, engine: Engine, optimizer: Optimizer, batches: Batches) -> None:
        self.engine, self.batches = engine, batches
        ScheduleHandler(optimizer, lr=self.place.experiment.schedule).attach(engine)
        self(2)  # compiled and captured

    def __call__(self, iterations: int) -> float:
        """Seconds of so many iterations."""
        start = time.perf_counter()
        self.engine.run(self.batches, max_iters=self.engine.state.iteration + iterations)
        if self.place.cuda:
            torch.cuda.synchronize()
        return time.perf_counter() - start


class SeedsTrainer(Trainer):
    """The same of several seeds as one net; an iteration is one of each."""

    def __init__(self, form: Form, place: Place, seeds: int = SEEDS) -> None:
        self.place = place
        experiment = replace(place.experiment, batch_size=seeds * place.batch)
        with form.settings(place.device):
            one = build(experiment, place.data, seed=0, device=place.device)
            nets = [CaffeFull() for _ in range(seeds)]
            model = SeveralFull(nets).to(place.device, memory_format=torch.channels_last)
            groups = param_groups(model, weight_decay=experiment.weight_decay)
            lr, fused = experiment.schedule(0), place.cuda or None
            optimizer = SGD(groups, lr=lr, momentum=experiment.momentum, fused=fused)
            graphed = SummedGradients(form.of(model), seeds)
            gradients = graphed if place.cuda else graphed.eager

            def step(engine: Engine, batch: tuple[Tensor, Tensor]) -> Tensor:
                loss = gradients(*batch)
                optimizer.step()
                return loss

            self._begin(Engine(step), optimizer, one.batches)


def run(record: Record, place: Place) -> None:
    iterations, turns = (2, 2) if place.quick else (400, 9)
    trainers = started(record, place, Trainer, place.forms)
    with record.making("speed", "turns") as found:  # an error here leaves the rest its chance
        by_turns(record, trainers, iterations, turns)
        found["forms"] = len(trainers)
    for fastest in (True, False):
        with record.measuring("speed", f"run: {'fastest' if fastest else 'repeatable'}") as found:
            if found is not None:
                found["seconds"] = whole_run(place, fastest)
    together = started(record, place, SeedsTrainer, of_seeds(place))
    for name, trainer in together.items():
        with record.measuring("speed", f"{SEEDS} seeds, one net: {name}") as found:
            if found is not None:
                seconds = [trainer(iterations) for _ in range(3)]
                found["iterations a second"] = SEEDS * iterations / statistics.median(seconds)
    for name in MANY[: 2 if place.quick else None]:
        with record.measuring("speed", f"{place.workers} at once: {name}") as found:
            if found is not None:
                found["iterations a second"] = at_once(name, place)
    for name, trainer in trainers.items():  # says why, decides nothing
        with record.measuring("speed", f"kernels: {name}") as found:
            if found is not None:
                found |= kernels(trainer, iterations=2 if place.quick else 50)


def of_seeds(place: Place) -> dict[str, Form]:
    """The plain form and the compiled one."""
    return {name: place.forms[name] for name in ("repeatable", "compiled") if name in place.forms}


def started(
    record: Record, place: Place, kind: type[Trainer], forms: Mapping[str, Form]
) -> dict[str, Trainer]:
    """A trainer of each form that can be built here; how long that took is measured."""
    trainers = {}
    for name, form in forms.items():
        what = "" if kind is Trainer else f"{SEEDS} seeds, "
        start = time.perf_counter()
        with record.making("speed", f"start: {what}{name}") as found:
            trainers[name] = kind(form, place)
            found["seconds"] = time.perf_counter() - start
    return trainers


def by_turns(record: Record, trainers: dict[str, Trainer], iterations: int, turns: int) -> None:
    """Medians, written anew after each turn; each turn begins with another form."""
    names, seconds = list(trainers), {name: [] for name in trainers}
    for turn in range(turns):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            seconds[name].append(trainers[name](iterations) / iterations)
        first = seconds[names[0]]
        for name, own in seconds.items():
            ratio = statistics.median(a / b for a, b in zip(own, first, strict=True))
            micro = 1e6 * statistics.median(own)
            record.add("speed", name, microseconds=micro, ratio=ratio, turns=turn + 1)


def kernels(trainer: Trainer, iterations: int) -> dict[str, float]:
    """The device's longest kernels (a CPU's operations), in microseconds an iteration."""
    cuda = trainer.place.cuda
    activity = ProfilerActivity.CUDA if cuda else ProfilerActivity.CPU
    with profile(activities=[activity]) as profiled:
        trainer(iterations)
    events = profiled.key_averages()
    times = {
        event.key[:100]: (event.self_device_time_total if cuda else event.self_cpu_time_total)
        / iterations
        for event in events
    }
    longest = sorted(times, key=times.__getitem__, reverse=True)[:30]
    return {"all": sum(times.values())} | {name: times[name] for name in longest}


def whole_run(place: Place, fastest: bool) -> float:
    """Seconds of Caffe's own schedule, its first 7,000 iterations, evaluated every 1,000."""
    experiment = replace(
        EXPERIMENTS["full-fixed"].experiment,
        iterations=place.iterations if place.quick else 7_000,
        batch_size=place.batch,
    )
    out = place.out / "speed" / ("fastest" if fastest else "repeatable")
    options = {"device": place.device, "eval_every": 1_000, "repeatable": not fastest}
    start = time.perf_counter()
    train(experiment, place.data, out, seed=0, again=True, **options)
    return time.perf_counter() - start


def at_once(name: str, place: Place) -> float:
    """Iterations a second of several processes together."""
    barrier, spent = _SPAWN.Barrier(place.workers), _SPAWN.Queue()
    processes = [
        _SPAWN.Process(target=_one_of_many, args=(name, place, barrier, spent))
        for _ in range(place.workers)
    ]
    for process in processes:
        process.start()
    rates = [spent.get(timeout=120) for _ in processes]
    for process in processes:
        process.join()
    return sum(rates)


def _one_of_many(name: str, place: Place, barrier: Barrier, spent: multiprocessing.Queue) -> None:
    torch.set_num_threads(1)
    os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")  # not so many for each of many
    trainer = Trainer(FORMS[name], place)
    iterations = 2 if place.quick else 300
    barrier.wait(timeout=100)
    spent.put(iterations / trainer(iterations))
