# torch.load does not look at the checksums in the file that torch.save wrote.
#
# A checkpoint is a zip archive with a CRC-32 for each entry, and Python's zipfile refuses an entry whose content does not
# have it. One expects the same of torch.load: after a single flipped bit it returns other weights without a word.
# Whoever keeps checkpoints on disks that rot, or copies them, should store a checksum beside them.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.15.0 numpy==2.4.6
"$folder/venv/bin/python" - "$folder/weights.pt" <<'PYTHON'
import sys
import zipfile

import torch

path = sys.argv[1]
weights = torch.ones(1_000)
torch.save({"weights": weights}, path)
with open(path, "rb+") as file:
    content = bytearray(file.read())
    content[content.index(weights.numpy().tobytes()) + 2] ^= 64  # one bit of the first weight
    file.seek(0)
    file.write(content)
print("torch", torch.__version__)
print("expected: torch.load refuses the file, as zipfile does")
loaded = torch.load(path, weights_only=True)["weights"]
damaged = zipfile.ZipFile(path).testzip()
print(f"torch.load: first weight {float(loaded[0])}, saved {float(weights[0])}; zipfile: damaged entry {damaged}")
sys.exit(0 if float(loaded[0]) != 1.0 and damaged is not None else 1)
PYTHON
