"""The measurements behind notes.md: each writes a CSV, the first a picture as well.

    python docs/measurements.py --data folder --folder DATA --out results/notes

All train Caffe's full net on the CPU. Accuracies are those of ``held_out`` training images; the
test set is not read.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events
from torch import nn
from torch.nn.functional import avg_pool2d, cross_entropy

from clr_ignite import ScheduleHandler
from clr_ignite._files import replacing
from clr_ignite.cifar10.data import DataSet, load
from clr_ignite.cifar10.experiments import Experiment
from clr_ignite.cifar10.parts import Parts, build
from clr_ignite.plots import new_axes, plot_curves, save
from clr_ignite.schedules import Fixed, MultiStep, Schedule, Triangular

LR = 0.001  # of Caffe's solver
Table = tuple[list[str], list[tuple[Any, ...]]]


def parts_of(data: DataSet, schedule: Schedule, seed: int = 0, **changes: Any) -> Parts:
    """Caffe's full net and recipe, a tenth of the training images held out."""
    held_out = len(data.train) // 10
    experiment = Experiment(schedule=schedule, iterations=1, held_out=held_out, **changes)
    return build(experiment, data, seed=seed, device="cpu")


def steps(parts: Parts, lr: float, iterations: range, scale: float = 1.0) -> Iterator[float]:
    """Train at ``lr`` on pixels times ``scale``; the loss of each iteration, once it is done."""
    for group in parts.optimizer.param_groups:
        group["lr"] = lr * group["lr_mult"]
    for i in iterations:
        x, y = parts.batches.batch(i)
        parts.optimizer.zero_grad()
        loss = cross_entropy(parts.model(x * scale), y)
        loss.backward()
        parts.optimizer.step()
        yield loss.item()


def rescale_first_layer(parts: Parts, scale: float) -> None:
    """Make the net on pixels times ``scale`` the same function with the same training.

    Weights divided by ``scale``; their gradient is then ``scale`` times as large and their values
    1 / ``scale``, so the rate is divided by its square and the decay multiplied by it.
    """
    weight = parts.model.get_parameter("conv1.weight")
    weight.data /= scale
    groups = parts.optimizer.param_groups
    home = next(group for group in groups if any(p is weight for p in group["params"]))
    home["params"] = [p for p in home["params"] if p is not weight]
    own = {name: value for name, value in home.items() if name != "params"}
    own["lr_mult"] /= scale**2
    own["weight_decay"] *= scale**2
    parts.optimizer.add_param_group({**own, "params": [weight]})


def pixel_scale(data: DataSet, iterations: int) -> Table:
    """The loss with pixels of 0..255, of [0, 1], and of [0, 1] with the first layer rescaled."""
    small = 1 / 255
    plain, unit, rescaled = (parts_of(data, Fixed(LR)) for _ in range(3))
    rescale_first_layer(rescaled, small)
    columns = [
        list(steps(parts, LR, range(iterations), scale))
        for parts, scale in ((plain, 1.0), (unit, small), (rescaled, small))
    ]
    rows = [(i + 1, *losses) for i, losses in enumerate(zip(*columns, strict=True))]
    return ["iteration", "0..255", "[0, 1]", "[0, 1], rescaled"], rows


def momentum_after_a_drop(data: DataSet, iterations: int) -> Table:
    """The length of each step in torch's rule over that in Caffe's after the rate falls to a tenth.

    Caffe keeps the rate inside the momentum buffer; torch's rule with its buffers times old / new
    rate is the same. Both go on from the same weights.
    """
    torchs, caffes = (parts_of(data, Fixed(LR)) for _ in range(2))
    for parts in (torchs, caffes):
        list(steps(parts, LR, range(iterations)))
    for state in caffes.optimizer.state.values():
        state["momentum_buffer"] *= 10
    after = range(iterations, iterations + 200)
    columns = [list(_lengths(parts, LR / 10, after)) for parts in (torchs, caffes)]
    rows = [(i + 1, *cells) for i, cells in enumerate(zip(*columns, strict=True))]
    ends = [_accuracy(parts) for parts in (torchs, caffes)]
    return ["iteration", "torch", "caffe"], [*rows, ("accuracy", *ends)]


def _lengths(parts: Parts, lr: float, iterations: range) -> Iterator[float]:
    before = _weights(parts)
    for _ in steps(parts, lr, iterations):
        after = _weights(parts)
        yield (after - before).norm().item()
        before = after


def _weights(parts: Parts) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in parts.model.parameters()])


