"""compare_range_tests: settings side by side, what is refused, what goes on after a death."""

from __future__ import annotations

import csv
import errno
import json
import math
import os
import re
import threading
import traceback
import warnings
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock
import numpy as np
import pytest
import torch
from ignite.engine import Engine, Events
from torch.utils.data import DataLoader

from clr_ignite import (
    ComparedResult,
    LRRangeTest,
    RangeTestResult,
    RepeatedResult,
    compare_range_tests,
    repeat_range_test,
)
from clr_ignite._checks import _add_to_text
from clr_ignite.comparing import compare
from clr_ignite.comparing.settings import described
from clr_ignite.schedules import Triangular
from tests.rigs import Rig

SETTINGS: dict[str, dict[str, Any]] = {"none": {}, "some": {"weight_decay": 0.5}}


def set_up(seed: int, weight_decay: float = 0.0, batch_size: int = 8) -> tuple[Any, ...]:
    torch.manual_seed(seed)
    rig = Rig(weight_decay=weight_decay)
    with torch.no_grad():
        for parameter in rig.model.parameters():
            parameter.add_(torch.randn(parameter.shape) * 0.1 * (1 + seed))
    loader = DataLoader(rig.loader.dataset, int(batch_size))  # torch refuses NumPy's
    saved = {"model": rig.model, "optimizer": rig.optimizer}
    return rig.trainer, loader, rig.optimizer, saved, rig.with_evaluator(every=2)


def compared(
    setup: Callable[..., Any] = set_up, settings: Any = SETTINGS, **changes: Any
) -> ComparedResult:
    options = {"seeds": (0, 1), "start_lr": 0.0, "end_lr": 0.1, "num_iter": 12, "diverge_th": None}
    return compare_range_tests(setup, settings, **(options | changes))


def test_each_test_is_what_it_would_be_alone() -> None:
    order = []

    def noting(seed: int, **setting: Any) -> tuple[Any, ...]:
        order.append((seed, setting))
        return set_up(seed, **setting)

    found = compared(noting)
    assert order == [(seed, setting) for seed in (0, 1) for setting in SETTINGS.values()]
    for name, setting in SETTINGS.items():
        repeated = found.results[name]
        assert repeated.seeds == (0, 1)
        for seed, result in zip((0, 1), repeated.results, strict=True):
            trainer, data, optimizer, saved, own = set_up(seed, **setting)
            test = LRRangeTest(optimizer, 0.0, 0.1, 12, to_save=saved, diverge_th=None, **own)
            assert test.run(trainer, data) == result
    assert found.settings == SETTINGS and found.metrics == ("accuracy", "loss")
    assert found.alike == [] and found.ended


def made(
    base: float, lowest: float, *, seed: int = 0, rows: int = 80, metric: str = "loss"
) -> RangeTestResult:
    """Its loss falls from 2 to ``lowest`` at a rate of ``base``, then it explodes.

    lr    1e-4 ...  base  ... 1
    loss  2 ------\\______/
    """
    result = RangeTestResult(start_lr=1e-4, end_lr=1.0, num_iter=rows, step_mode="exponential")
    for row in range(rows):
        lr = 10 ** (-4 + 4 * row / (rows - 1))
        x = math.log(lr / base)
        value = 2 - (2 - lowest - 0.01 * seed) * math.exp(x) if x < 0 else lowest + 0.01 * seed + x
        result.add_row(iteration=row + 1, lr=lr, loss=2.0, evaluation={metric: value})
    result.epoch_length, result.stop_reason = 20, "completed"
    return result


def of(**tests: list[RangeTestResult]) -> ComparedResult:
    settings = {name: {"weight_decay": at} for at, name in enumerate(tests)}
    results = {name: RepeatedResult(range(len(own)), own) for name, own in tests.items()}
    return ComparedResult(settings, results)


GOOD = [made(0.1, 0.5), made(0.1, 0.5, seed=1)]
NEAR = [made(0.1, 0.51), made(0.1, 0.48, seed=1)]
BAD = [made(0.02, 1.5), made(0.02, 1.5, seed=1)]


