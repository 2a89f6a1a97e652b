"""One picture file to pixels: as one sees it, or refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

_FORMATS = ("PNG", "JPEG", "BMP")
_ONE_SEES = ("1", "L", "P", "RGB")  # modes that become RGB without a choice
_WITH_ALPHA = ("LA", "PA", "RGBA")


class DataError(ValueError):
    """Data that is missing, incomplete or broken; the message names the file and what to do."""


def read_picture(path: Path) -> np.ndarray[Any, Any]:
    """uint8 (3, 32, 32) of a PNG, JPEG or BMP file, turned as its EXIF says.

    Raises:
        DataError: a file that is broken, of another size, animated, transparent, in CMYK or in
            more than 8 bits.
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(path, formats=_FORMATS) as image:
            _check(path, image)
            ImageOps.exif_transpose(image, in_place=True)
            if _is_transparent(image):
                raise DataError(f"{path} is transparent: put it on a background and save it anew")
            pixels = np.asarray(image.convert("RGB"))
    except DataError:
        raise
    except Exception as error:  # broken bytes bring out whatever the decoder's code may raise
        raise DataError(f"{path} cannot be decoded ({error}): replace or remove it") from error
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _check(path: Path, image: Any) -> None:
    """Refuse, before anything is decoded, what would not be the picture that one sees."""
    if image.size != (32, 32):
        width, height = image.size
        raise DataError(f"{path} is {width} x {height} pixels; the nets take 32 x 32: resize it")
    if getattr(image, "n_frames", 1) > 1:
        raise DataError(f"{path} is animated: replace it by one of its pictures")
    # Of 16 bits a color Pillow drops the lower 8 and calls the rest RGB.
    raw = "".join(str(tile[3]) for tile in image.tile) if image.format == "PNG" else ""
    if image.mode.startswith(("I", "F")) or ";16" in raw:
        raise DataError(f"{path} has more than 8 bits a pixel and color: save it in 8 bits")
    if image.mode not in (*_ONE_SEES, *_WITH_ALPHA):
        raise DataError(f"{path} is in {image.mode} colors: save it in RGB")


def _is_transparent(image: Any) -> bool:
    """Whether any pixel shows what lies behind it."""
    if image.mode not in _WITH_ALPHA and "transparency" not in image.info:
        return False
    least, _ = image.convert("RGBA").getchannel("A").getextrema()
    return bool(least < 255)
