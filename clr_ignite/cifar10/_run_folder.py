"""A run's folder: configuration, a CSV that grows, a checkpoint, the result; all crash-safe."""

from __future__ import annotations

import contextlib
import csv
import fcntl
import json
import os
import platform
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch

COLUMNS = ("iteration", "lr", "train_loss", "eval_loss", "eval_accuracy", "cycle_end")


class RunError(RuntimeError):
    """A run folder that cannot be used as asked; the message says what to do."""


class InUse(RunError):
    """A run folder that another process holds."""


@dataclass(frozen=True)
class RunFolder:
    """Paths and files of one run.

    Every file but the CSV is written whole to a temporary name, synced and renamed. The CSV gets a
    synced line at each evaluation, before the checkpoint that covers it; lines after the
    checkpoint, a torn last one among them, are dropped when the run resumes.
    """

    path: Path

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for this process; a second one gets :class:`InUse`."""
        self.path.mkdir(parents=True, exist_ok=True)
        with open(self.path / ".lock", "w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise InUse(f"{self.path} is in use by another process") from None
            yield

    def clear(self) -> None:
        """Forget an earlier run in this folder; its pictures and other files stay."""
        for name in ("result.json", "checkpoint.pt", "metrics.csv", "config.json"):
            (self.path / name).unlink(missing_ok=True)

    def read_json(self, name: str) -> dict[str, Any] | None:
        """The content of ``name``, or None where there is no such file."""
        try:
            return cast(dict[str, Any], json.loads((self.path / name).read_text()))
        except FileNotFoundError:
            return None
        except json.JSONDecodeError as error:
            raise RunError(f"{self.path / name} is not JSON ({error}): remove the folder") from None

    def write_json(self, name: str, values: Mapping[str, Any]) -> None:
        with replacing(self.path / name) as temporary:
            temporary.write_text(json.dumps(values, indent=2) + "\n")

    def save_checkpoint(self, state: Mapping[str, Any]) -> None:
        with replacing(self.path / "checkpoint.pt") as temporary:
            torch.save(dict(state), temporary)

    def load_checkpoint(self) -> dict[str, Any] | None:
        """The last checkpoint (tensors on the CPU), or None."""
        path = self.path / "checkpoint.pt"
        if not path.exists():
            return None
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:
            raise RunError(
                f"{path} cannot be read ({type(error).__name__}): remove it to start again"
            ) from error
        return cast(dict[str, Any], state)

    def append_row(self, row: Mapping[str, object]) -> None:
        path = self.path / "metrics.csv"
        new = not path.exists()
        with open(path, "a", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            if new:
                writer.writeheader()
            writer.writerow(row)
            file.flush()
            os.fsync(file.fileno())

    def rows(self) -> list[dict[str, float]]:
        """The evaluations so far; a torn last line is left out."""
        path = self.path / "metrics.csv"
        if not path.exists():
            return []
        text = path.read_text()
        whole = text[: text.rfind("\n") + 1].splitlines()
        rows = csv.DictReader(whole)
        try:
            return [{name: float(row[name]) for name in COLUMNS} for row in rows]
        except (KeyError, TypeError, ValueError) as error:
            raise RunError(
                f"{path}, line {rows.line_num}: not written by a run ({error})"
            ) from None

    def last_iteration(self) -> int:
        """Of the last evaluation; 0 where there is none."""
        rows = self.rows()
        return int(rows[-1]["iteration"]) if rows else 0

    def keep_rows(self, last_iteration: int) -> None:
        """Drop what the CSV holds beyond ``last_iteration``."""
        path = self.path / "metrics.csv"
        if not path.exists():
            return
        kept = sum(row["iteration"] <= last_iteration for row in self.rows())
        lines = path.read_text().splitlines(keepends=True)[: kept + 1]
        with replacing(path) as temporary:
            temporary.write_text("".join(lines) if kept else "")
        if not kept:
            path.unlink()


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name beside ``path`` that takes its place, synced, when the block succeeds."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def environment(device: torch.device) -> dict[str, Any]:
    """Where a result comes from: versions, threads, device and the commit of this code."""
    import ignite

    import clr_ignite

    cuda = device.type == "cuda"
    return {
        "clr_ignite": clr_ignite.__version__,
        "commit": commit(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "ignite": ignite.__version__,
        "device": torch.cuda.get_device_name(device) if cuda else f"{device.type}, {_processor()}",
        "threads": torch.get_num_threads(),
    }


def commit() -> str | None:
    """This code's git commit, ``+changes`` behind it where the tree differs; None outside git."""
    here = Path(__file__).parent

    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(here), *words], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    try:
        if not git("ls-files", Path(__file__).name):
            return None  # installed inside somebody else's repository
        changed = git("status", "--porcelain", "--untracked-files=no", "--", "..")
        return git("rev-parse", "HEAD") + ("+changes" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _processor() -> str:
    """The processor's name as Linux gives it, else the machine type."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()
