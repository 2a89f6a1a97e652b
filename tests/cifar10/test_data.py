"""Data sets read right or refused by name; batches that are functions of (seed, iteration)."""

from __future__ import annotations

import os
import pickle
import random
import shutil
import struct
import tarfile
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageFile

from clr_ignite.cifar10.batches import Batches, EvalBatches, Pixels, hold_out
from clr_ignite.cifar10.data import DataError, Images, load
from clr_ignite.cifar10.data import folder as folders
from clr_ignite.cifar10.data.pictures import read_picture

ZEROS = np.zeros((3, 32, 32), dtype=np.uint8)
CLASSES = ("cat", "dog", "emu")


def picture(path: Path, value: int, size: tuple[int, int] = (32, 32)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((size[1], size[0], 3), value, dtype=np.uint8)
    pixels[0, 1] = (1, 2, 3)  # row 0, column 1: red 1, green 2, blue 3
    Image.fromarray(pixels).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "animals"
    for split, count in (("train", 3), ("test", 2)):
        for label, name in enumerate(CLASSES):
            for number in range(count):
                picture(root / split / name / f"{number}.png", 10 * label + number)
    return root


@pytest.fixture
def images() -> Images:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (23, 3, 32, 32), dtype=torch.uint8, generator=generator)
    return Images(pixels, torch.arange(23))


def test_a_folder_of_class_folders(folder: Path) -> None:
    data = load("folder", folder)
    assert (data.name, data.classes) == ("animals", CLASSES)
    assert data.train.pixels.shape == (9, 3, 32, 32) and data.train.pixels.dtype == torch.uint8
    assert data.train.labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert data.train.pixels[:, 0, 5, 5].tolist() == [0, 1, 2, 10, 11, 12, 20, 21, 22]
    assert data.train.pixels[4, :, 0, 1].tolist() == [1, 2, 3]
    assert data.test.labels.tolist() == [0, 0, 1, 1, 2, 2]


def test_the_cache_is_used_and_gives_the_same(folder: Path, monkeypatch: Any) -> None:
    first = load("folder", folder)
    monkeypatch.setattr(folders, "read_picture", lambda path: pytest.fail("decoded again"))
    second = load("folder", folder)
    assert torch.equal(first.train.pixels, second.train.pixels)
    assert torch.equal(first.test.labels, second.test.labels)


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _lie(path: Path) -> None:
    """Other pixels under the right key and the old sum."""
    with np.load(path) as cache:
        arrays = dict(cache)
    arrays["train_pixels"] = arrays["train_pixels"] + 1
    with open(path, "wb") as file:
        np.savez(file, **arrays)


def _pickled(path: Path) -> None:
    path.write_bytes(pickle.dumps({"key": "x"}))


def _empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [_truncate, _flip, _lie, _pickled, _empty])
def test_a_broken_cache_is_rebuilt_never_used(folder: Path, damage: Any) -> None:
    first = load("folder", folder)
    cache = folder / ".clr_ignite_cache.npz"
    good = cache.read_bytes()
    damage(cache)
    again = load("folder", folder)
    assert torch.equal(first.train.pixels, again.train.pixels)
    assert len(cache.read_bytes()) == len(good)


@pytest.mark.parametrize("change", ["content", "added", "renamed"])
def test_a_changed_folder_is_read_anew(folder: Path, change: str) -> None:
    load("folder", folder)
    if change == "content":
        picture(folder / "train/cat/0.png", 99)
        os.utime(folder / "train/cat/0.png", ns=(1, 1))
        assert load("folder", folder).train.pixels[0, 0, 5, 5] == 99
    elif change == "added":
        picture(folder / "train/cat/9.png", 98)
        assert load("folder", folder).train.pixels[3, 0, 5, 5] == 98
    else:
        (folder / "train/cat/0.png").rename(folder / "train/cat/z.png")
        assert load("folder", folder).train.pixels[0, 0, 5, 5] == 1


def test_a_cache_elsewhere_and_a_folder_that_cannot_be_written(folder: Path) -> None:
    cache = folder.parent / "here.npz"
    load("folder", folder, cache=cache)
    assert cache.exists() and not (folder / ".clr_ignite_cache.npz").exists()
    with pytest.raises(DataError, match="cache .* cannot be written"):
        load("folder", folder, cache=folder / "no/such/place.npz")


def _missing(root: Path) -> str:
    shutil.rmtree(root)
    return "no folder .*train: pictures are expected as"


