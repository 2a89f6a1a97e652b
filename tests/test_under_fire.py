"""Exceptions from everywhere, and Ctrl-C at any moment, in a range test: no trace is left."""

from __future__ import annotations

import contextlib
import random
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest
import torch
from ignite.engine import Engine, Events
from ignite.metrics import Accuracy, Metric, MetricGroup, RunningAverage
from torch import Tensor, nn
from torch.nn import functional as F

import clr_ignite
from clr_ignite import LRRangeTest
from tests.rigs import Rig, same, state_of

PACKAGE = str(Path(clr_ignite.__file__).parent)


class Planned(Exception):
    """Raised on purpose."""


class Fuse:
    """Raises at its n-th call."""

    def __init__(self, at: int, error: BaseException) -> None:
        self.left, self.error, self.lit = at, error, False

    def __call__(self, *_: object) -> None:
        self.left -= self.lit
        if self.lit and self.left == 0:
            raise self.error


class Burning:
    """Data that burns a fuse with each batch."""

    def __init__(self, data: Any, fuse: Fuse) -> None:
        self.data, self.fuse = data, fuse
        self.generator = getattr(data, "generator", None)

    def __len__(self) -> int:
        return len(self.data)

    def __iter__(self) -> Iterator[Any]:
        for batch in self.data:
            self.fuse()
            yield batch


class Layer(nn.Module):
    def __init__(self, fuse: Fuse) -> None:
        super().__init__()
        self.fuse = fuse

    def forward(self, x: Tensor) -> Tensor:
        self.fuse()
        return x


class Explosive(Metric):
    """Burns a fuse at each of its calls."""

    def __init__(self, fuse: Fuse) -> None:
        super().__init__()
        self.fuse = fuse

    def reset(self) -> None:
        self.count = 0

    def update(self, output: Any) -> None:
        self.count += 1
        self.fuse()

    def compute(self) -> float:
        self.fuse()
        return float(self.count)


def burn(rig: Rig, place: str, fuse: Fuse) -> dict[str, Any]:
    """Lay the fuse, and give the range test's arguments that belong to it."""
    if place == "loader":
        rig.loader = Burning(rig.loader, fuse)  # type: ignore[assignment]
    elif place == "held-out loader":
        rig.held = Burning(rig.held, fuse)  # type: ignore[assignment]
    elif place == "model":
        rig.model.append(Layer(fuse))
    elif place == "loss":
        rig.meddle = lambda engine, loss: fuse()
    elif place == "backward":
        rig.meddle = lambda engine, loss: loss.register_hook(fuse) and None
    elif place == "step hook":
        rig.optimizer.register_step_pre_hook(fuse)
    elif place == "after the step":
        rig.optimizer.register_step_post_hook(fuse)
    elif place == "metric":
        Explosive(fuse).attach(rig.evaluator, "explosive")
    elif place == "kept handler":
        rig.trainer.add_event_handler(Events.ITERATION_COMPLETED, fuse)
        rig.evaluator.add_event_handler(Events.ITERATION_STARTED, fuse)
    elif place == "custom event":
        from ignite.engine import EventEnum

        class Step(EventEnum):
            FORWARD = "forward"

        rig.trainer.register_events(*Step)
        rig.trainer.add_event_handler(Step.FORWARD, fuse)
        rig.meddle = lambda engine, loss: engine.fire_event(Step.FORWARD)
    return {
        "kept handler": {"keep": [fuse]},
        "on_row": {"on_row": fuse},
        "output_transform": {"output_transform": lambda output: (fuse(), output)[1]},
        "training metric": {"training_metrics": {"burning": lambda output: (fuse(), 1.0)[1]}},
        "progress bar": {"progress": True},
    }.get(place, {})


PLACES = ["loader", "held-out loader", "model", "loss", "backward", "step hook", "after the step"]
PLACES += ["metric", "kept handler", "custom event", "on_row", "output_transform"]
PLACES += ["training metric", "progress bar"]


