"""``Observer``: Engines and range tests as a few calls, which a back end draws."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from ignite.engine import Engine, Events

from clr_ignite._checks import count, function, instance
from clr_ignite._scalars import Value, floats, numbers_of, scalar_of
from clr_ignite._smoothing import averaged, fitting_beta
from clr_ignite.live.summary import Summary
from clr_ignite.no_trace.engine import check_engine
from clr_ignite.optimizers.values import momentum_of
from clr_ignite.pictures import COLORS, Curve, Picture, sampled
from clr_ignite.range_test.repeated import RepeatedResult
from clr_ignite.result import RangeTestResult
from clr_ignite.schedules import Schedule

if TYPE_CHECKING:  # a room beside this one
    from clr_ignite.comparing import ComparedResult

_LONG = 10_000  # iterations that a run of unknown length is taken for, where its loss is smoothed


def comparison_pane(name: str) -> str:
    """Of a comparison of that name."""
    return f"comparison {name}".rstrip()


class Observer:
    """Watches training runs and range tests; it only reads.

    A back end overrides :meth:`point`, :meth:`text`, :meth:`show` and :meth:`test`, and where it
    likes :meth:`cycle_ended` and :meth:`begin`; it calls :meth:`flush` at its end at the latest. A
    pane is named by what it shows: ``"lr"``, ``"momentum"``, ``"loss"``, ``"held-out accuracy"``,
    ``"summary"``, ``"range test 1"``, ...

    Attributes:
        waiting: losses on a device that wait to be read in one go, at most.
    """

    waiting = 50

    def __init__(self) -> None:
        self._tests: list[RangeTestResult] = []
        self._losses: list[tuple[int, Value]] = []
        self._lock = threading.Lock()
        self._smoothed, self._beta = (0.0, 0.0), fitting_beta(_LONG)
        self._summary = Summary(None)

    def point(self, pane: str, curve: str, x: float, y: float) -> None:
        """Draw a further point of a curve."""
        raise NotImplementedError

    def text(self, pane: str, text: str) -> None:
        """Show lines of text instead of those before."""
        raise NotImplementedError

    def show(self, pane: str, picture: Picture) -> None:
        """Draw a whole picture."""
        raise NotImplementedError

    def test(self, pane: str, result: RangeTestResult) -> None:
        """Draw a range test that has grown by a row, or has ended."""
        raise NotImplementedError

    def cycle_ended(self, iteration: int) -> None:
        """Mark the end of a cycle."""

    def begin(self) -> None:
        """Forget the run before: another one starts."""

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

        A run that starts at iteration 0 takes the place of the one before; one that is resumed is
        drawn on.

        Args:
            evaluator: its metrics are drawn after each of its runs, at the trainer's iteration.
            output_transform: the trainer's output -> the batch's loss, a number or a tensor of one
                element; on a device it is read in blocks.
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

        def start(engine: Engine) -> None:
            if engine.state.iteration == 0:
                self._begin(total)

        def step(engine: Engine) -> None:
            iteration = engine.state.iteration
            self._note_groups(iteration, optimizer.param_groups)
            self._note_loss(iteration, loss_of(engine.state.output))
            if cycle_end is not None and cycle_end(engine, iteration):
                self.cycle_ended(iteration)
            self._summary.step(iteration, optimizer.param_groups[0].get("lr"))

        trainer.add_event_handler(Events.STARTED, start)
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
            self.point(f"held-out {name}", run or name, iteration, value)
            if not run:
                self._summary.note(iteration, name, value)

    def on_row(self, result: RangeTestResult) -> None:
        """Draw a range test as it grows, and the rates it suggests once it has ended."""
        if not any(result is known for known in self._tests):
            self._tests.append(result)
        number = next(at for at, known in enumerate(self._tests, start=1) if result is known)
        self.test(f"range test {number}", result)

    def repeated(self, result: RepeatedResult) -> None:
        """Draw the mean of several range tests with its band and the rates it suggests."""
        self.show("range tests, mean", result.picture())

    def compared(self, result: ComparedResult, name: str = "") -> None:
        """Draw a comparison: while it grows where the back end can, at its end in any case.

        It is what ``compare_range_tests(..., on_row=plotter.compared)`` calls.

        Args:
            name: draws beside a comparison of another name, not in its place.
        """
        if result.ended:
            self.show(comparison_pane(name), result.picture())

    def preview(self, schedules: Mapping[str, Schedule], iterations: int) -> None:
        """Draw schedules before training, over iterations 0 to ``iterations - 1``."""
        iterations = count("iterations", iterations)
        curves = [
            Curve(name, *sampled(schedule, iterations), COLORS[number % len(COLORS)])
            for number, (name, schedule) in enumerate(schedules.items())
        ]
        self.show("preview", Picture(curves, y_label="learning rate", title="schedule"))

    def flush(self) -> None:
        """Draw what waits: losses on a device, and the summary; for the back end to call."""
        self._read_losses()
        if self._summary.changed:
            self._summary.changed = False  # before the text: what comes meanwhile counts again
            self.text("summary", self._summary.text())

    def _read_losses(self) -> None:
        """Bring waiting losses to the host in one go and draw them."""
        with self._lock:
            waiting, self._losses = self._losses, []
            average, weight = self._smoothed
            values = floats([value for _, value in waiting])
            for (iteration, _), value in zip(waiting, values, strict=True):
                self.point("loss", "loss", iteration, value)
                if abs(value) < float("inf"):
                    average, weight = averaged(average, weight, value, self._beta)
                    self.point("loss", "smoothed", iteration, average / weight)
            self._smoothed = average, weight

    def _begin(self, total: int | None) -> None:
        with self._lock:
            self._losses.clear()
            self._smoothed = (0.0, 0.0)
            self._beta = fitting_beta(total or _LONG)
            self._summary = Summary(total)
            self.begin()

    def _note_groups(self, iteration: int, groups: list[dict[str, Any]]) -> None:
        for number, group in enumerate(groups):
            suffix = f", group {number}" if len(groups) > 1 else ""
            if (rate := group.get("lr")) is not None:  # as where Adafactor makes its own
                self.point("lr", f"lr{suffix}", iteration, float(rate))
            if momentum := momentum_of(group):
                self.point("momentum", f"momentum{suffix}", iteration, momentum)

    def _note_loss(self, iteration: int, loss: Value) -> None:
        with self._lock:
            self._losses.append((iteration, loss))
        if len(self._losses) >= self.waiting:
            self._read_losses()
