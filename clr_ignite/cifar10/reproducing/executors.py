"""Where jobs run: in this process, in processes of their own, on a Ray cluster."""

from __future__ import annotations

import contextlib
import functools
import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor, as_completed, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from clr_ignite.cifar10.reproducing.jobs import Job, loaded
from clr_ignite.cifar10.runs.run_folder import RunFolder

Ended = tuple[Job, Any]  # a job with its outcome or the Exception that it raised
Place = Callable[[Sequence[Job]], Generator[Ended]]


def here(jobs: Sequence[Job]) -> Generator[Ended]:
    """One after the other in this process."""
    loaded.cache_clear()  # the pictures may not be those of an earlier list of jobs any more
    for job in jobs:
        yield job, _caught(job.run)


def in_processes(jobs: Sequence[Job], workers: int) -> Generator[Ended]:
    """``workers`` at a time, each in a process of its own; outcomes as they come.

    Threads here only wait. Were they to train, two CUDA graphs would be replayed in turn on two
    streams of one process, which has been seen to hang.

    A process that dies is started again as long as its run got further: to a
    row, a checkpoint or its result. Leaving the iterator
    early ends the processes; so does the death of this one.
    """
    leaving = threading.Event()
    threads = ThreadPoolExecutor(workers, initializer=_leave_interrupts_to_others)
    futures: dict[Future[Any], Job] = {}
    try:
        for job in jobs:
            futures[threads.submit(_caught, functools.partial(_alone, job, leaving))] = job
        for future in as_completed(futures):
            yield futures[future], future.result()
    finally:
        leaving.set()
        threads.shutdown(wait=False, cancel_futures=True)
        while wait(futures, timeout=0.2).not_done:
            for process in multiprocessing.active_children():
                process.terminate()


def on_ray(jobs: Sequence[Job], address: str | None) -> Generator[Ended]:
    """As tasks of a Ray cluster: ``threads`` CPUs and, on cuda, one GPU each.

    A task whose machine dies starts again on another one and goes on from the run folder, which
    must therefore lie on a file system that all machines share.

    Args:
        address: of a running cluster; None starts one on this machine.
    """
    try:
        import ray
    except ImportError as error:
        raise ValueError('--ray needs Ray: pip install "clr_ignite[ray]"') from error
    # Without an address Ray joins a cluster that $RAY_ADDRESS names, or any on this machine.
    ray.init(address=address or "local", log_to_driver=False, logging_level=logging.WARNING)
    try:
        task = ray.remote(_run)
        waiting = {
            task.options(
                num_cpus=job.threads, num_gpus=int(job.device.startswith("cuda")), max_retries=-1
            ).remote(job): job
            for job in jobs
        }
        while waiting:
            for reference in ray.wait(list(waiting))[0]:
                yield waiting.pop(reference), _fetched(ray.get, reference)
    finally:
        ray.shutdown()


def _run(job: Job) -> Any:
    return job.run()


def _caught(call: Callable[[], Any]) -> Any:
    """One run's error is its own: the others go on."""
    try:
        return call()
    except Exception as error:
        return error


def _fetched(get: Callable[[Any], Any], reference: Any) -> Any:
    return _caught(lambda: get(reference))


def _alone(job: Job, leaving: threading.Event) -> Any:
    context = multiprocessing.get_context("spawn")
    while True:
        row, files = _progress(job)
        try:
            quiet = logging.getLogger("ignite").level
            with ProcessPoolExecutor(1, context, _start_worker, (quiet,)) as pool:
                return pool.submit(job.run).result()
        except BrokenProcessPool:
            last, written = _progress(job)
            if leaving.is_set() or (last <= row and written == files):
                raise


def _progress(job: Job) -> tuple[int, list[tuple[int, int] | None]]:
    """How far a run is: its last row, which may be ahead of its checkpoint, and what it wrote."""
    folder, seen = RunFolder(job.out), job.seen()
    files = folder.checkpoint, folder.result, folder.range_test
    return seen[-1][0] if seen else 0, [_written(path) for path in files]


def _written(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns


def _leave_interrupts_to_others() -> None:
    """Block Ctrl-C in this thread and, from their first moment, in the processes it starts.

    A terminal sends it to all of them: the main thread hears it and ends the others.
    """
    if hasattr(signal, "pthread_sigmask"):  # Windows has none
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


def _start_worker(level: int) -> None:
    """Log as the parent does, and end as soon as it is gone."""
    logging.getLogger("ignite").setLevel(level)
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        with contextlib.suppress(Exception):
            multiprocessing.parent_process().join()  # type: ignore[union-attr]
        os._exit(1)  # the run folder is safe at any moment

    threading.Thread(target=watch, daemon=True).start()
