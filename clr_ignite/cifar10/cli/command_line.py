"""The commands' options: names, defaults and what they turn into."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from clr_ignite._files import printable
from clr_ignite.cifar10.cli import shared
from clr_ignite.cifar10.cli.values import PROG, seeds, vary


class Parser(argparse.ArgumentParser):
    """The parser of the command line, or of one of its ``commands``."""

    commands: Mapping[str, argparse.ArgumentParser] = {}

    def error(self, message: str) -> NoReturn:
        """An error may hold what was typed: its control characters stay off the terminal."""
        super().error(printable(message))

    def parse(self, arguments: Sequence[str] | None) -> argparse.Namespace:
        """What was asked for; the command that does not know an option says which it may be."""
        options, unknown = self.parse_known_args(arguments)
        if unknown:
            command = self.commands[options.name]
            known = [text for action in command._actions for text in action.option_strings]
            meant = difflib.get_close_matches(unknown[0].partition("=")[0], known, n=1, cutoff=0.8)
            way = (
                f"did you mean {meant[0]}?"
                if meant
                else f"{command.prog} --help lists what there is"
            )
            command.error(f"unrecognized arguments: {' '.join(unknown)}: {way}")
        return options


def build_parser(prog: str = PROG) -> Parser:
    """The parser of the whole command line; each subcommand's help shows an example."""
    parser = Parser(
        prog=prog,
        description="Train Caffe's CIFAR-10 nets under cyclical learning rates, on CIFAR-10 or on "
        "pictures of your own: find the bounds by a range test, compare settings by several, train "
        "between them, repeat the table of experiments, write a report.",
        epilog=f"{prog} COMMAND --help describes a command.",
    )
    names = parser.add_subparsers(dest="name", required=True, metavar="COMMAND")
    _range_test(names)
    _compare(names)
    _train(names)
    _preview(names)
    _experiments(names)
    _reproduce(names)
    _report(names)
    _replay(names)
    parser.commands = names.choices
    return parser


def _command(
    names: argparse._SubParsersAction[Parser], name: str, text: str, example: str
) -> argparse.ArgumentParser:
    prog = str(names._prog_prefix)
    command = names.add_parser(
        name,
        help=text,
        description=text,
        epilog=f"example:\n  {prog} {name} {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    return command


def _range_test(names: argparse._SubParsersAction[Parser]) -> None:
    command = _command(
        names,
        "range-test",
        "raise the learning rate step by step, record loss and accuracy, suggest bounds",
        "--start-lr 0 --end-lr 0.02 --iterations 4000 --hold-out 2000 --out runs/range",
    )
    shared.common(command)
    command.add_argument("--iterations", type=int, help="steps, at least 2 (default: 8 epochs)")
    shared.sweep(command)


def _compare(names: argparse._SubParsersAction[Parser]) -> None:
    command = _command(
        names,
        "compare",
        "range tests of several settings and seeds side by side, and which to choose; started "
        "again, it goes on",
        "--vary weight_decay=0.001,0.003,0.01 --seeds 0-2 --hold-out 2000 --out runs/decay",
    )
    _varied(command)
    shared.settings(command)
    shared.sweep(command)
    add = command.add_argument
    add("--seeds", type=seeds, default=[0], help="0-4 or 0,2,7 (default 0)")
    shared.place(command)
    add(
        "--out",
        type=Path,
        required=True,
        help="folder for the comparison, and in it a folder for each range test",
    )
    shared.visdom(command)
    shared.progress(command)


def _varied(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--vary",
        type=vary,
        action="append",
        required=True,
        metavar="NAME=VALUE,VALUE",
        help="an option of the net or the solver and its values, such as weight_decay, momentum, "
        "batch_size or optimizer; given several times, all combinations are compared; the value "
        "that the option has without it is kept unless another one is clearly better",
    )
    length = command.add_mutually_exclusive_group()
    length.add_argument("--iterations", type=int, help="steps of every test, at least 2")
    length.add_argument(
        "--epochs", type=float, help="instead: epochs, whatever the batch's size (default 8)"
    )


def _train(names: argparse._SubParsersAction[Parser]) -> None:
    command = _command(
        names,
        "train",
        "train one net into a run folder; started again, it resumes",
        '--schedule "Triangular(0.001, 0.006, 2000)" --iterations 8000 --out runs/triangular',
    )
    shared.common(command)
    shared.schedule(command, required=False)
    command.add_argument(
        "--iterations", type=int, help="steps (default: 5 cycles, or those of --experiment)"
    )
    command.add_argument(
        "--ema-decay",
        type=float,
        help="evaluate an exponential moving average of the weights, of this decay a step "
        "(default 0: the weights themselves)",
    )
    command.add_argument(
        "--hold-out",
        type=int,
        help="training images to keep and evaluate on, instead of the test set (default 0)",
    )
    shared.every(command)


def _preview(names: argparse._SubParsersAction[Parser]) -> None:
    command = _command(
        names,
        "preview",
        "draw a schedule without training",
        '--schedule "Triangular2(0.001, 0.006, 2000)" --iterations 20000 --out schedule.png',
    )
    shared.schedule(command, required=True)
    command.add_argument("--iterations", type=int, required=True, help="length of the drawing")
    command.add_argument(
        "--out", type=Path, default=Path("schedule.png"), help="picture (default schedule.png)"
    )


def _experiments(names: argparse._SubParsersAction[Parser]) -> None:
    _command(names, "experiments", "list the rows of the table of experiments", "")


def _reproduce(names: argparse._SubParsersAction[Parser]) -> None:
    command = _command(
        names,
        "reproduce",
        "run rows of the table over several seeds; started again, it goes on",
        "full-triangular2 full-decay --seeds 0-4 --data folder --folder DATA --workers 2",
    )
    command.add_argument(
        "rows", nargs="*", metavar="NAME", help="see experiments (default: all), or FILE.py:NAME"
    )
    command.add_argument("--seeds", type=seeds, default=[0], help="0-4 or 0,2,7 (default 0)")
    shared.data(command, "cifar10")
    command.add_argument("--iterations", type=int, help="cut every run short, to try the command")
    shared.every(command)
    shared.place(command)
    command.add_argument(
        "--out", type=Path, default=Path("runs"), help="run folders go here (default runs)"
    )
    shared.progress(command)


def _report(names: argparse._SubParsersAction[Parser]) -> None:
    command = _command(
        names,
        "report",
        "write a Markdown table and a figure of run folders",
        "runs/* --out report",
    )
    command.add_argument("runs", type=Path, nargs="+", help="folders of runs and range tests")
    command.add_argument(
        "--out", type=Path, default=Path("report"), help="folder to write to (default report)"
    )


def _replay(names: argparse._SubParsersAction[Parser]) -> None:
    command = _command(
        names,
        "replay",
        "draw folders of runs, range tests and comparisons in a Visdom server",
        "runs/triangular runs/range runs/decay",
    )
    command.add_argument("runs", type=Path, nargs="+", help="folders of these, or their JSON files")
    shared.visdom(command)
