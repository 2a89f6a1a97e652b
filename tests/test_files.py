"""Files that are there whole or not at all, and in the order that a power cut respects."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from clr_ignite import _files
from clr_ignite._checks import check_fields
from clr_ignite._files import parse_json, replacing, write_bytes, write_text


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
    child = os.fork()
    if child == 0:
        with replacing(path) as temporary:
            temporary.write_text("half")
            os._exit(0)
    os.waitpid(child, 0)
    (orphan,) = (entry for entry in path.parent.iterdir() if str(child) in entry.name)
    return orphan


def test_what_a_killed_process_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "run.v2" / "metrics.csv"
    path.parent.mkdir()
    orphans = [left_by_a_dead_process(path) for _ in range(3)]
    other = left_by_a_dead_process(path.with_name("result.json"))
    dead = orphans[0].name.rpartition("-")[2]
    living = path.with_name(orphans[0].name.replace(dead, f"{os.getppid()}.tmp.csv"))
    elsewhere = path.with_name(f".metrics.another-machine-{dead}")
    foreign = path.with_name(orphans[0].name.replace(dead, "notes.tmp.csv"))
    for kept in (living, elsewhere, foreign):
        kept.write_text("kept")
    write_text(path, "new")
    assert set(path.parent.iterdir()) == {path, other, living, elsewhere, foreign}


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
