"""The script for a GPU, on a CPU: its record, its parts in a few iterations, its end."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from benchmarks.device import correct, others, repeats
from benchmarks.device.__main__ import _within, main
from benchmarks.device.forms import FORMS, Form, PaddedConv, ProductConv, first_as
from benchmarks.device.place import Place
from benchmarks.device.record import Record
from benchmarks.device.seeds import SeveralFull, SummedGradients
from clr_ignite.cifar10.choices import Pooling
from clr_ignite.cifar10.models import CaffeFull, CaffeQuick, param_groups
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
    _within([sys.executable, "-c", hang, str(tmp_path / "pid")], record, "speed", "all of it", 2.0)
    assert time.monotonic() - began < 60
    (row,) = record.rows()
    assert row["part"] == "speed" and row["error"].startswith("ended after 2 s")
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


def test_a_killed_part_is_said_until_it_has_gone_through(record: Record) -> None:
    for command in ("kill -9 $$", "exit 3", "exit 0"):
        _within(["sh", "-c", command], record, "speed", "all of it", 60.0)
        (row,) = record.rows()
        code = {"kill -9 $$": "exit code -9", "exit 3": "exit code 3"}.get(command)
        assert row.get("error") == code
    _within(["sh", "-c", "exit 0"], record, "others", "all of it", 0.0)
    assert record.rows("others")[0]["error"] == "not begun: no time left"


@pytest.mark.parametrize("given", [None, ":16:8"])
def test_every_part_has_a_workspace_that_repeats(
    given: str | None, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    if given is not None:
        monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", given)
    asked = f'test "$CUBLAS_WORKSPACE_CONFIG" = {given or ":4096:8"}'
    _within(["sh", "-c", asked], record, "speed", "all of it", 60.0)
    assert "error" not in record.rows()[0]


def test_a_full_disk_ends_it_and_costs_the_last_line_alone(record: Record) -> None:
    measure(record, "a", 1)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (record.path.stat().st_size + 20, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            measure(record, "b", 2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [row["value"] for row in record.rows()] == [1]
    assert measure(record, "b", 2)
    assert [row["value"] for row in record.rows()] == [1, 2]


def test_without_a_device_it_says_what_can_be_done(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit, match="no CUDA device: --quick"):
        main(["--out", str(tmp_path)])


def test_gradients_of_every_uncompiled_form_are_right(record: Record, place: Place) -> None:
    for part in (correct, others):
        part.run(record, place)
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


KINDS = (PaddedConv, ProductConv)


@pytest.mark.parametrize("kind", KINDS)
def test_a_first_convolution_of_another_kind_has_the_nets_parameters(
    kind: type[torch.nn.Conv2d],
) -> None:
    model = CaffeFull(init="torch").to(memory_format=torch.channels_last)
    other = first_as(kind, model)
    for mine, its in zip(model.parameters(), other.parameters(), strict=True):
        assert mine is its
    assert list(other.state_dict()) == list(model.state_dict())
    x = torch.randn(2, 3, 32, 32).contiguous(memory_format=torch.channels_last)
    found, expected = other.conv1(x), model.conv1(x)
    assert type(model.conv1) is torch.nn.Conv2d and found.stride() == expected.stride()
    torch.testing.assert_close(found, expected)


def gradients_of(net: torch.nn.Module, x: torch.Tensor, y: torch.Tensor) -> list[torch.Tensor]:
    net.zero_grad()
    F.cross_entropy(net(x), y).backward()
    return [parameter.grad.clone() for parameter in net.parameters()]  # type: ignore[union-attr]


@pytest.mark.parametrize("pooling", ["ceil", "floor"])
@pytest.mark.parametrize("net", [CaffeFull, CaffeQuick])
@pytest.mark.parametrize("kind", KINDS)
def test_it_has_the_gradients_of_the_plain_net(
    kind: type[torch.nn.Conv2d], net: type[CaffeFull] | type[CaffeQuick], pooling: Pooling
) -> None:
    model = net(pooling=pooling, init="torch").double().to(memory_format=torch.channels_last)
    x, y = torch.randn(4, 3, 32, 32, dtype=torch.float64), torch.randint(10, (4,))
    found, expected = (gradients_of(one, x, y) for one in (first_as(kind, model), model))
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)


def test_seeds_as_one_net_have_each_its_own_gradients() -> None:
    nets = [CaffeFull(init="torch").double() for _ in range(3)]
    x, y = 60 * torch.randn(3, 4, 3, 32, 32, dtype=torch.float64), torch.randint(10, (3, 4))
    together = SeveralFull(nets).double().to(memory_format=torch.channels_last)
    assert param_groups(together)[-1]["weight_decay"] == param_groups(nets[0])[-1]["weight_decay"]
    loss = SummedGradients(together, 3).eager(x.flatten(0, 1), y.flatten())
    alone = [gradients_of(*each) for each in zip(nets, x, y, strict=True)]
    for parameter, theirs in zip(together.parameters(), zip(*alone, strict=True), strict=True):
        found, expected = parameter.grad, torch.stack(theirs)
        assert found is not None
        assert float((found.reshape(expected.shape) - expected).norm() / expected.norm()) < 1e-10
    losses = [F.cross_entropy(net(a), b).item() for net, a, b in zip(nets, x, y, strict=True)]
    assert loss.item() == pytest.approx(sum(losses), rel=1e-10)


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
    assert before == {"correct": 1 + 21, "repeats": 1 + 6, "speed": 1 + 19}  # 1: all of it
    runs = sorted(path.parent.name for path in (tmp_path / "runs").glob("*/result.json"))
    assert len(runs) == 3 and runs[0] == "full-exp-range-0"
    for row in record.rows("repeats"):
        row.pop("seconds", None)
        assert all(value for name, value in row.items() if name != "another seed")
        assert not row.get("another seed", False)
    lines = record.path.read_text().count('"part": "correct"')
    subprocess.run(command, check=True)
    assert record.path.read_text().count('"part": "correct"') == lines + 1
    assert (tmp_path / "device.md").read_text() == record.page()
