#!/bin/sh
# One expects: datasets' map with a function that only looks at the picture and returns another column, its width say, adds that
#   column; the pictures stay as they are, as they do with filter, with input_columns= and where the function looks at labels only.
# What happens: whatever the function has looked at is written anew, with Pillow's defaults for the format that it had: a JPEG of
#   quality 98 becomes one of 75 with halved colour, a lossless WebP a lossy one. Each further map does so once more. PNG and files
#   given by path come out the same. Nothing is said; on disk the data shrinks to a fraction.
# Whom it concerns: whoever adds sizes, hashes or embeddings to a data set with its pictures inside (as those in Parquet have them)
#   and saves or trains with the result.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet datasets==5.2.0 numpy==2.4.6 pillow==13.0.0
HF_HOME="$folder/home" HF_HUB_OFFLINE=1 "$folder/venv/bin/python" - <<'PYTHON'
import io
import sys
from importlib.metadata import version

import datasets
import numpy as np
from PIL import Image

datasets.disable_progress_bars()
print(*(f"{name} {version(name)}" for name in ("datasets", "pillow", "numpy")))
FEATURES = datasets.Features({"image": datasets.Image(), "label": datasets.Value("int64")})
y, x = np.mgrid[0:64, 0:64]
waves = [np.sin(x * y / 300), np.cos(x / 3 + y / 9), np.sin(np.hypot(x - 20, y - 40) / 2)]
PICTURE = Image.fromarray((127 + 120 * np.stack(waves, -1)).astype(np.uint8))


def held(data):
    """The picture's pixels, as floats, and its size in the table in bytes."""
    pixels = np.asarray(data[0]["image"].convert("RGB")).astype(float)
    return pixels, len(data.with_format("arrow")[0]["image"][0].as_py()["bytes"])


as_described = True
for name, options in {
    "JPEG": {"quality": 98, "subsampling": 0},
    "WEBP": {"lossless": True},
    "PNG": {},
}.items():
    file = io.BytesIO()
    PICTURE.save(file, name, **options)
    rows = {"image": [{"bytes": file.getvalue(), "path": None}], "label": [3]}
    data = datasets.Dataset.from_dict(rows, features=FEATURES)
    looked = data.map(lambda row: {"width": row["image"].width})
    outputs = {
        "filter that looks at the picture": data.filter(lambda row: row["image"].width > 0),
        "map that looks at the label": data.map(lambda row: {"odd": row["label"] % 2}),
        "map with input_columns='image'": data.map(lambda one: {"width": one.width}, input_columns="image"),
        "map that looks at the picture": looked,
        "and another one": looked.map(lambda row: {"height": row["image"].height}),
    }
    before, size = held(data)
    print(f"{name}: {size} bytes; expected the same pixels after each of these:")
    for what, output in outputs.items():
        pixels, now = held(output)
        away = np.abs(pixels - before)
        print(f"  {what}: {now} bytes, up to {away.max():.0f} of 255 away, {away.mean():.1f} in the mean")
        rewritten = name != "PNG" and (output is looked or what == "and another one")
        as_described &= away.max() > 20 and now < size / 2 if rewritten else away.max() == 0
sys.exit(0 if as_described else 1)
PYTHON
