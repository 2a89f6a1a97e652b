"""What the values of options may be; each error names the option as it was typed."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Callable
from pathlib import Path

from clr_ignite._checks import non_negative, positive
from clr_ignite.cifar10.experiments import EXPERIMENTS, Experiment, is_own, own

PROG = "python -m clr_ignite.cifar10"
_LARGE = 2**62
_RANGES = {
    **dict.fromkeys(("iterations", "eval_every", "batch_size", "step_size"), (1, _LARGE)),
    **dict.fromkeys(("seed", "hold_out"), (0, _LARGE)),
    **dict.fromkeys(("workers", "threads"), (1, 1_024)),
}
_SEEDS = 10_000  # in one command at most


def check_numbers(options: argparse.Namespace) -> None:
    """Refuse numbers out of range, whatever the command."""
    for name, (least, most) in _RANGES.items():
        value = getattr(options, name, None)
        if value is not None and not least <= value <= most:
            rule = f"at least {least}" if value < least else f"at most {most}"
            raise ValueError(f"{option(name)} must be {rule}, got {value}")
    for name, check in _CHECKS.items():
        value = getattr(options, name, None)
        if value is not None:
            check(option(name), value)


def option(name: str) -> str:
    """``--hold-out`` for ``hold_out``."""
    return f"--{name.replace('_', '-')}"


def set_by(command: str, setting: str) -> str:
    """The options of ``command`` that decide about a setting of a run folder."""
    special = {
        "held_out": "--hold-out",
        "every": "--eval-every",
        "multipliers": "--no-multipliers",
        "data": "--data or --folder",
        "schedule": "--schedule, --bounds or --experiment",
    }
    if command in ("range-test", "compare"):
        special["schedule"] = "--start-lr, --end-lr, --iterations or --step-mode"
    return special.get(setting, option(setting))


def share(name: str, value: float) -> float:
    """``value`` as a float of at least 0 and below 1."""
    number = non_negative(name, value)
    if number >= 1:
        raise ValueError(f"{name} must be below 1, got {value}")
    return number


def _threshold(name: str, value: float) -> float:
    number = non_negative(name, value)
    if 0 < number <= 1:
        raise ValueError(f"{name} must be above 1, or 0 for never, got {value}")
    return number


_CHECKS: dict[str, Callable[[str, float], float]] = {
    "start_lr": non_negative,
    "end_lr": positive,
    "diverge_th": _threshold,
    "weight_decay": non_negative,
    "epochs": positive,
    "ema_decay": share,
}


def seeds(text: str) -> list[int]:
    """Seeds written as ``0-4`` or ``0,2,7``, each once.

    >>> seeds("0-2,7")
    [0, 1, 2, 7]
    """
    found: list[int] = []
    for part in text.split(","):
        first, dash, last = part.partition("-")
        if not (first.isdecimal() and (last.isdecimal() or not dash)):
            raise argparse.ArgumentTypeError(f"seeds are written as 0-4 or 0,2,7, got {text!r}")
        chosen = range(int(first), int(last or first) + 1)
        if len(chosen) > _SEEDS or chosen.stop > _LARGE:
            raise argparse.ArgumentTypeError(f"seeds are at most {_SEEDS:,}, up to 2**62")
        found += chosen
    if not found or len(set(found)) < len(found):
        raise argparse.ArgumentTypeError(f"seeds must be given, each once, got {text!r}")
    return found


def vary(text: str) -> tuple[str, list[str]]:
    """An option and its values, written as ``weight_decay=0.001,0.003``.

    >>> vary("weight-decay=0.001,0.003")
    ('weight_decay', ['0.001', '0.003'])
    """
    name, sign, values = text.partition("=")
    found = [value.strip() for value in values.split(",")]
    if not sign or not all(found):
        raise argparse.ArgumentTypeError(
            f"what varies is written as weight_decay=0.001,0.003, got {text!r}"
        )
    return name.strip().replace("-", "_"), found


def named(*texts: str) -> list[tuple[str, Experiment]]:
    """Names and experiments of rows of the table, or of ``FILE.py:NAME``."""
    unknown = [text for text in texts if text not in EXPERIMENTS and not is_own(text)]
    if unknown:
        meant = difflib.get_close_matches(unknown[0], EXPERIMENTS, n=1)
        perhaps = f"did you mean {meant[0]}? " if meant else ""
        raise ValueError(
            f"no such rows: {', '.join(unknown)}; {perhaps}`{PROG} experiments` lists them"
        )
    return [own(text) if is_own(text) else (text, EXPERIMENTS[text].experiment) for text in texts]


def picture(path: Path) -> Path:
    """Where ``preview`` draws to; the ending gives the format."""
    from matplotlib.backend_bases import FigureCanvasBase

    known = FigureCanvasBase.get_supported_filetypes()
    if path.suffix[1:].lower() not in known:
        raise ValueError(f"--out must end in .png, or another of {', '.join(known)}, got {path}")
    return path
