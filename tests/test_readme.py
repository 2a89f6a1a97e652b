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

from clr_ignite.cifar10.cli.command_line import build_parser
from clr_ignite.cifar10.experiments import FAMILIES
from clr_ignite.cifar10.report import write_report

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


RUNS = sorted(path.parent for path in (ROOT / "results").glob("*/result.json"))


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name)
def test_a_result_is_that_of_its_rows(run: Path) -> None:
    with open(run / "metrics.csv") as file:
        last = list(csv.DictReader(file))[-1]
    result = json.loads((run / "result.json").read_text())
    assert int(last["iteration"]) == result["iterations"]
    assert float(last["eval_accuracy"]) == result["accuracy"]
    config = json.loads((run / "config.json").read_text())
    assert all("+changes" not in place["commit"] for place in config["environments"])


def test_the_report_is_that_of_the_runs(tmp_path: Path) -> None:
    tests = sorted((ROOT / "results").glob("range-test-*"))
    text = write_report([*RUNS, *tests], tmp_path)
    assert (ROOT / "results/report/report.md").read_text() == text
    pictures = {path.name for path in tmp_path.glob("*.png")}
    assert pictures == {path.name for path in (ROOT / "results/report").glob("*.png")}


def rows_of(text: str, first_cell: str) -> dict[str, list[str]]:
    """A Markdown table's rows by their first cell, from the header that begins so."""
    lines = text[text.index(f"| {first_cell} |") :].splitlines()
    table = [line.strip("| ").split(" | ") for line in lines[: lines.index("")]]
    return {cells[0]: cells[1:] for cells in table[2:]}


def test_the_readmes_table_is_the_reports() -> None:
    report = rows_of((ROOT / "results/report/report.md").read_text(), "experiment")
    readme = rows_of(README, "experiment")
    # The solvers and the first port's tables are the results page's; its headline is here too.
    families = ("full-solvers", "quick-ancestor", "quick-ancestor-early")
    elsewhere = {name for family in families for name in FAMILIES[family]}
    headline = {"quick-ancestor-fixed", "quick-ancestor-triangular"}
    assert readme.keys() == report.keys() - elsewhere | headline
    for name, (iterations, accuracy, published) in readme.items():
        assert (iterations, accuracy) == (report[name][0], report[name][2])
        assert published == report[name][3].partition(" (")[0]


def test_what_is_said_of_the_muon_rows_holds() -> None:
    report = rows_of((ROOT / "results/report/report.md").read_text(), "experiment")
    at_end = {name: float(cells[2].split()[0]) for name, cells in report.items()}
    lengths = (1_500, 2_000, 2_500, 5_000, 7_000)
    muon = {length: at_end[f"full-muon-{length}"] for length in lengths}
    assert muon[1_500] > 81.4  # the paper's
    assert muon[1_500] < at_end["full-fixed"] < muon[2_000]
    assert "thirty-fifth" in README and 70_000 / 35 == 2_000
    assert f"{muon[5_000] - at_end['full-fixed']:.1f} points above it" in " ".join(README.split())
    page = rows_of((ROOT / "results/README.md").read_text(), "iterations")
    for length, mean in muon.items():
        share, accuracy = page[f"{length:,}"]
        assert (share, float(accuracy.split()[0])) == (f"1/{70_000 / length:.0f}", mean)


def test_the_solvers_table_is_the_reports() -> None:
    report = rows_of((ROOT / "results/report/report.md").read_text(), "experiment")
    page = rows_of((ROOT / "results/README.md").read_text(), "solver")
    assert {f"full-{solver.lower()}-fixed" for solver in page} < FAMILIES["full-solvers"].keys()
    for solver, (_, *cells) in page.items():
        fixed, triangular = (report[f"full-{solver.lower()}-{s}"] for s in ("fixed", "triangular"))
        assert triangular[1].endswith(", iteration 24000")
        stated = [fixed[2], fixed[3], triangular[1], triangular[2], triangular[3]]
        assert cells == [cell.partition(" (")[0] for cell in stated]


def test_every_accuracy_on_the_results_page_is_a_runs() -> None:
    """Percentages with two decimals: a row of a run or a search, a figure of the report."""
    page = (ROOT / "results/README.md").read_text()
    known = set(re.findall(r"\d+\.\d\d", (ROOT / "results/report/report.md").read_text()))
    for run in RUNS:
        with open(run / "metrics.csv") as file:
            known |= {f"{100 * float(row['eval_accuracy']):.2f}" for row in csv.DictReader(file)}
    for path in (ROOT / "results/search").glob("*muon*.csv"):
        with open(path) as file:
            known |= {row["accuracy"] for row in csv.DictReader(file)}
    stated = set(re.findall(r"(\d\d\.\d\d) ?%|\((\d\d\.\d\d),|(\d\d\.\d\d) at", page))
    assert stated and {next(filter(None, words)) for words in stated} <= known


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
