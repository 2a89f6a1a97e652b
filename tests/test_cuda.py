"""On a CUDA device (`make test-cuda`): the graph's gradients, training, the same bits again, range
tests."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
import threading
import warnings
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from ignite.engine import Engine, Events

from benchmarks.gpu import synchronizations
from clr_ignite import LRRangeTest, ScheduleHandler
from clr_ignite.cifar10.data import DataSet, load
from clr_ignite.cifar10.experiments import Experiment
from clr_ignite.cifar10.models import CaffeFull, CaffeQuick
from clr_ignite.cifar10.parts import Parts, build
from clr_ignite.cifar10.parts.cuda_graph import GraphedGradients
from clr_ignite.cifar10.parts.repeatable import repeatable
from clr_ignite.cifar10.runs.run_folder import RunFolder
from clr_ignite.cifar10.training import train
from clr_ignite.schedules import Linear, Triangular
from tests.cifar10.test_training import cut_off
from tests.rigs import Rig, same, state_of

pytestmark = pytest.mark.cuda
# Dividing a gradient by its own size makes much of rounding; at higher rates, too much to compare.
LOW = Triangular(1e-5, 5e-5, 4)
QUICK = Experiment(schedule=Triangular(0.001, 0.005, 4), iterations=20, model="quick")


@pytest.fixture(scope="module")
def data() -> DataSet:
    return load("digits")


@pytest.fixture
def full_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without TensorFloat-32 a device's convolutions agree with a CPU's."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)


def relative(found: torch.Tensor, expected: torch.Tensor) -> float:
    expected = expected.detach().double()
    return float((found.detach().cpu().double() - expected).norm() / expected.norm())


def pixels(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    return 60 * torch.randn(count, 3, 32, 32), torch.randint(10, (count,))


@pytest.mark.parametrize("net", [CaffeFull, CaffeQuick])
def test_a_graph_has_the_loss_and_gradients_of_double_precision(
    net: type[CaffeFull] | type[CaffeQuick], full_precision: None
) -> None:
    torch.manual_seed(0)
    exact = net(init="torch").double()
    model = copy.deepcopy(exact).float().cuda().to(memory_format=torch.channels_last)
    gradients, losses, expected = GraphedGradients(model), [], []
    for count in (50, 50, 50, 30, 50):  # 30: the incomplete batch of somebody's loader
        x, y = pixels(count)
        exact.zero_grad()
        expected.append(F.cross_entropy(exact(x.double()), y))
        expected[-1].backward()
        channels_last = x.cuda().contiguous(memory_format=torch.channels_last)
        losses.append(gradients(channels_last, y.cuda()))
        for mine, its in zip(model.parameters(), exact.parameters(), strict=True):
            assert mine.grad is not None and its.grad is not None
            assert relative(mine.grad, its.grad) < 1e-4
            mine.grad = None  # as an optimizer's zero_grad
        with torch.no_grad():  # and as its step
            for mine, its in zip(model.parameters(), exact.parameters(), strict=True):
                change = 0.01 * torch.randn(its.shape, dtype=torch.float64)
                its += change
                mine += change.to(mine)
    # At the end, so that a later batch's loss in an earlier one's place would show.
    for loss, exactly in zip(losses, expected, strict=True):
        assert relative(loss, exactly) < 1e-4


def test_a_capture_bears_other_threads_that_use_the_device() -> None:
    over, turns = threading.Event(), [0]
    failures: list[RuntimeError] = []

    def read() -> None:
        while not over.is_set():
            try:
                turns[0] += 1
                torch.ones(100_000 * turns[0], device="cuda").sum().item()  # new memory, a wait
            except RuntimeError as error:
                failures.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for _ in range(10):
            model = CaffeQuick(init="torch").cuda()
            x, y = (tensor.cuda() for tensor in pixels(20))
            captured, replayed = (float(GraphedGradients(model)(x, y)) for _ in range(2))
            assert captured == pytest.approx(replayed, rel=1e-3)
    finally:
        over.set()
        reader.join()
    assert turns[0] > 10 and not failures


def trained(parts: Parts, experiment: Experiment, iterations: int) -> dict[str, torch.Tensor]:
    ScheduleHandler(parts.optimizer, **experiment.schedules).attach(parts.trainer)
    parts.trainer.run(parts.batches, max_iters=iterations)
    model = parts.model if parts.average is None else parts.average.ema_model
    return {name: tensor.cpu() for name, tensor in model.state_dict().items()}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"nesterov": True, "momentum": Linear(0.95, 0.85, 10), "ema_decay": 0.9},
        {"optimizer": "adam", "schedule": LOW},
        {"optimizer": "rmsprop", "momentum": 0.0, "schedule": LOW},
        {"optimizer": "adagrad", "momentum": 0.0, "schedule": LOW},
        {"optimizer": "adadelta", "momentum": 0.0},
        {"optimizer": "muon"},
    ],
)
def test_twelve_steps_end_where_a_cpus_do(
    changes: dict[str, object], data: DataSet, full_precision: None
) -> None:
    experiment = replace(QUICK, pixels="unit", init="torch", **changes)  # type: ignore[arg-type]
    start = build(experiment, data, seed=0, device="cpu").model.state_dict()
    cpu, cuda = (
        trained(build(experiment, data, seed=0, device=device), experiment, 12)
        for device in ("cpu", "cuda")
    )
    for name in start:
        moved = cpu[name] - start[name]
        assert relative(cuda[name] - start[name], moved) < 0.05, name


def test_an_iteration_does_not_wait_for_the_device(data: DataSet) -> None:
    parts = build(QUICK, data, seed=0, device="cuda")
    trained(parts, QUICK, 5)  # the capture

    def run() -> None:
        parts.trainer.run(parts.batches, max_iters=5 + 4 * len(parts.batches))

    # Only each epoch's order of the images is copied there.
    assert synchronizations(run) <= 5
    assert synchronizations(lambda: [float(torch.ones(1, device="cuda")) for _ in range(7)]) == 7


def assert_same_bits(*paths: Path) -> None:
    """Of all runs: rows, weights, the optimizer's state and the average."""
    first, *others = (RunFolder(path).load_checkpoint() or {} for path in paths)
    for path, state in zip(paths[1:], others, strict=True):
        assert RunFolder(path).rows() == RunFolder(paths[0]).rows()
        for name in ("model", "optimizer", "average"):
            assert same(state[name], first[name]), name


