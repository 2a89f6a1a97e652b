"""``docs/loggers.md`` with the loggers themselves: what they logged is the rate in use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ignite.engine import Events

from clr_ignite.schedules import Triangular
from tests.pages import ROOT, blocks
from tests.test_pages import users_names

pytestmark = pytest.mark.company


def test_mlflow_logs_the_rate_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.chdir(tmp_path)
    tensorboard, with_mlflow, _ = blocks((ROOT / "docs/loggers.md").read_text(), "python")
    names: dict[str, Any] = users_names()
    exec(tensorboard, names)
    used: list[float] = []
    names["trainer"].add_event_handler(
        Events.ITERATION_COMPLETED, lambda: used.append(names["optimizer"].param_groups[0]["lr"])
    )
    exec(with_mlflow, names)
    (run,) = mlflow.search_runs(output_format="list")
    assert run.data.params["schedule"] == repr(Triangular(0.05, 0.5, step_size=120))
    history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "lr group_0")
    assert [metric.value for metric in history] == pytest.approx(used) and len(used) == 120