def test_the_choice_its_bounds_and_its_schedule() -> None:
    both = of(good=GOOD, bad=BAD)
    choice = both.choose()
    assert choice.name == "good" and "held-out loss" in choice.reason
    alone = both.results["good"].suggest()
    assert [one.bounds for one in choice.standings] == [r.suggest() for r in both.results.values()]
    found = both.suggest()
    assert (found.base_lr, found.max_lr, found.lr) == (alone.base_lr, alone.max_lr, alone.lr)
    assert found.reason == f"{choice.reason}; {alone.reason}"
    assert both.schedule() == Triangular(alone.base_lr, alone.max_lr, 80)  # type: ignore[arg-type]
    assert both.schedule(7) == both.results["good"].schedule(7)
    assert both.schedule().momentum(0.95, 0.85)(80) == pytest.approx(0.85)  # type: ignore[union-attr]


def test_the_current_setting_is_kept_where_none_is_clearly_better() -> None:
    both = of(good=GOOD, near=NEAR, bad=BAD)
    for name in ("good", "near"):
        both.current = name
        assert both.choose().name == name and both.schedule() == both.results[name].schedule()
    both.current = "bad"
    assert both.choose().name != "bad"
    assert compared(current="some").current == "some"
    with pytest.raises(ValueError, match="current must be 'none' or 'some', got 'all'"):
        compared(current="all")


def test_the_table_has_a_row_for_each_setting() -> None:
    both = of(good=GOOD, bad=BAD)
    good, bad = both.rows()
    standing = both.choose().standings[0]
    assert good == {
        "setting": "good",
        "base_lr": standing.bounds.base_lr,
        "max_lr": standing.bounds.max_lr,
        "best": standing.best,
        "spread": standing.spread,
        "rate": standing.rate,
        "mean": standing.mean,
        "seeds": 2,
        "note": "chosen",
    }
    assert bad["setting"] == "bad" and bad["note"] == ""
    head, first, second = both.table().splitlines()
    assert head.split("  ")[0] == "setting" and "held-out loss" in head and "batch" not in head
    assert first.startswith("good ") and f"{standing.best:.4g} ± {standing.spread:.2g}" in first
    assert second.startswith("bad ") and first.endswith("chosen")
    assert str(both) == f"{both.table()}\n\n{both.choose().reason}"


def test_a_setting_that_diverges_or_learns_nothing_breaks_nothing() -> None:
    flat = [made(0.1, 2.0), made(0.1, 2.0)]
    dead = [RangeTestResult(start_lr=1e-4, end_lr=1.0, num_iter=80, step_mode="exponential")] * 2
    for result in dead:
        result.stop_reason = "diverged"
    both = of(dead=dead, flat=flat, good=GOOD)
    assert both.metrics == ("loss",) and both.choose().name == "good"
    table = both.table().splitlines()
    assert "none" in table[1] and "points are too few" in table[1]
    assert "did not fall" in table[2] and table[3].endswith("chosen")
    assert both.choose("loss").name == "good"
    both.picture()
    none = of(dead=dead, flat=flat)
    assert none.choose().name is None and none.suggest().max_lr is None
    with pytest.raises(ValueError, match="no setting can be trained with: no setting's held-out"):
        none.schedule()


def test_one_seed_that_ends_before_an_evaluation_is_no_curve() -> None:
    lost = made(0.1, 0.5, rows=0)
    both = of(good=[GOOD[0], lost], near=NEAR)
    assert [one.seeds for one in both.choose().standings] == [1, 2]
    assert [one.seeds for one in both.choose("loss").standings] == [1, 2]
    assert both.results["good"].pairs("loss")[1].reason == "loss was never measured"


def test_a_metric_that_one_test_lacks_is_named() -> None:
    both = of(good=GOOD, other=[made(0.1, 0.5, metric="nll"), made(0.1, 0.5)])
    with pytest.raises(KeyError, match="metric 'loss' is missing in other, seed 0; in all: none"):
        both.choose("loss")


