"""Files that are there whole or not at all, and in the order that a power cut respects."""

from __future__ import annotations

import errno
import os
import socket
import stat
import tempfile
from pathlib import Path
from typing import Any

import pytest

from clr_ignite import _files
from clr_ignite._checks import check_fields
from clr_ignite._files import (
    append_text,
    make_folder,
    parse_json,
    printable,
    read_text,
    replacing,
    write_bytes,
    write_text,
)


def test_the_old_file_stays_when_the_block_fails(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    write_text(path, "old")
    with pytest.raises(OSError, match="disk"), replacing(path) as temporary:
        temporary.write_text("half")
        raise OSError("disk")
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_content_is_synced_before_the_rename_and_the_folder_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[Any] = []
    fsync, replace = os.fsync, os.replace

    def note_sync(handle: int) -> None:
        status = os.fstat(handle)
        done.append("folder" if stat.S_ISDIR(status.st_mode) else status.st_size)
        fsync(handle)

    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(os, "replace", lambda a, b: (done.append(Path(b).name), replace(a, b)))
    write_text(tmp_path / "a.txt", "é\r\n")
    write_bytes(tmp_path / "b.bin", memoryview(b"1234567"))
    assert done == [4, "a.txt", "folder", 7, "b.bin", "folder"]
    assert (tmp_path / "a.txt").read_bytes() == b"\xc3\xa9\r\n"


def left_by_a_dead_process(path: Path) -> Path:
    before = set(path.parent.iterdir())
    child = os.fork()
    if child == 0:
        with replacing(path) as temporary:
            temporary.write_text("half")
            os._exit(0)
    os.waitpid(child, 0)
    (orphan,) = set(path.parent.iterdir()) - before
    return orphan


def test_what_a_killed_process_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "run.v2" / "metrics.csv"
    path.parent.mkdir()
    orphan = left_by_a_dead_process(path)
    other = left_by_a_dead_process(path.with_name("result.json"))
    foreign = path.with_name(".metrics.notes.tmp.csv")
    foreign.write_text("kept")
    with replacing(path) as living:  # of this process, or of one on another machine
        living.write_text("first")
        assert not orphan.exists()
        write_text(path, "second")
        assert living.exists()
    assert path.read_text() == "first"
    assert set(path.parent.iterdir()) == {path, other, foreign}


def test_a_temporary_name_is_another_each_time_however_long_the_files(tmp_path: Path) -> None:
    path, seen = tmp_path / f"{'n' * 250}.csv", set()
    for _ in range(3):
        with replacing(path) as temporary:
            temporary.write_text("x")
            seen.add(temporary.name)
    assert len(seen) == 3 and all(name.endswith(".tmp.csv") for name in seen)


def in_place_of(path: Path, kind: str, victim: Path) -> None:
    """Plant something else where a file is expected."""
    victim.write_text("three years of work\n")
    if kind == "link":
        path.symlink_to(victim)
    elif kind == "dangling link":
        path.symlink_to(victim.with_name("nowhere"))
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "second name":
        os.link(victim, path)
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as server, tempfile.TemporaryDirectory() as short:
            server.bind(f"{short}/s")  # a socket's path has a hundred letters at most
            os.rename(f"{short}/s", path)
    else:
        path.mkdir()


KINDS = ("link", "dangling link", "device", "second name", "pipe", "socket", "folder")


@pytest.mark.parametrize("kind", KINDS)
def test_what_stands_in_the_place_of_a_file_is_replaced_and_what_it_leads_to_kept(
    kind: str, tmp_path: Path
) -> None:
    path, victim = tmp_path / "a.txt", tmp_path / "victim"
    in_place_of(path, kind, victim)
    if kind == "folder":
        with pytest.raises(IsADirectoryError, match=r"a\.txt"):
            write_text(path, "new")
    else:
        write_text(path, "new")
        assert path.read_text() == "new" and not path.is_symlink()
    assert victim.read_text() == "three years of work\n"
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_appended_to_a_file_elsewhere(kind: str, tmp_path: Path) -> None:
    path, victim = tmp_path / "a.txt", tmp_path / "victim"
    in_place_of(path, kind, victim)
    words = "has a second name" if kind == "second name" else "where a file is needed"
    with pytest.raises(OSError, match=rf"{words}.*a\.txt"):
        append_text(path, "more")
    assert victim.read_text() == "three years of work\n"
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_is_read_through_a_link_and_nothing_is_waited_for(kind: str, tmp_path: Path) -> None:
    path, victim = tmp_path / "a.txt", tmp_path / "victim"
    in_place_of(path, kind, victim)
    if "link" in kind or kind == "second name":
        if kind == "dangling link":
            with pytest.raises(FileNotFoundError):
                read_text(path)
        else:
            assert read_text(path) == "three years of work\n"
        return
    what = "a device" if kind == "device" else f"a {kind}"
    with pytest.raises(OSError, match=f"is {what} where a file is needed"):
        read_text(path)


@pytest.mark.parametrize("kind", KINDS)
def test_a_planted_temporary_name_is_left_alone(kind: str, tmp_path: Path) -> None:
    path, victim = tmp_path / "a.txt", tmp_path / "victim"
    planted = path.with_name(f".a.{'0' * 32}.tmp.txt")
    in_place_of(planted, kind, victim)
    write_text(path, "new")
    assert os.path.lexists(planted) and victim.read_text() == "three years of work\n"


def test_a_full_disk_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    for write in (write_text, append_text):
        with pytest.raises(OSError, match=r"No space left on device: '.*/a\.txt'"):
            write(tmp_path / "a.txt", "new")


@pytest.mark.parametrize("is_dir", [Path.is_dir, os.path.isdir])
def test_a_path_of_any_number_of_parts(
    is_dir: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "is_dir", is_dir)  # Python 3.14's hides every error
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    with pytest.raises(OSError, match="name too long"):
        make_folder(tmp_path / "/".join(["long"] * 4_000))
    assert {path.name for path in tmp_path.iterdir()} == {"a"}


def test_control_characters_do_not_reach_the_terminal() -> None:
    assert printable("é\n\x1b[2J\r\u202e\udc80") == "é\n\\x1b[2J\\r\\u202e\\udc80"


def test_a_folder_that_cannot_be_synced_does_not_stop_a_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.open

    def refuse(path: Any, flags: int, *args: Any, **options: Any) -> int:
        if Path(path) == tmp_path:
            raise PermissionError("no")
        return real(path, flags, *args, **options)

    monkeypatch.setattr(_files.os, "open", refuse)
    write_text(tmp_path / "a", "there")
    assert (tmp_path / "a").read_text() == "there"


@pytest.mark.parametrize("text", ["NaN", "[-Infinity]", "{", "[" * 100_000, "", "9" * 5000])
def test_json_is_read_strictly(text: str) -> None:
    with pytest.raises(ValueError):
        parse_json(text)
    assert parse_json('{"a": [1, 2.5, "NaN", null]}') == {"a": [1, 2.5, "NaN", None]}


FIELDS = {"n": (int,), "x": (int, float), "on": (bool,)}
GOOD = {"n": 1, "x": 1, "on": True, "more": None}


def test_fields_of_the_types_asked_for_come_back() -> None:
    assert check_fields(GOOD, FIELDS) is GOOD


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([1], r"\[1\] is no object"),
        ({"n": 1, "x": 1}, "field 'on' is missing"),
        (GOOD | {"n": 1.0}, r"field 'n' holds 1\.0"),
        (GOOD | {"n": True}, "field 'n' holds True"),
        (GOOD | {"on": 1}, "field 'on' holds 1"),
    ],
)
def test_other_fields_are_named(values: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        check_fields(values, FIELDS)
