"""Runs: what the folder holds, resuming bit for bit, refusing what does not fit."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import pickle
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Events

from clr_ignite.cifar10.data import DataSet, Images, load
from clr_ignite.cifar10.experiments import EXPERIMENTS, Experiment
from clr_ignite.cifar10.parts import Parts, build
from clr_ignite.cifar10.runs.environment import commit
from clr_ignite.cifar10.runs.run_folder import InUse, RunError, RunFolder
from clr_ignite.cifar10.training import summary, train
from clr_ignite.schedules import Fixed, Linear, Triangular
from tests.rigs import Malicious
from tests.test_files import KINDS, in_place_of

CLR = Triangular(0.001, 0.005, 4)


@pytest.fixture(scope="module")
def data() -> DataSet:
    digits = load("digits")
    return DataSet(
        "digits",
        digits.classes,
        digits.train.take(torch.arange(0, 110)),
        digits.test.take(torch.arange(0, 60)),
    )


def experiment(**changes: object) -> Experiment:
    values = {"schedule": CLR, "iterations": 20, "batch_size": 10, "model": "quick"}
    return Experiment(**(values | changes))  # type: ignore[arg-type]


def weights(out: Path) -> dict[str, torch.Tensor]:
    state = RunFolder(out).load_checkpoint()
    assert state is not None
    return state["model"] | {"iteration": torch.tensor(state["iteration"])}


def test_the_optimizer_steps_at_the_schedules_rates(data: DataSet, tmp_path: Path) -> None:
    seen: list[list[float]] = []

    def watch(parts: Parts) -> None:
        parts.optimizer.register_step_pre_hook(
            lambda optimizer, *_: seen.append([group["lr"] for group in optimizer.param_groups])
        )

    train(experiment(), data, tmp_path, seed=0, observe=watch)
    assert [rates[0] for rates in seen] == [CLR(i) for i in range(20)]
    assert [rates[1] for rates in seen] == [2 * CLR(i) for i in range(20)]  # biases


def test_momentum_may_be_a_schedule(data: DataSet, tmp_path: Path) -> None:
    seen: list[float] = []
    momentum = Linear(0.9, 0.5, 19)

    def watch(parts: Parts) -> None:
        parts.optimizer.register_step_pre_hook(
            lambda optimizer, *_: seen.append(optimizer.param_groups[0]["momentum"])
        )

    train(experiment(momentum=momentum), data, tmp_path, seed=0, observe=watch)
    assert seen == [momentum(i) for i in range(20)]


@pytest.mark.parametrize("name", ["sgd", "adam", "rmsprop", "adagrad", "adadelta", "muon"])
def test_each_optimizer_steps_at_the_schedules_rates_and_resumes(
    name: str, data: DataSet, tmp_path: Path
) -> None:
    momentum = 0.0 if name.startswith("ada") and name != "adam" else 0.8
    chosen = experiment(optimizer=name, momentum=momentum, pixels="unit", init="torch")
    seen: list[float] = []

    def watch(parts: Parts) -> None:
        assert type(parts.optimizer).__name__.lower() == {"muon": "muonsgd"}.get(name, name)
        parts.optimizer.register_step_pre_hook(
            lambda optimizer, *_: seen.append(optimizer.param_groups[0]["lr"])
        )

    whole = train(chosen, data, tmp_path / "whole", seed=0, eval_every=7, observe=watch)
    assert seen == [CLR(i) for i in range(20)]
    with pytest.raises(KeyboardInterrupt):
        train(chosen, data, tmp_path / "cut", seed=0, eval_every=7, observe=cut_off(11))  # type: ignore[arg-type]
    resumed = train(chosen, data, tmp_path / "cut", seed=0, eval_every=7)
    assert whole["accuracy"] == resumed["accuracy"]
    for name, tensor in weights(tmp_path / "whole").items():
        assert torch.equal(tensor, weights(tmp_path / "cut")[name])


def test_rows_come_at_the_cadence_at_cycle_ends_and_at_the_end(
    data: DataSet, tmp_path: Path
) -> None:
    #   iteration      5   8   10   15   16   20        s = 4: cycles end at 8, 16
    #   cycle_end      .   |    .    .    |    .
    result = train(experiment(), data, tmp_path, seed=0, eval_every=5)
    rows = RunFolder(tmp_path).rows()
    assert [row["iteration"] for row in rows] == [5, 8, 10, 15, 16, 20]
    assert [row["cycle_end"] for row in rows] == [0, 1, 0, 0, 1, 0]
    assert [row["lr"] for row in rows] == [CLR(i - 1) for i in (5, 8, 10, 15, 16, 20)]
    assert result["cycle_end_iteration"] == 16 and not result["ended_at_cycle_end"]
    assert result["accuracy"] == rows[-1]["eval_accuracy"]
    assert result["cycle_end_accuracy"] == rows[4]["eval_accuracy"]
    assert json.loads((tmp_path / "result.json").read_text()) == result


def test_a_row_holds_the_rate_that_the_optimizer_used(data: DataSet, tmp_path: Path) -> None:
    """Not what the schedule says: something else may have set it."""

    def halve(parts: Parts) -> None:
        def meddle() -> None:
            for group in parts.optimizer.param_groups:
                group["lr"] /= 2

        parts.trainer.add_event_handler(Events.ITERATION_STARTED, meddle)

    with pytest.warns(UserWarning, match="something else sets it"):
        train(experiment(), data, tmp_path, seed=0, eval_every=5, observe=halve)
    rows = RunFolder(tmp_path).rows()
    assert [row["lr"] for row in rows] == [CLR(row["iteration"] - 1) / 2 for row in rows]


def test_the_training_loss_is_the_mean_since_the_last_row(data: DataSet, tmp_path: Path) -> None:
    losses: list[float] = []

    def watch(parts: Parts) -> None:
        parts.trainer.add_event_handler(
            Events.ITERATION_COMPLETED, lambda engine: losses.append(float(engine.state.output))
        )

    train(experiment(schedule=Fixed(0.001)), data, tmp_path, seed=0, eval_every=8, observe=watch)
    means = [sum(losses[a:b]) / (b - a) for a, b in ((0, 8), (8, 16), (16, 20))]
    rows = RunFolder(tmp_path).rows()
    assert [row["train_loss"] for row in rows] == pytest.approx(means, rel=1e-12)


def test_evaluation_agrees_with_a_plain_loop(data: DataSet, tmp_path: Path) -> None:
    result = train(experiment(), data, tmp_path, seed=0)
    parts = build(experiment(), data, seed=5, device="cpu")
    state = RunFolder(tmp_path).load_checkpoint()
    assert state is not None
    parts.model.load_state_dict(state["model"])
    mean = data.train.pixels.double().mean(dim=0)
    with torch.no_grad():
        scores = parts.model((data.test.pixels.double() - mean).float())
    right = int((scores.argmax(dim=1) == data.test.labels).sum())
    assert result["accuracy"] == pytest.approx(right / len(data.test), rel=1e-12)
    loss = torch.nn.functional.cross_entropy(scores, data.test.labels)
    assert RunFolder(tmp_path).rows()[-1]["eval_loss"] == pytest.approx(float(loss), rel=1e-5)


def cut_off(at: int) -> object:
    """An observer that ends the process's work in mid-interval, as a kill would."""

    def observe(parts: Parts) -> None:
        def die() -> None:
            raise KeyboardInterrupt

        parts.trainer.add_event_handler(Events.ITERATION_STARTED(once=at), die)

    return observe


