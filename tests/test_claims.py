"""What the pages say of runs: numbers are theirs, and a comparison is what its interval allows."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from statistics import mean

import pytest

from clr_ignite import ComparedResult
from clr_ignite.cifar10.report.differences import readings
from clr_ignite.cifar10.report.intervals import Interval, of_difference, of_mean, of_one_more
from tests.scripts import script

ROOT = Path(__file__).parent.parent
PAGES = ("README.md", "results/README.md", *(f"docs/{n}.md" for n in ("reproduction", "notes")))
T = script("docs/write_tables.py")

# Sentences by page: a row, what it is held against, and what the interval of the difference is to
# say. Another row is its name; a number is a published figure.
SAID = [
    ("results/README.md", "full-triangular2", 81.4, "below", "below it, as single runs may be."),
    ("results/README.md", "full-fixed", 81.4, "above", "above it, more than single runs scatter."),
    ("results/README.md", "full-fixed-order", 81.4, "above", "above it, as single runs may be."),
    ("results/README.md", "full-triangular2-order", 81.4, "below", "single runs may be as far."),
    ("results/README.md", "full-exp", 79.1, "above", "above the paper's 79.1, as single runs may"),
    ("results/README.md", "full-decay", 78.5, "not told apart", "apart from the paper's 78.5"),
    ("results/README.md", "quick-caffe-order", 75.33, "not told apart", "apart from the log"),
    ("results/README.md", "full-muon-1500", 81.4, "above", "81.4 % is passed at 1,500"),
    ("results/README.md", "full-trapezoid", 81.4, "not told apart", "apart from the 81.4 %"),
    ("results/README.md", "full-fixed", "full-triangular2", "above", "above Table 2. Before"),
    ("results/README.md", "full-exp", "full-fixed", "below", "below one that stays there"),
    (
        *("results/README.md", "full-triangular2-order", "full-triangular2", "not told apart"),
        "not told apart from the shuffled runs",
    ),
    (
        *("results/README.md", "full-muon-2000", "full-fixed", "not told apart"),
        "From our own fixed run's mean 2,000 iterations are not told apart;",
    ),
    (
        *("results/README.md", "full-trapezoid-28k", "full-fixed", "not told apart"),
        "do not tell apart from the fixed run after 70,000",
    ),
    ("results/README.md", "full-muon-1500", "full-fixed", "below", "1,500 end below it, 2,500"),
    ("results/README.md", "full-muon-2500", "full-fixed", "above", "2,500 and more above it."),
    ("results/README.md", "full-muon-7000", "full-fixed", "above", "2,500 and more above it."),
    ("docs/reproduction.md", "full-muon-2500", "full-fixed", "above", "After 2,500 iterations, a"),
    (
        *("docs/reproduction.md", "full-muon-2000", "full-fixed", "not told apart"),
        "after 2,000 the two are not told apart, and 1,500 end below it",
    ),
    (
        *("docs/reproduction.md", "full-trapezoid-28k", "full-fixed", "not told apart"),
        "`full-trapezoid-28k` (batch 50) is not told apart from the fixed run",
    ),
    ("docs/reproduction.md", "full-fixed-order", 81.4, "above", "the paper, as single runs may"),
    ("docs/reproduction.md", "quick-caffe-order", 75.33, "not told apart", "from Caffe's log;"),
    (
        *("docs/notes.md", "full-triangular2-order", "full-triangular2", "not told apart"),
        "with Table 2 five seeds do not show it",
    ),
]


def words(page: str) -> str:
    """A page in one line, for sentences go over several."""
    return " ".join((ROOT / page).read_text().split())


def held(row: str, against: str | float) -> Interval:
    values = T.percent(row)
    if isinstance(against, str):
        found = of_difference(values, T.percent(against))
    else:
        assert T.published(row) in (against, None)
        mean_of_row = of_mean(values)
        found = mean_of_row and mean_of_row.less(against)
    assert found is not None
    return found


@pytest.mark.parametrize("page", T.PAGES)
def test_tables_are_as_the_runs_have_them(page: str) -> None:
    text = (ROOT / page).read_text()
    assert T.written(text) == text  # else: python docs/write_tables.py
    cell = r"\d+\.\d\d ± \d+\.\d\d \(n = \d+\) (?=\|)"
    assert re.search(cell, text) and T.written(re.sub(cell, "- ", text)) == text


@pytest.mark.parametrize(
    ("page", "row", "against", "verdict", "said"), SAID, ids=lambda part: str(part)[:40]
)
def test_a_comparison_is_what_its_interval_allows(
    page: str, row: str, against: str | float, verdict: str, said: str
) -> None:
    assert said in words(page)
    assert held(row, against).verdict == verdict
    scatter = None if isinstance(against, str) else of_one_more(T.percent(row))
    if scatter is not None and verdict != "not told apart" and "single runs" in said:
        within = scatter.low <= float(against) <= scatter.high
        assert within == ("more than single runs" not in said)


@cache
def at(run: str, iteration: int) -> float:
    with open(ROOT / "results" / run / "metrics.csv") as file:
        rows = {int(row["iteration"]): row["eval_accuracy"] for row in csv.DictReader(file)}
    return 100 * float(rows[iteration])


def before_the_drop(solver: str) -> list[float]:
    """The means of two seeds of the fixed rate over 50,000 to 60,000."""
    names = [f"full-{solver}-fixed-{seed}" for seed in (0, 1)]
    return [mean(at(name, 1_000 * k) for k in range(50, 61)) for name in names]


def variants() -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    with open(ROOT / "results/notes/variants.csv") as file:
        for row in csv.DictReader(file):
            found.setdefault(row["variant"], []).append(100 * float(row["accuracy"]))
    return found


@cache
def differences_of_pages() -> set[str]:
    """All that a page may say: each reading against each, and against what is published."""
    read = [one for group in T.rows().values() for one in readings(group) if len(one.values) > 1]
    pairs: list[Interval | None] = []
    for one in read:
        pairs += [of_difference(one.values, other.values) for other in read]
        mean_of_row = of_mean(one.values)
        pairs += [mean_of_row.less(figure) for figure in figures() if mean_of_row]
    fixed, fives = T.percent, range(5)
    pairs.append(
        of_difference(fixed("full-triangular2"), [at(f"full-fixed-{s}", 60_000) for s in fives])
    )
    pairs.append(of_difference(fixed("full-decay"), [at(f"full-fixed-{s}", 25_000) for s in fives]))
    (cycle_end,) = readings(T.rows()["full-nesterov-triangular"])[1:]
    pairs.append(of_difference(cycle_end.values, before_the_drop("nesterov")))
    choices = variants()
    pairs += [of_difference(values, choices["Caffe's"]) for values in choices.values()]
    return {text for interval in pairs if interval for text in said_as(interval)}


def figures() -> Sequence[float]:
    known = {group.entry.published for group in T.rows().values() if group.entry}
    return sorted(figure for figure in known if figure is not None)


def said_as(interval: Interval) -> list[str]:
    """``0.27, -0.07 to +0.60`` where 0 lies within, else the sizes alone: words give the side."""
    if interval.verdict == "not told apart":
        return [f"{interval.center:+.2f}, {interval.low:+.2f} to {interval.high:+.2f}"]
    low, high = sorted((abs(interval.low), abs(interval.high)))
    return [f"{abs(interval.center):.2f}, {low:.2f} to {high:.2f}"]


@pytest.mark.parametrize("page", PAGES)
def test_every_difference_is_of_runs(page: str) -> None:
    number = r"([+-]?\d+\.\d\d)"
    patterns = (
        rf"{number} points(?: \(|, ){number} to {number}",
        rf"\({number}, {number} to {number}\)",
    )
    text = re.sub(r"^\|.*\n", "", (ROOT / page).read_text(), flags=re.M)
    stated = {
        f"{a}, {low} to {high}"
        for pattern in patterns
        for a, low, high in re.findall(pattern, " ".join(text.split()))
    }
    assert stated - differences_of_pages() == set()
    assert stated or page == "README.md"


def test_the_advice_is_compared_by_the_interval_over_tasks() -> None:
    from benchmarks.advice.report import places
    from benchmarks.advice.tasks import SHOW

    tables = {}
    for name in ("grid.csv", "answers.csv"):
        with open(ROOT / "results/advice" / name) as file:
            tables[name] = list(csv.DictReader(file))
    found = places(tables)

    def lost(tool: str, way: str) -> list[float]:
        return [mean(found[tool, way, "300"].lost[task]) for task in SHOW]

    ours = lost("clr_ignite, held-out loss", "pair")
    for tool, way, percent, verdict in (
        ("fastai minimum", "peak", "6 %", "not told apart"),
        ("Ignite FastaiLRFinder", "peak", "21 %", "not told apart"),
        ("no finder (SGD 0.01, others 0.001)", "constant", "37 %", "above"),
    ):
        theirs = lost(tool, way)
        interval = of_mean([a - b for a, b in zip(theirs, ours, strict=True)])
        assert interval and interval.verdict == verdict
        assert f"{100 * mean(theirs):.0f} %" == percent and percent in words("README.md")
    assert interval and f"{100 * mean(ours):.0f} % of what the best of 30" in words("README.md")
    low, middle, high = (100 * v for v in (interval.low, interval.center, interval.high))
    assert f"({middle:.0f} points more, 95 % interval over tasks {low:.0f} to {high:.0f})" in words(
        "README.md"
    )


def test_the_weight_decay_of_1cycle_is_what_its_comparison_says() -> None:
    folder = ROOT / "results/compare-decay"
    choice = ComparedResult.from_json(folder / "comparison.json").choose()
    near = [f"weight_decay={decay}" for decay in ("0", "0.001", "0.003")]
    assert (choice.name, list(choice.as_good)) == ("weight_decay=0.003", near)
    accuracies = [
        100 * json.loads((run / "result.json").read_text())["accuracy"]
        for run in (
            folder / "1cycle-weight_decay=0-0",
            ROOT / "results/full-1cycle-0",
            folder / "1cycle-weight_decay=0.004-0",
        )
    ]
    none, kept, caffe = (f"{accuracy:.2f} %" for accuracy in accuracies)
    said = f"{none} without decay, {kept} with 0.003, {caffe} with 0.004"
    assert said in words("results/README.md")
    said = f"({kept}; Caffe's 0.004 {caffe}); no decay had the lowest curves, and {none}."
    assert said in words("docs/comparing.md")