def _half(root: Path) -> str:
    shutil.rmtree(root / "test")
    return "no folder .*test"


def _class_missing(root: Path) -> str:
    shutil.rmtree(root / "test/dog")
    return "lacks the class folders test/dog: unpack the rest"


def _one_class(root: Path) -> str:
    for split in ("train", "test"):
        for name in ("dog", "emu"):
            shutil.rmtree(root / split / name)
    return "holds 1 class folders; at least 2"


def _empty_class(root: Path) -> str:
    for path in (root / "train/emu").iterdir():
        path.unlink()
    return "train/emu is empty: add its pictures"


def _truncated(root: Path) -> str:
    path = root / "train/dog/1.png"
    path.write_bytes(path.read_bytes()[:60])
    return "train/dog/1.png cannot be decoded"


def _not_an_image(root: Path) -> str:
    (root / "train/dog/1.png").write_text("hello")
    return "train/dog/1.png cannot be decoded"


def _wrong_size(root: Path) -> str:
    picture(root / "test/emu/0.png", 1, (33, 32))
    return "test/emu/0.png is 33 x 32 pixels; the nets take 32 x 32"


def _other_file(root: Path) -> str:
    (root / "train/dog/notes.txt").write_text("hello")
    return "notes.txt is no picture"


def _link_outside(root: Path) -> str:
    picture(root.parent / "outside.png", 1)
    (root / "train/dog/5.png").symlink_to(root.parent / "outside.png")
    return "5.png is a link that leads out of"


def _split_outside(root: Path) -> str:
    (root / "test").rename(root.parent / "elsewhere")
    (root / "test").symlink_to(root.parent / "elsewhere")
    return "test is a link that leads out of"


def _link_in_a_circle(root: Path) -> str:
    (root / "train/dog/5.png").symlink_to(root / "train/dog/6.png")
    (root / "train/dog/6.png").symlink_to(root / "train/dog/5.png")
    return "[56].png is no picture"


def _link_to_nothing(root: Path) -> str:
    (root / "train/dog/5.png").symlink_to(root / "nothing.png")
    return "5.png is no picture"


def _folder_like_a_picture(root: Path) -> str:
    (root / "train/dog/5.png").mkdir()
    return "5.png is no picture"


def _pipe(root: Path) -> str:
    os.mkfifo(root / "train/dog/5.png")  # opening it would wait for ever
    return "5.png is no picture"


def _nothing_in_it(root: Path) -> str:
    (root / "train/dog/1.png").write_bytes(b"")
    return "1.png cannot be decoded"


def _sixteen_bits(root: Path) -> str:
    Image.fromarray(np.full((32, 32), 40_000, dtype=np.uint16)).save(root / "train/dog/1.png")
    return "1.png has more than 8 bits a pixel"


def png(width: int, kind: int, row: bytes) -> bytes:
    """A PNG of 32 x 32 whose rows are all ``row``; ``kind`` is 0 (grey) or 2 (RGB)."""
    head = b"IHDR" + struct.pack(">IIBBBBB", 32, 32, width, kind, 0, 0, 0)
    chunks = (head, b"IDAT" + zlib.compress((b"\0" + row) * 32), b"IEND")
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
        for chunk in chunks
    )


def _sixteen_bits_a_color(root: Path) -> str:
    (root / "train/dog/1.png").write_bytes(png(16, 2, b"\x12\x34" * 96))
    return "1.png has more than 8 bits a pixel"


def _transparent(root: Path) -> str:
    image = Image.new("RGBA", (32, 32), (10, 20, 30, 255))
    image.putpixel((3, 4), (10, 20, 30, 254))
    image.save(root / "train/dog/1.png")
    return "1.png is transparent: put it on a background"


def _transparent_palette(root: Path) -> str:
    Image.new("P", (32, 32), 0).save(root / "train/dog/1.png", transparency=0)
    return "1.png is transparent"


def _transparent_color(root: Path) -> str:
    Image.new("RGB", (32, 32), (1, 2, 3)).save(root / "train/dog/1.png", transparency=(1, 2, 3))
    return "1.png is transparent"


def _cmyk(root: Path) -> str:
    Image.new("CMYK", (32, 32), (10, 20, 30, 40)).save(root / "train/dog/x.jpg")
    return "x.jpg is in CMYK colors: save it in RGB"


def _cut_off_jpeg(root: Path) -> str:
    path = root / "train/dog/x.jpg"
    Image.effect_noise((32, 32), 90).save(path)
    path.write_bytes(path.read_bytes()[:-200])
    return "x.jpg cannot be decoded .*truncated"