@pytest.mark.parametrize("at", [1, 6, 9, 14, 20])
def test_a_cut_off_run_resumes_bit_for_bit(data: DataSet, tmp_path: Path, at: int) -> None:
    # 11 batches an epoch, cycles of 8, evaluations every 5: the resume points end none of them.
    train(experiment(), data, tmp_path / "whole", seed=3, eval_every=5)
    with pytest.raises(KeyboardInterrupt):
        train(
            experiment(),
            data,
            tmp_path / "cut",
            seed=3,
            eval_every=5,
            observe=cut_off(at),  # type: ignore[arg-type]
        )
    assert not (tmp_path / "cut" / "result.json").exists()
    train(experiment(), data, tmp_path / "cut", seed=3, eval_every=5)
    whole, cut = weights(tmp_path / "whole"), weights(tmp_path / "cut")
    assert whole.keys() == cut.keys()
    assert all(torch.equal(whole[name], cut[name]) for name in whole)
    texts = [(tmp_path / name / "metrics.csv").read_bytes() for name in ("whole", "cut")]
    assert texts[0] == texts[1]


def test_a_run_of_an_earlier_version_goes_on(data: DataSet, tmp_path: Path) -> None:
    """Its checkpoint has neither a checksum nor a fingerprint of the rows, its config no name."""
    train(experiment(), data, tmp_path / "whole", seed=3, eval_every=5)
    with pytest.raises(KeyboardInterrupt):
        train(experiment(), data, tmp_path / "cut", seed=3, eval_every=5, observe=cut_off(14))  # type: ignore[arg-type]
    folder = RunFolder(tmp_path / "cut")
    state = folder.load_checkpoint()
    assert state is not None
    del state["rows"]
    old = {"loss_sum": torch.zeros((), dtype=torch.float64), "loss_count": 0}
    torch.save(state | old, folder.checkpoint)
    config = json.loads(folder.config.read_text())
    del config["name"]
    folder.config.write_text(json.dumps(config))
    train(experiment(), data, tmp_path / "cut", seed=3, eval_every=5)
    whole, cut = weights(tmp_path / "whole"), weights(tmp_path / "cut")
    assert all(torch.equal(whole[name], cut[name]) for name in whole)


