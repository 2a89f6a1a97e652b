"""A run's folder: configuration, a CSV that grows, a checkpoint, the result; all crash-safe."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import platform
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from clr_ignite._checks import check_fields
from clr_ignite._files import parse_json, sync_folder, write_text
from clr_ignite.range_test.checkpoint import write_torch

COLUMNS = ("iteration", "lr", "train_loss", "eval_loss", "eval_accuracy", "cycle_end")
_HEADER = ",".join(COLUMNS)
_FILES = (
    *("result.json", "metrics.csv", "range_test.json", "range_test.csv"),
    "checkpoint.pt",
)


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

    @property
    def empty(self) -> bool:
        """Whether nothing has been measured here yet, whoever claimed the folder."""
        return not any((self.path / name).exists() for name in _FILES)

    @property
    def finished(self) -> bool:
        """Whether a run or a range test has ended here."""
        return any((self.path / name).exists() for name in ("result.json", "range_test.json"))

    def clear(self) -> None:
        """Forget the run or range test in this folder, which is locked; pictures stay."""
        for name in _FILES:
            (self.path / name).unlink(missing_ok=True)
        sync_folder(self.path)
        # Last, for it says whose the others are.
        (self.path / "config.json").unlink(missing_ok=True)

    def read_json(self, name: str) -> dict[str, Any] | None:
        """The content of ``name``, or None where there is no such file."""
        path = self.path / name
        try:
            values = parse_json(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise RunError(f"{path} is not JSON ({error}): remove the folder") from None
        if not isinstance(values, dict):
            raise RunError(f"{path} holds no object: remove the folder")
        return values

    def write_json(self, name: str, values: Mapping[str, Any]) -> None:
        write_text(self.path / name, json.dumps(values, indent=2, allow_nan=False) + "\n")

    def save_checkpoint(self, state: Mapping[str, Any]) -> None:
        write_torch(self.path / "checkpoint.pt", dict(state))

    def load_checkpoint(self, fields: Mapping[str, tuple[type, ...]] = {}) -> dict[str, Any] | None:
        """The last checkpoint (tensors on the CPU) with at least these fields, or None."""
        path = self.path / "checkpoint.pt"
        if not path.exists():
            return None
        try:
            return check_fields(torch.load(path, map_location="cpu", weights_only=True), fields)
        except Exception as error:  # a broken archive has many names
            raise self.unreadable(path.name, error) from error

    def unreadable(self, name: str, error: Exception) -> RunError:
        """The error for a file whose content is not a run's, or not this run's."""
        reason = str(error).partition("\n")[0]
        return RunError(
            f"{self.path / name} cannot be read ({type(error).__name__}: {reason}): remove it to "
            "start again"
        )

    def append_row(self, row: Mapping[str, object]) -> None:
        path = self.path / "metrics.csv"
        new = not path.exists()
        lines = f"{_HEADER}\n" * new + ",".join(str(row[name]) for name in COLUMNS) + "\n"
        with open(path, "a", encoding="utf-8", newline="") as file:
            file.write(lines)
            file.flush()
            os.fsync(file.fileno())
        if new:
            sync_folder(self.path)

    def rows(self) -> list[dict[str, float]]:
        """The evaluations so far; a torn last line is left out."""
        path = self.path / "metrics.csv"
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return []
        except UnicodeDecodeError as error:
            raise RunError(f"{path}: not written by a run ({error})") from None
        rows: list[dict[str, float]] = []
        for number, line in enumerate(text[: text.rfind("\n") + 1].splitlines(), start=1):
            try:
                if number > 1:
                    rows.append(_read_row(line, after=rows[-1]["iteration"] if rows else 0))
                elif line != _HEADER:
                    raise ValueError(f"the columns are not {_HEADER}")
            except ValueError as error:
                raise RunError(f"{path}, line {number}: not written by a run ({error})") from None
        return rows

    def last_iteration(self) -> int:
        """Of the last evaluation; 0 where there is none."""
        rows = self.rows()
        return int(rows[-1]["iteration"]) if rows else 0

    def keep_rows(self, last_iteration: int) -> None:
        """Drop what the CSV holds beyond ``last_iteration``, the checkpoint's; 0 is none.

        Raises:
            RunError: the CSV does not reach as far.
        """
        path = self.path / "metrics.csv"
        kept = [row for row in self.rows() if row["iteration"] <= last_iteration]
        if (kept[-1]["iteration"] if kept else 0) != last_iteration:
            raise RunError(
                f"{path} has no row of iteration {last_iteration}, where checkpoint.pt goes on: "
                "remove the checkpoint to start again"
            )
        if not kept:
            path.unlink(missing_ok=True)
            return
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)[: len(kept) + 1]
        write_text(path, "".join(lines))


def _read_row(line: str, *, after: float) -> dict[str, float]:
    cells = line.split(",")
    if len(cells) != len(COLUMNS):
        raise ValueError(f"{len(cells)} cells instead of {len(COLUMNS)}")
    row = {name: float(cell) for name, cell in zip(COLUMNS, cells, strict=True)}
    if not (row["iteration"].is_integer() and row["iteration"] > after):
        raise ValueError(f"iteration {cells[0]} after {after:g}")
    if row["cycle_end"] not in (0, 1):
        raise ValueError(f"cycle_end is neither 0 nor 1 but {cells[-1]}")
    return row


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
        "device": torch.cuda.get_device_name(device) if cuda else f"{device.type}, {processor()}",
        "threads": torch.get_num_threads(),
        # Whether convolutions round their factors to TensorFloat-32, torch's default.
        **({"tf32": torch.backends.cudnn.allow_tf32} if cuda else {}),
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


def processor() -> str:
    """The processor's name as Linux gives it, else the machine type."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()
