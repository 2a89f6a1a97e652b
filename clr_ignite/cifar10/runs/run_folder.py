"""A run's folder: configuration, a CSV that grows, a checkpoint, the result; all crash-safe."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import filelock

from clr_ignite._checkpoints import read_checkpoint, write_checkpoint
from clr_ignite._checks import check_fields
from clr_ignite._files import (
    append_text,
    check_plain,
    make_folder,
    parse_json,
    read_text,
    sync_folder,
    write_text,
)

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
    _identity: tuple[int, int] | None = None  # of the folder that is locked

    @contextlib.contextmanager
    def locked(self) -> Iterator[Self]:
        """Hold the folder for this process: inside the block it can be written.

        Raises:
            InUse: another process holds it.
            RunError: it cannot be locked.
        """
        make_folder(self.path)
        lock = self.path / ".lock"
        with contextlib.ExitStack() as stack:
            try:
                _check_lock(lock)
                # No lock of another kind where the file system has none: who uses which?
                stack.enter_context(filelock.FileLock(lock, blocking=False, fallback_to_soft=False))
            except filelock.Timeout:
                raise InUse(f"{self.path} is in use by another process") from None
            except OSError as error:
                raise RunError(
                    f"{self.path} cannot be locked ({error.strerror}): choose a folder that can be "
                    "written, on a file system with locks"
                ) from error
            yield replace(self, _identity=_identity(self.path))

    def check_held(self) -> None:
        """Refuse to write into a folder that took the locked one's place."""
        if self._identity is not None and _identity(self.path) != self._identity:
            raise RunError(
                f"{self.path} was moved or removed while it was in use: what was written before "
                "is where that folder is now; put it back, or start again"
            )

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
            values = parse_json(read_text(path))
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise RunError(f"{path} is not JSON ({error}): remove the folder") from None
        if not isinstance(values, dict):
            raise RunError(f"{path} holds no object: remove the folder")
        return values

    def write_json(self, name: str, values: Mapping[str, Any]) -> None:
        self.check_held()
        write_text(self.path / name, json.dumps(values, indent=2, allow_nan=False) + "\n")

    def save_checkpoint(self, state: Mapping[str, Any]) -> None:
        self.check_held()
        write_checkpoint(self.path / "checkpoint.pt", state)

    def load_checkpoint(self, fields: Mapping[str, tuple[type, ...]] = {}) -> dict[str, Any] | None:
        """The last checkpoint (tensors on the CPU) with at least these fields, or None."""
        path = self.path / "checkpoint.pt"
        if not path.exists():
            return None
        try:
            return check_fields(read_checkpoint(path, map_location="cpu"), fields)
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
        self.check_held()
        path = self.path / "metrics.csv"
        header = "" if path.exists() else f"{_HEADER}\n"
        append_text(path, header + ",".join(str(row[name]) for name in COLUMNS) + "\n")

    def rows(self) -> list[dict[str, float]]:
        """The evaluations so far; a torn last line is left out."""
        path = self.path / "metrics.csv"
        try:
            text = read_text(path)
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

    def keep_rows(self, last_iteration: int, digest: str | None = None) -> None:
        """Drop what the CSV holds beyond ``last_iteration``, the checkpoint's; 0 is none.

        Args:
            digest: of the lines kept, where the checkpoint has it.

        Raises:
            RunError: the CSV is not the one that the checkpoint goes on from.
        """
        path, rows = self.path / "metrics.csv", self.rows()
        kept = [row for row in rows if row["iteration"] <= last_iteration]
        if (kept[-1]["iteration"] if kept else 0) != last_iteration:
            raise self._contradiction(f"no row of iteration {last_iteration}")
        # One row may be written of which the checkpoint was not; without one, all begins again.
        if kept and len(rows) > len(kept) + 1:
            raise self._contradiction(f"rows up to iteration {rows[-1]['iteration']:g}")
        if not kept:
            path.unlink(missing_ok=True)
            return
        lines = "".join(read_text(path).splitlines(keepends=True)[: len(kept) + 1])
        if digest not in (None, _digest(lines)):
            raise self._contradiction("other rows than were written")
        write_text(path, lines)

    def _contradiction(self, what: str) -> RunError:
        return RunError(
            f"{self.path / 'metrics.csv'} has {what}, where checkpoint.pt goes on at another: "
            "remove the checkpoint to start again"
        )

    def digest(self) -> str:
        """A fingerprint of the rows so far."""
        return _digest(read_text(self.path / "metrics.csv"))


def _digest(lines: str) -> str:
    return hashlib.sha256(lines.encode()).hexdigest()


def _check_lock(lock: Path) -> None:
    """Refuse what is no lock: FileLock would follow or empty it in some of its versions."""
    with contextlib.suppress(FileNotFoundError):
        check_plain(lock, status := os.lstat(lock))
        if status.st_nlink > 1 or (
            status.st_size and filelock.FileLock is not filelock.SoftFileLock
        ):
            raise OSError(errno.EEXIST, "the file .lock is not its lock")


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        status = os.stat(folder)
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


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