def _outside_a_class(root: Path) -> str:
    picture(root / "train/stray.png", 1)
    return "train/stray.png is in no class folder: move it into train/<class>/, or remove it"


def _table_outside(root: Path) -> str:
    (root / "test/labels.csv").write_text("cat")
    return "test/labels.csv is in no class folder"


def _two_spellings(root: Path) -> str:
    for name in ("caf\u00e9", "cafe\u0301"):
        picture(root / "train" / name / "1.png", 1)
    return "train/caf. has the name of another class folder: join the two"


def _animated(root: Path) -> str:
    first, second = (Image.new("RGB", (32, 32), color) for color in ("red", "blue"))
    first.save(root / "train/dog/1.png", save_all=True, append_images=[second])
    return "1.png is animated"


def _another_format(root: Path) -> str:
    Image.new("RGB", (32, 32)).save(root / "train/dog/1.png", format="GIF")
    return "1.png cannot be decoded"


def claiming(width: int, height: int) -> bytes:
    """A PNG's beginning that claims a size; its pixels are missing."""
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = b"IDAT" + zlib.compress(b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
        for chunk in (head, data)
    )


def _large(root: Path) -> str:
    (root / "train/dog/1.png").write_bytes(claiming(10_000, 10_000))  # Pillow warns
    return "1.png is 10000 x 10000 pixels"


def _bomb(root: Path) -> str:
    (root / "train/dog/1.png").write_bytes(claiming(100_000, 100_000))  # Pillow refuses
    return "1.png cannot be decoded .*decompression bomb"


