"""Settings of a short run, tried on images held out of the training set.

    python -m benchmarks.search SETTINGS.csv --seeds 0-1 --data folder --folder DATA --out search

Each line of SETTINGS.csv is a run of Caffe's full net: ``optimizer``; ``multipliers``, 1 with
Caffe's for rates and weight decay, 0 without; ``batch_size``; ``images`` seen in all;
``max_lr``, reached from a tenth of it in the share ``rise`` of the run, held for the share
``level``, then lowered to 0, with the share ``middle`` of it left half-way (0.5: a straight line);
Nesterov's momentum, 0.95 where the rate is 0 and ``momentum`` where it is highest; ``weight_decay``
before Caffe's multipliers; ``ema_decay`` of the averaged weights. 5,000 training images are kept
from training and evaluated at the end; the test set is not read. Writes the same lines with n, the
mean accuracy and loss and their standard deviations, best first, to ``OUT/held_out.csv``. Started
again, it goes on where it was cut off.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from clr_ignite._files import write_text
from clr_ignite.cifar10.cli.command_line import seeds
from clr_ignite.cifar10.cli.options import prepared_data, requested_place
from clr_ignite.cifar10.experiments import Experiment
from clr_ignite.cifar10.experiments.trapezoid import trapezoid
from clr_ignite.cifar10.reproducing import jobs_of, reproduce
from clr_ignite.cifar10.runs.run_folder import RunFolder

SETTINGS = (
    *("optimizer", "multipliers", "batch_size", "images", "max_lr", "rise", "level", "middle"),
    *("momentum", "weight_decay", "ema_decay"),
)
HELD_OUT = 5_000
Settings = Mapping[str, Any]  # a name for the optimizer, numbers for the rest


def experiment(settings: Settings, held_out: int = HELD_OUT) -> Experiment:
    """The run that a line of settings describes."""
    batch_size = int(settings["batch_size"])
    iterations = round(settings["images"] / batch_size)
    shape = {key: settings[key] for key in ("rise", "level", "middle", "momentum")}
    rate, momentum = trapezoid(iterations, settings["max_lr"], **shape)
    return Experiment(
        schedule=rate,
        iterations=iterations,
        batch_size=batch_size,
        momentum=momentum,
        optimizer=settings["optimizer"],
        multipliers=bool(settings["multipliers"]),
        nesterov=settings["optimizer"] == "sgd",  # Muon's momentum is Nesterov's in any case
        weight_decay=settings["weight_decay"],
        ema_decay=settings["ema_decay"],
        held_out=held_out,
    )


def name(settings: Settings) -> str:
    """Of its run folders: the same for the same settings."""
    text = json.dumps(_numbers(settings), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.search",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("settings", type=Path, help="CSV of settings")
    parser.add_argument("--seeds", type=seeds, default=[0], help="such as 0-4 or 0,2,7")
    parser.add_argument("--data", choices=("digits", "cifar10", "folder"), default="cifar10")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--hold-out", type=int, default=HELD_OUT, help=f"default {HELD_OUT:,}")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    parser.set_defaults(ray=None, threads=1)
    options = parser.parse_args(arguments)
    prepared_data(options)  # looks at the device and the data before anything starts
    lines = read(options.settings)
    jobs = jobs_of(
        {name(line): experiment(line, options.hold_out) for line in lines},
        options.seeds,
        options.out,
        data=options.data,
        folder=options.folder and options.folder.absolute(),
        device=options.device,
        eval_every=10**9,  # at the end
        threads=options.threads,
    )
    reproduce(jobs, requested_place(options), progress=False)
    rows = [outcome(line, options.seeds, options.out) for line in lines]
    rows.sort(key=lambda row: -float(row["accuracy"]))
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(options.out / "held_out.csv", text.getvalue())
    print(text.getvalue(), end="")


def read(path: Path) -> list[Settings]:
    """The settings in a CSV, which may hold other columns, such as outcomes, beside them."""
    with path.open(newline="") as file:
        lines = list(csv.DictReader(file))
    missing = [name for name in SETTINGS if not lines or name not in lines[0]]
    if missing:
        raise ValueError(
            f"{path} lacks {', '.join(missing)}: the columns are {', '.join(SETTINGS)}"
        )
    return [_numbers({name: line[name] for name in SETTINGS}) for line in lines]


def _numbers(settings: Settings) -> dict[str, Any]:
    return {key: v if key == "optimizer" else float(v) for key, v in settings.items()}


def outcome(settings: Settings, seeds: list[int], out: Path) -> dict[str, str]:
    """``settings`` with what their runs came to, accuracy in percent."""
    last = [RunFolder(out / f"{name(settings)}-{seed}").rows()[-1] for seed in seeds]
    row = {k: v if k == "optimizer" else f"{v:g}" for k, v in settings.items()}
    row["n"] = str(len(seeds))
    for what, factor, digits in (("accuracy", 100, 2), ("loss", 1, 4)):
        values = [factor * float(one[f"eval_{what}"]) for one in last]
        row[what] = f"{np.mean(values):.{digits}f}"
        row[f"{what}_sd"] = f"{np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else ""
    return row


if __name__ == "__main__":
    main()
