"""The command line, ``python -m clr_ignite.cifar10 COMMAND``; ``--help`` lists the commands."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Sequence
from functools import partial
from types import FrameType

from clr_ignite._files import printable
from clr_ignite.cifar10.cli.command_line import build_parser
from clr_ignite.cifar10.cli.values import PROG, check_numbers, set_by


class _Terminated(BaseException):
    """SIGTERM arrived."""


def main(arguments: Sequence[str] | None = None, prog: str = PROG) -> int:
    """Run one command; 0, or 2 with one line on standard error for a request that is refused.

    Args:
        arguments: by default those of this process.
        prog: what the user typed to come here.
    """
    parser = build_parser(prog)
    options = parser.parse(arguments)
    # Only now: --help and a mistyped option need no torch.
    from clr_ignite.cifar10.cli import commands
    from clr_ignite.cifar10.runs.provenance import AnotherRun
    from clr_ignite.cifar10.runs.run_folder import RunError

    # What the Engine logs as an error is raised as well, and said below in one line.
    logging.getLogger("ignite").setLevel(logging.CRITICAL)
    signal.signal(signal.SIGTERM, _terminate)
    try:
        check_numbers(options)
        getattr(commands, options.name.replace("-", "_"))(options)
    except (ArithmeticError, ImportError, OSError, RunError, ValueError) as error:
        said = str(error)
        if isinstance(error, AnotherRun):
            said = error.text(partial(set_by, options.name))
        text = printable(" ".join(said.split()))
        if isinstance(error, ModuleNotFoundError):
            text += ': pip install "clr_ignite[cifar10]"'
        print(f"{parser.prog} {options.name}: {text}", file=sys.stderr)
        return 2
    except (KeyboardInterrupt, _Terminated) as error:
        interrupted = isinstance(error, KeyboardInterrupt)
        word, code = ("interrupted", 130) if interrupted else ("terminated", 143)
        goes_on = options.name in ("train", "range-test", "compare", "reproduce")
        then = "; the same command goes on from its last checkpoint" if goes_on else ""
        print(word + then, file=sys.stderr)
        return code
    return 0


def _terminate(number: int, frame: FrameType | None) -> None:
    raise _Terminated


if __name__ == "__main__":
    sys.exit(main())
