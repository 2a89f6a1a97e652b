"""What Visdom costs: the same training with a plotter on a real server and without."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from ignite.engine import Engine
from torch import nn

from benchmarks.page import in_turns, table
from clr_ignite.live import VisdomPlotter

TITLE = "Visdom"

USER = {"username": "reader", "password": "for this run only"}


@contextlib.contextmanager
def server() -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as home:
        (Path(home) / ".visdom").mkdir()
        secrets = {"VISDOM_USERNAME": USER["username"], "VISDOM_PASSWORD": USER["password"]}
        secrets |= {"VISDOM_USE_ENV_CREDENTIALS": "1", "VISDOM_COOKIE": "of this run", "HOME": home}
        command = [sys.executable, "-m", "visdom.server", "-port", str(port), "-env_path", home]
        process = subprocess.Popen(
            [*command, "-bind_local", "-enable_login"],
            env=os.environ | secrets,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            while socket.socket().connect_ex(("127.0.0.1", port)):
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()
            process.wait()


def training(url: str | None, width: int, iterations: int) -> Callable[[], object]:
    """So many iterations of a small net, with a plotter where there is a server."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, width), nn.ReLU(), nn.Linear(width, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    x, y = torch.randn(100, 64), torch.randint(0, 10, (100,))

    def step(engine: Engine, batch: int) -> float:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss.item()

    trainer = Engine(step)

    def run() -> None:
        with contextlib.ExitStack() as stack:
            if url is not None:
                plotter = stack.enter_context(VisdomPlotter(url, **USER))
                plotter.attach(trainer, optimizer, total=iterations)
            trainer.run(range(iterations))

    return run


def missing() -> str:
    """Why it cannot be measured here, if it cannot."""
    try:
        import visdom
    except ImportError:
        return "Visdom is not installed"
    if not (Path(visdom.__file__).parent / "static" / "version.built").exists():
        return "Visdom's front end is missing (python -m clr_ignite.visdom_assets)"
    return ""


def section(quick: bool) -> str:
    repeats, shorter = (1, 20) if quick else (5, 4)
    rows = []
    with server() as url:
        for width, steps in ((100, 20_000 // shorter), (2_000, 4_000 // shorter)):
            pair = {
                "without": lambda width=width, steps=steps: training(None, width, steps),
                "with": lambda width=width, steps=steps: training(url, width, steps),
            }
            seconds, found = in_turns(pair, repeats, time.perf_counter)
            each = f"{1e6 * seconds / steps:.0f}"
            rows.append([f"64-{width}-10 perceptron", f"{steps:,}", each, f"× {found['with']:.3f}"])
    heads = ["net, batch 100", "iterations", "µs an iteration without", "with"]
    return (
        "Training with a `VisdomPlotter` and a server on the same machine over training without,\n"
        f"wall time, {repeats} turns. The plotter's thread and the server share the cores.\n\n"
    ) + table(heads, rows)
