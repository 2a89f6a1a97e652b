"""``VisdomPlotter``: curves in Visdom while they grow; it only reads and never costs a step."""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from ignite.engine import Engine, Events

from clr_ignite._checks import count, function, instance, positive
from clr_ignite._scalars import Value, floats, numbers_of, scalar_of
from clr_ignite.live.summary import Summary
from clr_ignite.live.visdom import Sender, address, connect
from clr_ignite.live.windows import COLORS, Window
from clr_ignite.no_trace.engine import check_engine
from clr_ignite.range_test.repeated import RepeatedResult
from clr_ignite.result import RangeTestResult
from clr_ignite.result.smoothing import averaged
from clr_ignite.schedules import Schedule

_BETA = 0.98  # of the smoothed training loss
_WAITING = 10_000  # losses on a device that wait for the sending thread at most


class VisdomPlotter:
    """Draws training runs and range tests in a Visdom server, from a thread of its own.

    About once every ``every`` seconds the panes that changed are sent as whole views of at most
    about 2,000 points a curve that keep lows and highs. A server that is absent, dies or comes
    back costs no step and loses no point: everything is sent again once it answers. Nothing waits
    longer than ``timeout``, the interpreter's exit included.

    Args:
        url: of the server, with its ``-base_url`` if it has one; by default
            ``$VISDOM_SERVER_URL`` and ``$VISDOM_PORT``, else ``http://127.0.0.1:8097``.
        username, password: by default ``$VISDOM_USERNAME`` and ``$VISDOM_PASSWORD``; never logged.
        env: Visdom's environment to draw in.
        every: seconds between updates, above 0.
        timeout: seconds, above 0.

    Example::

        with VisdomPlotter() as plotter:
            plotter.attach(trainer, optimizer, evaluator, total=8_000)
            trainer.run(train_loader, max_epochs=16)

    A range test takes its ``on_row``: ``LRRangeTest(..., on_row=plotter.on_row)``.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        username: str | None = None,
        password: str | None = None,
        env: str = "clr_ignite",
        every: float = 1.0,
        timeout: float = 5.0,
    ) -> None:
        for name, text in {"url": url, "username": username, "password": password}.items():
            instance(name, text, str | None, "text or None")
        instance("env", env, str, "text")
        server, port, base_url = address(url)
        self.url, self.env = f"{server}:{port}{base_url}", env
        self.timeout = positive("timeout", timeout)
        username = username or os.environ.get("VISDOM_USERNAME")
        password = password or os.environ.get("VISDOM_PASSWORD")
        self._windows: dict[str, Window] = {}
        self._tests: list[RangeTestResult] = []
        self._losses: list[tuple[int, Value]] = []
        self._lock = threading.Lock()
        self._smoothed = (0.0, 0.0)
        self._summary = Summary()
        self._sender = Sender(
            lambda: connect(server, port, username, password, self.timeout, base_url),
            self._current,
            env,
            positive("every", every),
            f"Start one: python -m visdom.server -port {port} -bind_local",
        )
        self._sender.start()
        atexit.register(self.close)

    def __repr__(self) -> str:
        return f"VisdomPlotter({self.url!r}, env={self.env!r})"

    def __enter__(self) -> VisdomPlotter:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> bool:
        """Send what is waiting and stop, within the time-out; may be called again.

        Returns:
            Whether all has arrived.
        """
        atexit.unregister(self.close)
        return self._sender.close(self.timeout)

    def attach(
        self,
        trainer: Engine,
        optimizer: torch.optim.Optimizer,
        evaluator: Engine | None = None,
        *,
        output_transform: Callable[[Any], Any] = lambda output: output,
        cycle_end: Callable[[Engine, int], bool] | None = None,
        total: int | None = None,
    ) -> None:
        """Draw rates, momentum, training loss, held-out metrics and a summary of a run.

        Args:
            evaluator: its metrics are drawn after each of its runs, at the trainer's iteration.
            output_transform: the trainer's output -> the batch's loss, a number or a tensor of one
                element; on a device it is read in blocks, by the other thread.
            cycle_end: marks where cycles end, see :func:`clr_ignite.cycle_end`.
            total: iterations in the whole run, for the time left.
        """
        check_engine("trainer", trainer)
        instance("evaluator", evaluator, Engine | None, "an ignite.engine.Engine or None")
        instance("optimizer", optimizer, torch.optim.Optimizer, "a torch.optim.Optimizer")
        function("output_transform", output_transform)
        instance("cycle_end", cycle_end, Callable | None, "callable or None")
        total = None if total is None else count("total", total)
        loss_of = scalar_of("loss", output_transform)
        started = {"time": time.monotonic(), "iteration": 0}

        def step(engine: Engine) -> None:
            iteration = engine.state.iteration
            if started["iteration"] == 0:
                started.update(time=time.monotonic(), iteration=iteration)
            self._note_step(iteration, optimizer, loss_of(engine.state.output))
            if cycle_end is not None and cycle_end(engine, iteration):
                self._window("lr").lines.append(iteration)
            if iteration % 50 == 0 or iteration == total:
                window = self._window("summary")
                rate = float(optimizer.param_groups[0]["lr"])
                window.text = self._summary.text(iteration, rate, total, started)
                window.changed = True

        trainer.add_event_handler(Events.ITERATION_COMPLETED, step)
        if evaluator is not None:
            evaluator.add_event_handler(
                Events.COMPLETED,
                lambda engine: self.metrics(trainer.state.iteration, engine.state.metrics),
            )

    def metrics(self, iteration: int, values: Mapping[str, Any], run: str = "") -> None:
        """Add held-out metrics at an iteration; what is not a number is left out.

        Args:
            run: draws a curve of that name; without it the curve has the metric's.
        """
        for name, value in numbers_of(values).items():
            window = self._window(f"held-out {name}", y_label=name)
            window.trace(run or name, mode="lines+markers").append(iteration, value)
            window.changed = True
            self._summary.note(name, value)

    def on_row(self, result: RangeTestResult) -> None:
        """Draw a range test as it grows, and the suggested pair once it has ended."""
        if not self._tests or self._tests[-1] is not result:
            self._tests.append(result)

    def repeated(self, result: RepeatedResult) -> None:
        """Draw the mean of several range tests with its band and the pair it suggests."""
        window = self._window("range tests, mean", x_label="learning rate", y_label="training loss")
        window.show_band(result)
        window.changed = True

    def row(self, row: Mapping[str, float], run: str = "") -> None:
        """Draw an evaluation that a run folder holds, see ``clr_ignite.cifar10``.

        Args:
            run: its name, where the curves of several are drawn beside each other.
        """
        iteration = int(row["iteration"])
        for name, trace in (("lr", "lr"), ("loss", "train_loss")):
            window = self._window(name, y_label=name)
            window.trace(run or trace).append(iteration, row[trace])
            window.changed = True
        self.metrics(iteration, {n: row[f"eval_{n}"] for n in ("accuracy", "loss")}, run)

    def preview(self, schedules: Mapping[str, Schedule], iterations: int) -> None:
        """Draw schedules before training, over iterations 0 to ``iterations - 1``."""
        step = max(1, count("iterations", iterations) // 20_000)
        window = self._window("preview", title="schedule", y_label="learning rate")
        window.traces.clear()
        for name, schedule in schedules.items():
            trace = window.trace(name)
            for iteration in range(0, iterations, step):
                trace.append(iteration, schedule(iteration))
        window.changed = True

    def _note_step(self, iteration: int, optimizer: torch.optim.Optimizer, loss: Value) -> None:
        rates, momenta = self._window("lr", "learning rate"), None
        several = len(optimizer.param_groups) > 1
        for number, group in enumerate(optimizer.param_groups):
            suffix = f", group {number}" if several else ""
            rates.trace(f"lr{suffix}").append(iteration, float(group["lr"]))
            momentum = group["betas"][0] if "betas" in group else group.get("momentum", 0)
            if float(momentum):
                momenta = momenta or self._window("momentum")
                momenta.trace(f"momentum{suffix}").append(iteration, float(momentum))
        for window in (rates, momenta):
            if window is not None:
                window.changed = True
        with self._lock:
            self._losses.append((iteration, loss))
        if len(self._losses) > _WAITING:
            self._read_losses()

    def _read_losses(self) -> None:
        """Bring waiting losses to the host in one go, into the loss window."""
        with self._lock:
            waiting, self._losses = self._losses, []
            values = floats([value for _, value in waiting])
            window = self._window("loss", "training loss", y_label="loss")
            raw = window.trace("loss", color="#aec7e8")
            smooth = window.trace("smoothed", color=COLORS[0])
            average, weight = self._smoothed
            for (iteration, _), value in zip(waiting, values, strict=True):
                raw.append(iteration, value)
                if abs(value) < float("inf"):
                    average, weight = averaged(average, weight, value, _BETA)
                    smooth.append(iteration, average / weight)
            self._smoothed = average, weight
            window.changed = window.changed or bool(waiting)

    def _window(self, name: str, title: str | None = None, **options: Any) -> Window:
        if name not in self._windows:
            self._windows[name] = Window(name, title or name, **options)
        return self._windows[name]

    def _current(self) -> list[Window]:
        """Every window, brought up to date; called by the sending thread."""
        if self._losses:
            self._read_losses()
        for number, result in enumerate(list(self._tests)):
            labels = {"x_label": "learning rate", "y_label": "training loss"}
            window = self._window(f"range test {number + 1}", **labels)
            seen = (len(result), result.stop_reason)
            if window.seen != seen:
                window.show(result)
                window.seen, window.changed = seen, True  # not before: a failure is tried again
        return list(self._windows.values())
