"""A real Ray cluster of two nodes, one of which dies in mid-run."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from clr_ignite.cifar10.reproducing import reproduce
from clr_ignite.cifar10.reproducing.executors import here, on_ray
from clr_ignite.cifar10.reproducing.jobs import Job
from clr_ignite.cifar10.runs.run_folder import RunFolder
from tests.cifar10.processes import wait_for
from tests.cifar10.test_reproducing import LITTLE, files, jobs

LONG = replace(LITTLE, iterations=400)


@pytest.mark.slow
def test_every_run_is_finished_once_though_a_node_dies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "object_store_memory": 80 * 2**20}
    cluster = Cluster(initialize_head=True, head_node_args=node | {"include_dashboard": False})
    try:
        second = cluster.add_node(**node)
        three = (0, 1, 2)  # two at work when the node dies, one in the queue
        folders = [RunFolder(tmp_path / f"ray/long-{seed}") for seed in three]
        died_at: list[list[int]] = []

        def die() -> None:
            # Each node has one CPU: two runs that have both begun are on two nodes.
            wait_for(lambda: sum(f.last_iteration() >= 14 for f in folders) == 2, 400)
            cluster.remove_node(second, allow_graceful=False)
            died_at.append([folder.last_iteration() for folder in folders])

        killer = threading.Thread(target=die)
        killer.start()
        outcomes: list[Job] = []
        reproduce(
            jobs(tmp_path / "ray", three, long=LONG),
            lambda all_jobs: on_ray(all_jobs, cluster.address),
            progress=False,
            finished=lambda job, result: outcomes.append(job),
        )
        killer.join()
    finally:
        cluster.shutdown()
    assert [at for at in died_at[0] if 0 < at < 400], "the node died in mid-run"
    assert sorted(job.seed for job in outcomes) == [0, 1, 2]
    threads = torch.get_num_threads()
    try:
        reproduce(jobs(tmp_path / "here", three, long=LONG), here, progress=False)
    finally:
        torch.set_num_threads(threads)
    assert files(tmp_path / "ray") == files(tmp_path / "here")


@pytest.mark.slow
def test_the_command_starts_a_cluster_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from clr_ignite.cifar10.__main__ import main

    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")  # nobody is there
    words = ["reproduce", "quick-caffe", "--data", "digits", "--iterations", "20", "--seeds", "0-1"]
    started = time.monotonic()
    assert main([*words, "--eval-every", "10", "--out", str(tmp_path), "--ray"]) == 0
    assert "(n = 2)" in capsys.readouterr().out
    assert time.monotonic() - started < 300
