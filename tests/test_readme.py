"""The README and the results pages: the first call runs as it stands, the figures are the runs'."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest

from clr_ignite import RangeTestResult
from clr_ignite.cifar10.experiments import FAMILIES
from clr_ignite.cifar10.report import write, write_report
from tests.pages import blocks

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
REPRODUCTION = (ROOT / "docs/reproduction.md").read_text()


def test_the_readmes_call_is_a_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (script,) = blocks(README, "python")
    names: dict[str, Any] = {}
    exec(script, names)
    bounds, evaluator = names["result"].suggest(), names["evaluator"]
    # What the picture docs/range_test.png has in its legend, to what another machine may round.
    assert bounds.max_lr == pytest.approx(0.0687, rel=0.5)
    assert bounds.base_lr == pytest.approx(bounds.max_lr / 10)
    assert bounds.lr == pytest.approx(bounds.max_lr / 2)
    assert names["result"].schedule().step_size == 4 * len(names["train_loader"])
    assert (tmp_path / "range_test.png").exists()
    assert evaluator.run(names["val_loader"]).metrics["loss"] < 0.3


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 120


def test_every_command_of_the_pages_exists() -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.M))
    pages = ("README.md", "CONTRIBUTING.md", "docs/install.md")
    text = "".join((ROOT / page).read_text() for page in pages)
    named = set(
        re.findall(r"make ((?:demo|docs|test|test-[a-z]+|cifar10|lint|types|format))\b", text)
    )
    assert named and named <= targets


def test_every_target_runs_whatever_files_there_are() -> None:
    text = (ROOT / "Makefile").read_text().replace("\\\n", " ")
    targets = set(re.findall(r"^([a-z0-9-]+):", text, re.M))
    assert set(re.findall(r"^\.PHONY: (.*)$", text, re.M)[0].split()) == targets


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


def test_the_report_is_that_of_the_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for drawing in ("draw_accuracies", "draw_overview", "draw_rates"):
        monkeypatch.setattr(write, drawing, lambda shown, path: path.touch())
    monkeypatch.setattr(RangeTestResult, "plot", lambda result, path, metric: path.touch())
    tests = sorted((ROOT / "results").glob("range-test-*"))
    text = write_report([*RUNS, *tests], tmp_path)
    assert (ROOT / "results/report/report.md").read_text() == text
    pictures = {path.name for path in tmp_path.glob("*.png")}
    assert pictures == {path.name for path in (ROOT / "results/report").glob("*.png")}
    linked = set(re.findall(r"\]\(([^)]+\.png)\)", text))
    assert linked == pictures


def rows_of(text: str, first_cell: str) -> dict[str, list[str]]:
    """A Markdown table's rows by their first cell, from the header that begins so."""
    lines = text[text.index(f"| {first_cell} |") :].splitlines()
    table = [line.strip("| ").split(" | ") for line in lines[: lines.index("")]]
    return {cells[0]: cells[1:] for cells in table[2:]}


def test_the_tables_of_the_reproduction_hold_the_reports_rows() -> None:
    """With the cells that tests/test_claims.py looks at."""
    report = rows_of((ROOT / "results/report/report.md").read_text(), "experiment")
    # The solvers and the first port's tables are the results page's; its headline is here too.
    families = ("full-solvers", "quick-ancestor", "quick-ancestor-early")
    elsewhere = {name for family in families for name in FAMILIES[family]}
    headline = {"quick-ancestor-fixed", "quick-ancestor-triangular"}
    page = re.findall(r"^\| ((?:full|quick)\S+) \|", REPRODUCTION, re.M)
    assert set(page) == report.keys() - elsewhere | headline
    assert len(rows_of(README, "experiment")) == 6


def test_the_shares_of_the_fixed_runs_iterations() -> None:
    page = rows_of((ROOT / "results/README.md").read_text(), "run of")
    shares = {
        int(name.split()[0].replace(",", "")): row[0] for name, row in page.items() if "," in name
    }
    assert len(shares) == 5
    assert shares == {length: f"1/{70_000 / length:.0f}" for length in shares}
    assert "2,500 iterations, a twenty-eighth" in REPRODUCTION and 70_000 / 28 == 2_500


def test_the_solvers_table_is_the_reports() -> None:
    report = rows_of((ROOT / "results/report/report.md").read_text(), "experiment")
    page = rows_of((ROOT / "results/README.md").read_text(), "solver")
    assert {f"full-{solver.lower()}-fixed" for solver in page} < FAMILIES["full-solvers"].keys()
    for solver, (_, *cells) in page.items():
        fixed, triangular = (report[f"full-{solver.lower()}-{s}"] for s in ("fixed", "triangular"))
        assert triangular[1].endswith(", iteration 24000")
        stated = [fixed[2], fixed[4], triangular[1], triangular[2], triangular[4]]
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
    text = (ROOT / "results/README.md").read_text()
    assert "0.0005" in text and "0.0055" in text
