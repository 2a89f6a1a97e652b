"""The commands' options: names, defaults and what they turn into."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NoReturn

from clr_ignite._files import printable
from clr_ignite.cifar10.experiments import EXPERIMENTS
from clr_ignite.cifar10.experiments.experiment import CHOICES

_PROG = "python -m clr_ignite.cifar10"
_LARGE = 2**62
_RANGES = {
    **dict.fromkeys(("iterations", "eval_every", "batch_size", "step_size"), (1, _LARGE)),
    **dict.fromkeys(("seed", "hold_out"), (0, _LARGE)),
    **dict.fromkeys(("workers", "threads"), (1, 1_024)),
}
_SEEDS = 10_000  # in one command at most


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """An error may hold what was typed: its control characters stay off the terminal."""
        super().error(printable(message))


def build_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line; each subcommand's help shows an example."""
    parser: argparse.ArgumentParser = _Parser(prog=_PROG, description=__doc__)
    names = parser.add_subparsers(dest="name", required=True, metavar="COMMAND")
    _range_test(names)
    _train(names)
    _preview(names)
    _reproduce(names)
    _report(names)
    _replay(names)
    return parser


def check_numbers(options: argparse.Namespace) -> None:
    """Refuse whole numbers out of range, whatever the command."""
    for name, (least, most) in _RANGES.items():
        value = getattr(options, name, None)
        if value is not None and not least <= value <= most:
            rule = f"at least {least}" if value < least else f"at most {most}"
            raise ValueError(f"--{name.replace('_', '-')} must be {rule}, got {value}")


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


