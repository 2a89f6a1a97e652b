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
from clr_ignite._checks import check_fields, count, whole
from clr_ignite.cifar10.data import DataSet
from clr_ignite.cifar10.experiments import Experiment
from clr_ignite.cifar10.parts import Parts, build
from clr_ignite.cifar10.runs.provenance import claim
from clr_ignite.cifar10.runs.run_folder import RunFolder
from clr_ignite.handlers import ScheduleHandler
from clr_ignite.schedules import ends_cycle

_CHECKPOINT = {
    "iteration": (int,),
    "model": (dict,),
    "optimizer": (dict,),
    "seconds": (float,),
}
_RESULT = {
    "iterations": (int,),
    "accuracy": (float,),
    "cycle_end_iteration": (int, type(None)),
    "cycle_end_accuracy": (float, type(None)),
    "ended_at_cycle_end": (bool,),
    "diverged": (bool,),
    "evaluated_on": (str,),
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
    observe: Callable[[Parts], None] = lambda parts: None,
) -> dict[str, Any]:
    """Train into the folder ``out`` and return what ``result.json`` holds.

    Evaluations come every ``eval_every`` iterations, at each cycle end and at the last iteration;
    each appends a row to ``metrics.csv`` and is followed by a checkpoint. Called again, a cut-off
    run goes on from its checkpoint and ends, on a CPU with the same number of threads, with the
    weights and the rows of a run never cut off; a finished one returns its result at once.

    Args:
        again: forget what the folder holds and start anew.
        observe: called once with the parts before the run, to attach views such as progress bars.

    Raises:
        RunError: ``out`` belongs to another experiment, seed or data set, or is in use.
    """
    seed, eval_every = whole("seed", seed), count("eval_every", eval_every)
    with RunFolder(out).locked() as folder:
        if again:
            folder.clear()
        claim(
            folder, experiment, data, torch.device(device), {"seed": seed, "eval_every": eval_every}
        )
        done = _result(folder)
        if done is None:
            done = _Run(folder, experiment, data, seed, torch.device(device), eval_every).go(
                observe
            )
    return done


def _result(folder: RunFolder) -> dict[str, Any] | None:
    """Of a finished run; None where there is none."""
    values = folder.read_json("result.json")
    try:
        return None if values is None else check_fields(values, _RESULT)
    except ValueError as error:
        raise folder.unreadable("result.json", error) from None


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

    def go(self, observe: Callable[[Parts], None]) -> dict[str, Any]:
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
        if not rows or not _over(rows[-1], self.experiment.iterations):
            self.parts.trainer.run(self.parts.batches)
        return self._finish(time.monotonic() - started)

    def _saved(self) -> dict[str, Any] | None:
        """The run's last checkpoint, its numbers checked."""
        state = self.folder.load_checkpoint(_CHECKPOINT)
        try:
            if state is not None:
                _check_numbers(state, self.experiment.iterations)
        except ValueError as error:
            raise self.folder.unreadable("checkpoint.pt", error) from error
        return state

    def _load(self, state: dict[str, Any]) -> None:
        """Take up a run where it was left.

        Raises:
            RunError: the state does not fit the run; its weights are as they were.
        """
        try:
            check_optimizer_state(self.parts.optimizer, state["optimizer"])
            self.parts.model.load_state_dict(state["model"])
            self.parts.optimizer.load_state_dict(state["optimizer"])
            if self.parts.average is not None:
                self.parts.average.ema_model.load_state_dict(state["average"])
        except (AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
            raise self.folder.unreadable("checkpoint.pt", error) from error
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
        iteration = engine.state.iteration
        train_loss = float(self.loss_sum) / self.loss_count
        metrics = self.parts.evaluator.run(self.parts.eval_batches).metrics
        self.folder.append_row(
            {
                "iteration": iteration,
                "lr": repr(self.experiment.schedule(iteration - 1)),
                "train_loss": repr(train_loss),
                "eval_loss": repr(metrics["loss"]),
                "eval_accuracy": repr(metrics["accuracy"]),
                "cycle_end": int(self._at_cycle_end(iteration)),
            }
        )
        self.loss_sum.zero_()
        self.loss_count = 0
        if not math.isfinite(train_loss):
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

    def _finish(self, seconds: float) -> dict[str, Any]:
        result = summary(self.folder.rows(), self.experiment.iterations)
        result |= {"evaluated_on": "held-out" if self.experiment.held_out else "test"}
        result |= {"seconds": round(self.seconds + seconds, 1)}
        self.folder.write_json("result.json", result)
        return result


def summary(rows: list[dict[str, float]], iterations: int) -> dict[str, Any]:
    """Accuracy at the last iteration and at the last cycle end, where the paper reads it.

    ``ended_at_cycle_end`` is False where the run stops in mid-cycle; ``diverged`` is True where
    the training loss was no longer finite and the run stopped early.
    """
    last = rows[-1]
    ends = [row for row in rows if row["cycle_end"]]
    at_end = ends[-1] if ends else None
    return {
        "iterations": int(last["iteration"]),
        "accuracy": last["eval_accuracy"],
        "cycle_end_iteration": int(at_end["iteration"]) if at_end else None,
        "cycle_end_accuracy": at_end["eval_accuracy"] if at_end else None,
        "ended_at_cycle_end": bool(last["cycle_end"]),
        "diverged": last["iteration"] < iterations or not math.isfinite(last["train_loss"]),
    }


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


def _over(row: dict[str, float], iterations: int) -> bool:
    """Whether ``row`` is a run's last: at its last iteration, or diverged."""
    return row["iteration"] >= iterations or not math.isfinite(row["train_loss"])
