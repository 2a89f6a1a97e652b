"""Attacks on run folders, each with its seed: things planted, bits flipped, reports killed.

``make test-fire`` runs them and prints their counts, which docs/reliability.md gives; kills of the
commands that train are in test_deaths.py, signals and full disks in test_under_fire.py.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from clr_ignite.cifar10.__main__ import main
from tests.cifar10.deaths import contents, differences
from tests.cifar10.processes import pictures_in
from tests.test_files import KINDS, in_place_of

pytestmark = pytest.mark.slow

FLIPS = 40  # a file
KILLS = 12
NET = "--model quick --batch-size 10 --data folder --folder {data}"
COMMANDS = {
    "train": f"train {NET} --schedule Triangular(0.001,0.005,5) --iterations 22 --eval-every 6",
    "range-test": f"range-test {NET} --iterations 24 --hold-out 20 --eval-every 10",
    "reproduce": "reproduce quick-caffe --data folder --folder {data} --iterations 8 "
    "--eval-every 3",
}


class Died(BaseException):
    """Stands for the end of the process."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pictures_in(tmp_path_factory.mktemp("data"))


@contextlib.contextmanager
def at_most(seconds: int) -> Iterator[None]:
    """Nothing is waited for: an alarm ends what hangs."""

    def ring(number: int, frame: object) -> None:
        raise TimeoutError("hangs")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def run(command: str, out: Path, data: Path) -> int:
    words = COMMANDS[command].format(data=data).split()
    with at_most(120):
        return main([*words, "--threads", "1", "--no-progress", "--out", str(out)])


def cut_off(command: str, out: Path, data: Path) -> None:
    """The folder of a command that died at its second checkpoint's end."""
    from clr_ignite import _checkpoints

    write, written = _checkpoints.write_bytes, []

    def die(path: Path, content: bytes) -> None:
        write(path, content)
        written.append(path)
        if len(written) == 2:
            raise Died

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Died):
        patch.setattr(_checkpoints, "write_bytes", die)
        run(command, out, data)


def files_of(out: Path) -> list[Path]:
    return sorted(path.relative_to(out) for path in out.rglob("*") if path.is_file())


@pytest.fixture(scope="module", params=COMMANDS)
def folders(
    request: pytest.FixtureRequest, data: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path, Path]:
    """A command, a folder in which it ended, and one in which it was cut off."""
    command, place = request.param, tmp_path_factory.mktemp("folders")
    assert run(command, place / "whole", data) == 0
    cut_off(command, place / "cut", data)
    return command, place / "whole", place / "cut"


@pytest.mark.parametrize("kind", KINDS)
def test_planted_in_the_place_of_every_file(
    kind: str,
    folders: tuple[str, Path, Path],
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What it leads to is as it was, nothing hangs, and without it the command goes on."""
    command, whole, cut = folders
    counts: Counter[str] = Counter()
    for number, name in enumerate(sorted({*files_of(whole), *files_of(cut)})):
        out, victim = tmp_path / f"{number}", tmp_path / f"victim{number}"
        shutil.copytree(cut, out)
        (out / name).unlink(missing_ok=True)
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        in_place_of(out / name, kind, victim)
        capsys.readouterr()
        code = run(command, out, data)
        said = capsys.readouterr().err
        assert code in (0, 2) and "Traceback" not in said, said
        assert code == 0 or said.count("\n") == 1, said
        assert victim.read_text() == "three years of work\n"
        assert not (tmp_path / "nowhere").exists()
        counts["passed over" if code == 0 else "refused"] += 1
    with capsys.disabled():
        print(f"planted, {command}, {kind}: {dict(counts)}")


def test_a_bit_flipped_in_every_file(
    folders: tuple[str, Path, Path], data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Noticed, or the command ends with the rows and results of one never touched."""
    command, whole, cut = folders
    expected, chance = contents(whole), random.Random(command)
    counts: dict[str, Counter[str]] = {}
    for name in files_of(cut):
        size = (cut / name).stat().st_size
        counts[str(name)] = found = Counter()
        for number in range(FLIPS if size else 0):
            out = tmp_path / f"{name.name}{number}"
            shutil.copytree(cut, out)
            content = bytearray((out / name).read_bytes())
            content[chance.randrange(size)] ^= 1 << chance.randrange(8)
            (out / name).write_bytes(content)
            capsys.readouterr()
            code = run(command, out, data)
            said = capsys.readouterr().err
            assert code in (0, 2) and "Traceback" not in said, said
            if code == 2:
                assert said.count("\n") == 1 and str(out) in said, said
                found["noticed"] += 1
            else:
                wrong = [n for n in differences(expected, contents(out)) if "config" not in n]
                assert [n for n in wrong if "report" not in n] == [], (name, number)
                found["without effect"] += 1
            shutil.rmtree(out)
        if name.name == "checkpoint.pt":
            assert found["noticed"] == FLIPS
    with capsys.disabled():
        print(f"flipped, {command}: {json.dumps({n: dict(c) for n, c in counts.items() if c})}")


def test_a_report_killed_at_any_moment_leaves_the_runs_and_is_made_anew(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("train", tmp_path / "run", data) == 0
    before, chance, killed = contents(tmp_path / "run"), random.Random(0), 0
    words = ["report", str(tmp_path / "run"), "--out"]
    assert main([*words, str(tmp_path / "whole")]) == 0
    started = time.monotonic()
    assert main([*words, str(tmp_path / "whole")]) == 0
    length = time.monotonic() - started
    for _ in range(KILLS):
        child = os.fork()
        if child == 0:
            os._exit(main([*words, str(tmp_path / "cut")]))
        time.sleep(chance.uniform(0, length))
        os.kill(child, signal.SIGKILL)
        killed += os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert killed
    assert main([*words, str(tmp_path / "cut")]) == 0
    assert contents(tmp_path / "run") == before
    assert differences(contents(tmp_path / "whole"), contents(tmp_path / "cut")) == []
    with capsys.disabled():
        print(f"killed, report: {killed} of {KILLS}")