def test_averaged_weights_are_evaluated_and_resume(data: DataSet, tmp_path: Path) -> None:
    chosen = experiment(ema_decay=0.9, pixels="unit", init="torch")
    first = build(chosen, data, seed=3, device="cpu").model.state_dict()
    expected = {name: tensor.clone() for name, tensor in first.items()}

    def follow(parts: Parts) -> None:
        def average() -> None:
            for name, tensor in parts.model.state_dict().items():
                expected[name] = 0.9 * expected[name] + 0.1 * tensor

        parts.trainer.add_event_handler(Events.ITERATION_COMPLETED, average)

    whole = train(chosen, data, tmp_path / "whole", seed=3, eval_every=5, observe=follow)
    with pytest.raises(KeyboardInterrupt):
        train(chosen, data, tmp_path / "cut", seed=3, eval_every=5, observe=cut_off(13))  # type: ignore[arg-type]
    assert train(chosen, data, tmp_path / "cut", seed=3, eval_every=5) | {"seconds": 0} == (
        whole | {"seconds": 0}
    )
    states = [RunFolder(tmp_path / name).load_checkpoint() for name in ("whole", "cut")]
    for name, tensor in expected.items():
        for state in states:
            assert state is not None
            torch.testing.assert_close(state["average"][name], tensor)
            assert not torch.equal(state["model"][name], tensor)
    parts = build(experiment(pixels="unit", init="torch"), data, seed=3, device="cpu")
    parts.model.load_state_dict(states[0]["average"])  # type: ignore[index]
    loss = parts.evaluator.run(parts.eval_batches).metrics["loss"]
    assert RunFolder(tmp_path / "whole").rows()[-1]["eval_loss"] == loss


def test_rows_beyond_the_checkpoint_and_a_torn_line_are_dropped(
    data: DataSet, tmp_path: Path
) -> None:
    train(experiment(), data, tmp_path, seed=3, eval_every=5)
    before = (tmp_path / "metrics.csv").read_text()
    (tmp_path / "metrics.csv").write_text(before + "25,0.001,1.0,1.0,0.5,0\n30,0.00")
    (tmp_path / "result.json").unlink()
    train(experiment(), data, tmp_path, seed=3, eval_every=5)
    assert (tmp_path / "metrics.csv").read_text() == before


