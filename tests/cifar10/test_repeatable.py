"""Repeatable runs on a GPU, as far as a CPU can tell: what torch is asked for, and when."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.backends import cudnn

from clr_ignite.cifar10 import range_testing, training
from clr_ignite.cifar10.__main__ import main
from clr_ignite.cifar10.cli.command_line import build_parser
from clr_ignite.cifar10.data import load
from clr_ignite.cifar10.experiments import Experiment
from clr_ignite.cifar10.parts.cuda_graph import _chosen_convolutions
from clr_ignite.cifar10.parts.repeatable import repeatable
from clr_ignite.cifar10.reproducing.jobs import Job
from clr_ignite.cifar10.runs import provenance
from clr_ignite.cifar10.runs.environment import _on_cuda, environment
from clr_ignite.schedules import Linear

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
ONE = Experiment(schedule=Linear(0.0, 0.001, 1), iterations=2, model="quick", batch_size=2)


def settings() -> tuple[object, ...]:
    return (
        torch.get_deterministic_debug_mode(),
        torch.utils.deterministic.fill_uninitialized_memory,
        cudnn.deterministic,
        cudnn.benchmark,
        os.environ.get("CUBLAS_WORKSPACE_CONFIG"),
    )


@pytest.fixture(autouse=True)
def no_workspace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)


def test_torch_is_asked_for_one_order_and_no_timing_and_gets_its_settings_back() -> None:
    before = settings()
    with pytest.raises(KeyboardInterrupt), repeatable(CUDA):
        assert settings() == (1, False, True, False, ":4096:8") != before
        raise KeyboardInterrupt
    assert settings() == before


def test_what_is_stricter_already_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    torch.set_deterministic_debug_mode("error")
    try:
        before = settings()
        with repeatable(CUDA):
            assert settings() == (2, False, True, False, ":16:8")
        assert settings() == before
    finally:
        torch.set_deterministic_debug_mode("default")


@pytest.mark.parametrize(("device", "wanted"), [(torch.device("cpu"), True), (CUDA, False)])
def test_nothing_is_set_on_a_cpu_or_unasked(device: torch.device, wanted: bool) -> None:
    before = settings()
    with repeatable(device, wanted):
        assert settings() == before


def test_a_graph_is_captured_with_timed_convolutions_only_where_bits_may_differ() -> None:
    with _chosen_convolutions():
        assert cudnn.benchmark
    with repeatable(CUDA), _chosen_convolutions():
        assert not cudnn.benchmark and cudnn.deterministic
    assert not cudnn.benchmark


def test_a_place_says_whether_it_repeats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "GPU X")
    assert environment(CUDA)["repeatable"] is False
    with repeatable(CUDA):
        assert environment(CUDA)["repeatable"] is True
    assert "repeatable" not in environment(torch.device("cpu"))


@pytest.mark.parametrize("wanted", [True, False])
def test_runs_and_range_tests_are_made_so_from_claim_to_result(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, wanted: bool
) -> None:
    """On a CPU, with torch told what it would be told for a GPU."""
    seen: list[int] = []
    for module in (training, range_testing):
        monkeypatch.setattr(module, "repeatably", lambda place, wanted: repeatable(CUDA, wanted))
        monkeypatch.setattr(module, "claim", lambda *_: seen.append(settings()[0]))  # type: ignore[arg-type, func-returns-value]

    def look(*_: Any) -> None:
        seen.append(settings()[0])  # type: ignore[arg-type]

    monkeypatch.setattr("clr_ignite.cifar10.reproducing.jobs.loaded", lambda *_: load("digits"))
    Job(
        name="one",
        experiment=ONE,
        seed=0,
        out=tmp_path / "run",
        data="digits",
        folder=None,
        device="cpu",
        eval_every=2,
        threads=torch.get_num_threads(),
        repeatable=wanted,
    ).run()
    options = {"seed": 0, "every": 2, "repeatable": wanted}
    swept = Experiment(**{**vars(ONE), "held_out": 10})
    range_testing.range_test(swept, load("digits"), tmp_path / "test", on_row=look, **options)
    assert seen == [int(wanted)] * len(seen) and len(seen) >= 4
    assert settings()[0] == 0


@pytest.mark.parametrize(
    "command",
    [
        ["train", "--experiment", "quick-caffe", "--out", "out"],
        ["range-test", "--out", "out"],
        ["reproduce"],
    ],
)
def test_every_command_that_trains_can_be_told_not_to(command: list[str]) -> None:
    parser = build_parser()
    assert parser.parse_args(command).repeatable is True
    assert parser.parse_args([*command, "--not-repeatable"]).repeatable is False


@pytest.mark.parametrize("words", [[], ["--not-repeatable"]])
def test_the_configuration_says_which_it_was(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: list[str]
) -> None:
    """On a CPU, with torch told and the place described as for a GPU."""
    place = environment(CPU)
    monkeypatch.setattr(training, "repeatably", lambda _, wanted: repeatable(CUDA, wanted))
    monkeypatch.setattr(provenance, "environment", lambda _: place | _on_cuda())
    command = (
        f"train --experiment quick-caffe --iterations 2 --out {tmp_path / 'run'} --no-progress"
    )
    assert main([*command.split(), *words]) == 0
    (found,) = json.loads((tmp_path / "run" / "config.json").read_text())["environments"]
    assert found["repeatable"] is (words == [])
