"""The report's pictures: accuracy over iterations and the schedules that led there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from clr_ignite.cifar10.experiments import Experiment
from clr_ignite.pictures import sampled
from clr_ignite.plots import Curve, new_axes, plot_curves, save


def accuracy(curves: Mapping[str, tuple[Mapping[int, float], Sequence[int]]], path: Path) -> None:
    """Accuracy in percent over iterations, as the paper's Figure 1; on a log axis where one curve
    is more than ten times as long as another.

    Args:
        curves: by label, accuracy (0..1) by iteration, and the iterations that end a cycle.
    """
    percent: dict[str, Curve] = {}
    ends: dict[str, Curve] = {}
    for label, (curve, at_ends) in curves.items():
        percent[label] = list(curve), [100 * value for value in curve.values()]
        there = [at for at in at_ends if at in curve]
        ends[label] = there, [100 * curve[at] for at in there]
    axes = new_axes(9.0, 5.0)
    plot_curves(percent, x_label="iteration", y_label="accuracy, %", marks=ends, axes=axes)
    lengths = [max(curve) for curve, _ in curves.values() if curve]
    if lengths and max(lengths) > 10 * min(lengths):
        axes.set_xscale("log")
    save(axes, path)


def schedules(experiments: Mapping[str, Experiment], path: Path) -> None:
    """The rates of each experiment from its first iteration to its last, on a log axis."""
    curves: dict[str, Curve] = {}
    for label, experiment in experiments.items():
        curves[label] = sampled(experiment.schedule, experiment.iterations)
    axes = new_axes(9.0, 5.0)
    plot_curves(curves, x_label="iteration", y_label="learning rate", axes=axes)
    if any(rate > 0 for _, rates in curves.values() for rate in rates):
        axes.set_yscale("log")
    save(axes, path)
