"""Which curve of a range test is read, by which rule, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from clr_ignite._checks import function, instance, shown
from clr_ignite.pictures import better
from clr_ignite.suggestions import Bounds, bounds_below_minimum, higher_is_better, smith_bounds
from clr_ignite.suggestions.bounds import POINTS

if TYPE_CHECKING:
    from clr_ignite.result.range_test_result import RangeTestResult

#: A suggestion rule: rates and values of a curve -> bounds, or one rate.
Rule = Callable[[Sequence[float], Sequence[float]], Bounds | float]
_APART = 5.0  # one curve's max_lr over the other's, from which on they disagree


def read_by_default(metrics: Iterable[str]) -> str | None:
    """The held-out metric that is read where none is named: a loss; None: the training loss."""
    losses = [name for name in metrics if better(name) == "lower"]
    return "loss" if "loss" in losses else next(iter(losses), None)


def suggested(
    result: RangeTestResult, metric: str | None, rule: Rule | None, higher: bool | None
) -> Bounds:
    """See :meth:`clr_ignite.RangeTestResult.suggest`."""
    instance("metric", metric, str | None, "the name of a held-out metric, or None")
    read = metric or read_by_default(result.metrics)
    if rule is not None:
        found = _by(rule, result, read)
    elif read is None:
        found = _from_loss(result, "training loss", (result.lr, result.loss))
    elif higher_is_better(read) if higher is None else higher:
        found = smith_bounds(*result[read], metric=read)
    else:
        found = _from_loss(result, f"held-out {read}", result[read])
        if metric is None:
            found = _beside_training_loss(result, found)
    if result.stop_reason == "diverged":
        return replace(found, reason=f"{found.reason} ({result.stop_detail}{_lower(result)})")
    return found


def _lower(result: RangeTestResult) -> str:
    """Where to go on after a test that diverged at once: more of the same would tell no more."""
    low = result.lr[0] if len(result) else 0.0
    return f"; try {low / 1000:.3g} to {low:.3g}" if len(result) < POINTS and low > 0 else ""


def _from_loss(
    result: RangeTestResult, name: str, curve: tuple[Sequence[float], Sequence[float]]
) -> Bounds:
    return bounds_below_minimum(*curve, metric=name, diverged=result.stop_reason == "diverged")


def _beside_training_loss(result: RangeTestResult, found: Bounds) -> Bounds:
    """What the held-out loss says, unless the training loss knows better.

    Where the held-out loss turns while the training loss falls on, it is not the rate that is too
    high: the net overfits, or batch norm's averages lag behind its weights.
    """
    other = _from_loss(result, "training loss", (result.lr, result.loss))
    unread = found.base_lr is None and (other.base_lr is not None or not found.curve[0])
    if other.max_lr is None and not unread:
        return found
    if found.max_lr is None or other.max_lr is None:
        return replace(other, reason=f"{other.reason} ({found.reason})")
    apart = f"{found.metric} alone would say {found.max_lr:.3g}"
    if other.max_lr > _APART * found.max_lr:
        return replace(other, reason=f"{other.reason}; the {apart}, but training goes on above it")
    if found.max_lr > _APART * other.max_lr:
        apart = f"the training loss alone would say {other.max_lr:.3g}"
        return replace(found, reason=f"{found.reason}; {apart}")
    return found


def _by(rule: Rule, result: RangeTestResult, read: str | None) -> Bounds:
    """What a rule of one's own says; one rate is no pair."""
    function("rule", rule, "a function of rates and values")
    answer = rule(*((result.lr, result.loss) if read is None else result[read]))
    if isinstance(answer, Bounds):
        return answer
    name = getattr(rule, "__name__", repr(rule))
    words = "training loss" if read is None else f"held-out {read}"
    try:
        rate = float(answer)
    except (TypeError, ValueError) as error:
        raise TypeError(f"rule must return Bounds or one rate, got {shown(answer)}") from error
    return Bounds(None, None, f"{name} of the {words}", lr=rate, metric=words)
