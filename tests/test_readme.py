"""README and results pages: their code runs, their commands parse, their links and figures hold."""

from __future__ import annotations

import csv
import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import create_supervised_evaluator, create_supervised_trainer
from ignite.metrics import Accuracy
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from clr_ignite.cifar10.command_line import build_parser
from clr_ignite.cifar10.report import mean_and_spread

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("*/*.md"))]
README = (ROOT / "README.md").read_text()


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def users_names() -> dict[str, Any]:
    """What the reader is taken to have: a model, an optimizer, loaders and two Engines."""
    torch.manual_seed(0)
    digits = load_digits()
    x, y = torch.tensor(digits.data / 16).float(), torch.tensor(digits.target)
    model = nn.Sequential(nn.Linear(64, 100), nn.ReLU(), nn.Linear(100, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.7, momentum=0.9)
    return {
        "model": model,
        "optimizer": optimizer,
        "train_loader": DataLoader(TensorDataset(x[:1200], y[:1200]), 20, shuffle=True),
        "val_loader": DataLoader(TensorDataset(x[1200:], y[1200:]), 300),
        "trainer": create_supervised_trainer(model, optimizer, nn.functional.cross_entropy),
        "evaluator": create_supervised_evaluator(model, metrics={"accuracy": Accuracy()}),
    }


@pytest.mark.filterwarnings("ignore:Run completed without loss diverging")
def test_the_readmes_code_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VISDOM_SERVER_URL", "http://127.0.0.1:9")  # nobody there
    names: dict[str, Any] = {}
    python = blocks(README, "python")
    assert len(python) == 5
    for block in python:
        names |= users_names()
        exec(block, names)
        if "LRRangeTest" in block:
            names["evaluator"].run(names["val_loader"])
            assert names["evaluator"].state.metrics["accuracy"] > 0.85
            assert (tmp_path / "range_test.png").exists()
    assert names["finder"] and names["clr"].base_lr < names["clr"].max_lr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_parse(page: Path) -> None:
    for block in blocks(page.read_text(), "sh"):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line)
            if words[:3] == ["python", "-m", "clr_ignite.cifar10"]:
                build_parser().parse_args(words[3:])


def test_every_command_of_the_readme_exists() -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.M))
    text = README + (ROOT / "CONTRIBUTING.md").read_text()
    named = set(re.findall(r"make ((?:demo|test|test-slow|cifar10|lint|types|format))\b", text))
    assert named and named <= targets


def result(run: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((ROOT / "results" / run / "result.json").read_text())
    return read


@pytest.mark.parametrize(
    "run", ["full-triangular2-0", "full-fixed-0", "full-decay-0", "quick-ancestor-triangular-0"]
)
def test_the_figures_are_those_of_the_runs(run: str) -> None:
    accuracy = f"{100 * result(run)['accuracy']:.2f}"
    page = (ROOT / "results/README.md").read_text()
    assert accuracy in README and accuracy in page
    report = (ROOT / "results/report/report.md").read_text()
    assert accuracy in report or run.startswith("quick")  # there as a mean
    with open(ROOT / "results" / run / "metrics.csv") as file:
        last = list(csv.DictReader(file))[-1]
    assert (int(last["iteration"]), float(last["eval_accuracy"])) == (
        result(run)["iterations"],
        result(run)["accuracy"],
    )
    config = json.loads((ROOT / "results" / run / "config.json").read_text())
    assert all("+changes" not in place["commit"] for place in config["environments"])


def test_a_mean_is_that_of_its_runs() -> None:
    runs = [result(f"quick-ancestor-triangular-{seed}")["accuracy"] for seed in (0, 1)]
    words = mean_and_spread(runs)
    assert words in (ROOT / "results/report/report.md").read_text()
    number = words.partition(" (")[0]
    assert f"{number} % (n = 2" in README
    assert f"{number} % (n = 2)" in (ROOT / "results/README.md").read_text()


def test_the_range_tests_table_is_that_of_its_csv() -> None:
    page = (ROOT / "results/README.md").read_text()
    rates, ours = (
        [cell.strip() for cell in re.search(rf"^\| {name} \|(.*)\|$", page, re.M)[1].split("|")]  # type: ignore[index]
        for name in ("rate", "ours")
    )
    with open(ROOT / "results/range-test-full-0/range_test.csv") as file:
        rows = list(csv.DictReader(file))
    at = {f"{float(row['lr']):.3f}": row["eval_accuracy"] for row in rows[199::200]}
    assert [f"{100 * float(at[rate]):.1f}" for rate in rates] == ours


def test_the_suggested_pair_is_that_of_the_csv() -> None:
    from clr_ignite.suggestions import smith_bounds

    with open(ROOT / "results/range-test-full-0/range_test.csv") as file:
        rows = [row for row in csv.DictReader(file) if row["eval_accuracy"]]
    bounds = smith_bounds(
        [float(row["lr"]) for row in rows], [float(row["eval_accuracy"]) for row in rows]
    )
    assert (f"{bounds.base_lr:.4f}", f"{bounds.max_lr:.4f}") == ("0.0005", "0.0055")
    for text in (README, (ROOT / "results/README.md").read_text()):
        assert "0.0005" in text and "0.0055" in text
