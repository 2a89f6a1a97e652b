#!/bin/sh
# One expects: cosine annealing with warm restarts begins each cycle at its peak, as the paper (arXiv:1608.03983) and both
#   docstrings say ("T_cur = 0 after restart, eta_t = eta_max").
# What happens: the cycle's number is the floor of a logarithm in floats. math.log(243, 3) is 4.999999999999999 and
#   math.log(1000, 10) 2.9999999999999996, so at the fifth restart of cycles that grow threefold, or the third of tenfold ones, the
#   step that should have the peak has the lowest rate; the next step is right again.
# Whom it concerns: timm's CosineLRScheduler with cycle_mul=3 or 10, and torch's CosineAnnealingWarmRestarts stepped with an epoch.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet torch==2.15.0 timm==1.0.31
"$folder/venv/bin/python" - <<'PYTHON'
import sys
import warnings
from importlib.metadata import version

import torch
from timm.scheduler import CosineLRScheduler
from torch.optim.lr_scheduler import CosineAnnealingWarmRestarts

warnings.simplefilter("ignore")
print("torch", version("torch"), "timm", version("timm"))


def optimizer():
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)


def found(make, growth, restarts):
    """The rates at the first steps of the cycles after the first."""
    one = optimizer()
    scheduler, rates = make(one, growth), []
    for number in range(1, restarts + 1):
        scheduler.step(10 * (growth**number - 1) // (growth - 1))
        rates.append(round(one.param_groups[0]["lr"], 6))
    return rates


cases = {
    "timm, cycle_mul=3": (lambda o, m: CosineLRScheduler(o, 10, cycle_mul=m, cycle_limit=9), 3, 6),
    "timm, cycle_mul=10": (lambda o, m: CosineLRScheduler(o, 10, cycle_mul=m, cycle_limit=9), 10, 4),
    "torch, T_mult=3": (lambda o, m: CosineAnnealingWarmRestarts(o, 10, m), 3, 6),
}
as_described = True
for name, (make, growth, restarts) in cases.items():
    rates = found(make, growth, restarts)
    missed = {3: 4, 10: 2}[growth]
    print(f"{name}: expected {[0.1] * restarts} at the restarts, found {rates}")
    as_described &= [i for i, rate in enumerate(rates) if rate != 0.1] == [missed] and rates[missed] == 0.0
sys.exit(0 if as_described else 1)
PYTHON
