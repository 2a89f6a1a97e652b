"""What Visdom costs: the same training with a plotter on a real server and without, interleaved.

    python benchmarks/live.py --out results/benchmarks

Needs Visdom's front end in place (`python -m clr_ignite.visdom_assets`). Ratios only: medians over
repeats that alternate in one process, on whatever machine runs it.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from ignite.engine import Engine
from torch import nn

from clr_ignite.live import VisdomPlotter

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


def seconds(url: str | None, width: int, iterations: int) -> float:
    """Of so many iterations of a small net, with a plotter where there is a server."""
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
    with contextlib.ExitStack() as stack:
        if url is not None:
            plotter = stack.enter_context(VisdomPlotter(url, **USER))
            plotter.attach(trainer, optimizer, total=iterations)
        start = time.perf_counter()
        trainer.run(range(iterations))
        return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks"))
    options = parser.parse_args()
    text = (
        "# What Visdom costs\n\n`python benchmarks/live.py`: training with a plotter and a server\n"
    )
    text += f"on the same machine over training without, medians of {options.repeats} interleaved\n"
    text += f"repeats. {platform.machine()}, {os.cpu_count()} cores, Python "
    text += f"{platform.python_version()}, torch {torch.__version__}, "
    text += f"{torch.get_num_threads()} threads.\n\n"
    text += "| net | iterations | µs an iteration without | ratio |\n|---|---|---|---|\n"
    with server() as url:
        for width, iterations in ((100, 20_000), (2_000, 4_000)):
            seconds(url, width, 500)  # both warm
            pairs = [
                (seconds(None, width, iterations), seconds(url, width, iterations))
                for _ in range(options.repeats)
            ]
            bare, drawn = (statistics.median(column) for column in zip(*pairs, strict=True))
            name, each = f"64-{width}-10 perceptron, batch 100", 1e6 * bare / iterations
            text += f"| {name} | {iterations:,} | {each:.0f} | {drawn / bare:.3f} |\n"
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "live.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