def test_what_one_test_lacks_is_said_where_training_loss_is_read_instead() -> None:
    both = of(good=GOOD, other=[made(0.1, 0.5, metric="nll"), made(0.1, 0.5, metric="nll")])
    words = (
        r"training loss .*\(held-out loss, .* is missing in other, seed 0; other, seed 1; in all"
    )
    assert re.search(words, both.choose().reason) and re.search(words, str(both))
    bare = made(0.1, 0.5, metric="loss")
    bare.evaluation.clear()
    with pytest.raises(KeyError, match="metric 'loss' is missing in every test; in all: none"):
        of(a=[bare], b=[bare]).choose("loss")
    assert "missing" not in of(a=[bare], b=[bare]).choose().reason


def test_training_loss_is_read_where_nothing_else_was_measured() -> None:
    def bare(seed: int, weight_decay: float = 0.0) -> tuple[Any, ...]:
        return set_up(seed, weight_decay)[:4]

    found = compared(bare)
    assert "training loss" in found.choose().reason and "training loss" in found.table()


def test_batches_of_different_sizes_take_as_many_epochs() -> None:
    settings = {str(size): {"batch_size": size} for size in (4, 10, 20)}
    found = compared(settings=settings, num_iter=None, epochs=2.5)
    steps = [one.results[0].num_iter for one in found.results.values()]
    assert steps == [25, 10, 5]
    assert found.batch_sizes == {"4": 4, "10": 10, "20": 20}
    rows = found.rows()
    assert [row["batch_size"] for row in rows] == [4, 10, 20]
    sized = of(good=GOOD, bad=BAD)
    sized.batch_sizes = {"good": 8, "bad": None}
    good, bad = sized.rows()
    assert (good["max_lr_ratio"], bad["batch_size"]) == (1.0, None)
    assert bad["max_lr_ratio"] == bad["max_lr"] / good["max_lr"] != 1
    assert "max_lr x" in sized.table()
    sized.batch_sizes = {"good": 1024, "bad": 4096}
    assert " 1024 " in sized.table() and " 4096 " in sized.table()


def test_settings_that_are_not_used_are_named() -> None:
    def deaf(seed: int, **setting: float) -> tuple[Any, ...]:
        return set_up(seed)

    with pytest.warns(UserWarning) as said:
        found = compare_range_tests(deaf, SETTINGS, (0, 1), 0.0, 0.1, 12)
    texts = [str(one.message) for one in said]
    assert "setting 'some' asks for weight_decay=0.5, but the param groups" in texts[0]
    assert "'none' and 'some' with seed 0 are equal, step by step" in texts[1]
    assert "'none' and 'some' with seed 1 are equal" in texts[2] and len(said) == 3
    assert {one.filename for one in said} == {__file__}
    assert found.alike == [("none", "some")]
    assert found.choose().reason.endswith("does setup use the setting? none and some)")


def test_what_is_not_a_number_is_used_as_asked() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compared(settings={"none": {}, "nan": {"weight_decay": math.nan}}, seeds=(0,))


def test_two_tests_that_are_equal_by_chance_are_no_reason_to_warn() -> None:
    def often(seed: int, weight_decay: float = 0.0) -> tuple[Any, ...]:
        return set_up(seed, weight_decay if seed == 0 else 0.0)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert compared(often).alike == []


@pytest.mark.parametrize(
    ("setting", "words"),
    [({"weight_decay": 0.5}, "weight_decay=0.5, .* SGD have 0.1"), ({"momentum": 0.3}, "have 0.9")],
)
def test_an_optimizer_without_what_was_asked_for_is_named(
    setting: dict[str, float], words: str
) -> None:
    def deaf(seed: int, weight_decay: float = 0.0, **rest: float) -> tuple[Any, ...]:
        return set_up(seed, weight_decay / 5)

    asked = {"a": setting, "b": {"momentum": 0.9}}
    with pytest.warns(UserWarning) as said:
        compared(deaf, asked, seeds=(0,))
    assert re.search(f"setting 'a' asks for .*{words}: does setup pass it on", str(said[0].message))


