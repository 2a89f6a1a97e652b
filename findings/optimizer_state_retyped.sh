#!/bin/sh
# One expects: load_state_dict() gives an optimizer the state that state_dict() took; its code calls that "a deep copy", with tensors
#   moved to their parameter's device. What is no tensor, as a setting or a history, is as it was.
# What happens: whatever can be iterated over is built anew from a generator of its items, so a str becomes the text
#   "<generator object Optimizer.load_state_dict...>", a deque forgets its maxlen and grows without end, a defaultdict and an
#   OrderedDict become dicts. Nothing is said.
# Whom it concerns: whoever writes an optimizer and keeps such a thing for each parameter, and who resumes with one: kron-torch keeps
#   its einsum formulas there, and timm's port of it rebuilds them after loading. (No report was found upstream.)
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet torch==2.15.0 numpy==2.4.6 kron-torch==0.3.3
TORCHDYNAMO_DISABLE=1 "$folder/venv/bin/python" - <<'PYTHON'
import copy
import sys
from collections import deque
from importlib.metadata import version

import torch
from kron_torch import Kron

print("torch", version("torch"), "kron-torch", version("kron-torch"))


class Remembering(torch.optim.Optimizer):
    """SGD by the mean of the last three gradients, in a mode that each parameter has of its own."""

    def __init__(self, params, lr=0.1):
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                if not state:
                    state.update(mode="mean", last=deque(maxlen=3))
                state["last"].append(p.grad.clone())
                mean = torch.stack(list(state["last"])).mean(0)
                p.sub_(mean if state["mode"] == "mean" else p.grad, alpha=group["lr"])


def stepped(parameter, optimizer, rates):
    for rate in rates:
        parameter.grad = torch.full_like(parameter, rate)
        optimizer.step()
    return parameter.detach().clone()


whole, part = torch.nn.Parameter(torch.zeros(2)), torch.nn.Parameter(torch.zeros(2))
one, other = Remembering([whole]), Remembering([part])
stepped(whole, one, range(5))
saved = copy.deepcopy(one.state_dict())
part.data.copy_(whole)
other.load_state_dict(saved)
mode, last = other.state[part]["mode"], other.state[part]["last"]
print(f"mode: expected 'mean', found {mode!r}")
print(f"last: expected maxlen 3, found {last.maxlen}")
expected, found = stepped(whole, one, range(5, 15)), stepped(part, other, range(5, 15))
print(f"ten steps later: expected {expected.tolist()}, found {found.tolist()}; {len(last)} gradients kept")
as_described = mode.startswith("<generator object") and last.maxlen is None and not torch.equal(expected, found)

layer = torch.nn.Linear(4, 3)
kron = Kron(layer.parameters(), lr=0.01)
layer(torch.ones(1, 4)).sum().backward()
kron.step()
before = kron.state[layer.weight]["exprs"][0]
kron.load_state_dict(copy.deepcopy(kron.state_dict()))
after = kron.state[layer.weight]["exprs"][0]
print(f"a formula of Kron: expected {before!r}, found {after[:40]!r}...")
sys.exit(0 if as_described and before != after and after.startswith("<generator object") else 1)
PYTHON
