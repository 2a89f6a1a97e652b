"""Data sets in memory, as uint8: digits, CIFAR-10 or a folder of class folders."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from clr_ignite._files import make_folder
from clr_ignite.cifar10.data.folder import read_folder
from clr_ignite.cifar10.data.pictures import DataError

__all__ = ["DataError", "DataSet", "Images", "load"]


@dataclass(frozen=True)
class Images:
    """One split: ``pixels`` uint8 (N, 3, 32, 32) and ``labels`` int64 (N,)."""

    pixels: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: Tensor) -> Images:
        """The images at ``indices``, int64 (K,), copied."""
        # index_select copies an image as one block; indexing goes pixel by pixel.
        return Images(self.pixels.index_select(0, indices), self.labels.index_select(0, indices))


@dataclass(frozen=True)
class DataSet:
    """A training and a test split with the names of their classes, in label order."""

    name: str
    classes: tuple[str, ...]
    train: Images
    test: Images


def load(
    source: str = "digits", folder: str | Path | None = None, *, cache: str | Path | None = None
) -> DataSet:
    """Read a data set into memory.

    Args:
        source: ``"digits"``, scikit-learn's 1,797 handwritten digits brought to 3 x 32 x 32 (no
            network, no folder); ``"cifar10"``, through torchvision, downloaded into ``folder``
            where it is not there yet; ``"folder"``, pictures of 32 x 32 as
            ``train/<class>/<name>.png`` and ``test/<class>/<name>.png``.
        folder: where the data lies; needed for the last two.
        cache: for ``"folder"``: the file that keeps the decoded pictures; by default
            ``.clr_ignite_cache.npz`` inside the folder where that is writable.

    Raises:
        DataError: data that is missing, incomplete or broken, naming the file and what to do.
        ValueError: an unknown source, or no folder where one is needed.
    """
    if source == "digits":
        return _digits()
    if source not in ("cifar10", "folder"):
        raise ValueError(f"source must be 'digits', 'cifar10' or 'folder', got {source!r}")
    if folder is None:
        raise ValueError(f"source {source!r} needs a folder")
    if source == "cifar10":
        return _cifar10(Path(folder))
    classes, arrays = read_folder(Path(folder), None if cache is None else Path(cache))
    return DataSet(Path(folder).resolve().name, classes, *(_images(*pair) for pair in arrays))


def _images(pixels: np.ndarray[Any, Any], labels: np.ndarray[Any, Any]) -> Images:
    return Images(torch.from_numpy(pixels), torch.from_numpy(labels.astype(np.int64)))


def _digits() -> DataSet:
    """Four fifths of each digit for training; 8 x 8 squares of 0..16 become 32 x 32 of 0..255."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    grey = np.rint(digits.images * (255 / 16)).astype(np.uint8)
    pixels = grey.repeat(4, axis=1).repeat(4, axis=2)[:, None].repeat(3, axis=1)
    train, test = train_test_split(
        np.arange(len(grey)), test_size=0.2, stratify=digits.target, random_state=0
    )
    train, test = np.sort(train), np.sort(test)
    return DataSet(
        "digits",
        tuple(str(name) for name in digits.target_names),
        _images(pixels[train], digits.target[train]),
        _images(pixels[test], digits.target[test]),
    )


def _cifar10(root: Path) -> DataSet:
    try:
        train, test = _splits(root)
    except (NotImplementedError, OSError, RuntimeError) as error:
        raise DataError(
            f"CIFAR-10 is not in {root} and could not be downloaded ({error}): put "
            "cifar-10-python.tar.gz there, or give pictures as class folders with --data folder"
        ) from error
    return DataSet("cifar10", tuple(train.classes), _torchvision(train), _torchvision(test))


def _splits(root: Path) -> list[Any]:
    """Train and test; of several processes that find nothing one downloads, the others wait."""
    from filelock import FileLock
    from torchvision.datasets import CIFAR10

    try:
        return [CIFAR10(str(root), train=train) for train in (True, False)]
    except (OSError, RuntimeError):  # not there, or not whole
        make_folder(root)
        with FileLock(root / ".download.lock"):
            return [CIFAR10(str(root), train=train, download=True) for train in (True, False)]


def _torchvision(split: Any) -> Images:
    """From torchvision's uint8 (N, 32, 32, 3) and its list of labels."""
    pixels = np.ascontiguousarray(cast(Any, split.data).transpose(0, 3, 1, 2))
    return _images(pixels, np.asarray(split.targets))