def other(seed: int, decay: float) -> tuple[Any, ...]:
    return set_up(seed, decay)


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"settings": [{}, {}]}, TypeError, "settings must be a mapping of names"),
        ({"settings": {"a": {}}}, ValueError, r"settings must be at least two, .* \['a'\]"),
        ({"settings": {"a": {}, 1: {}}}, TypeError, r'text, such as f"{decay:g}", got 1'),
        ({"settings": {"a": {}, "b": 1e-3}}, TypeError, r"settings\['b'\] must be a dict"),
        ({"settings": {"a": {}, "b": {1: 2}}}, TypeError, "with text as its keys, got 1"),
        (
            {"settings": {"a": {"batch_size": 4}, "b": {}, "c": {"batch_size": 4}}},
            ValueError,
            "settings must differ: 'a' and 'c' are both {'batch_size': 4}",
        ),
        (
            {"settings": {"a": {"w": torch.ones(2)}, "b": {"w": torch.ones(2)}}},
            ValueError,
            "settings must differ: 'a' and 'b'",
        ),
        ({"seeds": (0, 0)}, ValueError, "seeds must be different"),
        ({"seeds": 3}, TypeError, "seeds must be a sequence of whole numbers, got 3"),
        ({"setup": other}, TypeError, "setup must take seed for setting 'none': missing"),
        ({"setup": None}, TypeError, "setup must be callable"),
        ({"setup": lambda seed, **_: (1, 2)}, TypeError, r"setup must return trainer, .* \(1, 2\)"),
        ({"epochs": 2}, ValueError, "epochs and num_iter exclude each other, got 2.0 and 12"),
        ({"epochs": 0, "num_iter": None}, ValueError, "epochs must be greater than 0"),
        ({"on_row": 3}, TypeError, "on_row must be callable or None, got 3"),
        ({"checkpoint": "a.pt"}, ValueError, "checkpoint must be left out, .*a.pt: give out inst"),
        (
            {"setup": lambda seed, **_: (*set_up(seed)[:4], None)},
            TypeError,
            "the fifth item that setup returns must be a dict of arguments, got None",
        ),
        (
            {"setup": lambda seed, **_: (*set_up(seed)[:4], {"hold": 1, "num_iter": 3})},
            TypeError,
            "the dict that setup returns must leave out num_iter: given elsewhere, by the call",
        ),
    ],
)
def test_bad_arguments_are_named(changes: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        compared(**changes)


def test_epochs_need_a_length() -> None:
    def endless(seed: int, **setting: float) -> tuple[Any, ...]:
        trainer, data, *rest = set_up(seed, **setting)
        return trainer, type("Stream", (), {"__iter__": lambda self: iter(data)})(), *rest

    with pytest.raises(ValueError, match="epochs needs data with a length, .*: give num_iter"):
        compared(endless, epochs=2, num_iter=None)


def test_on_row_sees_the_tests_grow() -> None:
    seen = []

    def note(growing: ComparedResult) -> None:
        lengths = {name: [len(r) for r in one.results] for name, one in growing.results.items()}
        seen.append((lengths, growing.ended, growing.picture().title))

    found = compared(seeds=(0,), on_row=note)
    assert [sum(map(sum, lengths.values())) for lengths, _, _ in seen] == list(range(1, 25))
    assert seen[3][:2] == ({"none": [4]}, False)
    assert seen[3][2] == "0 tests of 2 settings have ended"
    assert seen[20][2] == "1 tests of 2 settings have ended"
    assert seen[-1] == ({"none": [12], "some": [12]}, True, found.picture().title)


def test_what_grows_can_be_said_after_every_row() -> None:
    said: list[str] = []
    compared(seeds=(0,), current="some", on_row=lambda growing: said.append(str(growing)))
    assert said[0] == "nothing to compare yet, settings with a test: none"
    assert said[-1].startswith("setting ")
    assert said[-1].endswith(
        "none (0.9979) alone has a held-out loss that carries a rate to train at"
    )
    early = ComparedResult({"a": {}, "b": {}}, {})
    assert early.rows() == [] and early.suggest().max_lr is None and early.table() == ""


def test_files_hold_everything(tmp_path: Path) -> None:
    found = compared(current="some")
    found.to_json(tmp_path / "c.json")
    again = ComparedResult.from_json(tmp_path / "c.json")
    assert again == found and again.choose() == found.choose()
    assert again != compared() and again != 3
    found.to_csv(tmp_path / "c.csv")
    with open(tmp_path / "c.csv") as file:
        rows = list(csv.DictReader(file))
    assert [(row["setting"], row["seed"]) for row in rows[::12]] == [
        (name, seed) for name in SETTINGS for seed in "01"
    ]
    assert [float(row["loss"]) for row in rows[:12]] == list(found.results["none"].results[0].loss)


def test_numbers_of_numpy_are_numbers(tmp_path: Path) -> None:
    settings = {str(size): {"batch_size": np.int64(size)} for size in (4, 8)}
    settings["decay"] = {"weight_decay": np.float32(0.1)}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = compared(settings=settings, out=tmp_path)
    assert found.batch_sizes == {"4": 4, "8": 8, "decay": 8}
    assert compared(settings=settings, out=tmp_path) == found


def test_a_folder_is_for_trainers_of_one_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compare.idist, "get_world_size", lambda: 2)
    with pytest.raises(ValueError, match="out must be left out in a run of several processes"):
        compared(out=tmp_path / "never")
    assert not (tmp_path / "never").exists()