def prepared() -> Rig:
    """A rig in mid-training with everything that a test could leave its mark on."""
    rig = Rig()
    mean = RunningAverage(Accuracy(), alpha=0.5)
    mean.attach(rig.evaluator, "mean")
    (Accuracy() * 100).attach(rig.evaluator, "percent")
    MetricGroup({"a": Accuracy(), "b": Accuracy()}).attach(rig.evaluator, "group")
    RunningAverage(output_transform=lambda output: 1.0).attach(rig.trainer, "average")
    rig.trainer.state.notes = {"seen": [1], "tensor": torch.ones(2)}
    rig.trainer.add_event_handler(Events.EPOCH_COMPLETED, lambda: None)
    rig.trainer.run(rig.loader, max_epochs=2)
    rig.evaluator.run(rig.held)
    random.seed(3)
    np.random.seed(3)
    return rig


def everything(rig: Rig) -> dict[str, Any]:
    """``state_of``, and whatever else a test touches."""
    engines = (rig.trainer, rig.evaluator)
    handlers = [handler for one in engines for event in list(one._event_handlers.values())
                for handler in event]  # fmt: skip
    metrics = {id(m): m for h, *_ in handlers if isinstance(m := getattr(h, "__self__", h), Metric)}
    inside = [m for one in metrics.values() if isinstance(one, MetricGroup)
              for m in one.metrics.values()]  # fmt: skip
    return state_of(rig) | {
        "python": random.getstate(),
        "numpy": [np.asarray(part).tolist() for part in np.random.get_state()],
        "handlers": [(entry[0], entry[1][1:], dict(entry[2])) for entry in handlers],
        "engines": [{k: v for k, v in vars(one).items() if k != "_event_handlers"}
                    for one in engines],
        "metrics": [plain(vars(one)) for one in [*metrics.values(), *inside]],
        "notes": (rig.trainer.state.notes["seen"][:], rig.trainer.state.notes["tensor"].tolist()),
        "hooks": [list(hooks.values()) for hooks in (
            rig.optimizer._optimizer_step_pre_hooks, rig.optimizer._optimizer_step_post_hooks)],
        "signal": signal.getsignal(signal.SIGINT),
    }  # fmt: skip


def plain(attributes: dict[str, Any]) -> dict[str, Any]:
    return {k: v.clone() if isinstance(v, Tensor) else v for k, v in attributes.items()}


def trained_on(rig: Rig) -> list[float]:
    """The losses and metrics of the training that follows."""
    rig.meddle = lambda engine, loss: None
    del rig.losses[:]
    rig.trainer.run(rig.loader, max_epochs=4)
    metrics = rig.evaluator.run(rig.held).metrics
    return [*rig.losses, *(metrics[name] for name in ("accuracy", "mean", "percent", "a", "b"))]


def disturb(rig: Rig) -> None:
    """A step that changes what lies on the trainer's State and in global random states."""
    plain_step = rig.trainer._process_function

    def step(engine: Engine, batch: Any) -> Any:
        engine.state.notes["seen"].append(2)
        engine.state.notes["tensor"].add_(1)
        random.random()
        np.random.rand()
        return plain_step(engine, batch)

    rig.trainer._process_function = step


@contextlib.contextmanager
def burning_bar(fuse: Fuse) -> Iterator[None]:
    import tqdm

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tqdm.tqdm, "update", fuse)
        yield


def run(rig: Rig, test: LRRangeTest, attached: bool) -> None:
    if attached:
        with test.attach(rig.trainer):
            rig.trainer.run(rig.loader)
    else:
        test.run(rig.trainer, rig.loader)


@pytest.mark.parametrize("mode", ["run", "interrupted", "attach", "checkpoint"])
@pytest.mark.parametrize("place", PLACES)
def test_an_exception_from_anywhere(place: str, mode: str, tmp_path: Path) -> None:
    error: BaseException = (KeyboardInterrupt if mode == "interrupted" else Planned)("planned")
    untouched = prepared()
    burn(untouched, place, Fuse(99, error))
    expected = trained_on(untouched)
    rig = prepared()
    disturb(rig)
    fuse = Fuse(random.Random(f"{place} {mode}").randrange(2, 9), error)
    arguments = burn(rig, place, fuse) | rig.with_evaluator(every=3)
    if mode == "checkpoint":
        arguments["checkpoint"] = tmp_path / "test.pt"
    test = rig.test(num_iter=40 if place == "progress bar" else 12, **arguments)
    before = everything(rig)
    fuse.lit = True
    with burning_bar(fuse) if place == "progress bar" else contextlib.nullcontext():
        with pytest.raises(type(error), match="planned") as caught:
            run(rig, test, mode == "attach")
    fuse.lit = False
    assert caught.value is error and "run" not in vars(rig.trainer)
    assert test.result is not None and test.result.stop_reason is None
    after = everything(rig)
    assert [name for name in before if not same(before[name], after[name])] == []
    assert trained_on(rig) == expected


