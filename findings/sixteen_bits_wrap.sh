#!/bin/sh
# One expects: white stays white. decode_image reads a PNG of 16 bits as uint16, and torchvision's transforms take that: a gamma of
#   1 and a hue moved by 0 change nothing, and ToDtype(torch.uint16, scale=True) makes 65535 of the 1.0 of a float32 picture.
# What happens: white becomes black, the lightest grey below it stays. Floats are multiplied by 65535.999, which in single precision
#   is 65536, and cast: 0. adjust_gamma and adjust_hue of a 16-bit picture go that way too (of 8 bits they are right). A bicubic
#   Resize is another way to the same: where it overshoots at an edge, 8 bits are clamped and 16 wrap: black beside white.
#   "uint16 support is limited in pytorch", says decode_image; what is not supported raises, these do not.
# Whom it concerns: whoever trains on 16-bit pictures (X-ray, microscope, depth), whose brightest spots turn black. What is known is
#   the same multiplication in half precision to 8 bits (pytorch/vision issue 6799, open since 2022).
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
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

warnings.simplefilter("ignore")
print(*(f"{name} {version(name)}" for name in ("torch", "torchvision", "pillow")))

WHITE = 65535
file = io.BytesIO()
Image.fromarray(numpy.array([[0, 30000, 65000, WHITE]], dtype=numpy.uint16)).save(file, "PNG")
read = decode_image(torch.frombuffer(bytearray(file.getvalue()), dtype=torch.uint8))
colour = read.expand(3, -1, -1).contiguous()
as_float = v2.ToDtype(torch.float32, scale=True)(read)
outputs = {
    "to float32 and back": v2.ToDtype(torch.uint16, scale=True)(as_float),
    "adjust_gamma(gamma=1)": F.adjust_gamma(read, 1.0),
    "adjust_hue(hue_factor=0)": F.adjust_hue(colour, 0.0),
}
print("a 16-bit PNG of one row, as decode_image reads it:", read[0, 0].tolist(), read.dtype)
as_described = read.dtype == torch.uint16
for name, output in outputs.items():
    row = output[0, 0].tolist()
    print(f"{name}: expected the same within 1, found {row}")
    as_described &= row[-1] == 0 and all(abs(a - b) <= 1 for a, b in zip(row[:3], [0, 30000, 65000]))

eight = torch.full((1, 1, 4), 255, dtype=torch.uint8)
as_described &= F.adjust_gamma(eight, 1.0).eq(255).all().item()
as_described &= v2.ToDtype(torch.uint8, scale=True)(torch.ones(1, 1, 4)).eq(255).all().item()

print("an edge from black to white, twice as wide by bicubic Resize:")
resize = v2.Resize([8, 16], interpolation=v2.InterpolationMode.BICUBIC)
for dtype, white in ((torch.uint8, 255), (torch.uint16, WHITE)):
    edge = torch.zeros(1, 8, 8, dtype=dtype)
    edge[..., 4:] = white
    row = resize(edge)[0, 0].tolist()
    rises = row == sorted(row)
    print(f"{dtype}: expected 0 rising to {white}, found {row}")
    as_described &= rises == (dtype == torch.uint8)
sys.exit(0 if as_described else 1)
PYTHON
