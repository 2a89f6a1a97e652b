"""``train``: one experiment and one seed into a run folder, resumable at any moment."""

from __future__ import annotations

import math
import reprlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from ignite.engine import Engine, Events

from clr_ignite._checkpoints import check_optimizer_state
from clr_ignite._checks import count, whole
from clr_ignite.cifar10.data import DataSet
from clr_ignite.cifar10.experiments import Experiment
from clr_ignite.cifar10.parts import Parts, build
from clr_ignite.cifar10.parts.repeatable import repeatable as repeatably
from clr_ignite.cifar10.runs.provenance import Config, check_claim, claim
from clr_ignite.cifar10.runs.records import Evaluation, Result, diverged, over, summary
from clr_ignite.cifar10.runs.result import read_result, result_of
from clr_ignite.cifar10.runs.run_folder import RunFolder, unreadable
from clr_ignite.handlers import ScheduleHandler
from clr_ignite.schedules import ends_cycle

__all__ = ["summary", "train"]

_CHECKPOINT = {
    "iteration": (int,),
    "model": (dict,),
    "optimizer": (dict,),
    "seconds": (float,),
}


def train(
    experiment: Experiment,
    data: DataSet,
    out: Path,
    *,
    seed: int,
    device: torch.device | str = "cpu",
    eval_every: int = 500,
    again: bool = False,
    repeatable: bool = True,
    name: str | None = None,
    observe: Callable[[Parts], None] = lambda parts: None,
) -> Result:
    """Train into the folder ``out`` and return what ``result.json`` holds.

    Evaluations come every ``eval_every`` iterations, at each cycle end and at the last iteration;
    each appends a row to ``metrics.csv`` and is followed by a checkpoint. Called again, a cut-off
    run goes on from its checkpoint and ends, on a CPU with the same number of threads, with the
    weights and the rows of a run never cut off; a finished one returns its result at once. For a
    GPU torch is asked for the same (docs/notes.md), which no test on one has confirmed yet.

    Args:
        again: forget what the folder holds and start anew.
        repeatable: on a GPU, only algorithms that give the same bits again; False takes the
            fastest. config.json says which. torch's settings are put back.
        name: what the experiment is called, in the folder and in reports.
        observe: called once with the parts before the run, to attach views such as progress bars.

    Raises:
        RunError: ``out`` belongs to another experiment, seed or data set, or is in use.
    """
    seed, eval_every = whole("seed", seed), count("eval_every", eval_every)
    config = Config.of(experiment, data, name=name, seed=seed, eval_every=eval_every)
    folder, place = RunFolder(out), torch.device(device)
    if not again:
        check_claim(folder, config)
        if (done := read_result(folder, experiment)) is not None:
            return done  # it may lie where nothing can be written
    with repeatably(place, repeatable), folder.locked() as held:
        if again:
            held.clear()
        claim(held, config, place)
        return read_result(held, experiment) or _Run(
            held, experiment, data, seed, place, eval_every
        ).go(observe)


