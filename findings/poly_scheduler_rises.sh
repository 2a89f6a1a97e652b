#!/bin/sh
# One expects: a polynomial schedule with max_lr, min_lr and t_max, "total number of scheduler steps", falls from max_lr at the end
#   of its warm-up to min_lr at t_max, as torch's PolynomialLR and timm's PolyLRScheduler do.
# What happens: PolyScheduler of pytorch_optimizer multiplies max_lr by a power of the number of steps after the warm-up. The
#   rate rises above max_lr from the second such step on and never stops; t_max has no influence on it. (The formula stands
#   in its docstring.) With the default power 0.5 a run of 1000 steps ends at thirty times max_lr.
# Whom it concerns: whoever chooses "poly" of get_supported_lr_schedulers() beside "cosine" and "linear", which fall.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet torch==2.15.0 numpy==2.4.6
"$folder/venv/bin/python" -m pip install --quiet pytorch_optimizer==4.1.0
"$folder/venv/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version

import torch
from pytorch_optimizer.lr_scheduler import LinearScheduler, PolyScheduler

print("torch", version("torch"), "pytorch_optimizer", version("pytorch_optimizer"))


def rates(kind, t_max):
    """The rates after each of 1000 steps with 100 steps of warm-up to 0.1."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    scheduler = kind(optimizer, t_max=t_max, max_lr=0.1, min_lr=0.001, warmup_steps=100)
    found = []
    for _ in range(1000):
        optimizer.step()
        scheduler.step()
        found.append(round(float(optimizer.param_groups[0]["lr"]), 6))
    return found


linear, poly, longer = rates(LinearScheduler, 1000), rates(PolyScheduler, 1000), rates(PolyScheduler, 5000)
print("expected: 0.1 at most, near 0.001 at the end")
for name, found in (("LinearScheduler", linear), ("PolyScheduler", poly), ("PolyScheduler, t_max=5000", longer)):
    print(f"{name}: after the warm-up {found[100]}, highest {max(found)}, after 1000 steps {found[-1]}")
as_described = max(linear) == 0.1 and linear[-1] < 0.0012 and poly[100] == 0.1 and poly[-1] > 2.9 and poly == longer
sys.exit(0 if as_described else 1)
PYTHON
