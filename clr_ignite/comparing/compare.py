"""``compare_range_tests``: a range test for each setting and seed, side by side."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from numbers import Integral
from pathlib import Path
from typing import Any

import ignite.distributed as idist

from clr_ignite._checks import choice, function, instance, noting, positive, shown
from clr_ignite.comparing.compared import ComparedResult
from clr_ignite.comparing.settings import (
    Setting,
    check_settings,
    check_setup,
    check_used,
    described,
)
from clr_ignite.comparing.shelf import Shelf, Test
from clr_ignite.range_test.endless import length
from clr_ignite.range_test.repeated import (
    RepeatedResult,
    check_seeds,
    own_checkpoint,
    run_set_up,
    set_up,
)
from clr_ignite.result import RangeTestResult

_LOOK = 0.2  # seconds between two looks at tests that other processes have


def compare_range_tests(
    setup: Callable[..., Sequence[Any]],
    settings: Mapping[str, Setting],
    seeds: Iterable[int] = (0,),
    start_lr: float | Sequence[float] | None = None,
    end_lr: float | Sequence[float] | None = None,
    num_iter: int | None = None,
    *,
    epochs: float | None = None,
    current: str | None = None,
    out: str | Path | None = None,
    on_row: Callable[[ComparedResult], None] | None = None,
    **options: Any,
) -> ComparedResult:
    """Run a range test for each of ``settings`` and ``seeds`` and put them side by side.

    What remains to be chosen beside the rate, weight decay, momentum, batch size, augmentation or
    anything else that ``setup`` takes, is chosen by short range tests laid over each other: see
    :meth:`ComparedResult.choose`. All tests of the first seed come before those of the next.

    Args:
        setup: given a seed and a setting as keywords, ``setup(seed, **setting)``, returns what that
            of :func:`~clr_ignite.repeat_range_test` returns. Seeding is its business.
        settings: by name, the keyword arguments of each; at least two, all different.
        seeds: at least one, all different. Only several tell how far chance goes.
        start_lr, end_lr, num_iter, options: as for :class:`~clr_ignite.LRRangeTest`; all tests have
            the same range.
        epochs: instead of ``num_iter`` as many steps as batches are in so many epochs of each
            setting's data, at least 2: a comparison of batch sizes sees as many samples in each.
        current: the setting that you have, by its name: it is kept unless another one is clearly
            better.
        out: a folder in which every test that has ended is a file and one under way a checkpoint: a
            comparison broken off goes on, and ends bit for bit as if it had not been. Several
            processes may share it, each with the same call on a trainer of its own. Changes of
            ``setup`` itself are not seen in it.
        on_row: called with the tests so far after each row of each test, and for each one found in
            ``out``, such as ``VisdomPlotter.compared``.

    Raises:
        TypeError, ValueError: naming the argument, the rule and the value.

    Warns:
        UserWarning: two settings whose tests are equal, or an optimizer without the weight decay or
            momentum that its setting asks for.

    Source: L. N. Smith, arXiv:1803.09820, sections 4.1 (learning rate), 4.2 (batch size), 4.3
    (momentum) and 4.4 (weight decay).

    Example::

        def setup(seed, weight_decay):
            torch.manual_seed(seed)
            model = ...
            optimizer = torch.optim.SGD(model.parameters(), 0.1, 0.9, weight_decay=weight_decay)
            ...
            return trainer, loader, optimizer, {"model": model, "optimizer": optimizer}

        settings = {f"{decay:g}": {"weight_decay": decay} for decay in (1e-4, 1e-3, 1e-2)}
        compared = compare_range_tests(setup, settings, seeds=range(3))
        print(compared)
    """
    function("setup", setup)
    instance("on_row", on_row, Callable | None, "callable or None")
    known, chosen = check_settings(settings), check_seeds(seeds)
    check_setup(setup, known, chosen[0])
    own_checkpoint(options, "give out instead")
    if current is not None:
        choice("current", current, list(known))
    if epochs is not None:
        epochs = positive("epochs", epochs)
        if num_iter is not None:
            raise ValueError(f"epochs and num_iter exclude each other, got {epochs} and {num_iter}")
    sweep = {"start_lr": start_lr, "end_lr": end_lr, "num_iter": num_iter}
    shelf = None
    if out is not None:
        if idist.get_world_size() > 1:
            raise ValueError("out must be left out in a run of several processes with one trainer")
        facts = {"settings": known, "seeds": chosen, **sweep, "epochs": epochs, "options": options}
        shelf = Shelf(out, described(facts))
    comparison = _Comparison(setup, known, chosen, sweep | options, epochs, shelf, on_row)
    comparison.current = current
    comparison.run()
    return comparison.compared()


@dataclass
class _Comparison:
    setup: Callable[..., Sequence[Any]]
    settings: dict[str, dict[str, Any]]
    seeds: tuple[int, ...]
    options: dict[str, Any]
    epochs: float | None
    shelf: Shelf | None
    on_row: Callable[[ComparedResult], None] | None
    tests: dict[tuple[str, int], RangeTestResult] = field(default_factory=dict)
    batch_sizes: dict[str, int | None] = field(default_factory=dict)
    current: str | None = None

    def run(self) -> None:
        """Run what is missing; wait for what other processes are at."""
        waiting = [(name, seed) for seed in self.seeds for name in self.settings]
        while waiting:
            busy = []
            for one in waiting:  # a comprehension is a frame more in Python 3.11, for warnings
                if not self._has(*one):
                    busy.append(one)
            if len(busy) == len(waiting):
                time.sleep(_LOOK)
            waiting = busy

    def compared(self) -> ComparedResult:
        """The tests so far."""
        results = {}
        for name in self.settings:
            own = {at: self.tests[name, at] for at in self.seeds if (name, at) in self.tests}
            if own:
                results[name] = RepeatedResult(list(own), list(own.values()))
        sizes = {name: self.batch_sizes.get(name) for name in self.settings}
        return ComparedResult(self.settings, results, sizes, self.current)

    def _has(self, name: str, seed: int) -> bool:
        """Whether a test is there now, read or run; False: another process is at it."""
        if self.shelf is None:
            self._add(name, seed, self._run(name, seed))
            return True
        with self.shelf.held(name, seed) as ours:
            if ours:
                test = read = self.shelf.read(name, seed)
                if test is None:
                    test = self._run(name, seed, checkpoint=self.shelf.file(name, seed, ".pt"))
                    self.shelf.write(name, seed, test)
                self._add(name, seed, test)
                if read is not None:
                    self._show(name, seed, read[0])
        return ours

    def _run(self, name: str, seed: int, **options: Any) -> Test:
        setting = self.settings[name]
        with noting(f"in the range test of setting {shown(name)} with seed {seed}"):
            made = set_up(self.setup, seed, **setting)
            _, data, optimizer, *_ = made
            if seed == self.seeds[0]:
                check_used(name, setting, optimizer)
            if self.on_row is not None:
                options["on_row"] = lambda result: self._show(name, seed, result)
            if self.epochs is not None:
                options["num_iter"] = _steps(self.epochs, data)
            return run_set_up(made, **self.options | options), _batch_size(setting, data)

    def _show(self, name: str, seed: int, result: RangeTestResult) -> None:
        self.tests[name, seed] = result
        if self.on_row is not None:
            self.on_row(self.compared())

    def _add(self, name: str, seed: int, test: Test) -> None:
        result, self.batch_sizes[name] = test
        self.tests[name, seed] = result
        for other in self.settings:
            if other != name and self._alike(name, other, seed):
                warnings.warn(
                    f"the range tests of settings {other!r} and {name!r} with seed {seed} are "
                    "equal, step by step: does setup use the setting?",
                    stacklevel=5,  # the line that compares
                )

    def _alike(self, name: str, other: str, seed: int) -> bool:
        """Whether the tests of two settings with ``seed`` are equal, and none before differed."""
        both = [(self.tests.get((name, at)), self.tests.get((other, at))) for at in self.seeds]
        known = [pair for pair in both if None not in pair]
        return (other, seed) in self.tests and all(one == another for one, another in known)


def _steps(epochs: float, data: Iterable[Any]) -> int:
    if (batches := length(data)) is None:
        raise ValueError(f"epochs needs data with a length, got {shown(data)}: give num_iter")
    return max(2, round(Fraction(epochs) * batches))


def _batch_size(setting: Setting, data: Iterable[Any]) -> int | None:
    """Samples in a batch, where the setting or the loader tells."""
    places = (getattr(data, "batch_size", None), getattr(data, "batch_sampler", None))
    known = (setting.get("batch_size"), places[0], getattr(places[1], "batch_size", None))
    return next((int(size) for size in known if isinstance(size, Integral)), None)
