"""``docs/loggers.md`` with the loggers themselves: what they logged is the rate in use."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ignite.engine import Events

from clr_ignite.schedules import Triangular
from tests.pages import ROOT, blocks
from tests.test_pages import users_names

pytestmark = pytest.mark.company

SCHEDULE = repr(Triangular(0.05, 0.5, step_size=120))


def rates_used(logger: str) -> list[float]:
    """Runs the page's first block and that of a logger; the rates of the latter."""
    first, *others = blocks((ROOT / "docs/loggers.md").read_text(), "python")
    names: dict[str, Any] = users_names()
    exec(first, names)
    used: list[float] = []
    names["trainer"].add_event_handler(
        Events.ITERATION_COMPLETED, lambda: used.append(names["optimizer"].param_groups[0]["lr"])
    )
    (block,) = [block for block in others if f"import {logger}" in block]
    exec(block, names)
    assert len(used) == 120
    return used


def test_mlflow_logs_the_rate_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.chdir(tmp_path)
    used = rates_used("MLflowLogger")
    (run,) = mlflow.search_runs(output_format="list")
    assert run.data.params["schedule"] == SCHEDULE
    history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "lr group_0")
    assert [metric.value for metric in history] == pytest.approx(used)


def test_clearml_logs_the_rate_in_use(tmp_path: Path) -> None:
    """In a process of its own: ClearML patches the libraries that it finds."""
    code = f"from {__name__} import rates_used; print(rates_used('ClearMLLogger'))"
    paths = {"PYTHONPATH": str(ROOT), "CLEARML_CACHE_DIR": str(tmp_path), "HOME": str(tmp_path)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, **paths}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    (used,) = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[0.05")]
    (task,) = tmp_path.glob("offline/*/task.json")
    assert json.loads(task.read_text())["hyperparams"]["General"]["schedule"]["value"] == SCHEDULE
    sent = (task.parent / "metrics.jsonl").read_text().splitlines()
    events = [event for line in sent for event in json.loads(line)]
    logged = [event["value"] for event in events if event["metric"] == "lr"]
    assert logged == pytest.approx(used)
