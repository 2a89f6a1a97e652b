#!/bin/sh
# One expects: a data set made of Pillow pictures holds what they show when they are given: made smaller by thumbnail(), with a face
#   painted over by ImageDraw or paste(), all of which change a picture in place.
# What happens: a picture that Image.open() gave still knows its file, and the file is what is stored, unchanged: by datasets its
#   path, by litdata (of a JPEG) its bytes. What was made smaller is large again, the face is there. A picture that a
#   method returns anew (resize, crop, convert) knows no file and is stored as it is. Nothing is said in either case.
# Whom it concerns: whoever prepares pictures in place, to hide what must not be in the data above all.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet datasets==5.2.0 litdata==0.2.76 torch==2.15.0 numpy==2.4.6 pillow==13.0.0
cd "$folder"
HF_HOME="$folder/home" HF_HUB_OFFLINE=1 "$folder/venv/bin/python" - <<'PYTHON'
import sys
import tempfile
import warnings
from importlib.metadata import version

import datasets
import numpy as np
from litdata import StreamingDataset
from litdata.streaming.writer import BinaryWriter
from PIL import Image, ImageDraw

warnings.simplefilter("ignore")
print(*(f"{name} {version(name)}" for name in ("datasets", "litdata", "pillow")))
WHITE, BLACK = (255, 255, 255), (0, 0, 0)
Image.new("RGB", (64, 48), WHITE).save("white.jpg")


def thumbnail(picture):
    picture.thumbnail((16, 16))
    return picture


def painted(picture):
    ImageDraw.Draw(picture).rectangle((0, 0, 64, 48), fill=BLACK)
    return picture


def pasted(picture):
    picture.paste(BLACK, (0, 0, 64, 48))
    return picture


def resized(picture):
    return picture.resize((16, 12))


def painted_copy(picture):
    return painted(picture.copy())


def in_datasets(picture):
    features = datasets.Features({"image": datasets.Image()})
    return datasets.Dataset.from_dict({"image": [picture]}, features=features)[0]["image"]


def in_litdata(picture):
    folder = tempfile.mkdtemp(dir=".")
    writer = BinaryWriter(folder, chunk_size=10)  # what optimize() writes with
    writer[0] = {"image": picture}
    writer.done()
    writer.merge()
    return StreamingDataset(folder)[0]["image"]


def shown(picture):
    """Its size and mean brightness."""
    array = np.asarray(picture)
    if array.shape[0] == 3:  # litdata gives JPEG as a tensor, channels first
        array = array.transpose(1, 2, 0)
    return (array.shape[1], array.shape[0]), round(float(array.mean()))


as_described = True
for change in (thumbnail, painted, pasted, resized, painted_copy):
    for store in (in_datasets, in_litdata):
        given = change(Image.open("white.jpg"))
        expected, found = shown(given), shown(store(given))
        print(f"{change.__name__}, {store.__name__}: expected {expected}, found {found}")
        lost = change in (thumbnail, painted, pasted)
        as_described &= found == (((64, 48), 255) if lost else expected)
sys.exit(0 if as_described else 1)
PYTHON
