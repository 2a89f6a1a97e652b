"""Microseconds an iteration, today's form and the others by turns; where they go; many at once."""

from __future__ import annotations

import multiprocessing
import statistics
import time
from dataclasses import replace
from multiprocessing.synchronize import Barrier

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.device.forms import FORMS, Form
from benchmarks.device.place import Place
from benchmarks.device.record import Record
from clr_ignite import ScheduleHandler
from clr_ignite.cifar10.experiments import EXPERIMENTS
from clr_ignite.cifar10.parts import Parts, build
from clr_ignite.cifar10.parts.repeatable import repeatable
from clr_ignite.cifar10.training import train

MANY = ("fastest (commit 4792351)", "repeatable", "compiled")  # in processes that share the device
_SPAWN = multiprocessing.get_context("spawn")


class Trainer:
    """The reproduction's trainer with its schedule, in one form, ready to go on."""

    def __init__(self, form: Form, place: Place) -> None:
        self.place = place
        with repeatable(place.device, form.repeatable):
            self.parts: Parts = build(
                place.experiment, place.data, seed=0, device=place.device, form=form.of
            )
            handler = ScheduleHandler(self.parts.optimizer, lr=place.experiment.schedule)
            handler.attach(self.parts.trainer)
            self(2)  # compiled and captured

    def __call__(self, iterations: int) -> float:
        """Seconds of so many iterations."""
        start = time.perf_counter()
        trainer = self.parts.trainer
        trainer.run(self.parts.batches, max_iters=trainer.state.iteration + iterations)
        if self.place.cuda:
            torch.cuda.synchronize()
        return time.perf_counter() - start


def run(record: Record, place: Place) -> None:
    iterations, turns = (2, 2) if place.quick else (400, 9)
    trainers = {}
    for name, form in place.forms.items():
        with record.measuring("speed", f"start: {name}") as found:
            start = time.perf_counter()
            trainers[name] = Trainer(form, place)
            if found is not None:
                found["seconds"] = time.perf_counter() - start
    by_turns(record, trainers, iterations, turns)
    for name, trainer in trainers.items():
        with record.measuring("speed", f"kernels: {name}") as found:
            if found is not None:
                found |= kernels(trainer, iterations=2 if place.quick else 50)
    for fastest in (True, False):
        with record.measuring("speed", f"run: {'fastest' if fastest else 'repeatable'}") as found:
            if found is not None:
                found["seconds"] = whole_run(place, fastest)
    for name in MANY[: 2 if place.quick else None]:
        with record.measuring("speed", f"{place.workers} at once: {name}") as found:
            if found is not None:
                found["iterations a second"] = at_once(name, place)


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
    trainer = Trainer(FORMS[name], place)
    iterations = 2 if place.quick else 300
    barrier.wait(timeout=100)
    spent.put(iterations / trainer(iterations))
