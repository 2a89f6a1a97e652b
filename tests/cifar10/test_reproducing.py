"""reproduce: what is missing is run, wherever that is, whoever dies meanwhile, and never twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from clr_ignite.cifar10.experiments import Experiment
from clr_ignite.cifar10.reproducing import jobs_of, reproduce
from clr_ignite.cifar10.reproducing.executors import here, in_processes
from clr_ignite.cifar10.reproducing.jobs import Job
from clr_ignite.cifar10.reproducing.progress import RunLines
from clr_ignite.cifar10.runs.run_folder import InUse, RunError, RunFolder
from clr_ignite.schedules import Fixed, Triangular

# 1,437 digits in batches of 10: 143 an epoch, so that 7 ends neither an epoch nor a cycle.
LITTLE = Experiment(
    schedule=Triangular(0.0005, 0.002, 15), iterations=60, model="quick", batch_size=10
)
OTHER = Experiment(schedule=Fixed(0.0005), iterations=60, model="quick", batch_size=10)


def jobs(out: Path, seeds: tuple[int, ...] = (0,), **experiments: Experiment) -> list[Job]:
    return jobs_of(
        experiments or {"little": LITTLE, "other": OTHER},
        seeds,
        out,
        data="digits",
        folder=None,
        device="cpu",
        eval_every=7,
        threads=1,
    )


def files(out: Path) -> dict[str, bytes]:
    """Every run's rows as they lie on disk."""
    return {path.parent.name: path.read_bytes() for path in sorted(out.glob("*/metrics.csv"))}


def wait_for(there: Callable[[], object], seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.02)


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
        found.append(RunFolder(job.out).read_json("config.json")["data"])  # type: ignore[index]
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


def test_processes_do_what_this_process_does(whole: Path, tmp_path: Path) -> None:
    seen = []
    reproduce(
        jobs(tmp_path),
        lambda all_jobs: in_processes(all_jobs, workers=2),
        progress=False,
        finished=lambda job, result: seen.append(job.out.name),
    )
    assert files(tmp_path) == files(whole) and sorted(seen) == sorted(files(whole))


@pytest.mark.parametrize("workers", [0, 2])
def test_one_runs_error_is_its_own(whole: Path, tmp_path: Path, workers: int) -> None:
    reproduce(jobs(tmp_path, (0,), little=OTHER), here, progress=False)  # somebody else's folder
    place = (lambda all_jobs: in_processes(all_jobs, workers=workers)) if workers else here
    with pytest.raises(RunError, match="1 of 2 runs failed: little, seed 0: RunError: .*another"):
        reproduce(jobs(tmp_path), place, progress=False)
    assert files(tmp_path)["other-0"] == files(whole)["other-0"]


def test_a_folder_in_use_is_waited_for(tmp_path: Path) -> None:
    (job,) = jobs(tmp_path, (0,), other=OTHER)
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
        wait_for(lambda: folder.last_iteration() >= 14)
        killed.extend(pid for pid in children_of(os.getpid()) if is_worker(pid))
        for pid in killed:
            os.kill(pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    reproduce(jobs(tmp_path), lambda all_jobs: in_processes(all_jobs, workers=1), progress=False)
    killer.join()
    assert killed and files(tmp_path) == files(whole)


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


def children_of(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(word) for word in (task / "children").read_text().split()]
    return found


def is_worker(pid: int) -> bool:
    return b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()


def command(out: Path, *words: str) -> subprocess.Popen[bytes]:
    line = ["quick-caffe", "--data", "digits", "--iterations", "60", "--eval-every", "7"]
    line += ["--seeds", "0-1", "--threads", "1", "--out", str(out), "--no-progress", *words]
    return subprocess.Popen(
        [sys.executable, "-m", "clr_ignite.cifar10", "reproduce", *line],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture(scope="module")
def rows_of_the_command(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    out = tmp_path_factory.mktemp("command")
    assert command(out).wait(timeout=400) == 0
    return files(out)


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGKILL,
        pytest.param(signal.SIGTERM, marks=pytest.mark.slow),
        pytest.param(signal.SIGINT, marks=pytest.mark.slow),
    ],
)
def test_killed_and_started_again(
    number: signal.Signals, tmp_path: Path, rows_of_the_command: dict[str, bytes]
) -> None:
    process = command(tmp_path / "cut", "--workers", "2")
    folder = RunFolder(tmp_path / "cut/quick-caffe-0")
    wait_for(lambda: folder.last_iteration() >= 14)
    workers = [pid for pid in children_of(process.pid) if is_worker(pid)]
    process.send_signal(number)
    process.communicate(timeout=200)
    code = {signal.SIGKILL: -9, signal.SIGTERM: 143, signal.SIGINT: 130}[number]
    assert process.returncode == code and workers
    wait_for(lambda: not any(map(alive, workers)), 20)
    assert not (tmp_path / "cut/quick-caffe-0/result.json").exists()
    again = command(tmp_path / "cut", "--workers", "2")
    output, _ = again.communicate(timeout=400)
    assert again.returncode == 0 and b"(n = 2)" in output
    assert files(tmp_path / "cut") == rows_of_the_command


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


def test_the_time_left_is_counted_from_the_runs_own_start(tmp_path: Path) -> None:
    (job,) = jobs(tmp_path, (0,), other=OTHER)
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
