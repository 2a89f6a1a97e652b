#!/bin/sh
# SummaryWriter.add_scalar has an argument `double_precision`. One expects that with it the value
# read back from the event file is the float that was written. It is rounded to single precision as
# without it, unless `new_style=True` is given too; nothing is said. It concerns whoever compares
# learning rates or counts (of tokens, say, beyond 2**24) with what a run wrote for TensorBoard.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.15.0 numpy==2.4.6 tensorboard==2.21.0
cat > "$folder/show.py" <<'END'
import sys

import numpy
import tensorboard
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray
from torch.utils.tensorboard import SummaryWriter

WRITTEN = [16_777_217.0, 0.1]


def read_back(folder, **options):
    with SummaryWriter(folder) as writer:
        for step, value in enumerate(WRITTEN):
            writer.add_scalar("value", value, step, **options)
    events = EventAccumulator(folder)
    events.Reload()
    if "value" in events.Tags()["scalars"]:
        return [event.value for event in events.Scalars("value")]
    return [make_ndarray(event.tensor_proto).item() for event in events.Tensors("value")]


print("Python", sys.version.split()[0], "torch", torch.__version__, "tensorboard", tensorboard.__version__)
print("written, and expected back:          ", WRITTEN)
single = read_back(sys.argv[1] + "/single", double_precision=True)
double = read_back(sys.argv[1] + "/double", double_precision=True, new_style=True)
print("read back with double_precision=True:", single)
print("with new_style=True as well:         ", double)
rounded = [float(numpy.float32(value)) for value in WRITTEN]
sys.exit(0 if single == rounded and double == WRITTEN else 1)
END
"$folder/venv/bin/python" "$folder/show.py" "$folder"