@pytest.mark.parametrize("out", ["", "a file"])
def test_what_is_no_folder_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a file").write_text("hello")
    with pytest.raises(ValueError, match=f"out must be a folder, .*got '{out}'"):
        compared(out=out)
    assert [path.name for path in tmp_path.iterdir()] == ["a file"]


def test_what_json_lacks_is_described(tmp_path: Path) -> None:
    itself: list[Any] = []
    itself.append(itself)
    settings = {
        "a": {"make": torch.optim.SGD, "eps": math.inf, "betas": (0.9, 0.99)},
        "b": {
            "weights": torch.tensor([1.0, 2.0]),
            "make": torch.optim.AdamW,
            "where": torch.device("cpu"),
            "hook": object(),
            "empty": torch.empty(2, device="meta"),
            "itself": itself,
        },
    }
    ComparedResult(settings, of(a=GOOD, b=NEAR).results).to_json(tmp_path / "c.json")
    assert ComparedResult.from_json(tmp_path / "c.json").settings == {
        "a": {"make": "torch.optim.sgd.SGD", "eps": "inf", "betas": [0.9, 0.99]},
        "b": {
            "weights": [1.0, 2.0],
            "make": "torch.optim.adamw.AdamW",
            "where": "device(type='cpu')",
            "hook": "<object object>",
            "empty": "tensor(..., device='meta', size=(2,))",
            "itself": ["..."],
        },
    }


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "clr_ignite range test"}, "not a comparison's file"),
        ({"settings": 3}, "field 'settings' holds 3"),
        ({"current": "c"}, "field 'current' holds 'c', no setting's name"),
        ({"settings": {}}, "field 'results' holds others than field 'settings'"),
        ({"results": {"a": {"seeds": [0], "tests": []}}}, "field 'seeds' holds .* for 0 tests"),
        ({"results": {"a": {"seeds": ["x"], "tests": [{}]}}}, "field 'seeds' holds"),
        ({"results": {"a": {"seeds": [0], "tests": [3]}}}, "3 is no object"),
        ({"results": {"a": {"seeds": [0], "tests": [{}]}}}, "missing or unknown fields"),
        ({"results": {"a": {"seeds": [0, 0], "tests": [{}, {}]}}}, r"'seeds' holds \[0, 0\]"),
        ({"batch_sizes": {"a": "8"}}, "field 'a' holds '8'"),
        ({"settings": {"a": 3, "b": {}}}, "field 'a' holds 3"),
    ],
)
def test_another_file_is_refused(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    path = tmp_path / "c.json"
    of(a=GOOD, b=NEAR).to_json(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ValueError, match=f"c.json cannot be read: .*{words}"):
        ComparedResult.from_json(path)


def test_the_picture(tmp_path: Path) -> None:
    both = of(good=GOOD, bad=BAD)
    picture = both.picture()
    assert [(c.name, c.look) for c in picture.curves] == [("good", "thick"), ("bad", "line")]
    assert picture.log and picture.y_label == "held-out loss"
    assert picture.title == both.choose().reason
    assert len(picture.marks) == 3
    assert max(picture.curves[0].spread or ()) > 0
    axes = both.plot(tmp_path / "c.png")
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")
    assert len(axes.collections) == 2
    assert "<pre>setting" in both._repr_html_() and "<img src" in both._repr_html_()
    short = made(0.1, 0.5, seed=1)
    short.lr[60:] = array("d", [lr * 1.01 for lr in short.lr[60:]])  # where it ended is its own
    (curve, _) = of(good=[GOOD[0], short], bad=BAD).picture().curves
    assert list(curve.x) == list(short.lr[:60])
    many = of(**{f"s{at}": [made(0.1, 1.9 - 0.1 * at)] for at in range(12)})
    drawn = many.picture()
    assert [curve.name for curve in drawn.curves] == [f"s{at}" for at in range(2, 12)]
    assert len({curve.color for curve in drawn.curves}) == 10
    assert drawn.title.endswith("(the 10 best of 12 are drawn)")
    assert drawn.curves[0].spread is None


class Killed(BaseException):
    """Stands for a process that dies."""


def dying_at(row: int) -> Callable[..., tuple[Any, ...]]:
    """A setup whose trainers together are killed in the step of that number."""
    steps = 0

    def count(engine: Engine) -> None:
        nonlocal steps
        steps += 1
        if steps == row:
            raise Killed

    def setup(seed: int, **setting: Any) -> tuple[Any, ...]:
        trainer, data, optimizer, saved, own = set_up(seed, **setting)
        trainer.add_event_handler(Events.ITERATION_STARTED, count)
        return trainer, data, optimizer, saved, own | {"keep": [count]}

    return setup


@pytest.mark.parametrize("rows", [(1,), (9,), (14, 3), (25, 10, 13), (48,)])
def test_what_was_broken_off_goes_on(tmp_path: Path, rows: tuple[int, ...]) -> None:
    whole = compared()
    for row in rows:
        with pytest.raises(Killed):
            compared(dying_at(row), out=tmp_path)
    assert compared(out=tmp_path) == whole

    def never(seed: int, **setting: Any) -> tuple[Any, ...]:
        raise AssertionError("a test that has ended is read")

    seen: list[int] = []
    again = compared(never, out=tmp_path, on_row=lambda growing: seen.append(len(growing.results)))
    assert again == whole and seen == [1, 2, 2, 2]
    assert not list(tmp_path.glob("*.pt"))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"settings": {"none": {}, "some": {"weight_decay": 0.4}}}, "settings: .*0.5.*, .*0.4"),
        ({"seeds": (0,)}, r"seeds: \[0, 1\] there, \[0\] asked for"),
        ({"end_lr": 0.2}, "end_lr: 0.1 there, 0.2 asked for"),
        ({"diverge_th": 3.0}, "options: {'diverge_th': None} there"),
    ],
)  # fmt: skip
def test_a_folder_of_another_comparison_is_refused(
    tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    compared(out=tmp_path)
    with pytest.raises(ValueError, match=f"out must be the folder of this comparison, .*{words}"):
        compared(out=tmp_path, **changes)


def test_settings_that_differ_far_inside_are_others(tmp_path: Path) -> None:
    def long(decay: float) -> dict[str, Any]:
        return {"a": {"make": Long("x" * 60, decay, "y" * 60)}, "b": {"only": set(range(9))}}

    def setup(seed: int, make: Any = None, only: Any = ()) -> tuple[Any, ...]:
        return set_up(seed, 0.1 if make is None else make.decay)

    compared(setup, long(0.2), out=tmp_path)
    with pytest.raises(ValueError, match="^out must be the folder of this comparison, .*settings:"):
        compared(setup, long(0.3), out=tmp_path)
    assert described({"b", "a"}) == ["a", "b"]
    assert described(set(range(9))) != described({*range(8), 9})


@dataclass(frozen=True)
class Long:
    before: str
    decay: float
    after: str


def test_names_that_are_no_file_names(tmp_path: Path) -> None:
    settings = {
        "a/b": {},
        "a b": {"weight_decay": 0.5},
        "..": {"weight_decay": 0.1},
        "": {"batch_size": 4},
    }
    found = compared(settings=settings, out=tmp_path / "deep" / "er", seeds=(0,))
    assert compared(settings=settings, out=tmp_path / "deep" / "er", seeds=(0,)) == found
    names = sorted(path.name for path in (tmp_path / "deep/er").glob("*.json"))
    assert names == ["0-a_b-0.json", "1-a_b-0.json", "2-..-0.json", "3--0.json", "settings.json"]


def test_two_at_work_share_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare, "_LOOK", 0.01)
    ran: list[tuple[str, int]] = []
    both_at_work = threading.Barrier(2, timeout=60)

    def work(found: list[ComparedResult]) -> None:
        def setup(seed: int, **setting: Any) -> tuple[Any, ...]:
            ran.append((str(setting), seed))
            if len(ran) <= 2:
                both_at_work.wait()
            return set_up(seed, **setting)

        found.append(compared(setup, out=tmp_path))

    found: list[ComparedResult] = []
    others = [threading.Thread(target=work, args=(found,)) for _ in range(2)]
    for other in others:
        other.start()
    for other in others:
        other.join()
    assert sorted(ran) == sorted({(str(s), seed) for s in SETTINGS.values() for seed in (0, 1)})
    assert found[0] == found[1]