def test_a_finished_run_is_not_run_again(data: DataSet, tmp_path: Path) -> None:
    first = train(experiment(), data, tmp_path, seed=0)
    built: list[Parts] = []
    assert train(experiment(), data, tmp_path, seed=0, observe=built.append) == first
    assert built == []
    RunFolder(tmp_path).clear()
    train(experiment(), data, tmp_path, seed=0, observe=built.append)
    assert len(built) == 1


@pytest.mark.parametrize(
    ("changes", "word"),
    [({"experiment": experiment(iterations=21)}, "iterations"), ({"seed": 1}, "seed")],
)
def test_a_folder_of_another_run_is_refused(
    data: DataSet, tmp_path: Path, changes: dict[str, object], word: str
) -> None:
    train(experiment(), data, tmp_path, seed=0)
    arguments: dict[str, object] = {"experiment": experiment(), "seed": 0} | changes
    with pytest.raises(RunError, match=f"another {word}"):
        train(data=data, out=tmp_path, **arguments)  # type: ignore[arg-type]


def test_only_what_differs_is_named(data: DataSet, tmp_path: Path) -> None:
    train(experiment(), data, tmp_path, seed=0)
    words = "with another batch_size: 10 there, 11 asked for, another seed: 0 there, 1 asked for; "
    with pytest.raises(RunError, match=words) as caught:
        train(experiment(batch_size=11), data, tmp_path, seed=1)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_a_start_that_failed_leaves_the_folder_free(data: DataSet, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="batch_size must be at most"):
        train(experiment(batch_size=10_000), data, tmp_path, seed=0)
    train(experiment(), data, tmp_path, seed=1)
    config = RunFolder(tmp_path).read_json(tmp_path / "config.json")
    assert config is not None and (config["seed"], config["experiment"]["batch_size"]) == (1, 10)


def test_a_place_is_named_where_it_trained_and_not_where_it_read(
    data: DataSet, tmp_path: Path
) -> None:
    threads = torch.get_num_threads()

    def places() -> list[int]:
        config = RunFolder(tmp_path).read_json(tmp_path / "config.json")
        assert config is not None
        return [place["threads"] for place in config["environments"]]

    try:
        with pytest.raises(KeyboardInterrupt):
            train(experiment(), data, tmp_path, seed=0, observe=cut_off(13))
        torch.set_num_threads(threads + 1)
        train(experiment(), data, tmp_path, seed=0)
        torch.set_num_threads(threads + 2)
        train(experiment(), data, tmp_path, seed=0)
    finally:
        torch.set_num_threads(threads)
    assert places() == [threads, threads + 1]


@pytest.mark.parametrize("name", ["schedule", "momentum"])
def test_a_schedule_that_is_no_text_is_refused(name: str) -> None:
    with pytest.raises(TypeError, match=f"{name} must be one of clr_ignite.schedules, got <func"):
        experiment(**{name: lambda i: 0.1})


def test_other_data_is_refused(data: DataSet, tmp_path: Path) -> None:
    train(experiment(), data, tmp_path, seed=0)
    pixels = data.train.pixels.clone()
    pixels[0, 0, 0, 0] += 1
    other = DataSet(data.name, data.classes, Images(pixels, data.train.labels), data.test)
    with pytest.raises(RunError, match="another data"):
        train(experiment(), other, tmp_path, seed=0)


def test_data_under_another_name_is_the_same(data: DataSet, tmp_path: Path) -> None:
    """The name is that of the folder it lies in, and folders are moved."""
    whole = train(experiment(), data, tmp_path / "whole", seed=0)
    with pytest.raises(KeyboardInterrupt):
        train(experiment(), data, tmp_path / "cut", seed=0, observe=cut_off(13))
    moved = DataSet("elsewhere", data.classes, data.train, data.test)
    result = train(experiment(), moved, tmp_path / "cut", seed=0)
    assert result | {"seconds": 0} == whole | {"seconds": 0}


