#!/bin/sh
# One expects: decode_image(..., mode="RGB_ALPHA") "converts to RGB with transparency": a picture without transparency keeps its
#   colours and gets an alpha of 255, as Pillow's convert("RGBA") and torchvision's own mode="RGB" beside it give them.
# What happens: a PNG with a palette and no transparent entry has its decoded row of three bytes a pixel read as four bytes a pixel.
#   Every fourth pixel is lost, the red of the next one is the alpha of each, and the last quarter of a row
#   is not filled. Grey PNGs of 1, 2 and 4 bits get an alpha of 1, 3 and 15, hardly visible. Nothing is said.
# Whom it concerns: whoever reads a folder of mixed PNGs with alpha, for segmentation, icons or drawings.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet torch==2.15.0 torchvision==0.29.2 numpy==2.4.6 pillow==13.0.0
"$folder/venv/bin/python" - <<'PYTHON'
import io
import sys
import warnings
from importlib.metadata import version

import numpy
import torch
from PIL import Image
from torchvision.io import decode_image

warnings.simplefilter("ignore")
print(*(f"{name} {version(name)}" for name in ("torch", "torchvision", "pillow")))


def png(picture, **options):
    stream = io.BytesIO()
    picture.save(stream, "PNG", **options)
    return stream.getvalue()


def torchvision_reads(encoded, mode):
    return decode_image(torch.frombuffer(bytearray(encoded), dtype=torch.uint8), mode=mode).permute(1, 2, 0)[0].tolist()


def pillow_reads(encoded, mode):
    return numpy.asarray(Image.open(io.BytesIO(encoded)).convert(mode))[0].tolist()


colours = Image.new("P", (8, 1))
colours.putpalette([10, 11, 12, 20, 21, 22, 30, 31, 32, 40, 41, 42])
colours.putdata([0, 1, 2, 3] * 2)
encoded = png(colours)
expected, found = pillow_reads(encoded, "RGBA"), torchvision_reads(encoded, "RGB_ALPHA")
print("palette, Pillow and expected:", expected)
print("palette, torchvision:        ", found, "(the last two pixels may be anything)")
row = [byte for pixel in pillow_reads(encoded, "RGB") for byte in pixel]
as_described = torchvision_reads(encoded, "RGB") == pillow_reads(encoded, "RGB")
as_described &= found[:6] == [row[i : i + 4] for i in range(0, 24, 4)] != expected[:6]
see_through = png(colours, transparency=0)
as_described &= torchvision_reads(see_through, "RGB_ALPHA") == pillow_reads(see_through, "RGBA")
white = png(Image.new("1", (2, 1), 1))
print("white of one bit: Pillow", pillow_reads(white, "RGBA")[0], "torchvision", torchvision_reads(white, "RGB_ALPHA")[0])
as_described &= torchvision_reads(white, "RGB_ALPHA")[0] == [255, 255, 255, 1]
sys.exit(0 if as_described else 1)
PYTHON