def test_options_pass_on_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = compared(step_mode="linear", hold=2, seeds=[3])
    assert found.results["none"].results[0].hold == 2


def said_of(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))


@pytest.mark.parametrize("where", ["setup", "data", "step", "arguments", "on_row"])
def test_an_error_says_whose_test_it_ended(where: str) -> None:
    def fail(*_: object) -> Any:
        raise KeyError("pixels")

    def setup(seed: int, **setting: Any) -> tuple[Any, ...]:
        trainer, data, optimizer, saved, own = set_up(seed, **setting)
        if setting and seed:
            if where == "setup":
                fail()
            if where == "data":
                data = DataLoader(data.dataset, collate_fn=fail)
            if where == "step":
                trainer = Engine(fail)
            if where == "arguments":
                own["every"] = 0
        return trainer, data, optimizer, saved, own

    def watch(growing: ComparedResult) -> None:
        if where == "on_row" and [len(one.results) for one in growing.results.values()] == [2, 2]:
            fail()

    with pytest.raises(ValueError if where == "arguments" else KeyError) as caught:
        compared(setup, on_row=watch)
    text = said_of(caught.value)
    assert "in the range test of setting 'some' with seed 1" in text
    assert ", in fail" in text or where == "arguments"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError("boom"), "RuntimeError: boom\nof seed 1"),
        (FileNotFoundError(2, "No such file", "a"), "[Errno 2] No such file; of seed 1: 'a'"),
        (AssertionError(), "AssertionError: of seed 1"),
        (KeyError(3), "KeyError: 3"),
    ],
)
def test_python_without_notes_has_them_in_the_text(error: Exception, words: str) -> None:
    _add_to_text(error, "of seed 1")
    assert "".join(traceback.format_exception_only(error)).endswith(f"{words}\n")


