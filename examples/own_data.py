"""Pictures of your own: class folders in; range test, bounds, training and a report out.

    python examples/own_data.py --out own

Cuts the two photographs that come with scikit-learn into squares of 32 x 32 pixels, a class for
each photograph, and runs the three commands on them. Any number of classes works the same way.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from PIL import Image
from sklearn.datasets import load_sample_images

SIZE = 32


def write_class_folders(data):
    """data/train/<class>/<name>.png and data/test/<class>/<name>.png."""
    photographs = load_sample_images()
    for path, pixels in zip(photographs.filenames, photographs.images, strict=True):
        name = Path(path).stem
        rows, columns = pixels.shape[0] // SIZE, pixels.shape[1] // SIZE
        for row in range(rows):
            for column in range(columns):
                # Every fifth column of squares is for the test.
                folder = data / ("test" if column % 5 == 2 else "train") / name
                folder.mkdir(parents=True, exist_ok=True)
                top, left = row * SIZE, column * SIZE
                square = pixels[top : top + SIZE, left : left + SIZE]
                Image.fromarray(square).save(folder / f"{row:02}-{column:02}.png")


def clr(command, *options):
    words = [sys.executable, "-m", "clr_ignite.cifar10", command, *map(str, options)]
    print("$ python", *words[1:], flush=True)
    subprocess.run(words, check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("own"))
    out = parser.parse_args().out
    write_class_folders(out / "data")
    data = ("--data", "folder", "--folder", out / "data", "--batch-size", 20, "--no-progress")
    bounds = out / "range-test"
    sweep = ("--end-lr", 0.006, "--iterations", 300, "--hold-out", 100)
    clr("range-test", *data, *sweep, "--out", bounds)
    found = ("--bounds", bounds / "range_test.json", "--step-size", 50, "--eval-every", 50)
    clr("train", *data, *found, "--out", out / "triangular")
    clr("report", out / "triangular", bounds, "--out", out / "report")


if __name__ == "__main__":
    main()