@dataclass
class _Run:
    folder: RunFolder
    experiment: Experiment
    data: DataSet
    seed: int
    device: torch.device
    eval_every: int
    loss_sum: torch.Tensor = field(init=False)  # since the last evaluation
    loss_count: int = 0
    seconds: float = 0.0  # spent before this process

    def go(self, observe: Callable[[Parts], None]) -> Result:
        started = time.monotonic()
        state = self._saved()
        iteration = state["iteration"] if state else 0
        self.parts = build(
            self.experiment, self.data, seed=self.seed, device=self.device, start=iteration
        )
        self.loss_sum = torch.zeros((), dtype=torch.float64, device=self.device)
        if state:
            self._load(state)
        self.folder.keep_rows(iteration, state.get("rows") if state else None)
        self._attach(started)
        observe(self.parts)
        rows = self.folder.rows()
        # Cut off between the last row and the result file: Ignite would start such a run anew.
        if not rows or not over(rows[-1], self.experiment.iterations):
            self.parts.trainer.run(self.parts.batches)
        return self._finish(time.monotonic() - started)

    def _saved(self) -> dict[str, Any] | None:
        """The run's last checkpoint, its numbers checked."""
        state = self.folder.load_checkpoint(_CHECKPOINT)
        try:
            if state is not None:
                _check_numbers(state, self.experiment.iterations)
        except ValueError as error:
            raise unreadable(self.folder.checkpoint, error) from error
        return state

    def _load(self, state: dict[str, Any]) -> None:
        """Take up a run where it was left.

        Raises:
            RunError: the state does not fit the run; its weights are as they were.
        """
        try:
            check_optimizer_state(self.parts.optimizer, state["optimizer"])
            _check_groups(self.parts.optimizer, state["optimizer"]["param_groups"])
            self.parts.model.load_state_dict(state["model"])
            self.parts.optimizer.load_state_dict(state["optimizer"])
            if self.parts.average is not None:
                self.parts.average.ema_model.load_state_dict(state["average"])
        except (AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
            raise unreadable(self.folder.checkpoint, error) from error
        self.seconds = state["seconds"]

    def _attach(self, started: float) -> None:
        trainer, experiment = self.parts.trainer, self.experiment
        ScheduleHandler(self.parts.optimizer, **experiment.schedules).attach(trainer)
        trainer.add_event_handler(Events.ITERATION_COMPLETED, self._count_loss)
        at_evaluations = Events.ITERATION_COMPLETED(event_filter=self._evaluates)
        trainer.add_event_handler(at_evaluations, self._evaluate)
        trainer.add_event_handler(at_evaluations, self._checkpoint, started=started)
        trainer.load_state_dict(
            {
                "epoch_length": len(self.parts.batches),
                "max_iters": experiment.iterations,
                "iteration": self.parts.batches.start,
            }
        )

    def _evaluates(self, engine: Engine, iteration: int) -> bool:
        last = iteration == self.experiment.iterations
        return last or iteration % self.eval_every == 0 or self._at_cycle_end(iteration)

    def _at_cycle_end(self, iteration: int) -> bool:
        return ends_cycle(self.experiment.schedule, iteration)

    def _count_loss(self, engine: Engine) -> None:
        self.loss_sum.add_(cast(torch.Tensor, engine.state.output))  # no synchronisation
        self.loss_count += 1

    def _evaluate(self, engine: Engine) -> None:
        metrics = self.parts.evaluator.run(self.parts.eval_batches).metrics
        weights = self.parts.optimizer.param_groups[0]
        row: Evaluation = {
            "iteration": engine.state.iteration,
            "lr": float(weights["lr"]) / weights.get("lr_mult", 1.0),
            "train_loss": float(self.loss_sum) / self.loss_count,
            "eval_loss": metrics["loss"],
            "eval_accuracy": metrics["accuracy"],
            "cycle_end": int(self._at_cycle_end(engine.state.iteration)),
        }
        self.folder.append_row(row)
        self.loss_sum.zero_()
        self.loss_count = 0
        if diverged(row):
            engine.terminate()

    def _checkpoint(self, engine: Engine, *, started: float) -> None:
        average = self.parts.average
        self.folder.save_checkpoint(
            {
                "iteration": engine.state.iteration,
                "model": self.parts.model.state_dict(),
                "optimizer": self.parts.optimizer.state_dict(),
                "average": average and average.ema_model.state_dict(),
                "rows": self.folder.digest(),
                "seconds": self.seconds + time.monotonic() - started,
            }
        )

    def _finish(self, seconds: float) -> Result:
        result = result_of(self.folder, self.experiment, self.seconds + seconds)
        self.folder.write_json(self.folder.result, result)
        return result


def _check_groups(optimizer: torch.optim.Optimizer, saved: list[dict[str, Any]]) -> None:
    """Refuse settings of another experiment; the schedules write the rate and the momentum."""
    for number, (there, group) in enumerate(zip(saved, optimizer.param_groups, strict=True)):
        if not isinstance(there["lr"], float | torch.Tensor):
            raise ValueError(f"'lr' of group {number} is {reprlib.repr(there['lr'])}")
        for name in ("weight_decay", "lr_mult", "nesterov"):
            if there.get(name) != group.get(name):
                raise ValueError(
                    f"{name!r} of group {number} is {reprlib.repr(there.get(name))} instead of "
                    f"{group.get(name)}"
                )


def _check_numbers(state: dict[str, Any], iterations: int) -> None:
    """Refuse fields that fit no run of so many iterations."""
    if not 0 < state["iteration"] <= iterations:
        raise ValueError(f"field 'iteration' holds {state['iteration']} of {iterations}")
    if not (math.isfinite(state["seconds"]) and state["seconds"] >= 0):
        raise ValueError(f"field 'seconds' holds {state['seconds']}")
    # Of an earlier version: always 0, for a checkpoint follows an evaluation.
    loss_sum = state.get("loss_sum", torch.zeros(()))
    if not (isinstance(loss_sum, torch.Tensor) and loss_sum.dim() == 0):
        raise ValueError(f"field 'loss_sum' holds {reprlib.repr(loss_sum)}")