def test_a_second_process_on_the_folder_is_refused(data: DataSet, tmp_path: Path) -> None:
    held = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time; from pathlib import Path\n"
            "from clr_ignite.cifar10.runs.run_folder import RunFolder\n"
            "with RunFolder(Path(sys.argv[1])).locked():\n"
            "    print('held', flush=True); time.sleep(60)",
            str(tmp_path),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert held.stdout is not None and held.stdout.readline() == "held\n"
        with pytest.raises(RunError, match="in use by another process"):
            train(experiment(), data, tmp_path, seed=0)
    finally:
        held.kill()
        held.wait()
    train(experiment(), data, tmp_path, seed=0)  # a killed process holds nothing


def test_weights_follow_from_the_seed_and_leave_the_global_generator_alone(data: DataSet) -> None:
    state = torch.get_rng_state()
    first, again, other = (
        build(experiment(), data, seed=seed, device="cpu").model.state_dict() for seed in (0, 0, 1)
    )
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["conv1.weight"], other["conv1.weight"])


def test_held_out_images_are_evaluated_and_not_trained_on(data: DataSet, tmp_path: Path) -> None:
    parts = build(experiment(held_out=20), data, seed=0, device="cpu")
    assert len(parts.batches) == 9  # 90 images left
    assert sum(len(labels) for _, labels in parts.eval_batches) == 20
    result = train(experiment(held_out=20), data, tmp_path, seed=0)
    assert result["evaluated_on"] == "held-out"


def test_a_diverging_run_stops_and_says_so(data: DataSet, tmp_path: Path) -> None:
    wild = experiment(schedule=Fixed(1e6), iterations=50)
    result = train(wild, data, tmp_path, seed=0, eval_every=10)
    assert result["diverged"] and result["iterations"] == 10


def test_summary_reads_the_last_cycle_end() -> None:
    rows = [
        {"iteration": i, "eval_accuracy": a, "cycle_end": e, "train_loss": 1.0}
        for i, a, e in ((8, 0.7, 1), (16, 0.8, 1), (20, 0.6, 0))
    ]
    found = summary(rows, iterations=20)
    assert (found["accuracy"], found["cycle_end_accuracy"]) == (0.6, 0.8)
    assert (found["cycle_end_iteration"], found["diverged"]) == (16, False)
    assert summary(rows[:0] + rows[-1:], iterations=20)["cycle_end_accuracy"] is None


@pytest.mark.parametrize(
    ("row", "ends_at", "highest", "published"),
    [
        ("full-adam-fixed", 0.000005, 0.0005, 81.4),
        ("full-adam-triangular", 0.0005 + 0.0015 * 999 / 2_000, 0.002, 79.8),
        ("full-adam-triangular-70k", 0.0005 + 0.0015 * 1_999 / 2_000, 0.002, 81.1),
        ("full-rmsprop-triangular-70k", 0.0001 + 0.0002 * 1_999 / 2_000, 0.0003, 75.1),
        ("full-adagrad-triangular", 0.003 + 0.032 * 999 / 2_000, 0.035, 76.0),
    ],
)
def test_the_rows_of_section_4_1(
    row: str, ends_at: float, highest: float, published: float
) -> None:
    experiment = EXPERIMENTS[row].experiment
    rates = [experiment.schedule(i) for i in range(experiment.iterations)]
    assert rates[-1] == pytest.approx(ends_at) and max(rates) == highest
    assert EXPERIMENTS[row].published == published


