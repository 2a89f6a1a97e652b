#!/bin/sh
# One expects: build_iter_from_epoch(), or convert_to_iter_based=True in a config, makes of settings given in epochs a scheduler that
#   is updated at each iteration, with the same course: MultiStepLR's milestones and StepLR's, CosineAnnealingLR's T_max and the like are
#   multiplied by the iterations of an epoch. ExponentialLR "decays ... by gamma every epoch".
# What happens: ExponentialLR's gamma, and ExponentialMomentum's, stays and acts at each iteration: with 100 iterations an epoch and a
#   gamma of 0.9 the rate after an epoch is 0.00003 of what it was, not 0.9. (mmengine's own test has the same numbers.)
# Whom it concerns: trainings by epochs with a decay of ExponentialLR that is to be smooth. (No report was found upstream.)
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet torch==2.15.0 numpy==2.4.6 mmengine==0.10.7 'setuptools<81'
"$folder/venv/bin/python" - <<'PYTHON'
import logging
import sys
import warnings
from importlib.metadata import version

warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)
import torch
from mmengine.optim.scheduler import CosineAnnealingLR, ExponentialLR, StepLR

print("torch", version("torch"), "mmengine", version("mmengine"))
LENGTH, EPOCHS = 100, 3


def rates(kind, converted, **options):
    """The rates at the starts of epochs, of the scheduler by epochs or of that made from it."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    if converted:
        scheduler = kind.build_iter_from_epoch(optimizer, epoch_length=LENGTH, **options)
    else:
        scheduler = kind(optimizer, **options)
    found = [optimizer.param_groups[0]["lr"]]
    for _ in range(EPOCHS):
        for _ in range(LENGTH if converted else 1):
            optimizer.step()
            scheduler.step()
        found.append(optimizer.param_groups[0]["lr"])
    return found


as_described = True
for kind, options in (
    (StepLR, {"step_size": 1, "gamma": 0.9}),
    (CosineAnnealingLR, {"T_max": 4}),
    (ExponentialLR, {"gamma": 0.9}),
):
    expected, found = rates(kind, False, **options), rates(kind, True, **options)
    same = all(abs(a - b) < 1e-6 for a, b in zip(expected, found))
    shown = [[f"{rate:.3g}" for rate in some] for some in (expected, found)]
    print(f"{kind.__name__} {options}: at the starts of epochs expected {shown[0]}, found {shown[1]}")
    as_described &= same != (kind is ExponentialLR)
as_described &= abs(found[1] - 0.9**LENGTH) < 1e-9
sys.exit(0 if as_described else 1)
PYTHON