ROWS = {
    "sgd": {},
    "ema": {"nesterov": True, "momentum": Linear(0.95, 0.85, 10), "ema_decay": 0.9},
    "adam": {"optimizer": "adam", "schedule": LOW},
    "muon": {"optimizer": "muon", "multipliers": False},
    "floor": {"model": "quick", "pooling": "floor"},
    "incomplete": {"batch_size": 70, "held_out": 333},
}


@pytest.mark.parametrize("name", ROWS)
def test_a_seeds_second_run_has_the_bits_of_its_first(
    name: str, data: DataSet, tmp_path: Path
) -> None:
    experiment = replace(QUICK, **{"model": "full", "iterations": 40, **ROWS[name]})  # type: ignore[arg-type]
    for number in range(3):
        train(experiment, data, tmp_path / str(number), seed=1, device="cuda", eval_every=20)
        torch.rand(7, device="cuda")  # other memory, another random state
    assert_same_bits(*(tmp_path / str(number) for number in range(3)))
    place = json.loads((tmp_path / "0" / "config.json").read_text())["environments"][0]
    assert place["repeatable"] is True


def test_a_run_has_the_same_bits_beside_others(tmp_path: Path) -> None:
    def run(seed: int, out: str) -> subprocess.Popen[bytes]:
        words = f"train --experiment full-muon-1500 --iterations 300 --seed {seed} --no-progress"
        command = [sys.executable, "-m", "clr_ignite.cifar10", *words.split()]
        return subprocess.Popen([*command, "--device", "cuda", "--out", tmp_path / out])

    assert run(1, "alone").wait() == 0
    together = [run(seed, f"beside-{seed}") for seed in (0, 1, 2)]
    assert [process.wait() for process in together] == [0, 0, 0]
    assert_same_bits(tmp_path / "alone", tmp_path / "beside-1")
    with pytest.raises(AssertionError):  # what is compared differs between seeds
        assert_same_bits(tmp_path / "alone", tmp_path / "beside-2")