def test_every_row_of_the_table_reads_back_from_json() -> None:
    for row in EXPERIMENTS.values():
        text = json.dumps(row.experiment.to_dict())
        assert Experiment.from_dict(json.loads(text)) == row.experiment


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model": "half"}, "model must be 'full', 'quick' or 'early-quick', got 'half'"),
        ({"iterations": 0}, "iterations must be at least 1, got 0"),
        ({"batch_size": True}, "batch_size must be a whole number"),
        ({"momentum": 1.0}, "momentum must be below 1"),
        ({"weight_decay": float("nan")}, "weight_decay must be finite"),
        ({"ema_decay": 1.0}, "ema_decay must be below 1, got 1.0"),
        ({"held_out": -1}, "held_out must be at least 0"),
        ({"schedule": 0.1}, "schedule must be a callable iteration -> value"),
        ({"optimizer": "lion"}, "optimizer must be 'sgd', 'adam', "),
        ({"optimizer": "adagrad"}, "momentum must be 0 with optimizer 'adagrad', got 0.9"),
        ({"optimizer": "adam", "nesterov": True}, "nesterov must be False with optimizer 'adam'"),
        ({"optimizer": "muon", "nesterov": True}, "nesterov must be False with optimizer 'muon'"),
    ],
)
def test_wrong_arguments_are_named(changes: dict[str, object], words: str) -> None:
    with pytest.raises((TypeError, ValueError), match=words):
        experiment(**changes)


def test_a_checkpoint_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "checkpoint.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(RunError, match=r"checkpoint\.pt cannot be read .* remove it"):
        RunFolder(tmp_path).load_checkpoint()


def test_the_commit_is_gits() -> None:
    here = Path(__file__).parent
    head = subprocess.run(
        ["git", "-C", str(here), "rev-parse", "HEAD"], capture_output=True, text=True
    )
    if head.returncode:
        assert commit() is None
    else:
        assert (commit() or "").removesuffix("+changes") == head.stdout.strip()


def spoiled(out: Path, name: str, change: Any) -> None:
    path = out / name
    if name.endswith(".json"):
        values = json.loads(path.read_text())
        change(values)
        path.write_text(json.dumps(values))
    elif name.endswith(".pt"):
        state = torch.load(path, weights_only=True)
        change(state)
        torch.save(state, path)
    else:
        lines = path.read_text().splitlines()
        change(lines)
        path.write_text("\n".join([*lines, ""]))


TWO_MORE = ["25,0.001,1.0,1.0,0.5,0", "26,0.001,1.0,1.0,0.5,0"]


def put(*where: Any) -> Any:
    """A change: the last of ``where`` at the place that the others lead to."""
    *path, name, value = where

    def change(values: Any) -> None:
        for step in path:
            values = values[step]
        values[name] = value

    return change


