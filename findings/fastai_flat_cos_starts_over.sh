#!/bin/sh
# One expects: start_epoch, as in fit, fit_one_cycle and fit_sgdr, skips the epochs that a checkpoint has behind it, and the rates go on
#   where they were.
# What happens: fit_flat_cos takes start_epoch and hands on 0: a resumed training has all its epochs again, at the flat rate first,
#   on weights that had been annealed.
# Whom it concerns: whoever resumes fastai's fit_flat_cos. (No report was found upstream; start_epoch came with pull request 3653.)
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet torch==2.15.0 fastai==2.8.12
"$folder/venv/bin/python" - <<'PYTHON'
import sys
import warnings
from importlib.metadata import version

warnings.simplefilter("ignore")
from fastai.basics import SGD, Callback, DataLoader, DataLoaders, Learner, nn, torch
from fastai.callback.schedule import *
from torch.utils.data import TensorDataset

print("torch", version("torch"), "fastai", version("fastai"))


class Record(Callback):
    """The epoch and the rate of each training step."""

    order = 70

    def __init__(self):
        self.seen = []

    def before_batch(self):
        if self.training:
            self.seen.append((self.epoch, round(float(self.opt.hypers[-1]["lr"]), 4)))


def steps(method, *given, start_epoch):
    torch.manual_seed(0)
    inputs = torch.randn(8, 2)
    data = TensorDataset(inputs, inputs.sum(1, keepdim=True))
    loaders = DataLoaders(DataLoader(data, bs=4), DataLoader(data, bs=4))
    learner = Learner(loaders, nn.Linear(2, 1), loss_func=nn.MSELoss(), opt_func=SGD)
    record = Record()
    with learner.no_bar(), learner.no_logging():
        getattr(learner, method)(*given, cbs=record, start_epoch=start_epoch)
    return record.seen


as_described = True
for method, given in (("fit_one_cycle", (4, 0.1)), ("fit_sgdr", (2, 1, 0.1)), ("fit_flat_cos", (4, 0.1))):
    whole = steps(method, *given, start_epoch=0)
    expected = [one for one in whole if one[0] >= 2]
    found = steps(method, *given, start_epoch=2)
    print(f"{method}, start_epoch=2: expected (epoch, rate) {expected}, found {found}")
    as_described &= found == (whole if method == "fit_flat_cos" else expected) and whole != expected
sys.exit(0 if as_described else 1)
PYTHON
