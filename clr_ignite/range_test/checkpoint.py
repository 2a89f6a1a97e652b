"""A range test on disk: written whole now and then, so that a killed test goes on where it was.

What the file holds is put in place whatever the numbers: a test whose weights are not finite any
more ends, or goes on, as it would have if nobody had killed it.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import ignite.distributed as idist
import torch
from ignite.engine import Engine, Events
from torch import nn

from clr_ignite._checkpoints import orders_of, put_state, read_checkpoint, write_checkpoint
from clr_ignite._checks import check_fields, shown
from clr_ignite.no_trace.random_states import States, generators, put_random, random_now
from clr_ignite.range_test.endless import Endless
from clr_ignite.range_test.sweep import Sweep
from clr_ignite.result.files import check_values

_KIND = "clr_ignite range test, unfinished"
# What a state that does not fit makes load_state_dict and the like raise.
_WRONG = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
_FIELDS = {
    "result": (dict,),
    "objects": (dict,),
    "iteration": (int,),
    "taken": (int,),
    "start": (dict,),
    "now": (dict,),
}


class SweepFile:
    """The file of one test.

    Args:
        path: where.
        settings: which test it is.
        to_save: what it changes.
        groups: param groups of the optimizer under test.

    Raises:
        TypeError: something in ``to_save`` has no ``state_dict``.
        ValueError: in a run of several processes.
    """

    def __init__(
        self,
        path: str | Path,
        settings: Mapping[str, Any],
        to_save: Mapping[str, Any],
        groups: int,
    ) -> None:
        self.path, self.to_save, self.groups = Path(path), to_save, groups
        self.settings = json.dumps(dict(settings), sort_keys=True)
        for name, one in to_save.items():
            if not (hasattr(one, "state_dict") and hasattr(one, "load_state_dict")):
                raise TypeError(f"checkpoint needs a state_dict of to_save[{name!r}], {shown(one)}")
        if idist.get_world_size() > 1:
            raise ValueError("checkpoint works in a run of one process only")

    def save(self, **values: Any) -> None:
        """Write ``values`` and the objects' states."""
        objects = {name: _state(one) for name, one in self.to_save.items()}
        state = {"kind": _KIND, "settings": self.settings, "objects": objects, **values}
        state["orders"] = orders_of(self.to_save)
        write_checkpoint(self.path, state)

    def load(self) -> dict[str, Any] | None:
        """Put the objects' states in place and return the values, or None without a file.

        Raises:
            ValueError: a file that cannot be read, is damaged or belongs to another test.
        """
        if not self.path.exists():
            return None
        try:
            state: dict[str, Any] = read_checkpoint(self.path)
            known, settings = state["kind"] == _KIND, state["settings"]
        except Exception as error:  # a broken archive has many names
            raise ValueError(
                f"checkpoint {self.path} cannot be read ({type(error).__name__}: "
                f"{str(error).partition(chr(10))[0]}): remove it to begin the test again"
            ) from error
        if not known or settings != self.settings:
            raise ValueError(
                f"checkpoint {self.path} belongs to another test ({settings}): remove it, or give "
                "another file"
            )
        with self.fitting("this test"):
            self._check(state)
        now = orders_of(self.to_save)
        orders = state.get("orders", now)  # a file of an earlier version has none
        for name, one in self.to_save.items():
            with self.fitting(f"to_save[{name!r}]"):
                if orders.get(name) != now.get(name):
                    raise ValueError(
                        "its parameters come in another order, as those of a set do: each would "
                        "have another's moments"
                    )
                _put(one, state["objects"][name])
        return state

    @contextlib.contextmanager
    def fitting(self, what: str) -> Iterator[None]:
        """Errors of content that does not fit name the file and the way out."""
        try:
            yield
        except _WRONG as error:
            raise ValueError(
                f"checkpoint {self.path} does not fit {what} ({error}): remove it, or give "
                "another file"
            ) from error

    def _check(self, state: dict[str, Any]) -> None:
        """Refuse fields that do not fit each other."""
        check_fields(state, _FIELDS)
        record = {name: _plain(value) for name, value in state["result"].items()}
        columns = check_values(record)["columns"]
        for name, value in json.loads(self.settings).items():
            if name in record and record[name] != value:
                raise ValueError(f"field {name!r} of its result holds {record[name]}")
        rows, steps = len(columns["lr"]), record["num_iter"]
        if record["stop_reason"] is not None or not 0 < rows < steps:
            raise ValueError(f"field 'result' holds {rows} rows of {steps} in an unfinished test")
        if columns["iteration"] != list(range(1, rows + 1)):
            raise ValueError("column 'iteration' of its result does not count the rows")
        groups = sum(name.startswith("group_lr_") for name in columns) or 1
        if groups != self.groups:
            raise ValueError(f"field 'result' holds rates of {groups} param groups")
        if not rows <= state["iteration"]:
            raise ValueError(f"field 'iteration' holds {state['iteration']} after {rows} rows")
        if not 0 < state["taken"] <= state["iteration"]:
            raise ValueError(f"field 'taken' holds {state['taken']}")

    def remove(self) -> None:
        """The test is over."""
        self.path.unlink(missing_ok=True)


