"""The script for a GPU, on a CPU: its record, its parts in a few iterations, its end."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from benchmarks.device import correct, repeats
from benchmarks.device.__main__ import _within, main
from benchmarks.device.forms import FORMS, Form, first_as_product
from benchmarks.device.place import Place
from benchmarks.device.record import Record
from clr_ignite.cifar10.models import CaffeFull, CaffeQuick
from clr_ignite.cifar10.parts import build


@pytest.fixture
def record(tmp_path: Path) -> Record:
    return Record(tmp_path / "device.jsonl")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path, quick=True, workers=1, folder=None)


def measure(record: Record, name: str, value: object) -> bool:
    with record.measuring("part", name) as found:
        if found is not None:
            if isinstance(value, Exception):
                raise value
            found["value"] = value
    return found is not None


def test_what_was_measured_is_not_measured_again_and_what_failed_is(record: Record) -> None:
    assert measure(record, "a", 1) and measure(record, "b", RuntimeError("no kernel\nfor it"))
    assert not measure(record, "a", 2)
    assert [row.get("error") for row in record.rows()] == [None, "RuntimeError: no kernel"]
    assert measure(record, "b", 3)
    assert [row["value"] for row in record.rows("part")] == [1, 3]
    assert "| b | value 3 |" in record.page()


def test_a_torn_line_is_measured_again(record: Record) -> None:
    measure(record, "a", 1)
    record.path.write_text(record.path.read_text() + '\n{"part": "part", "na')
    assert measure(record, "b", 2)
    assert [row["value"] for row in record.rows()] == [1, 2]


def test_a_part_that_hangs_is_ended_with_all_that_it_started(
    record: Record, tmp_path: Path
) -> None:
    child = "import os, pathlib, time; pathlib.Path(sys.argv[1]).write_text(str(os.getpid()))"
    hang = (
        "import subprocess, sys, time; "
        f"subprocess.Popen([sys.executable, '-c', 'import sys; {child}; time.sleep(600)', "
        "sys.argv[1]]); time.sleep(600)"
    )
    began = time.monotonic()
    _within([sys.executable, "-c", hang, str(tmp_path / "pid")], record, "speed", 2.0)
    assert time.monotonic() - began < 60
    (row,) = record.rows()
    assert row["part"] == "speed" and row["error"].startswith("after 2 s")
    pid = int((tmp_path / "pid").read_text())
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        if Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z":
            return
        time.sleep(0.05)
    raise AssertionError(f"process {pid} goes on")


def test_without_a_device_it_says_what_can_be_done(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit, match="no CUDA device: --quick"):
        main(["--out", str(tmp_path)])


def test_gradients_of_every_uncompiled_form_are_right(record: Record, place: Place) -> None:
    correct.run(record, place)
    found = record.rows("correct")
    nets = [row for row in found if "right" in row]
    assert len(nets) == 4 * len(place.forms) and all(row["right"] for row in nets)
    apart = [row["apart after 6"] for row in found if "loss" in row]
    assert len(apart) == 1 + len(place.forms) and 0 < max(apart) < 1e-5
    correct.run(record, place)
    assert record.rows("correct") == found


def test_a_wrong_gradient_is_found(place: Place) -> None:
    class Off(torch.nn.Module):
        def __init__(self, model: torch.nn.Module) -> None:
            super().__init__()
            self.model = model

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.model(x) * (1 + 1e-4)

    exact = CaffeQuick(init="torch").double()
    assert correct.gradient_errors(FORMS["repeatable"], exact, place)[0] < 1e-6
    assert correct.gradient_errors(Form(Off), exact, place)[0] > correct.LIMITS[False]


def test_other_bits_are_found(place: Place) -> None:
    class Unsteady(torch.nn.Module):
        def __init__(self, model: torch.nn.Module) -> None:
            super().__init__()
            self.model = model

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.model(x + 1e-3 * torch.rand(()))

    assert set(repeats.gradients(FORMS["repeatable"], place).values()) == {True}
    assert set(repeats.gradients(Form(Unsteady), place).values()) == {False}


def test_training_goes_through_the_form_and_evaluation_through_the_model(place: Place) -> None:
    class Counted(torch.nn.Module):
        def __init__(self, model: torch.nn.Module) -> None:
            super().__init__()
            self.model, self.calls = model, 0

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.calls += 1
            return self.model(x)

    forms = []

    def form(model: torch.nn.Module) -> torch.nn.Module:
        forms.append(Counted(model))
        return forms[-1]

    parts = build(place.experiment, place.data, seed=0, device="cpu", form=form)
    before = parts.model.ip1.bias.clone()
    parts.trainer.run(parts.batches, max_iters=3)
    parts.evaluator.run(parts.eval_batches)
    assert [one.calls for one in forms] == [3]
    assert not torch.equal(parts.model.ip1.bias, before)


def test_the_first_convolution_as_a_product_has_the_nets_parameters() -> None:
    model = CaffeFull(init="torch").to(memory_format=torch.channels_last)
    other = first_as_product(model)
    for mine, its in zip(model.parameters(), other.parameters(), strict=True):
        assert mine is its
    x = torch.randn(2, 3, 32, 32).contiguous(memory_format=torch.channels_last)
    found, expected = other.conv1(x), model.conv1(x)
    assert type(model.conv1) is torch.nn.Conv2d and found.stride() == expected.stride()
    torch.testing.assert_close(found, expected)


@pytest.mark.slow
def test_300_iterations_of_a_form_are_no_further_off_than_those_of_a_rounding(
    record: Record, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Place, "iterations", 300)
    if shutil.which("g++") is not None:  # which Inductor needs on a CPU
        monkeypatch.setattr(Place, "forms", dict(FORMS))
    correct.trainings(record, place)
    nudged, *others = record.rows("correct")
    assert len(others) == len(place.forms)
    for row in others:
        assert row["apart after 10"] < 1e-5, row
        assert row["apart after 100"] < 10 * nudged["apart after 100"], row
        assert row["loss"] < 2.0, row  # 2.3 without training


@pytest.mark.slow
def test_the_whole_script_ends_and_goes_on_where_it_was(tmp_path: Path) -> None:
    words = "--quick --seeds 0 --workers 1 --seconds 900"
    command = [sys.executable, "-m", "benchmarks.device", "--out", tmp_path, *words.split()]
    record = Record(tmp_path / "device.jsonl")
    subprocess.run(command, check=True)
    assert [row for row in record.rows() if "error" in row] == []
    before = {part: len(record.rows(part)) for part in ("correct", "repeats", "speed")}
    assert before["correct"] == 16 and before["repeats"] == 5 and before["speed"] == 13
    runs = sorted(path.parent.name for path in (tmp_path / "runs").glob("*/result.json"))
    assert len(runs) == 6 and runs[0] == "full-exp-range-0"
    for row in record.rows("repeats"):
        assert all(value for name, value in row.items() if name != "another seed")
        assert not row.get("another seed", False)
    lines = record.path.read_text().count('"part": "correct"')
    subprocess.run(command, check=True)
    assert record.path.read_text().count('"part": "correct"') == lines
    assert (tmp_path / "device.md").read_text() == record.page()
