"""reproduce: what is missing is run, wherever that is, whoever dies meanwhile, and never twice."""

from __future__ import annotations

import os
import signal
import sys
import threading
import types
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from clr_ignite._files import write_text
from clr_ignite.cifar10.experiments import Experiment
from clr_ignite.cifar10.reproducing import executors, jobs_of, reproduce
from clr_ignite.cifar10.reproducing.executors import Place, here, in_processes
from clr_ignite.cifar10.reproducing.jobs import Job
from clr_ignite.cifar10.reproducing.progress import RunLines
from clr_ignite.cifar10.runs.records import HEADER
from clr_ignite.cifar10.runs.run_folder import InUse, RunError, RunFolder
from clr_ignite.schedules import Fixed, Triangular
from tests.cifar10.processes import (
    alive,
    children_of,
    finish,
    is_worker,
    pictures_in,
    start,
    wait_for,
)

# 120 pictures in batches of 10: 12 an epoch, so that 7 ends neither an epoch nor a cycle.
LITTLE = Experiment(
    schedule=Triangular(0.0005, 0.002, 15), iterations=60, model="quick", batch_size=10
)
OTHER = Experiment(schedule=Fixed(0.0005), iterations=60, model="quick", batch_size=10)


def jobs(out: Path, seeds: tuple[int, ...] = (0,), **experiments: Experiment) -> list[Job]:
    return jobs_of(
        experiments or {"little": LITTLE, "other": OTHER},
        seeds,
        out,
        data="folder",
        folder=pictures_in(out),
        device="cpu",
        eval_every=7,
        threads=1,
    )


