#!/bin/sh
# One expects: StatefulDataLoader, "a drop in replacement ... enabling mid-epoch checkpointing", gives after load_state_dict the rest
#   of the epoch, with sampler=RandomSampler(data) as with shuffle=True, which torch's DataLoader makes of it.
# What happens: with shuffle=True it does. torch's own RandomSampler, given as sampler, keeps no state: the loader shuffles anew
#   and skips as many batches as were taken. In the resumed epoch some samples come a second time and as many never, though
#   torch's random state is put back too. So with SubsetRandomSampler. Nothing is said, as it is of iterable data sets.
# Whom it concerns: whoever passes a sampler and resumes in mid-epoch; the sampler of torchdata.stateful_dataloader.sampler is right.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet torch==2.15.0 torchdata==0.11.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import sys
import warnings
from importlib.metadata import version

import torch
from torch.utils.data import RandomSampler, SubsetRandomSampler
from torchdata.stateful_dataloader import StatefulDataLoader
from torchdata.stateful_dataloader.sampler import RandomSampler as StatefulSampler

warnings.simplefilter("ignore")
print("torch", version("torch"), "torchdata", version("torchdata"))
DATA = list(range(20))
SAMPLERS = {
    "shuffle=True": lambda: None,
    "torchdata's RandomSampler": lambda: StatefulSampler(DATA),
    "torch's RandomSampler": lambda: RandomSampler(DATA),
    "torch's SubsetRandomSampler": lambda: SubsetRandomSampler(DATA),
}


def resumed_epoch(sampler):
    """The samples of a second epoch that is saved after three of its five batches and resumed by another loader."""
    torch.manual_seed(0)
    make = lambda: StatefulDataLoader(DATA, batch_size=4, shuffle=sampler() is None, sampler=sampler())
    loader = make()
    list(loader)
    iterator = iter(loader)
    seen = [next(iterator).tolist() for _ in range(3)]
    state, random_state = loader.state_dict(), torch.get_rng_state()
    other = make()
    other.load_state_dict(state)
    torch.set_rng_state(random_state)
    return sum(seen + [batch.tolist() for batch in other], [])


as_described = True
for name, sampler in SAMPLERS.items():
    samples = resumed_epoch(sampler)
    twice = sorted({sample for sample in samples if samples.count(sample) > 1})
    never = sorted(set(DATA) - set(samples))
    print(f"{name}: expected each of 20 samples once, found twice {twice}, never {never}")
    as_described &= bool(twice) == bool(never) == name.startswith("torch's")
sys.exit(0 if as_described else 1)
PYTHON
