#!/bin/sh
# One expects: an IterableDataset of datasets, resumed in mid-epoch by StatefulDataLoader as its docstring shows, gives the rest of
#   that epoch ("restart at the next example from when the state was saved") and whole epochs after it.
# What happens: without workers, and with the data set alone, each later epoch begins where the saved one was broken off: of 12
#   samples the first 4 never come again. With one worker process the same lines give whole epochs. Nothing is said.
# Whom it concerns: whoever resumes and goes on for several epochs. set_epoch() with another number before each helps. Reported for
#   persistent workers (huggingface/datasets issue 7447) and closed by making just that work; its docstring does not say so.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet datasets==5.2.0 torchdata==0.11.0 torch==2.15.0 numpy==2.4.6
HF_HOME="$folder/home" HF_HUB_OFFLINE=1 "$folder/venv/bin/python" - <<'PYTHON'
import sys
import warnings
from importlib.metadata import version

from datasets import Dataset
from torchdata.stateful_dataloader import StatefulDataLoader

warnings.simplefilter("ignore")
print(*(f"{name} {version(name)}" for name in ("datasets", "torchdata", "torch")))
COUNT, TAKEN = 12, 4


def made(workers):
    data = Dataset.from_dict({"x": list(range(COUNT))}).to_iterable_dataset()
    return data, StatefulDataLoader(data, batch_size=2, num_workers=workers)


def resumed_epochs(workers, set_epoch=False):
    """The samples of three epochs, the first resumed after two batches."""
    iterator = iter(loader := made(workers)[1])
    for _ in range(TAKEN // 2):
        next(iterator)
    state = loader.state_dict()
    data, loader = made(workers)
    loader.load_state_dict(state)
    epochs = []
    for epoch in range(3):
        if set_epoch:
            data.set_epoch(epoch)
        epochs.append([sample for batch in loader for sample in batch["x"].tolist()])
    return epochs


whole, rest = list(range(COUNT)), list(range(TAKEN, COUNT))
found = {
    "no worker": resumed_epochs(0),
    "no worker, set_epoch before each": resumed_epochs(0, set_epoch=True),
    "one worker": resumed_epochs(1),
}
print("expected of all:", rest, whole, whole)
for name, epochs in found.items():
    print(f"{name}:", *epochs)
wrong, *right = found.values()
sys.exit(0 if wrong == [rest, rest, rest] and right == [[rest, whole, whole]] * 2 else 1)
PYTHON
