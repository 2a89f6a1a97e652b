"""Files written whole or not at all, whatever dies meanwhile: the process, the disk, the power.

What is written never reaches a file elsewhere: a link in the place of a file is replaced, and a
temporary file has a name that nobody can foretell. Pipes and devices are refused, not waited for.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

# Windows renames no open file, and a lock there keeps other handles from writing.
_LOCKS_TEMPORARIES = os.name == "posix"
_NO_WAIT = getattr(os, "O_NONBLOCK", 0)  # for the writer of a pipe
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFLNK: "a link",
    stat.S_IFSOCK: "a socket",
}


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name beside ``path`` that takes its place, synced, when the block succeeds.

    What killed processes left on their way to ``path`` is removed first: temporary files that no
    process holds locked.

    Raises:
        OSError: naming ``path``.
    """
    _remove_orphans(path)
    with naming(path), contextlib.ExitStack() as stack:
        temporary = _new_temporary(path, stack)
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    sync_folder(path.parent)


def write_text(path: Path, text: str) -> None:
    """``text`` in UTF-8, its line ends as they are."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")


def write_bytes(path: Path, content: bytes | memoryview) -> None:
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def append_text(path: Path, text: str) -> None:
    """``text`` at the end of ``path``, synced; a file with a second name elsewhere is refused."""
    new = not os.path.lexists(path)
    if not new:
        check_plain(path, os.lstat(path))
    with naming(path), open(path, "ab", opener=_opener(_NO_LINK)) as file:
        check_plain(path, status := os.fstat(file.fileno()))
        if status.st_nlink > 1:
            raise OSError(errno.EMLINK, "has a second name, which would grow as well", str(path))
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())
    if new:
        sync_folder(path.parent)


def read_bytes(path: Path) -> bytes:
    """The content of a file.

    Raises:
        OSError: as ``open``; a pipe or a device is refused at once.
    """
    check_plain(path, os.stat(path))
    with open(path, "rb", opener=_opener(0)) as file:
        check_plain(path, os.fstat(file.fileno()))
        return file.read()


def read_text(path: Path) -> str:
    """:func:`read_bytes` as UTF-8, its line ends turned into newlines."""
    return read_bytes(path).decode().replace("\r\n", "\n").replace("\r", "\n")


def parse_json(text: str) -> Any:
    """Like ``json.loads``, but strict: a ValueError for NaN and for nesting too deep as well."""

    def refuse(constant: str) -> NoReturn:
        raise ValueError(f"{constant} is not in JSON")

    try:
        return json.loads(text, parse_constant=refuse)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def check_plain(path: Path, status: os.stat_result) -> None:
    """Refuse what ``status`` says to be something else than a file.

    Raises:
        OSError: saying what ``path`` is instead.
    """
    kind = stat.S_IFMT(status.st_mode)
    if kind != stat.S_IFREG:
        what = _KINDS.get(kind, "a device")
        raise OSError(errno.EINVAL, f"is {what} where a file is needed", str(path))


def printable(text: str, keep: str = "\n") -> str:
    """``text`` for a terminal or a page: control characters but ``keep`` as Python writes them.

    >>> printable("runs/\x1b[2J")
    'runs/\\\\x1b[2J'
    """
    return "".join(c if c.isprintable() or c in keep else ascii(c)[1:-1] for c in text)


def one_line(text: str, most: int = 100) -> str:
    """``text`` for a cell, a line break as Python writes it, its middle left out where it is long.

    >>> one_line("two\\nlines"), one_line("1234567890", most=8)
    ('two\\\\nlines', '12...890')
    """
    text = printable(text, keep="")
    start, end = (most - 3) // 2, (most - 2) // 2
    return text if len(text) <= most else f"{text[:start]}...{text[-end:]}"


def make_folder(path: Path) -> None:
    """``path`` and the folders above it; a path of any number of parts."""
    # Fails for a path that is too long, before the first of them is made.
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        if stat.S_ISDIR(os.stat(path).st_mode):
            return
    for folder in reversed([path, *path.parents]):
        if not folder.is_dir():
            folder.mkdir(exist_ok=True)


def sync_folder(folder: Path) -> None:
    """Make new and renamed files in ``folder`` outlast a power cut, where the system can."""
    # Windows opens no folders, and some network file systems sync none: the rename stands anyway.
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Errors of the system that name no file, such as that of a full disk, name ``path``."""
    try:
        yield
    except OSError as error:
        if error.errno is None or not (error.filename is None or _is_temporary(error.filename)):
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def _opener(flags: int) -> Any:
    return lambda path, others: os.open(path, others | flags | _NO_WAIT, 0o666)


def _new_temporary(path: Path, stack: contextlib.ExitStack) -> Path:
    """An empty file for ``path``'s content; ``stack`` removes it and gives up its lock."""
    start, end = _around(path)
    temporary = path.with_name(f"{start}{secrets.token_hex(16)}{end}")
    handle = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
    stack.callback(temporary.unlink, missing_ok=True)
    if not _LOCKS_TEMPORARIES:
        os.close(handle)
        return temporary
    stack.callback(os.close, handle)
    # In the moment before it is locked another process may take it for an orphan.
    if _lock(handle) is False or not os.fstat(handle).st_nlink:
        return _new_temporary(path, stack)
    return temporary


def _around(path: Path) -> tuple[str, str]:
    """What stands before and behind the random part of a temporary name; its suffix is kept."""
    return f".{path.stem[:40]}.", f".tmp{path.suffix}"


def _is_temporary(name: object) -> bool:
    return re.search(r"\.[0-9a-f]{32}\.tmp(\.[^.]*)?$", str(name)) is not None


def _remove_orphans(path: Path) -> None:
    start, end = _around(path)
    with contextlib.suppress(OSError):
        for name in os.listdir(path.parent):
            if name.startswith(start) and name.endswith(end) and _is_temporary(name):
                _remove_orphan(path.with_name(name))


def _remove_orphan(temporary: Path) -> None:
    """Remove what no living process holds locked; a link, or a second name, is not ours."""
    with contextlib.suppress(OSError):
        handle = os.open(temporary, os.O_RDWR | _NO_LINK | _NO_WAIT)
        try:
            status = os.fstat(handle)
            ours = stat.S_ISREG(status.st_mode) and status.st_nlink == 1
            if ours and _LOCKS_TEMPORARIES and _lock(handle):
                temporary.unlink(missing_ok=True)
        finally:
            os.close(handle)


def _lock(handle: int) -> bool | None:
    """Whether an open file is locked for this process now; None where there are no locks."""
    from filelock import lock_descriptor

    try:
        return lock_descriptor(handle, blocking=False)
    except OSError:
        return None
