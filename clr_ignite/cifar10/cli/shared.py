"""The options that several commands share."""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path

from clr_ignite.cifar10.experiments.experiment import CHOICES, Experiment

_DEFAULTS = {field.name: field.default for field in fields(Experiment)}
_MEANINGS = {
    "model": "the net: Caffe's full or quick one, or the first PyTorch port's first",
    "optimizer": "the solver",
    "pixels": "0..255 minus the mean image, or [0, 1] minus channel means",
    "pooling": "how pooled sizes are rounded: up, as in Caffe, or down, as in torch",
    "init": "the initial weights: Caffe's fillers or torch's own",
    "order": "of the images: new in each epoch, or one for all as in Caffe",
}


def common(command: argparse.ArgumentParser) -> None:
    """What a range test and a training run share: data, net, place."""
    settings(command)
    add = command.add_argument
    add("--seed", type=int, default=0, help="of weights, held-out images and order (default 0)")
    device(command, "CPU threads (default: torch's)")
    add("--out", type=Path, required=True, help="folder for the results")
    add("--again", action="store_true", help="forget what the folder holds and start anew")
    visdom(command)
    progress(command)


def settings(command: argparse.ArgumentParser) -> None:
    """Data, net and solver."""
    data(command, "digits")
    add = command.add_argument
    add(
        "--experiment",
        metavar="NAME",
        help="a row of the table (see experiments), or FILE.py:NAME of your own; its settings are "
        "the defaults then",
    )
    for name, choices in CHOICES.items():
        text = f"{_MEANINGS[name]} (default {_DEFAULTS[name]})"
        add(f"--{name}", choices=choices, help=text)
    add(
        "--no-multipliers",
        dest="multipliers",
        action="store_false",
        default=None,
        help="leave out Caffe's factors on the rate and decay of each layer (default: with them)",
    )
    add("--batch-size", type=int, help="images in a step (default 100)")
    add("--momentum", help="a number or a schedule (default 0.9)")
    add("--weight-decay", type=float, help="L2 factor (default 0.004)")
    add("--nesterov", action="store_true", default=None, help="Nesterov's momentum, with sgd")


def sweep(command: argparse.ArgumentParser) -> None:
    """The range of a test, and how it is measured."""
    add = command.add_argument
    add("--start-lr", type=float, help="first rate (default 0, with exponential spacing 1e-6)")
    add("--end-lr", type=float, default=0.02, help="last rate (default 0.02)")
    add(
        "--step-mode",
        choices=("linear", "exponential"),
        default="linear",
        help="spacing of the rates (default linear, as in the paper)",
    )
    add(
        "--diverge-th",
        type=float,
        default=4.0,
        help="stop where the smoothed loss exceeds so many times its best; 0: never (default 4)",
    )
    add("--eval-every", type=int, help="steps between evaluations (default: a fortieth of them)")
    add("--hold-out", type=int, help="training images kept for the accuracy (default: 4 %%)")


def place(command: argparse.ArgumentParser) -> None:
    """Where several jobs run."""
    device(command, "CPU threads of a run (default: shared out)")
    where = command.add_mutually_exclusive_group()
    where.add_argument(
        "--workers", type=int, default=1, help="processes on this machine (default 1)"
    )
    where.add_argument(
        "--ray",
        nargs="?",
        const="",
        metavar="ADDRESS",
        help="run on a Ray cluster that shares the file system (default: one on this machine)",
    )


def visdom(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--visdom",
        nargs="?",
        const="",
        metavar="URL",
        help="draw in a Visdom server (default $VISDOM_SERVER_URL, else http://127.0.0.1:8097; "
        "login from $VISDOM_USERNAME and $VISDOM_PASSWORD)",
    )


def data(command: argparse.ArgumentParser, default: str) -> None:
    command.add_argument(
        "--data",
        choices=("digits", "cifar10", "folder"),
        default=default,
        help="scikit-learn's digits, CIFAR-10, or a folder of class folders of pictures "
        f"(default {default})",
    )
    command.add_argument(
        "--folder", type=Path, help="where the data lies, or is downloaded to (cifar10, folder)"
    )


def device(command: argparse.ArgumentParser, threads: str) -> None:
    command.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1 ... (default cpu)")
    command.add_argument("--threads", type=int, help=threads)
    command.add_argument(
        "--not-repeatable",
        dest="repeatable",
        action="store_false",
        help="on a GPU, take the fastest algorithms, with which a seed's second run differs from "
        "its first (default: only those with which it should not)",
    )


def every(command: argparse.ArgumentParser) -> None:
    text = "iterations between evaluations; cycle ends have their own (default 500)"
    command.add_argument("--eval-every", type=int, default=500, help=text)


def progress(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--no-progress",
        dest="progress",
        action="store_false",
        help="a line at each evaluation instead of a bar; so it is without a terminal",
    )


def schedule(command: argparse.ArgumentParser, *, required: bool) -> None:
    group = command.add_mutually_exclusive_group(required=required)
    group.add_argument("--schedule", help='the rate, such as "Triangular(0.001, 0.006, 2000)"')
    group.add_argument(
        "--bounds",
        type=Path,
        help="folder of a range test or of a comparison, or its range_test.json or "
        "comparison.json: take the bounds found there",
    )
    command.add_argument(
        "--policy",
        choices=("triangular", "triangular2", "onecycle"),
        help="the schedule between the bounds of --bounds (default triangular)",
    )
    command.add_argument(
        "--step-size",
        type=int,
        help="half a cycle, in iterations, with --bounds (default: 4 epochs)",
    )
