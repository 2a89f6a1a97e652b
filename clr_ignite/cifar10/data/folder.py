"""A folder of class folders, decoded once and cached; errors name the file and what to do."""

from __future__ import annotations

import contextlib
import hashlib
import os
import unicodedata
import warnings
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from clr_ignite._files import replacing
from clr_ignite.cifar10.data.pictures import DataError, read_picture

Array = np.ndarray[Any, Any]
Split = tuple[Array, Array]  # uint8 (N, 3, 32, 32), int64 (N,)

_READING = b"2"  # counts the ways in which pictures were read: a cache of an earlier one is stale
_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")
_CIFAR10 = ("airplane automobile bird cat deer dog frog horse ship truck").split()
_CIFAR10_COUNTS = {"train": 5_000, "test": 1_000}


def read_folder(root: Path, cache: Path | None) -> tuple[tuple[str, ...], tuple[Split, Split]]:
    """Classes in label order (sorted names) and the decoded train and test splits."""
    listing = {split: _list_split(root, split) for split in ("train", "test")}
    classes = tuple(listing["train"])
    _check_classes(root, listing)
    key = _fingerprint(root, listing)
    path = cache or root / ".clr_ignite_cache.npz"
    sizes = [[len(files) for files in listing[split].values()] for split in ("train", "test")]
    arrays = _read_cache(path, key, sizes)
    if arrays is None:
        arrays = tuple(_decode(listing[split].values()) for split in ("train", "test"))
        _write_cache(path, key, arrays, needed=cache is not None)
    (train, train_labels), (test, test_labels) = arrays
    return classes, ((train, train_labels), (test, test_labels))


def _list_split(root: Path, split: str) -> dict[str, list[Path]]:
    """Class name -> its picture files, both sorted."""
    folder = root / split
    if not folder.is_dir():
        raise DataError(
            f"no folder {folder}: pictures are expected as train/<class>/<name>.png and "
            "test/<class>/<name>.png; unpack every part of the data set there"
        )
    classes: dict[str, list[Path]] = {}
    for entry in sorted(_entries(folder, root), key=lambda entry: entry.name):
        if not os.path.isdir(entry):
            raise DataError(
                f"{entry.path} is in no class folder: move it into {split}/<class>/, or remove it"
            )
        # One name has several spellings in Unicode, and macOS writes another one than Linux.
        name = unicodedata.normalize("NFC", entry.name)
        if name in classes:
            raise DataError(f"{entry.path} has the name of another class folder: join the two")
        classes[name] = _list_class(Path(entry.path), root)
    return dict(sorted(classes.items()))


def _list_class(folder: Path, root: Path) -> list[Path]:
    files = []
    for entry in _entries(folder, root):
        if not (entry.name.lower().endswith(_SUFFIXES) and os.path.isfile(entry)):
            raise DataError(f"{entry.path} is no picture ({', '.join(_SUFFIXES)}): remove it")
        files.append(Path(entry.path))
    if not files:
        raise DataError(f"class folder {folder} is empty: add its pictures or remove it")
    return sorted(files)


def _entries(folder: Path, root: Path) -> list[os.DirEntry[str]]:
    """What ``folder`` holds but hidden files; links that lead out of ``root`` are refused."""
    if folder.is_symlink():
        _refuse_link_outside(folder, root)
    with os.scandir(folder) as entries:
        visible = [entry for entry in entries if not entry.name.startswith(".")]
    for entry in visible:
        if entry.is_symlink():  # hardly ever; finding 60,000 real paths would take seconds
            _refuse_link_outside(Path(entry.path), root)
    return visible


def _refuse_link_outside(path: Path, root: Path) -> None:
    # realpath, unlike resolve, bears links that go round in a circle.
    real_root, real_path = (Path(os.path.realpath(one)) for one in (root, path))
    if real_root not in real_path.parents:
        raise DataError(f"{path} is a link that leads out of {root}: copy what it leads to")


