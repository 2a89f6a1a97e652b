"""The benchmarks run, and what their pages claim holds on a small sample."""

from __future__ import annotations

import csv
import importlib
import json
import re
import warnings
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
import torch

from benchmarks import gpu, range_test, search
from benchmarks.__main__ import PARTS, main
from benchmarks.page import in_turns, with_sections
from benchmarks.page import table as markdown
from clr_ignite.cifar10.experiments import EXPERIMENTS

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def suggestions() -> ModuleType:
    return importlib.import_module("benchmarks.suggestions")


def rms(text: str) -> dict[str, tuple[float, float]]:
    """By method, the RMS errors of base_lr and max_lr in a table of the page."""
    rows = [line.strip("| ").split(" | ") for line in text.splitlines()[2:] if line]
    return {row[0]: (float(row[3]), float(row[7])) for row in rows}


def check(tables: dict[str, tuple[float, float]]) -> None:
    ours = tables["smith_bounds (accuracy)"]
    peers = ("steepest", "minimum", "valley", "slide", "best accuracy, a quarter of it")
    for name in peers:
        assert ours[0] < tables[name][0] and ours[1] < tables[name][1], name


@pytest.mark.parametrize("axis", ["linear", "log"])
def test_ours_has_the_least_error_for_both_bounds(suggestions: ModuleType, axis: str) -> None:
    rows = []
    for shape in suggestions.SHAPES:
        for seed in range(1_000, 1_006):
            case = suggestions.simulate(axis, shape, 0.06, seed)
            truth = {name: case[name] for name in ("true_base", "true_max")}
            for method, (base, top) in suggestions.methods(case).items():
                key = {"axis": axis, "shape": shape, "method": method}
                rows.append(key | truth | {"base_lr": base, "max_lr": top})
    check(rms(suggestions.table(rows, list(suggestions.SHAPES), axis)))


def test_chance_has_no_pair_and_a_noisy_regression_has_one(suggestions: ModuleType) -> None:
    rows = [line.strip("| ").split(" | ") for line in suggestions.answered(40).splitlines()[2:]]
    assert [(row[0].split(",")[0], row[1]) for row in rows] == [
        ("accuracy at chance", "0"),
        ("noisy regression", "40"),
    ]
    assert 0.01 < float(rows[1][2]) < 0.1


def test_the_committed_page_says_so_too() -> None:
    page = (ROOT / "results/suggestions/suggestions.md").read_text()
    assert "accuracy at chance, `smith_bounds` (right: never) | 0 |" in page
    tables = re.findall(r"^## .* axis\n\n((?:\|.*\n)+)", page, re.M)
    assert len(tables) == 4
    for table in tables:
        check(rms(table))


def test_candidates_take_turns_and_ratios_are_medians_of_turns() -> None:
    now, order = [0.0], []
    costs = {"base": iter([9, 1, 2, 4]), "other": iter([9, 3, 4, 40])}  # the first turn warms up

    def candidate(name: str) -> object:
        def run() -> None:
            order.append(name)
            now[0] += next(costs[name])

        return lambda: run

    candidates = {name: candidate(name) for name in costs}
    seconds, found = in_turns(candidates, 3, clock=lambda: now[0])  # type: ignore[arg-type]
    assert order == ["base", "other", "other", "base"] * 2
    assert (seconds, found) == (2, {"base": 1, "other": 3})  # of 3, 2 and 10


def test_a_section_is_replaced_and_the_others_stay() -> None:
    page = with_sections("", {"one": "old\n\n" + markdown(["a"], [["1"]]), "two": "kept"})
    page = with_sections(page, {"one": "new", "three": "added"})
    assert re.findall(r"^## (.*)\n\n(.*)", page, re.M) == [
        ("one", "new"), ("two", "kept"), ("three", "added")
    ]  # fmt: skip
    assert "old" not in page and page.count("# Benchmarks") == 1


def test_the_committed_page_has_every_part() -> None:
    page = (ROOT / "results/benchmarks.md").read_text()
    titles = [importlib.import_module(f"benchmarks.{part}").TITLE for part in PARTS]
    assert set(re.findall(r"^## (.*)", page, re.M)) == set(titles)
    assert len(re.findall(r"^Commit [0-9a-f]{7,}\b", page, re.M)) == len(PARTS)


QUICK = ["schedule_update", "growth"]
LONG = ["range_test", "training_step", "data", "live", "imports"]


@pytest.mark.parametrize(
    "part", QUICK + [pytest.param(part, marks=pytest.mark.slow) for part in LONG]
)
def test_a_part_runs_by_name_and_writes_its_section(part: str, tmp_path: Path) -> None:
    main([part, "--quick", "--out", str(tmp_path / "page.md")])
    page = (tmp_path / "page.md").read_text()
    assert f"## {importlib.import_module(f'benchmarks.{part}').TITLE}\n" in page
    assert len(re.findall(r"^\| .*\d.* \|$", page, re.M)) >= 2


def test_an_unknown_part_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["range_tset", "--out", str(tmp_path / "page.md")])
    assert "no benchmark 'range_tset'; there are schedule_update, range_test" in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("case", "copies"),
    [
        pytest.param(case, copies, marks=[pytest.mark.slow] * (copies != 3))
        for case, copies in zip(range_test.MEMORY, (3, 4, 2), strict=True)
    ],
)
def test_a_test_holds_one_copy_of_what_it_puts_back(case: str, copies: int) -> None:
    """Parameters, momentum, gradients; and gradients that the step drops wait to come back."""
    _, grown, files = range_test.in_own_process(case)
    assert copies - 0.3 < float(grown) < copies + 0.3 and files == "0"


