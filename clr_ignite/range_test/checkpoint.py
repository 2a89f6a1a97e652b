"""A range test on disk: written whole now and then, so that a killed test goes on where it was."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import ignite.distributed as idist
import torch
from ignite.engine import Engine, Events
from torch import nn

from clr_ignite._checks import shown
from clr_ignite._files import write_bytes
from clr_ignite.no_trace.random_states import States, generators, put_random, random_now
from clr_ignite.range_test.endless import Endless
from clr_ignite.range_test.sweep import Sweep

_KIND = "clr_ignite range test, unfinished"


def write_torch(path: Path, state: dict[str, Any]) -> None:
    """A file for ``torch.load``, whole or not at all."""
    # By way of memory: of a full disk, torch.save only says "unexpected pos".
    content = io.BytesIO()
    torch.save(state, content)
    write_bytes(path, content.getbuffer())


class SweepFile:
    """The file of one test; ``settings`` say which test it is.

    Raises:
        TypeError: something in ``to_save`` has no ``state_dict``.
        ValueError: in a run of several processes.
    """

    def __init__(
        self, path: str | Path, settings: Mapping[str, Any], to_save: Mapping[str, Any]
    ) -> None:
        self.path, self.to_save = Path(path), to_save
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
        write_torch(self.path, state)

    def load(self) -> dict[str, Any] | None:
        """Put the objects' states in place and return the values, or None without a file.

        Raises:
            ValueError: a file that cannot be read or belongs to another test.
        """
        if not self.path.exists():
            return None
        try:
            state: dict[str, Any] = torch.load(self.path, weights_only=True)
            known, settings = state["kind"] == _KIND, state["settings"]
        except Exception as error:
            raise ValueError(
                f"checkpoint {self.path} cannot be read ({type(error).__name__}): remove it"
            ) from error
        if not known or settings != self.settings:
            raise ValueError(
                f"checkpoint {self.path} belongs to another test ({settings}): remove it, or give "
                "another file"
            )
        for name, one in self.to_save.items():
            try:
                _put(one, state["objects"][name])
            except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
                raise ValueError(
                    f"checkpoint {self.path} does not fit to_save[{name!r}] ({error}): remove it, "
                    "or give another file"
                ) from error
        return state

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

    def _save(self, trainer: Engine, sweep: Sweep) -> None:
        self.file.save(
            result=sweep.result.to_dict(),
            divergence=asdict(sweep.divergence),
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
        one.load_state_dict(state)
        return
    with torch.no_grad():
        for tensor, content in zip(_tensors(one), state["tensors"], strict=True):
            if tensor.shape != content.shape:  # copy_ would repeat a smaller one
                raise ValueError(f"shape {tuple(content.shape)} instead of {tuple(tensor.shape)}")
            tensor.copy_(content)
    for parameter, gradient in zip(one.parameters(), state["gradients"], strict=True):
        parameter.grad = None if gradient is None else gradient.to(parameter.device)
    for part, training in zip(one.modules(), state["training"], strict=True):
        part.training = training


def _tensors(module: nn.Module) -> Iterable[torch.Tensor]:
    """Parameters and buffers, those that a state_dict leaves out among them."""
    return [*module.parameters(), *module.buffers()]
