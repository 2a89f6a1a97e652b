"""The second back end of observers: events read back from their file."""

from __future__ import annotations

import errno
import math
import sys
from pathlib import Path
from typing import Any

import pytest
from ignite.engine import Engine
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from clr_ignite import RangeTestResult, ScheduleHandler, compare_range_tests, cycle_end
from clr_ignite.live import TensorBoardPlotter
from clr_ignite.schedules import Triangular
from tests.rigs import Rig
from tests.test_repeated import made

CLR = Triangular(0.01, 0.1, 5)


class Events:
    """The events that a folder holds."""

    def __init__(self, folder: Path) -> None:
        self.found = EventAccumulator(str(folder), size_guidance={"scalars": 0})
        self.found.Reload()

    def scalars(self, tag: str) -> tuple[list[int], Any]:
        """Steps and values, which the file holds in single precision."""
        events = self.found.Scalars(tag)
        return [event.step for event in events], pytest.approx([e.value for e in events], rel=1e-6)

    def text(self, tag: str) -> str:
        (event,) = self.found.Tensors(f"{tag}/text_summary")
        return event.tensor_proto.string_val[0].decode()


def test_a_run_is_read_back(tmp_path: Path) -> None:
    rig = Rig()
    with TensorBoardPlotter(tmp_path) as live:
        ScheduleHandler(rig.optimizer, lr=CLR).attach(rig.trainer)
        live.attach(rig.trainer, rig.optimizer, rig.evaluator, cycle_end=cycle_end(CLR), total=40)
        live.preview({"clr": CLR}, 40)
        rig.trainer.run(rig.loader, max_epochs=8)
        rig.evaluator.run(rig.held)
    events, steps = Events(tmp_path), list(range(1, 41))
    assert (steps, rig.used) == events.scalars("lr/lr")
    assert (steps, [0.9] * 40) == events.scalars("momentum/momentum")
    assert (steps, rig.losses) == events.scalars("loss/loss")
    assert len(events.scalars("loss/smoothed")[0]) == 40
    accuracy = rig.evaluator.state.metrics["accuracy"]
    assert ([40], [accuracy]) == events.scalars("held-out accuracy/accuracy")
    assert f"accuracy {accuracy:.4f} at iteration 40" in events.text("summary")
    assert events.found.Images("preview")[0].height > 300


def test_a_range_test_is_read_back(tmp_path: Path) -> None:
    rig = Rig()
    with TensorBoardPlotter(tmp_path) as live:
        result = rig.test(num_iter=40, on_row=live.on_row).run(rig.trainer, rig.loader)
    events, steps = Events(tmp_path), list(range(1, 41))
    assert (steps, list(result.lr)) == events.scalars("range test 1/lr")
    assert (steps, list(result.loss)) == events.scalars("range test 1/loss")
    assert len(events.found.Images("range test 1")) == 1


def test_a_comparison_is_a_picture_when_it_has_ended(tmp_path: Path) -> None:
    def setup(seed: int, decay: float) -> tuple[Any, ...]:
        rig = Rig(weight_decay=decay)
        return rig.trainer, rig.loader, rig.optimizer, {"m": rig.model, "o": rig.optimizer}

    settings = {"a": {"decay": 0.0}, "b": {"decay": 0.5}}
    with TensorBoardPlotter(tmp_path) as live:
        compare_range_tests(setup, settings, num_iter=4, on_row=live.compared)
    assert len(Events(tmp_path).found.Images("comparison")) == 1


def test_a_loss_on_its_device_is_waited_for(tmp_path: Path) -> None:
    result = made(0.002, 0.008, stop=4)
    result.loss[2] = math.nan  # not read yet
    live = TensorBoardPlotter(tmp_path)
    live.on_row(result)
    result.loss[2] = 1.5
    live.on_row(result)
    live.close()
    live.close()
    steps, _ = Events(tmp_path).scalars("range test 1/loss")
    assert steps == [1, 2, 3, 4]


def test_a_full_disk_costs_no_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    rig, live = Rig(), TensorBoardPlotter(tmp_path)
    monkeypatch.setattr(live._writer, "add_scalar", full)
    live.attach(rig.trainer, rig.optimizer)
    rig.trainer.run(rig.loader, max_epochs=2)
    live.on_row(RangeTestResult(start_lr=0, end_lr=1, num_iter=2, step_mode="linear"))
    live.close()
    assert len(rig.losses) == 10
    assert [record.getMessage() for record in caplog.records] == [
        "no events can be written for TensorBoard: [Errno 28] No space left on device"
    ]


def test_events_go_into_a_folder() -> None:
    with pytest.raises(TypeError, match="folder must be a path, got None"):
        TensorBoardPlotter(None)  # type: ignore[arg-type]


def test_what_to_install_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ImportError, match=r'pip install "clr_ignite\[tensorboard\]"'):
        TensorBoardPlotter(tmp_path)


def test_an_optimizer_without_a_rate_of_its_own_costs_no_step(tmp_path: Path) -> None:
    """transformers' Adafactor has lr=None where it makes its own."""
    rig = Rig()
    rig.trainer = Engine(lambda engine, batch: 1.0)
    rig.optimizer.param_groups[0]["lr"] = None
    with TensorBoardPlotter(tmp_path) as plotter:
        plotter.attach(rig.trainer, rig.optimizer)
        rig.trainer.run([0], max_epochs=3)
        assert plotter._summary.text() == "iteration 3"
    read = EventAccumulator(str(tmp_path)).Reload().Tags()["scalars"]
    assert "loss/loss" in read and not any(name.startswith("lr") for name in read)
