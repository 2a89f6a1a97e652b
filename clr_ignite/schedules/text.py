"""Schedules as text: what ``repr`` writes, read back without evaluating code."""

from __future__ import annotations

import ast
import dataclasses
from typing import Any

from clr_ignite import schedules
from clr_ignite.schedules import Schedule

_KINDS: dict[str, Any] = {
    name: kind
    for name, kind in ((name, getattr(schedules, name)) for name in schedules.__all__)
    if dataclasses.is_dataclass(kind)
}


def parse_schedule(text: str) -> Schedule:
    """The schedule that ``text`` describes, written as in Python.

    Args:
        text: one of the schedules in ``schedules.__all__`` with literal arguments, such as
            ``Triangular(0.001, 0.006, 2000)`` or ``Chain((Fixed(0.1), 500), (Fixed(0.01), 100))``.

    Raises:
        ValueError: anything else, or arguments that the schedule refuses; the error says which.

    >>> parse_schedule("Triangular(0.001, 0.006, step_size=2_000)")
    Triangular(base_lr=0.001, max_lr=0.006, step_size=2000)
    """
    try:
        value = _build(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"not a schedule: {text!r} ({error})") from error
    if not callable(value):
        raise ValueError(f"not a schedule: {text!r} (a value, not one of {', '.join(_KINDS)})")
    schedule: Schedule = value
    return schedule


def _build(node: ast.expr) -> Any:
    """A literal, a tuple of such, or a schedule called with such."""
    if isinstance(node, ast.Tuple | ast.List):
        return tuple(_build(element) for element in node.elts)
    if not isinstance(node, ast.Call):
        return ast.literal_eval(node)
    if not isinstance(node.func, ast.Name) or node.func.id not in _KINDS:
        raise ValueError(f"known schedules are {', '.join(_KINDS)}")
    if any(keyword.arg is None for keyword in node.keywords):
        raise ValueError("** is not understood here")
    arguments = {str(keyword.arg): _build(keyword.value) for keyword in node.keywords}
    if len(arguments) < len(node.keywords):
        raise ValueError("an argument is given twice")
    return _KINDS[node.func.id](*map(_build, node.args), **arguments)
