#!/bin/sh
# One expects: "min_lr: the minimum learning rate to reach after the cosine schedule" and "lr_end: the end LR" are rates, and each
#   param group falls to them from its own.
# What happens: they are divided by the lr of the optimizer's constructor, and the quotient multiplies each group's rate. Groups
#   with rates of their own, the usual fine-tuning of a head and a body, end at other rates; where the constructor was given
#   none, AdamW's default 0.001 counts, and a schedule meant to fall from 0.1 to 0.01 rises to 1.
# Whom it concerns: schedules "cosine_with_min_lr", "cosine_warmup_with_min_lr" and "polynomial" with rates in param groups.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet torch==2.15.0 transformers==5.24.0
"$folder/venv/bin/python" - <<'PYTHON'
import sys
import warnings
from importlib.metadata import version

import torch
from transformers import get_scheduler

warnings.simplefilter("ignore")
print("torch", version("torch"), "transformers", version("transformers"))


def last(name, options, rates, **defaults):
    """Each group's rate at the last of ten steps, where the schedule is at its end."""
    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": rate} for rate in rates]
    optimizer = torch.optim.AdamW(groups, **defaults)
    scheduler = get_scheduler(name, optimizer, 0, 10, scheduler_specific_kwargs=options)
    for _ in range(10):
        optimizer.step()
        scheduler.step()
    return [round(group["lr"], 9) for group in optimizer.param_groups]


cases = [
    ("cosine_with_min_lr", {"min_lr": 1e-6}, [1e-3, 1e-5], {"lr": 1e-3}, [1e-6, 1e-8]),
    ("polynomial", {"lr_end": 1e-6}, [1e-3, 1e-5], {"lr": 1e-3}, [1e-6, 1e-8]),
    ("cosine_with_min_lr", {"min_lr": 0.01}, [0.1], {}, [1.0]),
]
as_described = True
for name, options, rates, defaults, described in cases:
    found = last(name, options, rates, **defaults)
    floor = next(iter(options.values()))
    print(f"{name} {options} from {rates}: expected {[floor] * len(rates)} at the end, found {found}")
    as_described &= found == described
sys.exit(0 if as_described else 1)
PYTHON
