"""Suggested rates on simulated range tests whose bounds are known by construction.

    python -m benchmarks.suggestions --out results/suggestions

Each simulated test draws its two knees at random, a shape between and after them, and noise, for
accuracy (a point every tenth step) and loss (every step). The first shape is the one of the test
suite; the rule was made with it in mind. The others were written down afterwards and have not been
used to change it. Peers' methods read the loss as fastai does, smoothed with beta 0.98.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from clr_ignite.suggestions import (
    bounds_below_minimum,
    bounds_from_loss,
    minimum,
    slide,
    smith_bounds,
    steepest,
    valley,
)

STEPS, EVERY = 800, 10


def straight(u: np.ndarray) -> np.ndarray:
    return np.clip(u, 0, 1)


SHAPES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "straight, then level": straight,
    "slowing, then level": lambda u: straight(u) ** 0.7,
    "quickening, then level": lambda u: straight(u) ** 1.4,
    "straight, then falling": lambda u: straight(u) - 0.3 * np.clip(u - 1, 0, None),
    "straight, then collapsing": lambda u: np.where(u > 1.3, 0.0, straight(u)),
    "straight, then slower": lambda u: straight(u) + 0.15 * np.clip(u - 1, 0, None),
    "straight, then ragged": straight,
}
NOISES = (0.02, 0.06)  # of accuracy, whose rise is 1
FIELDS = ("axis", "shape", "noise", "seed", "method", "base_lr", "max_lr", "true_base", "true_max")


def simulate(axis: str, shape: str, noise: float, seed: int) -> dict[str, np.ndarray | float]:
    random = np.random.default_rng([seed, *map(ord, axis + shape), int(1000 * noise)])
    x = np.linspace(0, 1, STEPS)
    base, top = random.uniform(0.05, 0.25), random.uniform(0.35, 0.65)
    u = (x - base) / (top - base)
    height = SHAPES[shape](u)
    spread = np.where(u > 1, 4.0, 1.0) if shape.endswith("ragged") else 1.0
    accuracy = height + noise * spread * random.normal(size=STEPS)
    loss = 2 - height + 3 * noise * spread * random.normal(size=STEPS)
    to_rate = (lambda v: 1e-5 * 1e5**v) if axis == "log" else (lambda v: 0.02 * (v + 1e-3))
    return {
        "lr": to_rate(x),
        "loss": loss,
        "measured": to_rate(x)[EVERY - 1 :: EVERY],
        "accuracy": accuracy[EVERY - 1 :: EVERY],
        "true_base": float(to_rate(base)),
        "true_max": float(to_rate(top)),
    }


def chance(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rates and accuracies of a net that only guesses among ten classes, on 300 held-out images."""
    random = np.random.default_rng([seed, 300])
    accuracy = random.binomial(300, 0.1, 50) / 300
    accuracy[: random.integers(0, 40)] = 0.1  # it does not move while the rate is tiny
    return np.geomspace(1e-6, 10, 50), accuracy


