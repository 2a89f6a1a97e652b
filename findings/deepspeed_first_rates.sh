#!/bin/sh
# One expects: WarmupCosineLR warms up from warmup_min_ratio times the optimizer's rate to that rate, then falls from it;
#   WarmupLR rises by one step of its line at each step.
# What happens: the rates that the optimizer uses. With WarmupCosineLR the first step has rate 0, though warmup_min_ratio is 0.2,
#   and the rate itself is never used: the warm-up stops one step below it and the cosine begins one step beyond. With WarmupLR
#   the first two steps have the same rate.
# Whom it concerns: whoever moves a schedule to or from DeepSpeed, or counts on each of a few warm-up steps.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet torch==2.15.0 setuptools
"$folder/venv/bin/python" -m pip install --quiet deepspeed==0.19.8
DS_ACCELERATOR=cpu "$folder/venv/bin/python" - <<'PYTHON'
import logging
import sys
from importlib.metadata import version

logging.disable(logging.WARNING)
import torch
from deepspeed.runtime.lr_schedules import WarmupCosineLR, WarmupLR

print("torch", version("torch"), "deepspeed", version("deepspeed"))


def used(make, steps):
    """The rate at each step of an optimizer whose scheduler is stepped after it."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    scheduler, rates = make(optimizer), []
    for _ in range(steps):
        rates.append(round(optimizer.param_groups[0]["lr"], 6))
        optimizer.step()
        scheduler.step()
    return rates


cosine = used(
    lambda o: WarmupCosineLR(o, 45, warmup_min_ratio=0.2, warmup_num_steps=4, warmup_type="linear"), 45
)
line = used(lambda o: WarmupLR(o, 0.02, 0.1, 4, warmup_type="linear"), 6)
print("WarmupCosineLR: expected 0.02 at first and 0.1 at the fifth step, found", cosine[:7])
print("WarmupLR: expected 0.02, 0.04, 0.06, 0.08, 0.1, found", line)
as_described = cosine[0] == 0.0 and max(cosine) < 0.1 and line == [0.02, 0.02, 0.04, 0.06, 0.08, 0.1]
sys.exit(0 if as_described else 1)
PYTHON
