"""The command line under whatever words: it works, or says why not in one line with code 2."""

from __future__ import annotations

import argparse
import contextlib
import io
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from clr_ignite.cifar10.__main__ import main
from clr_ignite.cifar10.cli import options
from clr_ignite.cifar10.cli.command_line import build_parser
from clr_ignite.cifar10.data import DataSet, load
from clr_ignite.cifar10.reproducing import jobs
from clr_ignite.cifar10.reproducing.executors import here
from tests.cifar10.folders import swept

STEPS = 12  # after which a command is interrupted: whoever asks for 2**60 iterations may have them
ODD = [
    *("", " ", "0", "1", "2", "3", "5", "-1", "-0", "3.5", "1e3", "nan", "inf", "-inf", "1e400"),
    *("9" * 25, "9" * 5_000, "0x10", "1_0", "٣", "½", "True", "None", "a b", "\n", "\0", "é\udcff"),
    *("0-1", "1,0", "0-99999999999", f"{'9' * 30}-{'9' * 31}", "0,", "-", "--", "@file", "%s"),
    *("Fixed(0.001)", "Triangular(0.001, 0.005, 4)", "Triangular(0.1, 0.001, 4)", "Fixed(1e308)"),
    *(f"Fixed({'9' * 400})", f"Triangular(0.001, 0.002, {'9' * 400})", "Exponential(1e308, 1)"),
    *("ExpRange(1e-300, 1e300, 1, 0.5)", "Geometric(1e-320, 1e308, 2)", "Linear(nan, 1, 2)"),
    *("Chain((Fixed(0.1), 2), (Fixed(0.2), 0))", "Chain()", "Fixed(lr=0.1, lr=0.2)", "Fixed(*[1])"),
    *("OneCycle(0.001, 0.01, 3, 8, 0.0001)", "MultiStep(0.1, (5, 2), 0.1)", "Fixed(1j)", "Fixed"),
    *("(" * 300, "Chain((" * 99, "__import__('os')", "lambda: 1", f"Fixed({'-' * 9_999}1)"),
    *("cpu", "cuda", "cuda:99", "meta", "cpu:7", "mps", "xla", "hpu", "privateuseone"),
    *("digits", "folder", "quick", "full", "caffe", "triangular2", "exponential", "fixed"),
    *("http://127.0.0.1:9", "http://[::1", "[::1]", "http://h:99999", "ftp://x", "//", "h:port"),
    *("bounds.json", "cut.json", "run", "file", "pictures", "new/deep", "/dev/null", "n" * 300),
]  # fmt: skip
# By the type of an option, what gets past the parser.
LIKELY = {
    int: [
        "1",
        "2",
        "3",
        "5",
        "7",
        "0",
        "-1",
        "23",
        "24",
        "1025",
        str(2**62),
        str(2**62 + 1),
        "9" * 25,
    ],
    float: ["0", "0.001", "0.1", "-1", "nan", "inf", "1e-320", "1e308", "1e400", "1"],
    Path: ["bounds.json", "cut.json", "run", "file", "pictures", "new/deep", "", "n" * 300, "\0"],
}
LEFT_OUT = {"help", "ray", "no_progress"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A folder of all sorts of files, little data, no network, no processes, few steps."""
    folder, whole = tmp_path_factory.mktemp("fuzz"), load("digits")
    few = DataSet(
        "digits",
        whole.classes,
        whole.train.take(torch.arange(200, 303)),
        whole.test.take(torch.arange(5)),
    )
    step, taken = torch.optim.SGD.step, [0]

    def count(self: Any, *args: Any) -> Any:
        # A net's: an optimizer is tried on a parameter or two before it is used.
        taken[0] += sum(p.numel() for group in self.param_groups for p in group["params"]) > 1_000
        if taken[0] > STEPS:
            raise KeyboardInterrupt
        return step(self, *args)

    def loaded(source: str, where: Path | None) -> DataSet:
        return few if source == "digits" else load(source, where)

    def refuse(*_: Any, **__: Any) -> None:
        raise ConnectionError("no network")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(options, "load", loaded)
        patch.setattr(jobs, "load", loaded)
        patch.setattr(torch.optim.SGD, "step", count)
        patch.setattr(options, "in_processes", lambda jobs, workers: here(jobs))
        patch.setattr(Figure, "savefig", lambda self, path, **_: Path(path).write_bytes(b"PNG"))
        patch.setattr("clr_ignite.live.plotter.connect", refuse)
        patch.setattr("torchvision.datasets.cifar.download_and_extract_archive", refuse)
        patch.chdir(folder)
        swept(folder / "bounds.json")
        (folder / "cut.json").write_bytes((folder / "bounds.json").read_bytes()[:-99])
        (folder / "file").write_text("hello")
        (folder / "pictures/train/cat").mkdir(parents=True)
        words = "train --schedule Fixed(0.001) --iterations 2 --out run --no-progress"
        assert main([*words.split(), "--batch-size", "5"]) == 0
        threads = torch.get_num_threads()
        yield taken
        torch.set_num_threads(threads)
    jobs.loaded.cache_clear()  # else later tests are given the few


def words_of(parser: argparse.ArgumentParser) -> st.SearchStrategy[list[str]]:
    """Any of the parser's options, each with any value, and no, some or too many other words."""
    value = st.sampled_from(ODD) | st.text(max_size=8)
    likely = []
    for action in parser._actions:
        if action.dest in LEFT_OUT or not action.option_strings:
            continue
        name = st.just(action.option_strings[0])
        if action.nargs in (0, "?"):
            likely.append(st.tuples(name))
        if action.nargs == 0:
            continue
        good = sorted(action.choices) if action.choices else LIKELY.get(action.type, ODD)
        likely.append(st.tuples(name, st.sampled_from(good) | st.sampled_from(good) | value))
    options = st.lists(st.one_of(likely), max_size=4) if likely else st.just([])
    known = st.sampled_from(["run", "quick-caffe", "file"])
    loose = st.just([]) | st.lists(known | value, max_size=2)
    return st.builds(
        lambda chosen, more: [word for option in chosen for word in option] + more, options, loose
    )


COMMANDS = build_parser()._subparsers._group_actions[0].choices  # type: ignore[union-attr]
# Right as they stand, so that one odd option more gets as far as it can.
RIGHT = {
    "compare": "--vary weight_decay=0,0.1 --iterations 4 --hold-out 3 --batch-size 50 --out c "
    "--no-progress",
    "experiments": "",
    "preview": "--iterations 5 --schedule Fixed(0.1)",
    "range-test": "--iterations 4 --hold-out 3 --batch-size 50 --out o --again --no-progress",
    "replay": "run bounds.json",
    "report": "run",
    "reproduce": "quick-caffe --data digits --iterations 2 --eval-every 1 --no-progress",
    "train": "--iterations 3 --model quick --batch-size 50 --out o --again --no-progress",
}
MANY = pytest.param(300, marks=pytest.mark.slow)


@pytest.mark.parametrize("examples", [25, MANY])
@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_any_words(command: str, examples: int, place: list[int]) -> None:
    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=examples < 100,
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    @given(words_of(COMMANDS[command]), st.sampled_from([True, True, True, False]))
    def check(words: list[str], with_right: bool) -> None:
        place[0] = 0
        right = RIGHT[command].split() if with_right else []
        if command == "train" and not {"--schedule", "--bounds", "--experiment"} & set(words):
            right += ["--schedule", "Triangular(0.001, 0.005, 4)"]
        said = io.StringIO()
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            try:
                code = main([command, *right, *words])
            except SystemExit as ended:  # the words did not parse: usage, then one line
                assert ended.code in (0, 2)
                assert not ended.code or said.getvalue().startswith("usage: ")
                return
        assert code in (0, 2, 130)
        if code == 2:
            last = said.getvalue().splitlines()[-1]
            assert last.startswith(f"python -m clr_ignite.cifar10 {command}: ")
        assert "Traceback" not in said.getvalue()

    check()
