"""Range tests under torchrun with two real gloo processes."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.distributed_script import ITERATIONS, SIZES, run

SCRIPT = Path(__file__).parent / "distributed_script.py"


def torchrun(case: str, folder: Path) -> tuple[list[dict[str, Any]], str]:
    environment = dict(os.environ, OMP_NUM_THREADS="1", PYTHONPATH=str(SCRIPT.parent.parent))
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2"]
    command += ["--standalone", "--local-addr=127.0.0.1", str(SCRIPT), case, str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(2)], done.stderr


@pytest.mark.parametrize("case", ["equal", "unequal"])
def test_ranks_use_the_same_rates_and_record_the_weighted_mean(case: str, tmp_path: Path) -> None:
    (first, second), stderr = torchrun(case, tmp_path)
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
    assert stderr.count("12/12") == 1
    if case == "equal":  # DDP's mean of gradients is that of the global batch
        alone = run(case, None)
        assert first["loss"] == pytest.approx(alone["loss"], rel=1e-4)


@pytest.mark.parametrize(("case", "reason"), [("nan", "diverged"), ("terminate", "terminated")])
def test_ranks_stop_together(case: str, reason: str, tmp_path: Path) -> None:
    results, _ = torchrun(case, tmp_path)
    for result in results:
        assert (result["stop_reason"], len(result["lr"]), len(result["own"])) == (reason, 6, 6)
        assert result["restored"]
        assert math.isnan(result["loss"][-1]) == (case == "nan")
