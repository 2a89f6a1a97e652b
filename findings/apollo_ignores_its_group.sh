#!/bin/sh
# One expects: an optimizer's step uses the lr of its param group, so that schedulers and hand-set rates act.
# What happens: in the first 500 steps (warmup_steps) ApolloDQN computes its rate from the lr that its constructor was given; a
#   group's lr, set to 0 or to a hundred times as much, moves the parameter by the same amount.
# Whom it concerns: whoever schedules or sweeps ApolloDQN's rate; a range test of fewer than 500 steps varies nothing.
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
from pytorch_optimizer import ApolloDQN

print("torch", version("torch"), "pytorch_optimizer", version("pytorch_optimizer"))


def moved(rate, steps):
    """How far a parameter goes when its group's rate is ``rate`` at every step."""
    parameter = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
    optimizer = ApolloDQN([parameter], lr=0.1)
    places = []
    for _ in range(steps):
        optimizer.param_groups[0]["lr"] = rate
        parameter.grad = torch.ones_like(parameter)
        optimizer.step()
        places.append(parameter.item())
    return places


places = {rate: moved(rate, 499) for rate in (0.0, 0.1, 10.0)}
for rate, found in places.items():
    print(f"group lr {rate}: after 1, 100, 499 steps", [round(found[i], 6) for i in (0, 99, 498)])
as_told = places[0.0] == places[0.1] == places[10.0] and places[0.0][-1] != 0
print("the rate has no influence" if as_told else "the rate acts: this finding is out of date")
sys.exit(0 if as_told else 1)
PYTHON
