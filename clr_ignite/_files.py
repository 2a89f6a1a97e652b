"""Files written whole or not at all, whatever dies meanwhile: the process, the disk, the power."""

from __future__ import annotations

import contextlib
import glob
import json
import os
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name beside ``path`` that takes its place, synced, when the block succeeds.

    What killed processes of this machine left on their way to ``path`` is removed first.
    """
    _remove_orphans(path)
    temporary = _temporary(path, str(os.getpid()))
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def write_text(path: Path, text: str) -> None:
    """``text`` in UTF-8, its line ends as they are."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")


def write_bytes(path: Path, content: bytes | memoryview) -> None:
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def parse_json(text: str) -> Any:
    """Like ``json.loads``, but strict: a ValueError for NaN and for nesting too deep as well."""

    def refuse(constant: str) -> NoReturn:
        raise ValueError(f"{constant} is not in JSON")

    try:
        return json.loads(text, parse_constant=refuse)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def sync_folder(folder: Path) -> None:
    """Make new and renamed files in ``folder`` outlast a power cut, where the system can."""
    # Windows opens no folders, and some network file systems sync none: the rename stands anyway.
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _temporary(path: Path, process: str) -> Path:
    """Hidden, of ``path``'s suffix, and of this process alone, on a shared file system too."""
    return path.with_name(f".{path.stem}.{platform.node()}-{process}.tmp{path.suffix}")


def _remove_orphans(path: Path) -> None:
    before, _, after = _temporary(path, "\0").name.partition("\0")
    for orphan in path.parent.glob(f"{glob.escape(before)}*{glob.escape(after)}"):
        process = orphan.name.removeprefix(before).removesuffix(after)
        if process.isdecimal() and not _is_running(int(process)):
            orphan.unlink(missing_ok=True)


def _is_running(process: int) -> bool:
    if os.name != "posix":
        return True  # elsewhere os.kill knows no signal that only asks
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OverflowError, PermissionError):
        pass
    return True