def _command(
    names: argparse._SubParsersAction[argparse.ArgumentParser], name: str, text: str, example: str
) -> argparse.ArgumentParser:
    command = names.add_parser(
        name,
        help=text,
        description=text,
        epilog=f"example:\n  {_PROG} {name} {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    return command


def _range_test(names: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = _command(
        names,
        "range-test",
        "raise the learning rate step by step, record loss and accuracy, suggest bounds",
        "--start-lr 0 --end-lr 0.02 --iterations 4000 --hold-out 2000 --out runs/range",
    )
    _common(command)
    command.add_argument("--start-lr", type=float, default=0.0, help="first rate (default 0)")
    command.add_argument("--end-lr", type=float, default=0.02, help="last rate (default 0.02)")
    command.add_argument("--iterations", type=int, help="steps, at least 2 (default: 8 epochs)")
    command.add_argument("--step-mode", choices=("linear", "exponential"), default="linear")
    command.add_argument("--diverge-th", type=float, default=4.0, help="0: never stop (default 4)")
    command.add_argument("--eval-every", type=int, help="steps (default: a fortieth of them)")
    command.add_argument(
        "--hold-out", type=int, help="training images kept for the accuracy (default: 4 %%)"
    )


def _train(names: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = _command(
        names,
        "train",
        "train one net into a run folder; started again, it resumes",
        '--schedule "Triangular(0.001, 0.006, 2000)" --iterations 8000 --out runs/triangular',
    )
    _common(command)
    _schedule(command, required=False)
    command.add_argument("--iterations", type=int, help="steps (default: 5 cycles)")
    command.add_argument(
        "--ema-decay", type=float, help="evaluate averaged weights (default 0: no)"
    )
    command.add_argument("--hold-out", type=int, help="evaluate on that many training images")
    command.add_argument("--eval-every", type=int, default=500, help="iterations (default 500)")


def _preview(names: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = _command(
        names,
        "preview",
        "draw a schedule without training",
        '--schedule "Triangular2(0.001, 0.006, 2000)" --iterations 20000 --out schedule.png',
    )
    _schedule(command, required=True)
    command.add_argument("--iterations", type=int, required=True, help="length of the drawing")
    command.add_argument("--out", type=Path, default=Path("schedule.png"), help="PNG file")


def _reproduce(names: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = _command(
        names,
        "reproduce",
        "run rows of the table over several seeds; started again, it goes on",
        "full-triangular2 full-decay --seeds 0-4 --data folder --folder DATA --workers 2",
    )
    command.add_argument(
        "rows", nargs="*", metavar="NAME", help=f"default all: {', '.join(EXPERIMENTS)}"
    )
    command.add_argument("--seeds", type=seeds, default=[0], help="such as 0-4 or 0,2,7")
    command.add_argument("--data", choices=("digits", "cifar10", "folder"), default="cifar10")
    command.add_argument("--folder", type=Path, help="where the data lies (cifar10, folder)")
    command.add_argument("--iterations", type=int, help="cut every run short, to try the command")
    command.add_argument("--eval-every", type=int, default=500, help="iterations (default 500)")
    command.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1 ...")
    command.add_argument("--threads", type=int, help="CPU threads a run (default: shared out)")
    where = command.add_mutually_exclusive_group()
    where.add_argument("--workers", type=int, default=1, help="processes on this machine")
    where.add_argument(
        "--ray",
        nargs="?",
        const="",
        metavar="ADDRESS",
        help="run on a Ray cluster that shares the file system (default: one on this machine)",
    )
    command.add_argument("--out", type=Path, default=Path("runs"), help="run folders go here")
    command.add_argument("--no-progress", dest="progress", action="store_false")


def _report(names: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = _command(
        names,
        "report",
        "write a Markdown table and a figure of run folders",
        "runs/* --out report",
    )
    command.add_argument("runs", type=Path, nargs="+", help="run folders")
    command.add_argument("--out", type=Path, default=Path("report"), help="folder to write to")


def _common(command: argparse.ArgumentParser) -> None:
    """What a range test and a training run share: data, net, place."""
    command.add_argument("--data", choices=("digits", "cifar10", "folder"), default="digits")
    command.add_argument("--folder", type=Path, help="where the data lies (cifar10, folder)")
    command.add_argument("--experiment", choices=tuple(EXPERIMENTS), help="a row of the table")
    for name, choices in CHOICES.items():
        text = "of images, by epoch" if name == "order" else None
        command.add_argument(f"--{name}", choices=choices, help=text)
    command.add_argument("--no-multipliers", dest="multipliers", action="store_false", default=None)
    command.add_argument("--batch-size", type=int, help="default 100")
    command.add_argument("--momentum", help="a number or a schedule (default 0.9)")
    command.add_argument("--weight-decay", type=float, help="default 0.004")
    command.add_argument("--nesterov", action="store_true", default=None)
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1 ...")
    command.add_argument("--threads", type=int, help="CPU threads (default: torch's)")
    command.add_argument("--out", type=Path, required=True, help="folder for the results")
    command.add_argument("--again", action="store_true", help="run anew what is in the folder")
    command.add_argument(
        "--visdom",
        nargs="?",
        const="",
        metavar="URL",
        help="draw in a Visdom server (default $VISDOM_SERVER_URL, else http://127.0.0.1:8097; "
        "login from $VISDOM_USERNAME and $VISDOM_PASSWORD)",
    )
    command.add_argument("--no-progress", dest="progress", action="store_false")


def _replay(names: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = _command(
        names,
        "replay",
        "draw folders of runs and range tests in a Visdom server",
        "runs/triangular runs/range",
    )
    command.add_argument("runs", type=Path, nargs="+", help="folders of runs or range tests")
    command.add_argument("--visdom", default="", metavar="URL", help="as for train")


def _schedule(command: argparse.ArgumentParser, *, required: bool) -> None:
    group = command.add_mutually_exclusive_group(required=required)
    group.add_argument("--schedule", help='such as "Triangular(0.001, 0.006, 2000)"')
    group.add_argument("--bounds", type=Path, help="range_test.json: take the bounds found there")
    command.add_argument(
        "--policy",
        choices=("triangular", "triangular2", "onecycle"),
        help="with --bounds (default triangular)",
    )
    command.add_argument(
        "--step-size",
        type=int,
        help="half a cycle, in iterations, with --bounds (default in training: 4 epochs)",
    )