def test_a_test_that_ends_leaves_no_trace_on_metrics_inside_metrics_and_notes() -> None:
    expected = trained_on(prepared())
    rig = prepared()
    disturb(rig)
    before = everything(rig)
    rig.test(**rig.with_evaluator(every=3)).run(rig.trainer, rig.loader)
    after = everything(rig)
    assert [name for name in before if not same(before[name], after[name])] == []
    assert trained_on(rig) == expected


def test_metrics_keep_the_objects_that_they_were_made_of() -> None:
    class Task:
        def outputs(self, output: Any) -> Any:
            return output

    rig, task = Rig(), Task()
    source = Accuracy(output_transform=task.outputs)
    mean = RunningAverage(source)
    mean.attach(rig.evaluator, "mean")
    rig.test(**rig.with_evaluator()).run(rig.trainer, rig.loader)
    assert mean.src is source and source._output_transform.__self__ is task


@torch.inference_mode()
def _inferred(rig: Rig, engine: Engine, batch: Any) -> Any:
    rig.model.eval()
    return F.cross_entropy(rig.model(batch[0]), batch[1])


def test_metrics_that_hold_tensors_of_inference_mode() -> None:
    rig = Rig()
    rig.evaluator = Engine(lambda engine, batch: _inferred(rig, engine, batch))
    mean = RunningAverage(output_transform=lambda loss: loss)
    mean.attach(rig.evaluator, "mean")
    rig.evaluator.run(rig.held)
    before = mean._value.item()
    rig.test(**rig.with_evaluator()).run(rig.trainer, rig.loader)
    assert mean._value.item() == before


class Tracer:
    """Presses Ctrl-C before the n-th opcode that runs in the watched files."""

    def __init__(self, at: int) -> None:
        self.at, self.seen = at, 0
        self.places: list[tuple[str, int]] = []

    def __call__(self, frame: FrameType, event: str, argument: object) -> Any:
        file = frame.f_code.co_filename
        if not (file.startswith(PACKAGE) or file == contextlib.__file__):
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        if event == "opcode":
            self.seen += 1
            if self.at == 0:
                self.places.append((file, frame.f_lasti + 10_000 * frame.f_code.co_firstlineno))
            elif self.seen == self.at:
                sys.settrace(None)
                signal.raise_signal(signal.SIGINT)
        return self


@contextlib.contextmanager
def traced(tracer: Tracer) -> Iterator[None]:
    others = sys.gettrace()
    sys.settrace(tracer)
    try:
        yield
    finally:
        sys.settrace(others)


def moments(run: Callable[[Rig], object]) -> list[int]:
    """For each opcode of the package and of contextlib, when it ran first and last.

    In a second run: what is found out about a kind of optimizer is found out in the first.
    """
    run(prepared())
    rig = prepared()
    tracer = Tracer(at=0)
    with traced(tracer):
        run(rig)
    first, last = {}, {}
    for number, place in enumerate(tracer.places, 1):
        first.setdefault(place, number)
        last[place] = number
    return sorted({*first.values(), *last.values()})


def interrupted(rig: Rig) -> None:
    rig.test(num_iter=3, **rig.with_evaluator(every=2)).run(rig.trainer, rig.loader)


def press(at: int) -> bool:
    """Whether Ctrl-C at that moment ended a test; it never leaves a trace."""
    rig = prepared()
    disturb(rig)
    before = everything(rig)
    ended = False
    try:
        with traced(Tracer(at)):
            interrupted(rig)
    except KeyboardInterrupt:
        ended = True
    after = everything(rig)
    changed = [name for name in before if not same(before[name], after[name])]
    assert changed == [], f"Ctrl-C before opcode {at}"
    return ended


def test_ctrl_c_at_sampled_moments() -> None:
    chosen = moments(interrupted)
    assert len(chosen) > 1_000
    missed = [at for at in random.Random(0).sample(chosen, 25) if not press(at)]
    assert missed == [], (len(chosen), chosen[-1])


@pytest.mark.slow
def test_ctrl_c_at_a_thousand_moments() -> None:
    assert all([press(at) for at in random.Random(1).sample(moments(interrupted), 1_000)])
