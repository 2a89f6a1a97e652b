#!/bin/sh
# One expects: a PNG of 16 bits a pixel in one grey becomes the same grey in 8 bits, whether the file holds it as grey or as RGB.
# What happens: of a grey file, convert("RGB") (and "L") clips at 255, so that everything but the darkest 256th is white; of an RGB
#   file of the same grey the upper 8 bits are taken.
# Whom it concerns: whoever reads pictures with Image.open(path).convert("RGB"), as loaders of class folders do: depth maps,
#   microscope and X-ray pictures become white ones, without a word.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet pillow==13.0.0
"$folder/venv/bin/python" - <<'PYTHON'
import io
import struct
import sys
import zlib

import PIL
from PIL import Image


def png(kind, pixel):
    """A PNG of 4 x 4 with 16 bits a channel; ``kind`` is 0 (grey) or 2 (RGB)."""
    head = b"IHDR" + struct.pack(">IIBBBBB", 4, 4, 16, kind, 0, 0, 0)
    chunks = (head, b"IDAT" + zlib.compress((b"\0" + 4 * pixel) * 4), b"IEND")
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in chunks
    )


quarter = b"\x40\x00"  # 16,384 of 65,535: a dark grey
grey, color = (
    Image.open(io.BytesIO(png(kind, pixel))).convert("RGB").getpixel((0, 0))
    for kind, pixel in ((0, quarter), (2, 3 * quarter))
)
print("pillow", PIL.__version__)
print("expected of both: (64, 64, 64)")
print("found, file in grey:", grey, " file in RGB:", color)
sys.exit(0 if (grey, color) == ((255, 255, 255), (64, 64, 64)) else 1)
PYTHON
