"""How far rows are from what is printed elsewhere, and from rows that they are held against."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from clr_ignite.cifar10.report.groups import Group
from clr_ignite.cifar10.report.intervals import Interval, of_difference, of_mean, of_one_more

_SOLVERS = ("nesterov", "adam", "rmsprop", "adagrad", "adadelta")
# Beside the row that the table of experiments names for each.
_CONTROLS: Mapping[str, Sequence[str]] = {
    "full-triangular2": ("full-decay", "full-decay-drops"),
    "full-decay-drops": ("full-decay",),
    "full-exp": ("full-fixed-order",),
    "full-exp-range-amplitude": ("full-exp-range",),
    "full-triangular2-order": ("full-triangular2",),
    "full-nesterov-table2": ("full-nesterov-fixed",),
    "full-adam-table2": ("full-adam-fixed",),
    "quick-caffe-order": ("quick-caffe",),
} | {f"full-{name}-triangular": (f"full-{name}-fixed",) for name in _SOLVERS}


@dataclass(frozen=True)
class Reading:
    """Accuracies of a row's runs in percent, and what they are called.

    Args:
        at: the iteration where that is the last cycle end of a run that goes on; None at the end.
    """

    name: str
    values: Sequence[float]
    at: int | None


@dataclass(frozen=True)
class Difference:
    """A row held against another one or a published figure, in points of accuracy.

    Args:
        row: its name, and where it is read if that is not at its end.
        other: the other row's, or ``published 81.4``.
        center: the difference of the means.
        interval: None where one side is a single run.
        scatter: where single runs lie from a published figure, which is one itself.
        reached: the first evaluation at which the row's mean is at least the other's at its end,
            or ``not reached``; ``-`` of a published figure and of a reading before the end.
    """

    row: str
    other: str
    center: float
    interval: Interval | None
    scatter: Interval | None = None
    reached: str = "-"

    @property
    def verdict(self) -> str:
        """In words; a dash of a single run."""
        if self.interval is None:
            return "-"
        told = self.interval.verdict
        single = self.scatter is not None and self.scatter.verdict != told
        return f"{told}, as single runs may be" if single else told


def differences(groups: Sequence[Group]) -> list[Difference]:
    """Of the rows of the table, in their order."""
    rows = {group.entry_name: group for group in groups if group.entry is not None}
    found: list[Difference] = []
    for name, group in rows.items():
        against = group.entry.against if group.entry else ""
        others = [rows[o] for o in (against, *_CONTROLS.get(name, ())) if o in rows and o != name]
        for reading in readings(group):
            found += _from_published(group, reading)
            found += [_from_row(group, reading, other) for other in others]
    return found


def readings(group: Group) -> list[Reading]:
    """At the end, and where that is in mid-cycle at the last cycle end, where the paper reads."""
    found = [Reading(group.name, _percent(group.accuracies), None)]
    last = group.stable[0].summary
    ends = [run.summary["cycle_end_accuracy"] for run in group.stable]
    known = [accuracy for accuracy in ends if accuracy is not None]
    if known and not last["ended_at_cycle_end"]:
        at = last["cycle_end_iteration"]
        found.append(Reading(f"{group.name} at {at:,}", _percent(known), at))
    return found


def _from_published(group: Group, reading: Reading) -> Iterator[Difference]:
    published = group.entry.published if group.entry else None
    if published is not None:
        mean, single = of_mean(reading.values), of_one_more(reading.values)
        yield Difference(
            reading.name,
            f"published {published}",
            statistics.mean(reading.values) - published,
            mean and mean.less(published),
            single and single.less(published),
        )


def _from_row(group: Group, reading: Reading, other: Group) -> Difference:
    """At the end of the other, or where both are read at the same cycle end there."""
    end, *cycle_ends = readings(other)
    theirs = next((r for r in cycle_ends if reading.at is not None and r.at == reading.at), end)
    reached = "-"
    if reading.at is None:
        at = next((at for at, mean in group.curve.items() if mean >= other.accuracy), None)
        reached = "not reached" if at is None else f"{at:,}"
    return Difference(
        reading.name,
        theirs.name,
        statistics.mean(reading.values) - statistics.mean(theirs.values),
        of_difference(reading.values, theirs.values),
        reached=reached,
    )


def _percent(values: Sequence[float]) -> list[float]:
    return [100 * value for value in values]