def test_a_file_opened_for_writing_is_noticed() -> None:
    modes = {"r": False, "rb": False, "w": True, "ab": True, "x": True, "r+": True}
    assert {mode: range_test.writes("open", ("f", mode, 0)) for mode in modes} == modes
    assert not range_test.writes("os.remove", ("wax",))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_the_gpu_part_refuses_without_a_gpu(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["gpu", "--out", str(tmp_path / "page.md")])
    assert "gpu cannot be measured here: torch finds no CUDA device" in capsys.readouterr().err
    assert not (tmp_path / "page.md").exists()


def test_synchronizations_are_counted_by_torchs_warnings() -> None:
    def run() -> None:
        warnings.warn("something else", stacklevel=1)
        for _ in range(3):
            warnings.warn("called a synchronizing CUDA operation", stacklevel=1)

    assert gpu.synchronizations(run) == 3


@pytest.mark.slow
@pytest.mark.parametrize("tensor_rates", [True, False])
def test_tensor_rates_that_change_compile_nothing_again(tensor_rates: bool) -> None:
    """Where floats are constants of the graph, a float rate compiles at every change."""
    with torch._dynamo.config.patch(specialize_float=True):
        found = gpu.recompilations(
            "cpu", 8, lambda f: torch.compile(f, backend="eager"), tensor_rates=tensor_rates
        )
    assert found == 0 if tensor_rates else found >= 3


TRAPEZOID = {
    "optimizer": "sgd",
    "multipliers": 1,
    "batch_size": 50,
    "images": 700_000,
    "max_lr": 0.005,
    "rise": 0.15,
    "level": 0.5,
    "middle": 0.5,
    "momentum": 0.85,
    "weight_decay": 0.001,
    "ema_decay": 0.995,
}


def test_a_line_of_settings_is_the_run_that_the_table_has() -> None:
    row = EXPERIMENTS["full-trapezoid"].experiment
    assert search.experiment(TRAPEZOID) == replace(row, held_out=5_000)
    muon = search.experiment(TRAPEZOID | {"optimizer": "muon", "multipliers": 0})
    assert (muon.optimizer, muon.multipliers, muon.nesterov) == ("muon", False, False)


def test_a_bent_fall_and_no_rise() -> None:
    bent = search.experiment(TRAPEZOID | {"middle": 0.2, "level": 0.0, "rise": 0.0})
    assert bent.schedule(0) == 0.005
    assert bent.schedule(7_000) == pytest.approx(0.001)
    assert bent.schedule(14_000) == 0
    momentum = bent.schedules["momentum"]
    assert [momentum(step) for step in (0, 7_000, 14_000)] == pytest.approx([0.85, 0.93, 0.95])


def test_a_search_writes_its_lines_best_first(tmp_path: Path) -> None:
    lines = [
        TRAPEZOID | {"batch_size": 20, "images": 1_500, "max_lr": rate, "ema_decay": 0}
        for rate in (1e-8, 0.002)
    ]
    text = "\n".join([",".join(lines[0]), *(",".join(map(str, line.values())) for line in lines)])
    (tmp_path / "settings.csv").write_text(text + "\n")
    words = f"{tmp_path}/settings.csv --seeds 0,1 --data digits --hold-out 300 --out {tmp_path}"
    search.main(words.split())
    with (tmp_path / "held_out.csv").open(newline="") as file:
        found = list(csv.DictReader(file))
    assert [float(row["max_lr"]) for row in found] == [0.002, 1e-8]
    assert [row["n"] for row in found] == ["2", "2"]
    results = [
        json.loads((tmp_path / f"{search.name(lines[1])}-{seed}/result.json").read_text())
        for seed in (0, 1)
    ]
    assert {result["evaluated_on"] for result in results} == {"held-out"}
    assert search.read(tmp_path / "held_out.csv") == lines[::-1]  # can be repeated
    accuracy = [100 * result["accuracy"] for result in results]
    assert float(found[0]["accuracy"]) == pytest.approx(sum(accuracy) / 2, abs=0.006)
    assert float(found[0]["accuracy_sd"]) == pytest.approx(
        abs(accuracy[0] - accuracy[1]) / 2**0.5, abs=0.006
    )


def test_settings_that_lack_a_column_are_named(tmp_path: Path) -> None:
    (tmp_path / "settings.csv").write_text("batch_size,images,max_lr\n50,700000,0.005\n")
    with pytest.raises(
        ValueError,
        match=r"settings.csv lacks optimizer, multipliers, rise, level, .*ema_decay: the col",
    ):
        few = ("--data", "digits", "--hold-out", "100")
        search.main([f"{tmp_path}/settings.csv", *few, "--out", str(tmp_path)])


def test_the_committed_searches_can_be_repeated() -> None:
    for path in ("held_out.csv", "muon.csv", "muon_two_seeds.csv"):
        lines = search.read(ROOT / "results/search" / path)
        assert len(lines) == len({search.name(line) for line in lines}) > 3
    assert TRAPEZOID in search.read(ROOT / "results/search/held_out.csv")


@pytest.mark.parametrize("path", ["muon.csv", "muon_two_seeds.csv"])
def test_the_muon_rows_are_the_best_line_of_their_searches(path: str) -> None:
    best = search.experiment(search.read(ROOT / "results/search" / path)[0])
    assert best == replace(EXPERIMENTS["full-muon-2500"].experiment, held_out=5_000)
