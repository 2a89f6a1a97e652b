"""A comparison on disk: a file for each test that has ended, a checkpoint for one under way."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import filelock

from clr_ignite._checks import check_fields, shown
from clr_ignite._files import make_folder
from clr_ignite.result import RangeTestResult
from clr_ignite.result.files import check_values, in_json, reading, write_object

_KIND = "clr_ignite comparison's settings"
_CLAIM = "settings.json"
_TEST = "clr_ignite comparison's test"
_FIELDS = {"batch_size": (int, type(None)), "test": (dict,)}

#: A result and the samples in a batch, where that is known.
Test = tuple[RangeTestResult, int | None]


class Shelf:
    """The folder of a comparison, which several processes may share.

    Args:
        path: the folder.
        facts: by name, what decides the results, as JSON can hold it.

    Raises:
        ValueError: no folder, but a file or an empty name; or the folder of another comparison: the
            message names the difference.
        OSError: it cannot be written or locked.
    """

    def __init__(self, path: str | Path, facts: Mapping[str, Any]) -> None:
        self.path = Path(path)
        self.names = list(facts["settings"])
        if path == "" or (self.path.exists() and not self.path.is_dir()):
            raise ValueError(f"out must be a folder, there or yet to be made, got {str(path)!r}")
        make_folder(self.path)
        claim = self.path / _CLAIM
        if not claim.exists():
            with self._locked(".lock", blocking=True):
                if not claim.exists():
                    write_object(claim, _KIND, facts)
        with _said("choose another folder"), reading(claim, _KIND) as there:
            pass
        _refuse_another(self.path, there, json.loads(json.dumps(facts)))

    def file(self, name: str, seed: int, suffix: str = ".json") -> Path:
        """Where the test of a setting and a seed is."""
        plain = re.sub(r"[^\w.=,+-]+", "_", name)[:60]  # the number makes it different
        return self.path / f"{self.names.index(name)}-{plain}-{seed}{suffix}"

    def read(self, name: str, seed: int) -> Test | None:
        """The test, if it has ended.

        Raises:
            ValueError: the file is something else.
        """
        path = self.file(name, seed)
        if not path.exists():
            return None
        with _said("remove it to run the test again"), reading(path, _TEST) as values:
            own = check_fields(values, _FIELDS)
            return RangeTestResult.from_dict(check_values(own["test"])), own["batch_size"]

    def write(self, name: str, seed: int, test: Test) -> None:
        """Keep a test that has ended."""
        result, batch_size = test
        values = {"batch_size": batch_size, "test": in_json(result.to_dict())}
        write_object(self.file(name, seed), _TEST, values)

    @contextlib.contextmanager
    def held(self, name: str, seed: int) -> Iterator[bool]:
        """Whether the test is this process's inside the block; else another one is at it.

        One that has ended is everybody's, where nothing can be written, too.
        """
        if self.file(name, seed).exists():
            yield True
            return
        try:
            locked = self._locked(self.file(name, seed, ".lock").name, blocking=False)
        except filelock.Timeout:
            yield False
            return
        with locked:
            yield True

    def _locked(self, name: str, *, blocking: bool) -> contextlib.AbstractContextManager[Any]:
        lock = filelock.FileLock(self.path / name, blocking=blocking, fallback_to_soft=False)
        try:
            return lock.acquire()
        except filelock.Timeout:
            raise
        except OSError as error:
            rule = "out must be a folder that can be written, on a file system with locks"
            raise OSError(error.errno, f"{error.strerror}; {rule}", str(lock.lock_file)) from error


@contextlib.contextmanager
def _said(way_out: str) -> Iterator[None]:
    """Errors of a file end with the way out."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{error}: {way_out}") from error


def _refuse_another(path: Path, there: Mapping[str, Any], here: Mapping[str, Any]) -> None:
    differences = [
        f"{name}: {shown(there.get(name))} there, {shown(asked)} asked for"
        for name, asked in here.items()
        if there.get(name) != asked
    ]
    if differences:
        raise ValueError(
            f"out must be the folder of this comparison, {path} has another one "
            f"({'; '.join(differences)}): choose another folder"
        )