def files(out: Path) -> dict[str, bytes]:
    """Every run's rows as they lie on disk."""
    return {path.parent.name: path.read_bytes() for path in sorted(out.glob("*/metrics.csv"))}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What nobody interrupted."""
    out = tmp_path_factory.mktemp("whole")
    threads = torch.get_num_threads()
    reproduce(jobs(out), here, progress=False)
    torch.set_num_threads(threads)
    return out


@pytest.fixture(autouse=True)
def same_threads() -> object:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def test_all_of_one_seed_come_before_the_next(tmp_path: Path) -> None:
    names = [job.out.name for job in jobs(tmp_path, (0, 1))]
    assert names == ["little-0", "other-0", "little-1", "other-1"]


def test_each_list_of_jobs_reads_the_pictures_anew(tmp_path: Path) -> None:
    from PIL import Image

    found = []
    for brightness in (10, 90):
        for split, name in (("train", "cat"), ("train", "dog"), ("test", "cat"), ("test", "dog")):
            path = tmp_path / "pets" / split / name / "1.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (32, 32), (brightness, len(name), 0)).save(path)
        (job,) = jobs_of(
            {"little": replace(LITTLE, batch_size=2)},
            [0],
            tmp_path / str(brightness),
            iterations=1,
            data="folder",
            folder=tmp_path / "pets",
            device="cpu",
            eval_every=1,
            threads=1,
        )
        reproduce([job, job], here, progress=False)
        found.append(RunFolder(job.out).read_json(job.out / "config.json")["data"])  # type: ignore[index]
    assert found[0]["train"] != found[1]["train"] and found[0]["classes"] == found[1]["classes"]


def test_runs_can_be_cut_short(tmp_path: Path) -> None:
    (job,) = jobs_of(
        {"little": LITTLE}, [3], tmp_path, iterations=9, data="digits", folder=None,
        device="cpu", eval_every=7, threads=1,
    )  # fmt: skip
    assert job.experiment.iterations == 9 and job.seed == 3 and job.out.is_absolute()


def test_what_is_finished_is_not_run_again(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {path: path.stat().st_mtime_ns for path in whole.glob("*/metrics.csv")}
    results = []
    reproduce(
        jobs(whole), here, progress=False, finished=lambda job, result: results.append(result)
    )
    assert {path: path.stat().st_mtime_ns for path in whole.glob("*/metrics.csv")} == before
    assert [result["iterations"] for result in results] == [60] * 2


@pytest.mark.parametrize("place", [here, lambda all_jobs: in_processes(all_jobs, workers=2)])
def test_every_place_does_the_same_and_one_runs_error_is_its_own(
    whole: Path, tmp_path: Path, place: Place
) -> None:
    reproduce(jobs(tmp_path, taken=replace(OTHER, iterations=1)), here, progress=False)
    seen = []
    with pytest.raises(RunError, match="1 of 3 runs failed: taken, seed 0: AnotherRun: .*another"):
        reproduce(
            jobs(tmp_path, little=LITTLE, taken=OTHER, other=OTHER),
            place,
            progress=False,
            finished=lambda job, result: seen.append(job.out.name),
        )
    assert files(tmp_path).items() > files(whole).items() and sorted(seen) == sorted(files(whole))


def test_a_folder_in_use_is_waited_for(tmp_path: Path) -> None:
    (job,) = jobs(tmp_path, other=OTHER)
    with RunFolder(job.out).locked(), pytest.raises(InUse):
        job.run(patience=0.1)
    leave = threading.Event()
    held = threading.Event()

    def hold() -> None:
        with RunFolder(job.out).locked():
            held.set()
            leave.wait(30)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(30)
    threading.Timer(0.3, leave.set).start()
    assert job.run(patience=30.0)["iterations"] == 60
    holder.join()


def test_a_killed_worker_is_started_again(whole: Path, tmp_path: Path) -> None:
    killed: list[int] = []

    def kill() -> None:
        folder = RunFolder(tmp_path / "little-0")
        wait_for(folder.last_iteration)
        killed.extend(pid for pid in children_of(os.getpid()) if is_worker(pid))
        for pid in killed:
            os.kill(pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    (job,) = jobs(tmp_path, little=LITTLE)
    reproduce([job], lambda all_jobs: in_processes(all_jobs, workers=1), progress=False)
    killer.join()
    assert killed and files(tmp_path)["little-0"] == files(whole)["little-0"]


class Dying:
    """Stands for a pool whose process does ``work`` and dies; after ``deaths`` of them it ends."""

    def __init__(self, deaths: int, work: Callable[[int], object]) -> None:
        self.deaths, self.work, self.tries = deaths, work, 0

    def __call__(self, *_: object) -> Dying:
        return self

    def __enter__(self) -> Dying:
        return self

    def __exit__(self, *_: object) -> None: ...

    def submit(self, call: Callable[[], object]) -> Future[object]:
        self.tries += 1
        self.work(self.tries)
        future: Future[object] = Future()
        if self.tries > self.deaths:
            future.set_result("done")
        else:
            future.set_exception(BrokenProcessPool("killed"))
        return future


def test_a_worker_that_got_further_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (job,) = jobs(tmp_path, (0,), little=LITTLE)
    folder = RunFolder(job.out)
    folder.path.mkdir()
    folder.metrics.write_text(f"{HEADER}\n14,0.001,1.0,1.0,0.5,0\n")

    def work(number: int) -> None:
        """Its rows were ahead of its checkpoint: it wrote the same row again, and a checkpoint."""
        if number < 3:
            write_text(folder.checkpoint, f"state {number}")
        else:  # it was done, and killed on its way out
            write_text(folder.result, "{}")

    pool = Dying(3, work)
    monkeypatch.setattr(executors, "ProcessPoolExecutor", pool)
    ((_, outcome),) = executors.in_processes([job], 1)
    assert (outcome, pool.tries) == ("done", 4)


def test_a_worker_that_gets_no_further_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (job,) = jobs(tmp_path, (0,), little=LITTLE)
    pool = Dying(9, lambda number: None)
    monkeypatch.setattr(executors, "ProcessPoolExecutor", pool)
    ((_, outcome),) = executors.in_processes([job], 1)
    assert isinstance(outcome, BrokenProcessPool) and pool.tries == 1


@pytest.mark.parametrize(("given", "used"), [(None, "local"), ("10.0.0.1:6379", "10.0.0.1:6379")])
def test_without_an_address_ray_starts_a_cluster_of_its_own(
    given: str | None, used: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    stand_in = types.ModuleType("ray")
    vars(stand_in).update(
        init=lambda address, **_: asked.append(address),
        remote=lambda function: function,
        shutdown=lambda: None,
    )
    monkeypatch.setitem(sys.modules, "ray", stand_in)
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")  # of a cluster long dead
    assert list(executors.on_ray([], given)) == [] and asked == [used]


def test_a_worker_that_dies_at_once_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    # Every new interpreter of this process dies as it starts to train.
    (tmp_path / "sitecustomize.py").write_text(
        "import os, threading, sys\n"
        "if 'spawn_main' in ' '.join(sys.orig_argv):\n"
        "    threading.Timer(1.0, os._exit, [9]).start()\n"
    )
    with pytest.raises(RunError, match="2 of 2 runs failed: .*BrokenProcessPool"):
        reproduce(
            jobs(tmp_path / "runs", (0,)),
            lambda all_jobs: in_processes(all_jobs, workers=2),
            progress=False,
        )


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGKILL,
        pytest.param(signal.SIGTERM, marks=pytest.mark.slow),
        pytest.param(signal.SIGINT, marks=pytest.mark.slow),
    ],
)
def test_killed_and_started_again(
    number: signal.Signals, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = "reproduce quick-caffe --seeds 0-1 --iterations 28 --eval-every 7"
    command = f"{table} --data folder --folder {pictures_in(tmp_path)}"
    code = {signal.SIGKILL: -9, signal.SIGTERM: 143, signal.SIGINT: 130}[number]
    with start(f"{command} --workers 2", tmp_path / "cut") as process:
        wait_for(RunFolder(tmp_path / "cut/quick-caffe-0").last_iteration)
        workers = [pid for pid in children_of(process.pid) if is_worker(pid)]
        process.send_signal(number)
        assert process.wait(200) == code and workers
    wait_for(lambda: not any(map(alive, workers)), 20)
    assert not (tmp_path / "cut/quick-caffe-0/result.json").exists()
    for name in ("cut", "whole"):
        finish(command, tmp_path / name)
        assert "(n = 2)" in capsys.readouterr().out
    assert files(tmp_path / "cut") == files(tmp_path / "whole")


def test_a_line_for_each_run_shows_how_far_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = jobs(tmp_path, (0,))
    one.run()
    with RunLines([one, two], every=0.05):
        two.run()
    text = capsys.readouterr().err
    assert "little, seed 0: 100%" in text and "other, seed 0: 100%" in text
    assert "60/60" in text and "accuracy=" in text


def test_without_bars_a_run_says_its_start_and_each_evaluation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = jobs(tmp_path, (0,))
    one.run()
    with RunLines([one, two], every=0.05, bars=False):  # the first is finished: nothing to say
        two.run()
    out, err = capsys.readouterr()
    rows = RunFolder(two.out).rows()
    assert err == "" and out.splitlines() == [
        f"other, seed 0: {two.experiment.schedule}",
        *(
            f"other, seed 0: iteration {row['iteration']:.0f} of {two.experiment.iterations}: "
            f"{100 * row['eval_accuracy']:.2f} %, rate {row['lr']:.3g}"
            for row in rows
        ),
    ]


def test_the_time_left_is_counted_from_the_runs_own_start(tmp_path: Path) -> None:
    (job,) = jobs(tmp_path, other=OTHER)
    lines = RunLines([job])
    line = lines._lines[0]
    line.bar.start_t -= 1000  # it waited in the queue
    folder = RunFolder(job.out)
    folder.path.mkdir()
    line.look()
    folder.append_row(
        {
            "iteration": 7,
            "lr": 1,
            "train_loss": 1,
            "eval_loss": 1,
            "eval_accuracy": 0.5,
            "cycle_end": 0,
        }
    )
    line.look()
    assert line.bar.n == 7 and line.bar.format_dict["elapsed"] < 100
    line.bar.close()
