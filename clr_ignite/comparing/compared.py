"""``ComparedResult``: the range tests of several settings, the choice between them, its files."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from clr_ignite._files import one_line
from clr_ignite._metrics import higher_is_better as known_higher
from clr_ignite.comparing import files, tables
from clr_ignite.comparing.pictures import curves_by_seed, picture_of
from clr_ignite.comparing.settings import pairs
from clr_ignite.pictures import Picture
from clr_ignite.range_test.repeated import RepeatedResult, stacked
from clr_ignite.result.curves import Drawn
from clr_ignite.result.files import write_csv
from clr_ignite.result.implied import Implied, Policy
from clr_ignite.result.reading import read_by_default
from clr_ignite.suggestions import Bounds, Choice, choose_setting


class ComparedResult(Drawn):
    """Range tests of several settings with the same seeds over one range.

    Attributes:
        settings: by name, the arguments that ``setup`` was given.
        results: by name, a :class:`~clr_ignite.RepeatedResult`.
        batch_sizes: by name, samples in a batch; None where that is not known.
        current: the name of the setting that is kept unless another one is clearly better, or None.
    """

    def __init__(
        self,
        settings: Mapping[str, Mapping[str, Any]],
        results: Mapping[str, RepeatedResult],
        batch_sizes: Mapping[str, int | None] | None = None,
        current: str | None = None,
    ) -> None:
        self.settings, self.results = dict(settings), dict(results)
        self.batch_sizes, self.current = dict(batch_sizes or {}), current

    def __eq__(self, other: object) -> bool:
        """Equal records of settings equally described."""
        if not isinstance(other, ComparedResult):
            return NotImplemented
        return repr(self.to_dict()) == repr(other.to_dict())

    __hash__ = None  # type: ignore[assignment]

    def __str__(self) -> str:
        return f"{self.table()}\n\n{self.choose().reason}".lstrip()

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names of the held-out metrics that every test recorded that was evaluated."""
        tests = (test for one in self.results.values() for test in one.results)
        every = [test.metrics for test in tests if test.metrics]
        first, *others = every or [()]
        return tuple(name for name in first if all(name in names for names in others))

    @property
    def ended(self) -> bool:
        """Whether every test has; while they run, not all settings need to have results."""
        every = [test for one in self.results.values() for test in one.results]
        return self.results.keys() == self.settings.keys() and all(
            test.stop_reason is not None for test in every
        )

    @property
    def alike(self) -> list[tuple[str, str]]:
        """Pairs of settings whose tests are equal, row by row: ``setup`` may not use them."""
        return [
            (a, b)
            for a, b in pairs(self.results)
            if self.results[a].results == self.results[b].results
        ]

    def reads(self, metric: str | None = None) -> str:
        """The curve that is read: ``"held-out loss"`` or the like, or ``"training loss"``.

        Raises:
            KeyError: a test lacks the metric.
        """
        read = metric or read_by_default(self.metrics)
        if read is not None and read not in self.metrics:
            raise KeyError(f"metric {read!r} is missing{self._where(read)}")
        return "training loss" if read is None else f"held-out {read}"

    def choose(self, metric: str | None = None, *, higher_is_better: bool | None = None) -> Choice:
        """The setting whose tests are best, or the ``current`` one where none is clearly better.

        By :func:`clr_ignite.suggestions.choose_setting`; none before two settings have a test.

        Args:
            metric: the held-out metric to read; by default the held-out loss, or the training loss
                where there is none.
            higher_is_better: which way it is better; by default told by its name.

        Raises:
            KeyError: a test lacks the metric.
            ValueError: a metric whose name does not tell which way it is better.
        """
        if len(self.results) < 2:
            begun = ", ".join(map(one_line, self.results)) or "none"
            return Choice(None, f"nothing to compare yet, settings with a test: {begun}", ())
        read = self.reads(metric)
        higher = _higher(read) if higher_is_better is None else higher_is_better
        options = {} if metric is None else {"higher_is_better": higher}
        choice = choose_setting(
            curves_by_seed(self.results, read),
            metric=read,
            higher_is_better=higher,
            bounds={name: one.suggest(metric, **options) for name, one in self.results.items()},
            current=self.current if self.current in self.results else None,
        )
        return replace(choice, reason=choice.reason + self._remarks(read))

    def suggest(self, metric: str | None = None) -> Bounds:
        """The bounds of the chosen setting; its name and why it was chosen stand in the reason."""
        choice = self.choose(metric)
        if choice.name is None:
            return Bounds(None, None, choice.reason)
        bounds = self.results[choice.name].suggest(metric)
        return replace(bounds, reason=f"{choice.reason}; {bounds.reason}")

    def schedule(
        self, step_size: int | None = None, policy: Policy = "triangular", total: int | None = None
    ) -> Implied | list[Implied]:
        """What the chosen setting's :meth:`clr_ignite.RepeatedResult.schedule` gives.

        Raises:
            ValueError: no setting could be chosen, or a bound is missing.
        """
        choice = self.choose()
        if choice.name is None:
            raise ValueError(f"no setting can be trained with: {choice.reason}")
        return self.results[choice.name].schedule(step_size, policy, total)

    def rows(self, metric: str | None = None) -> list[tables.Row]:
        """The table: setting, base_lr, max_lr, best, spread, rate, mean, seeds and note of each.

        ``best`` is the mean over seeds of the lowest smoothed value (of the highest, where higher
        is better), ``rate`` where it is, ``mean`` that over the sweep, by which is chosen. Where
        batches differ, ``batch_size`` and ``max_lr_ratio`` to the first setting stand beside it.
        """
        return tables.rows(self.choose(metric), self.batch_sizes)

    def table(self, metric: str | None = None) -> str:
        """The same as text in columns."""
        return tables.text(self.choose(metric), self.reads(metric), self.batch_sizes)

    def picture(self, metric: str | None = None) -> Picture:
        """What :meth:`plot` draws, as data: a smoothed curve with a band for each setting.

        It goes as far as all of the setting's seeds came. Of more than ten settings the ten best.
        """
        return picture_of(self, metric)

    def to_csv(self, path: str | Path) -> None:
        """Write every row of every test: setting, seed, then the columns of the single tests."""
        write_csv(Path(path), stacked(files.tables_of(self)))

    def to_dict(self) -> dict[str, Any]:
        """Everything as numbers, strings and lists that JSON has."""
        return files.values_of(self)

    def to_json(self, path: str | Path) -> None:
        """Write everything; :meth:`from_json` gives an equal result.

        Of settings that are no plain values the names are written.
        """
        files.write(Path(path), self.to_dict())

    @classmethod
    def from_json(cls, path: str | Path) -> ComparedResult:
        """Read what :meth:`to_json` wrote.

        Raises:
            ValueError: anything else, naming the file and the field.
        """
        return cls(**files.read(Path(path)))

    def _remarks(self, read: str) -> str:
        """What makes a choice by that curve doubtful, in parentheses."""
        text = ""
        if equal := ", ".join(f"{one_line(a)} and {one_line(b)}" for a, b in self.alike):
            text = f" (equal curves, does setup use the setting? {equal})"
        tests = (test for one in self.results.values() for test in one.results)
        measured = dict.fromkeys(name for test in tests for name in test.metrics)
        if read == "training loss" and (other := read_by_default(measured)) is not None:
            text += f" (held-out {other}, which is read by default, is missing{self._where(other)})"
        return text

    def _where(self, metric: str) -> str:
        lacking = [
            f"{one_line(name)}, seed {seed}"
            for name, one in self.results.items()
            for seed, result in zip(one.seeds, one.results, strict=True)
            if result.metrics and metric not in result.metrics
        ]
        return (
            f" in {'; '.join(lacking) or 'every test'}; in all: {', '.join(self.metrics) or 'none'}"
        )

    def _html_words(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"


def _higher(read: str) -> bool:
    return known_higher(read.removeprefix("held-out "))