def drop(name: Any) -> Any:
    return lambda values: values.pop(name)


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("metrics.csv", put(0, "a,b"), r"metrics\.csv, line 1: .*the columns are not iteration,lr"),
        ("metrics.csv", put(2, "8,1,1,1,1"), r"metrics\.csv, line 3: .*5 cells instead of 6"),
        ("metrics.csv", put(2, "8,x,1,1,1,0"), r"line 3: .*could not convert string .*'x'"),
        ("metrics.csv", put(2, "nan,1,1,1,1,0"), "line 3: .*iteration nan after 5"),
        ("metrics.csv", put(2, "7.5,1,1,1,1,0"), "line 3: .*iteration 7.5 after 5"),
        ("metrics.csv", put(2, "5,1,1,1,1,0"), "line 3: .*iteration 5 after 5"),
        ("metrics.csv", put(2, "8,1,1,1,1,2"), "line 3: .*cycle_end is neither 0 nor 1 but 2"),
        ("metrics.csv", drop(-1), "no row of iteration 20, where checkpoint.pt goes on"),
        ("metrics.csv", lambda lines: lines.clear(), "no row of iteration 20"),
        ("checkpoint.pt", drop("model"), r"checkpoint\.pt cannot be read .*'model' is missing"),
        ("checkpoint.pt", put("iteration", "20"), r"checkpoint\.pt .*'iteration' holds '20'"),
        ("checkpoint.pt", put("optimizer", {}), r"checkpoint\.pt cannot be read .*KeyError"),
        (
            "checkpoint.pt",
            put("model", "conv1.weight", torch.zeros(1)),
            r"checkpoint\.pt cannot be read .*RuntimeError",
        ),
        ("metrics.csv", put(2, "8,1,1,1,1,1"), "other rows than were written"),
        ("metrics.csv", lambda lines: lines.extend(TWO_MORE), "rows up to iteration 26, where"),
        ("checkpoint.pt", put("iteration", 19), "no row of iteration 19"),
        ("checkpoint.pt", put("iteration", 21), "'iteration' holds 21 of 20"),
        ("checkpoint.pt", put("iteration", -20), r"'iteration' holds -20 of 20"),
        ("checkpoint.pt", put("seconds", float("nan")), "'seconds' holds nan"),
        ("checkpoint.pt", put("loss_sum", torch.zeros(3)), "'loss_sum' holds tensor"),
        ("checkpoint.pt", put("optimizer", "state", {99: {}}), "KeyError: 99|are numbered"),
        (
            "checkpoint.pt",
            put("optimizer", "state", 0, "momentum_buffer", torch.zeros(3)),
            r"'momentum_buffer' of parameter 0 has shape \(3,\) instead of",
        ),
        (
            "checkpoint.pt",
            put("optimizer", "param_groups", 1, "weight_decay", 1.0),
            r"checkpoint\.pt .*'weight_decay' of group 1 is 1\.0 instead of",
        ),
        (
            "checkpoint.pt",
            put("optimizer", "param_groups", 0, "lr_mult", 7.0),
            r"checkpoint\.pt .*'lr_mult' of group 0 is 7\.0 instead of",
        ),
        (
            "checkpoint.pt",
            put("optimizer", "param_groups", 0, "lr", "x"),
            r"checkpoint\.pt .*'lr' of group 0 is 'x'",
        ),
        ("config.json", drop("data"), r"config\.json .*field 'data' is missing"),
        ("config.json", put("seed", True), r"config\.json .*field 'seed' holds True"),
        ("config.json", put("environments", [3]), r"config\.json .*3 is no object"),
        ("config.json", put("experiment", "lr", 1), r"config\.json .*unexpected .*'lr'"),
        ("config.json", put("experiment", "schedule", "exit()"), r"config\.json .*not a schedule"),
    ],
)
def test_a_folder_that_a_run_did_not_write_is_refused_by_file_and_place(
    finished: Path, tmp_path: Path, data: DataSet, name: str, change: Any, words: str
) -> None:
    out = tmp_path / "run"
    shutil.copytree(finished, out)
    (out / "result.json").unlink()
    spoiled(out, name, change)
    before = {path: path.read_bytes() for path in out.iterdir()}
    with pytest.raises(RunError, match=words):
        train(experiment(), data, out, seed=0, eval_every=5)
    assert {path: path.read_bytes() for path in out.iterdir()} == before