class Pauses:
    """Saves a running sweep now and then, and takes it up again in another process.

    Args:
        file: where.
        batches: the training data; its place in the pass under way is kept.
        loaders: whose generators decide about batches.
    """

    def __init__(self, file: SweepFile, batches: Endless, *loaders: object) -> None:
        self.file, self.batches = file, batches
        self.generators = generators(loaders)
        self.saved = file.load()
        if self.saved is not None:
            self._check_random(self.saved)
        self._rows = 0
        self._start: States = {}
        batches.at_start = self._note_start

    def attach(self, trainer: Engine, sweep: Sweep, every: int, epochs: int) -> None:
        """Save after every so many rows, and start where the saved sweep was left.

        Args:
            epochs: what ``trainer`` will be asked to run.
        """

        def save(engine: Engine) -> None:
            rows = len(sweep.result)
            if rows != self._rows and rows % every == 0 and not engine.should_terminate:
                sweep.read()
                if sweep.result.stop_reason is None:  # which reading may have found
                    self._save(engine, sweep)
            self._rows = rows

        self._rows = len(sweep.result)
        trainer.add_event_handler(Events.ITERATION_COMPLETED, save)
        if self.saved is None:
            return
        trainer.state.iteration = self.saved["iteration"]
        trainer.state.epoch_length = self.batches.epoch_length
        trainer.state.epoch = self.saved["iteration"] // (trainer.state.epoch_length or epochs)
        trainer.state.max_epochs = epochs
        now = self.saved["now"]
        self.batches.skip = self.saved["taken"]
        # The order of the broken-off pass was drawn from the states at its start.
        self.batches.after_skip = lambda: put_random(now, self.generators)
        put_random(self.saved["start"], self.generators)

    def _check_random(self, saved: States) -> None:
        """Refuse random states that cannot be put back."""
        with self.file.fitting("this test"):
            for name in ("now", "start"):
                put_random(saved[name], self.generators)

    def _save(self, trainer: Engine, sweep: Sweep) -> None:
        self.file.save(
            result=sweep.result.to_dict(),
            iteration=trainer.state.iteration,
            taken=self.batches.taken,
            start=self._start,
            now=random_now(self.generators),
        )

    def _note_start(self) -> None:
        self._start = random_now(self.generators)


def _state(one: Any) -> Any:
    """A module's every tensor and gradient, by its place; of others their state_dict."""
    if not isinstance(one, nn.Module):
        return one.state_dict()
    return {
        "tensors": [tensor.detach() for tensor in _tensors(one)],
        "gradients": [parameter.grad for parameter in one.parameters()],
        "training": [part.training for part in one.modules()],
    }


def _put(one: Any, state: Any) -> None:
    if not isinstance(one, nn.Module):
        put_state(one, state)
        return
    with torch.no_grad():
        for tensor, content in zip(_tensors(one), state["tensors"], strict=True):
            if tensor.shape != content.shape:  # copy_ would repeat a smaller one
                raise ValueError(f"shape {tuple(content.shape)} instead of {tuple(tensor.shape)}")
            if tensor.dtype != content.dtype:
                raise ValueError(f"{content.dtype} instead of {tensor.dtype}")
            tensor.copy_(content)
    for parameter, gradient in zip(one.parameters(), state["gradients"], strict=True):
        parameter.grad = None if gradient is None else gradient.to(parameter.device)
    for part, training in zip(one.modules(), state["training"], strict=True):
        part.training = training


def _tensors(module: nn.Module) -> Iterable[torch.Tensor]:
    """Parameters and buffers, those that a state_dict leaves out among them."""
    return [*module.parameters(), *module.buffers()]


def _plain(value: Any) -> Any:
    """A tuple as the list that it is in JSON."""
    return list(value) if isinstance(value, tuple) else value
