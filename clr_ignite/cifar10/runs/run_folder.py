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
from typing import Any

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
from clr_ignite.cifar10 import runs
from clr_ignite.cifar10.runs.records import HEADER, Evaluation, line_of, read_line


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

    @property
    def config(self) -> Path:
        """What the results were made with."""
        return self.path / runs.CONFIG

    @property
    def metrics(self) -> Path:
        """A run's evaluations."""
        return self.path / runs.METRICS

    @property
    def checkpoint(self) -> Path:
        """Where a run or a range test goes on."""
        return self.path / runs.CHECKPOINT

    @property
    def result(self) -> Path:
        """How a run ended; there once it has."""
        return self.path / runs.RESULT

    @property
    def range_test(self) -> Path:
        """A finished range test; beside it the same as CSV and as a picture."""
        return self.path / runs.RANGE_TEST

    @contextlib.contextmanager
    def locked(self) -> Iterator[RunFolder]:
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
    def _measured(self) -> list[Path]:
        sweep = [self.range_test, self.range_test.with_suffix(".csv")]
        return [self.result, self.metrics, *sweep, self.checkpoint]

    @property
    def empty(self) -> bool:
        """Whether nothing has been measured here yet, whoever claimed the folder."""
        return not any(path.exists() for path in self._measured)

    @property
    def finished(self) -> bool:
        """Whether a run or a range test has ended here."""
        return self.result.exists() or self.range_test.exists()

    def clear(self) -> None:
        """Forget the run or range test in this folder, which is locked; pictures stay."""
        for path in self._measured:
            path.unlink(missing_ok=True)
        sync_folder(self.path)
        # Last, for it says whose the others are.
        self.config.unlink(missing_ok=True)

    def read_json(self, path: Path) -> dict[str, Any] | None:
        """The content of one of its files, or None where there is no such file."""
        try:
            values = parse_json(read_text(path))
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise RunError(f"{path} is not JSON ({error}): remove the folder") from None
        if not isinstance(values, dict):
            raise RunError(f"{path} holds no object: remove the folder")
        return values

    def write_json(self, path: Path, values: Mapping[str, Any]) -> None:
        """Make ``values`` the content of one of its files."""
        self.check_held()
        write_text(path, json.dumps(values, indent=2, allow_nan=False) + "\n")

    def save_checkpoint(self, state: Mapping[str, Any]) -> None:
        """Replace the checkpoint."""
        self.check_held()
        write_checkpoint(self.checkpoint, state)

    def load_checkpoint(self, fields: Mapping[str, tuple[type, ...]] = {}) -> dict[str, Any] | None:
        """The last checkpoint (tensors on the CPU) with at least these fields, or None."""
        if not self.checkpoint.exists():
            return None
        try:
            return check_fields(read_checkpoint(self.checkpoint, map_location="cpu"), fields)
        except Exception as error:  # a broken archive has many names
            raise unreadable(self.checkpoint, error) from error

    def append_row(self, row: Evaluation) -> None:
        """Add an evaluation to the CSV, synced."""
        self.check_held()
        header = "" if self.metrics.exists() else f"{HEADER}\n"
        append_text(self.metrics, header + line_of(row))

    def rows(self) -> list[Evaluation]:
        """The evaluations so far; a torn last line is left out."""
        try:
            text = read_text(self.metrics)
        except FileNotFoundError:
            return []
        except UnicodeDecodeError as error:
            raise RunError(f"{self.metrics}: not written by a run ({error})") from None
        rows: list[Evaluation] = []
        for number, line in enumerate(text[: text.rfind("\n") + 1].splitlines(), start=1):
            try:
                if number > 1:
                    rows.append(read_line(line, after=rows[-1]["iteration"] if rows else 0))
                elif line != HEADER:
                    raise ValueError(f"the columns are not {HEADER}")
            except (OverflowError, ValueError) as error:
                raise RunError(
                    f"{self.metrics}, line {number}: not written by a run ({error})"
                ) from None
        return rows

    def last_iteration(self) -> int:
        """Of the last evaluation; 0 where there is none."""
        rows = self.rows()
        return rows[-1]["iteration"] if rows else 0

    def keep_rows(self, last_iteration: int, digest: str | None = None) -> None:
        """Drop what the CSV holds beyond ``last_iteration``, the checkpoint's; 0 is none.

        Args:
            digest: of the lines kept, where the checkpoint has it.

        Raises:
            RunError: the CSV is not the one that the checkpoint goes on from.
        """
        rows = self.rows()
        kept = [row for row in rows if row["iteration"] <= last_iteration]
        if (kept[-1]["iteration"] if kept else 0) != last_iteration:
            raise self._contradiction(f"no row of iteration {last_iteration}")
        # One row may be written of which the checkpoint was not; without one, all begins again.
        if kept and len(rows) > len(kept) + 1:
            raise self._contradiction(f"rows up to iteration {rows[-1]['iteration']}")
        if not kept:
            self.metrics.unlink(missing_ok=True)
            return
        lines = "".join(read_text(self.metrics).splitlines(keepends=True)[: len(kept) + 1])
        if digest not in (None, _digest(lines)):
            raise self._contradiction("other rows than were written")
        write_text(self.metrics, lines)

    def _contradiction(self, what: str) -> RunError:
        return RunError(
            f"{self.metrics} has {what}, where checkpoint.pt goes on at another: "
            "remove the checkpoint to start again"
        )

    def digest(self) -> str:
        """A fingerprint of the rows so far."""
        return _digest(read_text(self.metrics))


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


def unreadable(path: Path, error: Exception) -> RunError:
    """The error for a file whose content is not a run's, or not this run's."""
    reason = str(error).partition("\n")[0]
    return RunError(
        f"{path} cannot be read ({type(error).__name__}: {reason}): remove it to start again"
    )