def noisy_regression(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rates and losses of a regression in batches of 16: squares, so that the noise is as large as
    the loss; it halves between a thousandth and 0.03, and explodes from 0.1 on."""
    random = np.random.default_rng([seed, 16])
    rates = np.geomspace(1e-6, 10, 100)
    x = np.log10(rates)
    level = 1 - 0.5 * np.clip((x + 3) / 1.5, 0, 1)
    spread = np.exp(np.clip(4 * (x + 1), 0, None))
    return rates, level * spread * random.chisquare(16, 100) / 16


def answered(seeds: int) -> str:
    """How often there is an answer where there should be none, and where there should be one."""
    cases: dict[str, tuple[Callable, Callable]] = {
        "accuracy at chance, `smith_bounds` (right: never)": (chance, smith_bounds),
        "noisy regression, `bounds_below_minimum` (right: always)": (
            noisy_regression, bounds_below_minimum,
        ),
    }  # fmt: skip
    text = f"| {seeds} curves each | with a pair | median max_lr |\n|---|---|---|\n"
    for name, (curve, rule) in cases.items():
        found = [rule(*curve(seed)).max_lr for seed in range(seeds)]
        given = [rate for rate in found if rate is not None]
        middle = f"{np.median(given):.3g}" if given else "-"
        text += f"| {name} | {len(given)} | {middle} |\n"
    return text


def smoothed(loss: np.ndarray, beta: float = 0.98) -> np.ndarray:
    average, out = 0.0, []
    for step, value in enumerate(loss):
        average = beta * average + (1 - beta) * value
        out.append(average / (1 - beta ** (step + 1)))
    return np.asarray(out)


def methods(case: dict) -> dict[str, tuple[float | None, float | None]]:
    """By method: its base_lr and max_lr. A peer's one rate stands for both."""
    ours = smith_bounds(case["measured"], case["accuracy"])
    by_loss = bounds_from_loss(case["lr"], case["loss"])
    best = float(case["measured"][np.argmax(case["accuracy"])])
    calm = smoothed(case["loss"])
    found = {
        "smith_bounds (accuracy)": (ours.base_lr, ours.max_lr),
        "bounds_from_loss": (by_loss.base_lr, by_loss.max_lr),
        "best accuracy, a quarter of it": (best / 4, best),
    }
    peers = {"steepest": steepest, "minimum": minimum, "valley": valley, "slide": slide}
    for name, method in peers.items():
        rate = method(case["lr"], calm)
        found[name] = (rate, rate)
    return found


def table(rows: list[dict], shapes: list[str], axis: str) -> str:
    """Bias, spread and RMS error of the natural logarithm of each bound."""
    text = "| method | base_lr: bias | spread | RMS | none | max_lr: bias | spread | RMS | none |\n"
    text += "|---|" + "---|" * 8 + "\n"
    for method in dict.fromkeys(row["method"] for row in rows):
        cells = [method]
        for bound, truth in (("base_lr", "true_base"), ("max_lr", "true_max")):
            chosen = [
                row for row in rows
                if row["method"] == method and row["shape"] in shapes and row["axis"] == axis
            ]  # fmt: skip
            given = [row for row in chosen if row[bound] is not None]
            errors = np.log([row[bound] / row[truth] for row in given])
            rms = float(np.sqrt(np.mean(errors**2)))
            cells += [f"{errors.mean():+.2f}", f"{errors.std(ddof=1):.2f}", f"{rms:.2f}"]
            cells.append(f"{1 - len(given) / len(chosen):.0%}")
        text += f"| {' | '.join(cells)} |\n"
    return text


def slowest(points: int = 10_000) -> str:
    """Milliseconds of each method on so many points, the best of five."""
    random = np.random.default_rng(0)
    lr = np.geomspace(1e-6, 1, points)
    loss = 2 - straight((np.log(lr) + 9) / 6) + 0.05 * random.normal(size=points)
    text = f"| method | ms on {points:,} points |\n|---|---|\n"
    for method in (
        smith_bounds,
        bounds_from_loss,
        bounds_below_minimum,
        steepest,
        minimum,
        valley,
        slide,
    ):
        times = []
        for _ in range(5):
            start = time.perf_counter()
            method(lr, -loss if method is smith_bounds else loss)
            times.append(1000 * (time.perf_counter() - start))
        text += f"| {method.__name__} | {min(times):.1f} |\n"
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--out", type=Path, default=Path("results/suggestions"))
    options = parser.parse_args()
    rows = []
    for axis in ("linear", "log"):
        for shape in SHAPES:
            for noise in NOISES:
                for seed in range(options.seeds):
                    case = simulate(axis, shape, noise, seed)
                    key = {"axis": axis, "shape": shape, "noise": noise, "seed": seed}
                    truth = {name: case[name] for name in ("true_base", "true_max")}
                    for method, (base, top) in methods(case).items():
                        pair = {"method": method, "base_lr": base, "max_lr": top}
                        rows.append(key | truth | pair)
    first, *others = SHAPES
    text = "# Suggested rates on simulated range tests\n\n"
    text += "Errors are natural logarithms of suggested over true rate; `none` is the share of\n"
    text += "tests without an answer. The peers' methods give one rate, held here against both\n"
    text += f"bounds. {options.seeds} seeds for each shape and noise {NOISES}; what is simulated\n"
    text += "stands in `benchmarks/suggestions.py`, which made this page.\n"
    for title, shapes in (("Shapes not used while making the rule", others), (first, [first])):
        for axis in ("linear", "log"):
            text += f"\n## {title}, {axis} axis\n\n{table(rows, shapes, axis)}"
    text += f"\n## Curves that hold nothing, and noisy ones that do\n\n{answered(options.seeds)}"
    text += f"\n## Time\n\n{slowest()}"
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "suggestions.md").write_text(text)
    with open(options.out / "suggestions.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(text)


if __name__ == "__main__":
    main()