def test_an_error_says_of_which_seed() -> None:
    def setup(seed: int) -> tuple[Any, ...]:
        return set_up(seed)[:4] if seed == 5 else (1, 2)

    with pytest.raises(TypeError, match="setup must return") as caught:
        repeat_range_test(setup, [5, 7], num_iter=5)
    assert "in the range test of seed 7" in said_of(caught.value)


def test_a_name_of_any_text_is_one_row(tmp_path: Path) -> None:
    names = ["two\nlines", "a|b\tc", "\x1b[2J", "long" * 100]
    both = of(**{name: GOOD for name in names})
    head, *rows = both.table().splitlines()
    assert len(rows) == 4 and {row.index(" 0.0") for row in rows} == {rows[0].index(" 0.0")}
    assert rows[0].startswith("two\\nlines ") and rows[1].startswith("a|b\\tc ")
    assert "\x1b" not in str(both) and rows[3].startswith(f"{'long' * 12}...")
    assert len(head) < 200
    assert [row["setting"] for row in both.rows()] == names
    both.to_csv(tmp_path / "c.csv")
    with open(tmp_path / "c.csv", newline="") as file:
        assert list(dict.fromkeys(row["setting"] for row in csv.DictReader(file))) == names
    alike = of(**{"long" * 100 + end + "er" * 100: GOOD for end in ("A", "B")})
    first, second = alike.table().splitlines()[1:]
    assert "longAer" in first and "longBer" in second
    assert [curve.name.count("longA") for curve in alike.picture().curves] == [1, 0]