def normalization(data: DataSet, iterations: int) -> Table:
    """By how much within-channel LRN shrinks what it is fed, before and in training."""
    parts = parts_of(data, Fixed(LR))
    rows: list[tuple[Any, ...]] = []
    for done in (0, iterations // 10, iterations):
        list(steps(parts, LR, range(rows[-1][0] if rows else 0, done)))
        for name in ("norm1", "norm2"):
            for scale in (1.0, 1 / 255):
                factor = _factor(parts, name, scale)
                rows.append(
                    (done, name, f"{scale:.4g}", 1 - factor.mean().item(), 1 - factor.min().item())
                )
    return ["iteration", "layer", "pixels times", "mean shrinkage", "largest shrinkage"], rows


def _factor(parts: Parts, name: str, scale: float) -> torch.Tensor:
    """What the layer ``name`` multiplies its input by, where that is not zero."""
    found: list[torch.Tensor] = []

    def look(layer: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        x = inputs[0].double()
        mean = avg_pool2d(x * x, 3, 1, 1)
        found.append((1 + layer.alpha * mean)[x > 0] ** -0.75)  # type: ignore[operator]

    layer = parts.model.get_submodule(name)
    hook = layer.register_forward_pre_hook(look)  # type: ignore[arg-type]
    with torch.no_grad():
        parts.model(parts.batches.batch(0)[0] * scale)
    hook.remove()
    return found[0]


def without_normalization(parts: Parts) -> None:
    parts.model.norm1, parts.model.norm2 = nn.Identity(), nn.Identity()


def without_strong_decay(parts: Parts) -> None:
    least = min(g["weight_decay"] for g in parts.optimizer.param_groups if g["weight_decay"])
    for group in parts.optimizer.param_groups:
        group["weight_decay"] = min(group["weight_decay"], least)


def without_lr_multipliers(parts: Parts) -> None:
    for group in parts.optimizer.param_groups:
        group["lr_mult"] = 1.0


VARIANTS: dict[str, Callable[[Parts], None]] = {
    "Caffe's": lambda parts: None,
    "without LRN": without_normalization,
    "last layer's decay as the others'": without_strong_decay,
    "biases at the plain rate": without_lr_multipliers,
}


def variants(data: DataSet, iterations: int) -> Table:
    """Accuracy of short runs with one of Caffe's choices undone, the last fifth at a tenth of the
    rate, three seeds."""
    rows = []
    for seed in range(3):
        for name, change in VARIANTS.items():
            schedule = MultiStep(LR, (iterations * 4 // 5,), 0.1)
            parts = parts_of(data, schedule, seed)
            change(parts)
            ScheduleHandler(parts.optimizer, lr=schedule).attach(parts.trainer)
            parts.trainer.run(parts.batches, max_iters=iterations)
            rows.append((name, seed, _accuracy(parts)))
            print(*rows[-1], flush=True)
    return ["variant", "seed", "accuracy"], rows


ADADELTA = {
    "Caffe's example": {"rho": 0.95, "eps": 1e-6},
    "Caffe's defaults": {"rho": 0.9, "eps": 1e-8},  # rho: the momentum of the full net's solver
}


def adadelta(data: DataSet, iterations: int) -> Table:
    """Accuracy at each quarter of a triangular run with AdaDelta, for two pairs of constants."""
    rows = []
    for name, constants in ADADELTA.items():
        schedule = Triangular(0.01, 0.1, 2_000)
        parts = parts_of(data, schedule, optimizer="adadelta", momentum=0.0)
        for group in parts.optimizer.param_groups:
            group.update(constants)
        ScheduleHandler(parts.optimizer, lr=schedule).attach(parts.trainer)

        @parts.trainer.on(Events.ITERATION_COMPLETED(every=iterations // 4))
        def look(engine: Engine, name: str = name, parts: Parts = parts) -> None:
            rows.append((name, engine.state.iteration, _accuracy(parts)))
            print(*rows[-1], flush=True)

        parts.trainer.run(parts.batches, max_iters=iterations)
    return ["constants", "iteration", "accuracy"], rows


def _accuracy(parts: Parts) -> float:
    return float(parts.evaluator.run(parts.eval_batches).metrics["accuracy"])


MEASUREMENTS: dict[str, tuple[Callable[[DataSet, int], Table], int]] = {
    # The function and its iterations on CIFAR-10.
    "pixel_scale": (pixel_scale, 300),
    "momentum_after_a_drop": (momentum_after_a_drop, 1_000),
    "normalization": (normalization, 2_000),
    "variants": (variants, 2_500),
    "adadelta": (adadelta, 8_000),
}


def write(path: Path, table: Table) -> None:
    with replacing(path) as temporary, open(temporary, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(table[0])
        writer.writerows(table[1])


def draw_pixel_scale(table: Table, path: Path) -> None:
    iterations, *columns = zip(*table[1], strict=True)
    curves = {
        name: (iterations, losses) for name, losses in zip(table[0][1:], columns, strict=True)
    }
    axes = new_axes(7.0, 4.0)
    plot_curves(curves, x_label="iteration", y_label="training loss", axes=axes)
    save(axes, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", default=[], help=f"of {', '.join(MEASUREMENTS)}")
    parser.add_argument("--data", default="digits", choices=("digits", "cifar10", "folder"))
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--iterations", type=int, help="instead of each one's own number")
    parser.add_argument("--out", type=Path, default=Path("notes"))
    options = parser.parse_args()
    data = load(options.data, options.folder)
    options.out.mkdir(parents=True, exist_ok=True)
    for name in options.names or MEASUREMENTS:
        measure, iterations = MEASUREMENTS[name]
        table = measure(data, options.iterations or iterations)
        write(options.out / f"{name}.csv", table)
        if name == "pixel_scale":
            draw_pixel_scale(table, options.out / "pixel_scale.png")


if __name__ == "__main__":
    main()