def _check_classes(root: Path, listing: dict[str, dict[str, list[Path]]]) -> None:
    train, test = set(listing["train"]), set(listing["test"])
    if len(train) < 2:
        raise DataError(f"{root / 'train'} holds {len(train)} class folders; at least 2 are needed")
    if train != test:
        missing = ", ".join(
            f"{split}/{name}"
            for split, names in (("train", test - train), ("test", train - test))
            for name in sorted(names)
        )
        raise DataError(f"{root} lacks the class folders {missing}: unpack the rest of it")
    if sorted(train) != _CIFAR10:
        return
    for split, expected in _CIFAR10_COUNTS.items():
        for name, files in listing[split].items():
            if len(files) != expected:
                raise DataError(
                    f"{root / split / name} holds {len(files)} pictures where CIFAR-10 has "
                    f"{expected}: unpack every part of the data set"
                )


def _decode(classes: Iterable[list[Path]]) -> Split:
    """Every picture of every class, labels counting the classes."""
    files = [(path, label) for label, paths in enumerate(classes) for path in paths]
    from PIL.Image import DecompressionBombWarning

    with ThreadPoolExecutor() as pool, warnings.catch_warnings(), _whole_files():
        warnings.simplefilter("ignore", DecompressionBombWarning)  # refused for its size below
        pixels = list(pool.map(read_picture, (path for path, _ in files)))
    return np.stack(pixels), np.array([label for _, label in files], dtype=np.int64)


@contextlib.contextmanager
def _whole_files() -> Iterator[None]:
    """Where somebody told Pillow to fill up cut-off files with grey, it does not do so here."""
    from PIL import ImageFile

    before, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, False
    try:
        yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = before


def _fingerprint(root: Path, listing: dict[str, dict[str, list[Path]]]) -> str:
    """Of every file's name, size and time: changes whenever a picture does."""
    sha = hashlib.sha256(_READING)
    for classes in listing.values():
        for path in (path for files in classes.values() for path in files):
            status = path.stat()
            sha.update(os.fsencode(path.relative_to(root)))  # whatever bytes a name is made of
            sha.update(f"\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return sha.hexdigest()


def _read_cache(path: Path, key: str, sizes: list[list[int]]) -> tuple[Split, ...] | None:
    """The cached splits, or None for a cache that is absent, stale, foreign or damaged.

    Args:
        sizes: pictures of each class of both splits.
    """
    try:
        with np.load(path, allow_pickle=False) as cache:
            arrays = tuple((cache[f"{s}_pixels"], cache[f"{s}_labels"]) for s in ("train", "test"))
            good = str(cache["key"]) == key and str(cache["sum"]) == _checksum(arrays)
    except Exception:  # broken bytes again; the pictures are still there
        return None
    fits = all(_fits(split, counts) for split, counts in zip(arrays, sizes, strict=True))
    return arrays if good and fits else None


def _fits(split: Split, counts: list[int]) -> bool:
    pixels, labels = split
    shapes = (pixels.dtype, pixels.shape) == (np.uint8, (sum(counts), 3, 32, 32))
    return shapes and np.array_equal(labels, np.repeat(np.arange(len(counts)), counts))


def _write_cache(path: Path, key: str, arrays: tuple[Split, ...], *, needed: bool) -> None:
    named = {"key": np.array(key), "sum": np.array(_checksum(arrays))}
    named |= {
        f"{split}_{what}": array
        for split, pair in zip(("train", "test"), arrays, strict=True)
        for what, array in zip(("pixels", "labels"), pair, strict=True)
    }
    try:
        with replacing(path) as temporary, open(temporary, "wb") as file:
            np.savez(file, allow_pickle=False, **named)
    except OSError as error:
        if needed:
            raise DataError(f"the cache {path} cannot be written: {error}") from error
        # A read-only data folder only costs decoding it again next time.


def _checksum(arrays: tuple[Split, ...]) -> str:
    sha = hashlib.sha256()
    for array in (array for pair in arrays for array in pair):
        sha.update(str((array.dtype, array.shape)).encode())
        sha.update(array.tobytes())
    return sha.hexdigest()