@pytest.mark.parametrize(
    "spoil",
    [
        _missing, _half, _class_missing, _one_class, _empty_class, _truncated, _not_an_image,
        _wrong_size, _other_file, _link_outside, _split_outside, _link_in_a_circle,
        _link_to_nothing, _folder_like_a_picture, _pipe, _nothing_in_it, _sixteen_bits, _animated,
        _another_format, _large, _bomb, _sixteen_bits_a_color, _transparent, _transparent_palette,
        _transparent_color, _cmyk, _cut_off_jpeg, _outside_a_class, _table_outside, _two_spellings,
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("error")
def test_a_folder_that_cannot_be_used_is_refused_by_name(folder: Path, spoil: Any) -> None:
    words = spoil(folder)
    with pytest.raises(DataError, match=words):
        load("folder", folder)
    assert not (folder / ".clr_ignite_cache.npz").exists()


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("ending", ["png", "jpg", "bmp"])
def test_broken_bytes_are_refused_by_name_or_read_as_a_picture(folder: Path, ending: str) -> None:
    path = folder / f"train/dog/x.{ending}"
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    good, chance, refused = path.read_bytes(), random.Random(0), 0
    for _ in range(300):
        broken = bytearray(good)
        for _ in range(chance.randint(1, 6)):
            broken[chance.randrange(len(broken) // chance.choice((1, 20)))] = chance.randrange(256)
        path.write_bytes(broken[: chance.choice((len(broken), chance.randrange(len(broken))))])
        try:
            assert read_picture(path).shape == (3, 32, 32)
        except DataError as error:
            assert str(path) in str(error)
            refused += 1
    assert refused > 100


def test_broken_bytes_of_a_cache_only_cost_decoding_again(folder: Path) -> None:
    first = load("folder", folder)
    cache, chance = folder / ".clr_ignite_cache.npz", random.Random(0)
    good = cache.read_bytes()
    for _ in range(150):
        broken = bytearray(good)
        for _ in range(chance.randint(1, 30)):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        cache.write_bytes(broken[: chance.choice((len(broken), chance.randrange(len(broken))))])
        again = load("folder", folder)
        assert torch.equal(first.train.pixels, again.train.pixels)
        assert torch.equal(first.test.labels, again.test.labels)


@pytest.mark.parametrize(
    "change",
    [
        lambda arrays: arrays | {"train_labels": arrays["train_labels"] + 7},
        lambda arrays: arrays | {"test_pixels": arrays["test_pixels"].astype(np.float64)},
        lambda arrays: arrays | {"test_pixels": arrays["test_pixels"][:1]},
    ],
)
def test_a_cache_with_a_right_sum_of_wrong_arrays_is_not_used(folder: Path, change: Any) -> None:
    first = load("folder", folder)
    cache = folder / ".clr_ignite_cache.npz"
    with np.load(cache) as content:
        arrays = change(dict(content))
    pairs = tuple((arrays[f"{s}_pixels"], arrays[f"{s}_labels"]) for s in ("train", "test"))
    np.savez(cache, **(arrays | {"sum": np.array(folders._checksum(pairs))}))
    again = load("folder", folder)
    assert torch.equal(first.train.labels, again.train.labels)
    assert torch.equal(first.test.pixels, again.test.pixels)


def test_names_of_any_bytes(folder: Path) -> None:
    os.rename(folder / "train/emu", os.fsencode(folder / "train") + b"/\xff\xfe")
    os.rename(folder / "test/emu", os.fsencode(folder / "test") + b"/\xff\xfe")
    os.rename(folder / "train/dog/0.png", os.fsencode(folder / "train/dog") + b"/\xe9.png")
    data = load("folder", folder)
    assert data.classes == ("cat", "dog", os.fsdecode(b"\xff\xfe"))
    assert len(data.train) == 9 and (folder / ".clr_ignite_cache.npz").exists()


def test_cifar10_by_its_names_must_be_whole(tmp_path: Path) -> None:
    names = "airplane automobile bird cat deer dog frog horse ship truck".split()
    for split in ("train", "test"):
        for name in names:
            picture(tmp_path / split / name / "0.png", 1)
    with pytest.raises(DataError, match="airplane holds 1 pictures where CIFAR-10 has 5000"):
        load("folder", tmp_path)


# Where the file holds what one sees in the upper right (R) and the upper left (L), by the EXIF
# orientation: the sides at which its first row and its first column are seen.
ORIENTATIONS = {
    1: "LR ..",  # top, left
    2: "RL ..",  # top, right
    3: ".. RL",  # bottom, right
    4: ".. LR",  # bottom, left
    5: "L. R.",  # left, top
    6: "R. L.",  # right, top
    7: ".R .L",  # right, bottom
    8: ".L .R",  # left, bottom
}


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_a_picture_is_turned_as_one_sees_it(tmp_path: Path, orientation: int, ending: str) -> None:
    held = np.zeros((32, 32, 3), dtype=np.uint8)
    for y, row in enumerate(ORIENTATIONS[orientation].split()):
        for x, letter in enumerate(row):
            held[16 * y : 16 * y + 16, 16 * x : 16 * x + 16] = {"R": 240, "L": 120, ".": 0}[letter]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"x.{ending}"
    Image.fromarray(held).save(path, exif=exif, quality=100)
    seen = read_picture(path).mean(axis=0)
    quarters = [seen[y : y + 16, x : x + 16].mean() for y in (0, 16) for x in (0, 16)]
    assert quarters == pytest.approx([120, 240, 0, 0], abs=3)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_greys_of_few_bits_span_all_of_8(tmp_path: Path, bits: int) -> None:
    (tmp_path / "x.png").write_bytes(png(bits, 0, b"\xff" * (4 * bits)))
    assert read_picture(tmp_path / "x.png").tolist() == [[[255] * 32] * 32] * 3


def test_cut_off_pictures_are_refused_where_pillow_was_told_to_fill_them(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with pytest.raises(DataError, match=_cut_off_jpeg(folder)):
        load("folder", folder)
    assert ImageFile.LOAD_TRUNCATED_IMAGES is True


def test_a_class_is_the_same_in_both_spellings_of_its_name(folder: Path) -> None:
    (folder / "train/emu").rename(folder / "train/\u00e9mu")
    (folder / "test/emu").rename(folder / "test/e\u0301mu")
    data = load("folder", folder)
    assert data.classes == ("cat", "dog", "\u00e9mu") and len(data.test) == 6


def test_a_cache_of_an_earlier_reading_is_not_used(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(folders, "_READING", b"")
        load("folder", folder)
    read: list[Path] = []
    monkeypatch.setattr(folders, "read_picture", lambda path: (read.append(path), ZEROS)[1])
    load("folder", folder)
    assert len(read) == 15


@pytest.mark.parametrize("mode", ["L", "P", "LA", "RGBA", "1"])
def test_other_image_modes_become_rgb(folder: Path, mode: str) -> None:
    expected = 255 if mode == "1" else 7
    grey = Image.new("RGB", (32, 32), (expected,) * 3)
    grey.convert(mode, palette=Image.Palette.ADAPTIVE).save(folder / "train/cat/0.png")
    with Image.open(folder / "train/cat/0.png") as saved:
        assert saved.mode == mode
    assert load("folder", folder).train.pixels[0].unique().tolist() == [expected]


def test_digits_need_nothing() -> None:
    data = load()
    assert (len(data.train), len(data.test), len(data.classes)) == (1437, 360, 10)
    assert data.train.pixels.shape[1:] == (3, 32, 32) and data.train.pixels.max() == 255
    assert torch.bincount(data.test.labels).min() >= 34
    again = load()
    assert torch.equal(data.train.pixels, again.train.pixels)
    # Each 4 x 4 block is one grey pixel of the original.
    assert (data.train.pixels.unfold(2, 4, 4).unfold(3, 4, 4).float().var(dim=(-1, -2)) == 0).all()


def test_torchvisions_own_files(tmp_path: Path, monkeypatch: Any) -> None:
    """The real torchvision reader on a small archive in CIFAR-10's format."""
    from torchvision.datasets import CIFAR10

    base = tmp_path / CIFAR10.base_folder
    base.mkdir()
    random = np.random.default_rng(0)
    names = [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]
    for name in names:
        rows = random.integers(0, 256, (4, 3072), dtype=np.uint8)
        (base / name).write_bytes(pickle.dumps({"data": rows, "labels": [3, 1, 4, 1]}))
    labels = [f"class{i}" for i in range(10)]
    (base / "batches.meta").write_bytes(pickle.dumps({"label_names": labels}))
    monkeypatch.setattr(CIFAR10, "_check_integrity", lambda self: True)
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda path, md5: True)
    data = load("cifar10", tmp_path)
    assert data.classes == tuple(labels)
    assert data.train.pixels.shape == (20, 3, 32, 32) and data.test.labels.tolist() == [3, 1, 4, 1]
    row = pickle.loads((base / "test_batch").read_bytes())["data"][2]
    assert data.test.pixels[2].flatten().tolist() == row.tolist()


def test_cifar10_that_cannot_be_downloaded_says_what_to_do(
    tmp_path: Path, monkeypatch: Any
) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise OSError("no network")

    monkeypatch.setattr("torchvision.datasets.cifar.download_and_extract_archive", refuse)
    with pytest.raises(DataError, match=r"no network.*put cifar-10-python.tar.gz there"):
        load("cifar10", tmp_path)
    # A broken archive put there by hand is no data either.
    monkeypatch.undo()
    with tarfile.open(tmp_path / "cifar-10-python.tar.gz", "w:gz"):
        pass
    monkeypatch.setattr("torchvision.datasets.utils.download_url", refuse)
    with pytest.raises(DataError, match="put cifar-10-python.tar.gz there"):
        load("cifar10", tmp_path)


def test_parallel_first_downloads_wait_for_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second finds what the first has brought, and what both did never overlaps."""
    there, inside = threading.Event(), threading.Lock()
    downloads: list[bool] = []

    class Slow:
        classes, data, targets = ["a"], np.zeros((1, 32, 32, 3), dtype=np.uint8), [0]

        def __init__(self, root: str, train: bool, download: bool = False) -> None:
            if there.is_set():
                return
            if not download:
                raise RuntimeError("not found")
            assert inside.acquire(blocking=False), "two at a time"
            downloads.append(train)
            time.sleep(0.2)
            there.set()
            inside.release()

    monkeypatch.setattr("torchvision.datasets.CIFAR10", Slow)
    with ThreadPoolExecutor(3) as pool:
        loaded = list(pool.map(lambda _: load("cifar10", tmp_path / "new"), range(3)))
    assert downloads == [True] and [len(data.train) for data in loaded] == [1, 1, 1]


def test_bad_requests_are_named() -> None:
    with pytest.raises(ValueError, match="got 'mnist'"):
        load("mnist")
    with pytest.raises(ValueError, match="'folder' needs a folder"):
        load("folder")


def test_caffes_pixels_subtract_the_mean_image(images: Images) -> None:
    pixels = Pixels.fit("caffe", images)
    expected = images.pixels.double() - images.pixels.double().mean(dim=0)
    assert torch.allclose(pixels(images.pixels).double(), expected, atol=1e-4)


def test_unit_pixels_subtract_the_channel_means(images: Images) -> None:
    pixels = Pixels.fit("unit", images)
    fed = images.pixels.double() / 255
    expected = fed - fed.mean(dim=(0, 2, 3), keepdim=True)
    assert torch.allclose(pixels(images.pixels).double(), expected, atol=1e-6)
    with pytest.raises(ValueError, match="got 'rgb'"):
        Pixels.fit("rgb", images)


def batches(images: Images, **changes: Any) -> Batches:
    return Batches(
        images, Pixels(torch.zeros(3, 1, 1), 1.0), **({"batch_size": 5, "seed": 0} | changes)
    )


def test_the_batch_of_an_iteration_is_a_function_of_seed_and_iteration(images: Images) -> None:
    straight = batches(images)
    walked = [labels.tolist() for (_, labels), _ in zip(straight, range(13), strict=False)]
    torch.manual_seed(123)
    for iteration in (12, 3, 7, 0, 11):
        assert batches(images).batch(iteration)[1].tolist() == walked[iteration]
    resumed = batches(images, start=6)
    assert [b[1].tolist() for b, _ in zip(resumed, range(7), strict=False)] == walked[6:]
    assert batches(images, seed=1).batch(0)[1].tolist() != walked[0]


def test_an_epoch_sees_each_image_once_and_epochs_differ(images: Images) -> None:
    source = batches(images)
    assert len(source) == 4
    epochs = [
        [label for i in range(4) for label in source.batch(4 * e + i)[1].tolist()] for e in (0, 1)
    ]
    assert all(len(set(epoch)) == 20 for epoch in epochs) and epochs[0] != epochs[1]
    pixels, labels = source.batch(2)
    assert torch.equal(pixels, images.pixels[labels].float())


def test_seeds_do_not_share_orders(images: Images) -> None:
    """With seed + epoch, seed 1's first epoch would be seed 0's second."""
    orders = {
        tuple(batches(images, seed=seed).batch(4 * epoch)[1].tolist())
        for seed in range(6)
        for epoch in range(6)
    }
    assert len(orders) == 36


def test_evaluation_sees_every_image_once_in_order(images: Images) -> None:
    source = EvalBatches(images, Pixels(torch.zeros(3, 1, 1), 1.0), batch_size=10)
    assert len(source) == 3
    assert [labels.tolist() for _, labels in source] == [
        list(range(10)), list(range(10, 20)), [20, 21, 22]
    ]  # fmt: skip


@pytest.mark.parametrize("convention", ["caffe", "unit"])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_batchs_layout_changes_nothing_but_the_layout(convention: str, layout: Any) -> None:
    torch.manual_seed(0)
    pixels = torch.randint(0, 256, (23, 3, 32, 32), dtype=torch.uint8)
    images, before = Images(pixels, torch.arange(23)), pixels.clone()
    fitted = Pixels.fit(convention, images)
    training = Batches(images, fitted, batch_size=6, seed=1, memory_format=layout)
    evaluation = EvalBatches(images, fitted, batch_size=6, memory_format=layout)
    for x, y in [training.batch(5), *evaluation]:
        assert x.is_contiguous(memory_format=layout) and x.dtype == torch.float32
        assert torch.equal(x, before[y].float() * fitted.scale - fitted.mean)
    assert torch.equal(images.pixels, before) and images.pixels.is_contiguous()


def test_held_out_images_are_a_function_of_the_seed(images: Images) -> None:
    rest, held = hold_out(images, 5, seed=0)
    assert sorted(rest.labels.tolist() + held.labels.tolist()) == list(range(23))
    assert len(held) == 5 and hold_out(images, 5, 0)[1].labels.tolist() == held.labels.tolist()
    assert hold_out(images, 5, 1)[1].labels.tolist() != held.labels.tolist()
    for wrong in (0, 23):
        with pytest.raises(ValueError, match="held must be"):
            hold_out(images, wrong, 0)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"batch_size": 24}, "batch_size must be at most the 23 images there are, got 24"),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"start": -1}, "start must be at least 0, got -1"),
    ],
)
def test_bad_batches_are_named(images: Images, changes: dict[str, int], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        batches(images, **changes)


@pytest.mark.parametrize("kind", [np.uint8, torch.tensor])
def test_batches_take_numbers_of_small_types(images: Images, kind: Any) -> None:
    given = {"batch_size": kind(4), "seed": kind(3), "start": kind(2)}
    found, plain = (
        batches(images, **one) for one in (given, {"batch_size": 4, "seed": 3, "start": 2})
    )
    for i in range(100):
        assert torch.equal(found.batch(i)[1], plain.batch(i)[1])
    ours, theirs = hold_out(images, kind(5), kind(3)), hold_out(images, 5, 3)
    assert torch.equal(ours[1].labels, theirs[1].labels)