@pytest.fixture(scope="module")
def finished(data: DataSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("finished") / "run"
    train(experiment(), data, out, seed=0, eval_every=5)
    return out


@pytest.mark.parametrize(
    "content", ["", "[]", "[" * 9999, '{"seed": NaN}', '{"seed": 1', "\xff", "9" * 5000]
)
@pytest.mark.parametrize("name", ["config.json", "result.json", "metrics.csv"])
def test_nonsense_is_refused_by_name(
    finished: Path, tmp_path: Path, data: DataSet, name: str, content: str
) -> None:
    out = tmp_path / "run"
    shutil.copytree(finished, out)
    (out / "result.json").unlink()
    (out / name).write_bytes(f"{content}\n".encode("latin-1"))
    with pytest.raises(RunError, match=re.escape(str(out / name))):
        train(experiment(), data, out, seed=0, eval_every=5)


@pytest.mark.parametrize("field", ["accuracy", "evaluated_on", "diverged"])
def test_a_result_of_something_else_is_refused(
    finished: Path, tmp_path: Path, data: DataSet, field: str
) -> None:
    out = tmp_path / "run"
    shutil.copytree(finished, out)
    spoiled(out, "result.json", put(field, [1]))
    with pytest.raises(RunError, match=rf"result\.json cannot be read .*'{field}' holds \[1\]"):
        train(experiment(), data, out, seed=0, eval_every=5)


@pytest.mark.parametrize("save", [torch.save, lambda v, path: path.write_bytes(pickle.dumps(v, 2))])
def test_a_checkpoint_runs_no_code(
    finished: Path, tmp_path: Path, data: DataSet, save: Any
) -> None:
    out, mark = tmp_path / "run", tmp_path / "mark"
    shutil.copytree(finished, out)
    (out / "result.json").unlink()
    save({"iteration": Malicious(mark)}, out / "checkpoint.pt")
    words = "UnpicklingError" if save is torch.save else "ValueError: its content is not what"
    with pytest.raises(RunError, match=rf"checkpoint\.pt cannot be read \({words}"):
        train(experiment(), data, out, seed=0, eval_every=5)
    assert not mark.exists()
    torch.load(out / "checkpoint.pt", weights_only=False) if save is torch.save else pickle.loads(
        (out / "checkpoint.pt").read_bytes()
    )
    assert mark.exists()  # it would have


def test_starting_anew_waits_for_the_lock(finished: Path, tmp_path: Path, data: DataSet) -> None:
    out = tmp_path / "run"
    shutil.copytree(finished, out)
    before = {path: path.read_bytes() for path in out.iterdir()}
    with RunFolder(out).locked(), pytest.raises(InUse):
        train(experiment(), data, out, seed=0, again=True)
    assert {path: path.read_bytes() for path in out.iterdir()} == before
    train(experiment(), data, out, seed=1, again=True)


PLANTED = (
    *(".lock", "config.json", "metrics.csv", "checkpoint.pt", "result.json"),
    *("range_test.json", "range_test.csv"),
)


@pytest.mark.parametrize("kind", ["link", "second name", "pipe"])  # the others: test_fire.py
@pytest.mark.parametrize("name", PLANTED)
def test_a_run_never_touches_what_lies_elsewhere(
    name: str, kind: str, tmp_path: Path, data: DataSet
) -> None:
    """One iteration into a folder in which something else has the name of one of its files."""
    out, victim = tmp_path / "run", tmp_path / "victim"
    out.mkdir()
    in_place_of(out / name, kind, victim)
    with contextlib.suppress(OSError, RunError, ValueError):
        train(experiment(iterations=1), data, out, seed=0)
    assert victim.read_text() == "three years of work\n"
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "folder"])
def test_a_lock_that_is_something_else_is_refused(kind: str, tmp_path: Path, data: DataSet) -> None:
    in_place_of(tmp_path / ".lock", kind, tmp_path / "victim")
    with pytest.raises(RunError, match=r"cannot be locked \(.*choose a folder"):
        train(experiment(), data, tmp_path, seed=0)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_named(
    number: int, tmp_path: Path, data: DataSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(RunError, match=r"run cannot be locked \(.*on a file system with locks"):
        train(experiment(), data, tmp_path / "run", seed=0)


def test_a_folder_that_another_takes_the_place_of_is_noticed(data: DataSet, tmp_path: Path) -> None:
    def swap(parts: Parts) -> None:
        def move() -> None:
            (tmp_path / "run").rename(tmp_path / "moved")
            (tmp_path / "run").mkdir()

        parts.trainer.add_event_handler(Events.ITERATION_STARTED(once=7), move)

    with pytest.raises(RunError, match="run was moved or removed while it was in use"):
        train(experiment(), data, tmp_path / "run", seed=0, eval_every=5, observe=swap)
    assert list((tmp_path / "run").iterdir()) == []
    assert RunFolder(tmp_path / "moved").last_iteration() == 5