class Silent:
    """Does not say whether it is equal to another one."""

    def __eq__(self, other: object) -> bool:
        raise KeyError("no")

    __hash__ = None  # type: ignore[assignment]


def test_settings_are_what_they_like() -> None:
    def setup(seed: int, **setting: Any) -> tuple[Any, ...]:
        return set_up(seed, setting["decay"])

    others = [{"setup": 1, "self": Silent()}, {"setup": 2, "self": Silent()}]
    settings = {f"{at}": one | {"decay": at / 10} for at, one in enumerate(others)}
    found = compared(setup, settings, seeds=(0,))
    assert found.results["0"].results != found.results["1"].results


def test_tests_are_compared_with_those_of_the_same_seed() -> None:
    """What the second setting adds is the same for each seed: only so paired it is clear."""
    heights = {3: 0.5, 1: 0.9, 2: 1.3, 7: 0.9}
    seeds = {"more": (7, 2, 3, 1), "less": (3, 1, 2)}
    results = {
        name: RepeatedResult(own, [made(0.1, heights[at] + (name == "more") / 10) for at in own])
        for name, own in seeds.items()
    }
    choice = ComparedResult({name: {} for name in seeds}, results).choose()
    assert choice.name == "less" and choice.as_good == ("less",)
    means = [one.means for one in choice.standings]
    assert [at for at, mean in enumerate(means[1]) if math.isnan(mean)] == [0]
    assert [one.seeds for one in choice.standings] == [4, 3]


def test_many_long_tests_are_told_apart_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = [], RangeTestResult.to_dict

    def to_dict(self: RangeTestResult) -> dict[str, Any]:
        read.append(self)
        return write(self)

    monkeypatch.setattr(RangeTestResult, "to_dict", to_dict)
    many = {f"s{at}": [made(0.1, 0.5)] for at in range(40)}
    for at, (one,) in enumerate(many.values()):
        one.loss[-1] = at
    assert of(**many).alike == [] and read == []


def test_what_has_ended_is_read_where_nothing_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = compared(out=tmp_path)
    (tmp_path / "0-none-1.json").rename(tmp_path / "there")

    def read_only(path: str, *_: object) -> Any:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)

    monkeypatch.setattr(filelock.FileLock, "acquire", lambda self: read_only(self.lock_file))
    with pytest.raises(OSError, match="out must be a folder that can be written, .*-1.lock'$"):
        compared(out=tmp_path)
    (tmp_path / "there").rename(tmp_path / "0-none-1.json")
    assert compared(out=tmp_path) == found


@pytest.mark.parametrize("name", ["0-none-0.json", "settings.json"])
@pytest.mark.parametrize("rest", [0, 100, -2])
def test_a_file_cut_short_is_named(tmp_path: Path, name: str, rest: int) -> None:
    compared(out=tmp_path, seeds=(0,))
    path = tmp_path / name
    path.write_bytes(path.read_bytes()[:rest])
    way_out = ": remove it to run the test again" if "none" in name else ": choose another folder"
    with pytest.raises(ValueError, match=f"{name} cannot be read: .*{way_out}$"):
        compared(out=tmp_path, seeds=(0,))


@pytest.mark.parametrize("where", ["settings.json", "0-none-0.pt", "0-none-0.json"])
def test_a_full_disk_names_the_file_and_the_comparison_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    whole, fsync = compared(), os.fsync

    def full(handle: int) -> None:
        begun, end = where.rsplit(".", 1)
        if re.search(rf"/\.{re.escape(begun)}\.[0-9a-f]+\.tmp\.{end}$", named(handle)):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(handle)

    def named(handle: int) -> str:
        return os.readlink(f"/proc/self/fd/{handle}")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=f"No space left on device: .*{where}"):
        compared(out=tmp_path)
    monkeypatch.setattr(os, "fsync", fsync)
    assert compared(out=tmp_path) == whole
