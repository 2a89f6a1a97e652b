"""Range tests and training under torchrun with real gloo processes."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.distributed_script import CLR, ITERATIONS, SIZES, new_net, run, train

SCRIPT = Path(__file__).parent / "distributed_script.py"


def start(folder: Path, ranks: int, *cases: str) -> subprocess.CompletedProcess[str]:
    environment = dict(os.environ, OMP_NUM_THREADS="1", PYTHONPATH=str(SCRIPT.parent.parent))
    command = [sys.executable, "-m", "torch.distributed.run", f"--nproc_per_node={ranks}"]
    command += ["--standalone", "--local-addr=127.0.0.1", str(SCRIPT), str(folder), *cases]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)


def results_of(folder: Path, ranks: int, case: str) -> list[dict[str, Any]]:
    """What each rank found."""
    return [json.loads((folder / case / f"{rank}.json").read_text()) for rank in range(ranks)]


def torchrun(folder: Path, ranks: int, case: str) -> list[dict[str, Any]]:
    done = start(folder, ranks, case)
    assert done.returncode == 0, done.stderr
    return results_of(folder, ranks, case)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where two ranks have left what they found in each case."""
    folder = tmp_path_factory.mktemp("two")
    done = start(folder, 2, "train", "equal", "unequal", "nan", "terminate")
    assert done.returncode == 0, done.stderr
    return folder


def close(a: dict[str, Any], b: dict[str, Any]) -> bool:
    """The same weights up to the rounding of a sum taken in another order."""
    pairs = zip(a["weights"], b["weights"], strict=True)
    return all(
        torch.allclose(torch.tensor(x), torch.tensor(y), rtol=1e-4, atol=1e-6) for x, y in pairs
    )


def check_training(results: list[dict[str, Any]], alone: dict[str, Any]) -> None:
    for result in results:
        assert result["used"] == alone["used"] == [CLR(i) for i in range(33)]
        assert result["weights"] == results[0]["weights"] and close(result, alone)
    before = {"weights": [p.tolist() for p in new_net().parameters()]}
    assert not close(before, alone)


def test_training_along_a_schedule_is_that_of_one_process(two: Path, tmp_path: Path) -> None:
    alone = train("train", None, 1, tmp_path / "alone.pt")
    check_training(results_of(two, 2, "train"), alone)


@pytest.mark.slow
def test_training_of_four_processes_is_that_of_one(tmp_path: Path) -> None:
    alone = train("train", None, 1, tmp_path / "alone.pt")
    check_training(torchrun(tmp_path, 4, "train"), alone)


@pytest.mark.slow
def test_a_range_test_of_four_processes_is_that_of_one(tmp_path: Path) -> None:
    results = torchrun(tmp_path, 4, "four")
    alone = run("four", None)
    for result in results:
        assert result["used"] == alone["used"] and result["restored"]
        assert result["loss"] == results[0]["loss"]
        assert result["loss"] == pytest.approx(alone["loss"], rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("ranks", [2, 4])
def test_a_killed_rank_ends_the_others_and_a_restart_goes_on(ranks: int, tmp_path: Path) -> None:
    died = start(tmp_path, ranks, "die")  # within the time limit there
    assert died.returncode != 0 and "Signal 9 (SIGKILL)" in died.stderr
    assert not list(tmp_path.rglob("*.json"))
    results = torchrun(tmp_path, ranks, "die")
    whole = torchrun(tmp_path, ranks, "train")
    for cut, never in zip(results, whole, strict=True):
        assert cut["start"] == 14  # neither an epoch of 5 nor a cycle of 8 ends there
        assert cut["weights"] == never["weights"]
        assert cut["used"] == never["used"][14:]


@pytest.mark.parametrize("case", ["equal", "unequal"])
def test_ranks_use_the_same_rates_and_record_the_weighted_mean(case: str, two: Path) -> None:
    first, second = results_of(two, 2, case)
    assert first["used"] == second["used"] == first["lr"] == second["lr"]
    assert first["loss"] == second["loss"]
    weights = SIZES[case]
    means = [
        (weights[0] * a + weights[1] * b) / sum(weights)
        for a, b in zip(first["own"], second["own"], strict=True)
    ]
    assert first["loss"] == pytest.approx(means, rel=1e-12)
    assert first["own"] != second["own"]
    assert first["restored"] and second["restored"]
    assert first["generator"] == second["generator"]
    # Only the first rank is heard: one bar, one observer.
    assert (first["seen"], second["seen"]) == (list(range(1, ITERATIONS + 1)), [])
    # A bar is drawn again and again in its line, and ended with it.
    assert first["said"].count("\n") == 1 and "12/12" in first["said"]
    assert second["said"] == ""
    if case == "equal":  # DDP's mean of gradients is that of the global batch
        alone = run(case, None)
        assert first["loss"] == pytest.approx(alone["loss"], rel=1e-4)


@pytest.mark.parametrize(("case", "reason"), [("nan", "diverged"), ("terminate", "terminated")])
def test_ranks_stop_together(case: str, reason: str, two: Path) -> None:
    for result in results_of(two, 2, case):
        assert (result["stop_reason"], len(result["lr"]), len(result["own"])) == (reason, 6, 6)
        assert result["restored"]
        assert math.isnan(result["loss"][-1]) == (case == "nan")