@pytest.mark.parametrize("net", [CaffeFull, CaffeQuick])
def test_eager_and_graphed_gradients_have_the_same_bits_each_time(
    net: type[CaffeFull] | type[CaffeQuick],
) -> None:
    torch.manual_seed(0)
    model = net(init="torch").cuda().to(memory_format=torch.channels_last)
    x, y = (tensor.cuda() for tensor in pixels(100))
    x = x.contiguous(memory_format=torch.channels_last)

    def eager(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        model.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        return loss.detach()

    with repeatable(torch.device("cuda")), warnings.catch_warnings():
        warnings.simplefilter("error")  # of an operation without a deterministic form
        for way in (eager, GraphedGradients(model), GraphedGradients(model)):
            found = []
            for _ in range(20):
                loss = way(x, y)
                found.append([loss, *(p.grad.clone() for p in model.parameters())])  # type: ignore[union-attr]
            assert all(same(each, found[0]) for each in found)


def test_a_cut_off_run_goes_on(data: DataSet, tmp_path: Path) -> None:
    options = {"seed": 3, "device": "cuda", "eval_every": 5}
    whole = train(QUICK, data, tmp_path / "whole", **options)  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        train(QUICK, data, tmp_path / "cut", observe=cut_off(13), **options)  # type: ignore[arg-type]
    after = train(QUICK, data, tmp_path / "cut", **options)  # type: ignore[arg-type]
    assert after["iterations"] == whole["iterations"] == 20
    assert [row["iteration"] for row in RunFolder(tmp_path / "cut").rows()] == [
        5,
        8,
        10,
        15,
        16,
        20,
    ]
    assert_same_bits(tmp_path / "whole", tmp_path / "cut")


def test_a_range_test_leaves_no_trace_of_itself(data: DataSet) -> None:
    parts = build(QUICK, data, seed=0, device="cuda")
    trained(parts, QUICK, 3)
    torch.rand(1, device="cuda")
    before = copy.deepcopy((parts.model.state_dict(), parts.optimizer.state_dict()))
    gradients = [parameter.grad.clone() for parameter in parts.model.parameters()]  # type: ignore[union-attr]
    generator = torch.cuda.get_rng_state()
    parts.trainer.add_event_handler(
        Events.ITERATION_COMPLETED, lambda: torch.rand(3, device="cuda")
    )
    test = LRRangeTest(
        parts.optimizer,
        0.0001,
        0.1,
        15,
        to_save={"model": parts.model, "optimizer": parts.optimizer},
        evaluator=parts.evaluator,
        eval_data=parts.eval_batches,
        every=5,
    )
    result = test.run(parts.trainer, parts.batches)
    assert len(set(result.loss)) == len(result.loss) > 3
    assert same((parts.model.state_dict(), parts.optimizer.state_dict()), before)
    assert same([parameter.grad for parameter in parts.model.parameters()], gradients)
    assert torch.equal(torch.cuda.get_rng_state(), generator)


def test_a_range_test_leaves_no_trace_in_a_net_with_dropout_and_batch_norm() -> None:
    rig = Rig()
    rig.model.cuda()
    plain = rig.step
    on_device = Engine(lambda engine, batch: plain(engine, (batch[0].cuda(), batch[1].cuda())))
    on_device.run(rig.loader, max_epochs=1)
    before, generator = state_of(rig), torch.cuda.get_rng_state()
    saved = {"model": rig.model, "optimizer": rig.optimizer}
    result = LRRangeTest(rig.optimizer, 0.001, 0.5, 12, to_save=saved).run(on_device, rig.loader)
    assert len(result) == 12
    assert same(state_of(rig), before)
    assert torch.equal(torch.cuda.get_rng_state(), generator)


def test_the_commands_work_on_a_device(tmp_path: Path) -> None:
    def clr(*words: object) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "clr_ignite.cifar10", *map(str, words), "--device", "cuda"],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    out = tmp_path / "range-test"
    clr("range-test", "--iterations", 200, "--no-progress", "--out", out)
    out = tmp_path / "triangular"
    bounds = tmp_path / "range-test" / "range_test.json"
    clr("train", "--bounds", bounds, "--step-size", 50, "--iterations", 200, "--out", out)
    result = json.loads((out / "result.json").read_text())
    assert result["accuracy"] > 0.9
    place = json.loads((out / "config.json").read_text())["environments"][0]
    assert place["device"] == torch.cuda.get_device_name()
    assert place["tf32"] is torch.backends.cudnn.allow_tf32
    names = ["quick-caffe", "full-nesterov-triangular"]
    clr(
        "reproduce",
        *names,
        "--data",
        "digits",
        "--iterations",
        60,
        "--workers",
        2,
        "--out",
        tmp_path / "rows",
    )
    for name in names:
        row = json.loads((tmp_path / "rows" / f"{name}-0" / "result.json").read_text())
        assert row["iterations"] == 60
