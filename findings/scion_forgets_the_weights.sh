#!/bin/sh
# One expects: a step moves weights by about the rate, and by nothing at a rate of 0. In the code of the paper's authors
#   (arXiv:2502.07529) the initialisation that goes with Scion is a call of its own, optimizer.init(), made in one of their three
#   examples; heavyball's class, its page and its migration notes name none.
# What happens: heavyball's Scion fills every weight anew in its first step, whatever its rate: matrices become orthogonal ones drawn
#   with the parameter's place in its group as seed, vectors zeros: biases, and the gains of normalizations as well. So fine-tuning
#   begins without what was learnt, a net with LayerNorm is zero everywhere after a step, and layers of one shape that are first
#   in their groups are the same.
# Whom it concerns: whoever gives Scion a net that was trained or initialised with care. (No report was found upstream.)
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet torch==2.15.0 numpy==2.4.6 heavyball==3.2.1
# Its compiled kernels would need a C++ compiler; they are the same formulas.
TORCHDYNAMO_DISABLE=1 "$folder/venv/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version

import torch
from heavyball import Scion
from torch import nn

print("torch", version("torch"), "heavyball", version("heavyball"))
torch.manual_seed(0)
inputs = torch.randn(256, 8)
target = inputs.sin()


def trained(rate):
    """A net fitted with Adam, then one step of Scion."""
    torch.manual_seed(1)
    net = nn.Sequential(nn.Linear(8, 32), nn.LayerNorm(32), nn.Tanh(), nn.Linear(32, 8))
    adam = torch.optim.Adam(net.parameters(), lr=0.01)
    for optimizer, steps in ((adam, 500), (Scion(net.parameters(), lr=rate), 1)):
        before = [p.detach().clone() for p in net.parameters()]
        fitted = (net(inputs) - target).square().mean().item()
        for _ in range(steps):
            optimizer.zero_grad()
            (net(inputs) - target).square().mean().backward()
            optimizer.step()
    moved = max((p - b).abs().max().item() for p, b in zip(net.parameters(), before))
    return net, fitted, (net(inputs) - target).square().mean().item(), moved


as_described = True
for rate in (0.0, 1e-6):
    net, before, after, moved = trained(rate)
    print(f"lr={rate}: expected a move of at most {rate:.0e} and the loss as it was, {before:.4f};")
    print(f"  found a move of {moved:.2f}, a loss of {after:.4f}, a largest gain of LayerNorm of {net[1].weight.abs().max():.0e},")
    print(f"  and outputs of at most {net(inputs).abs().max():.0e} (the loss of zeros is {target.square().mean():.4f})")
    as_described &= before < 0.02 and after > 0.3 and moved > 0.5 and net[1].weight.abs().max() <= 10 * rate
one, other = nn.Linear(4, 4), nn.Linear(4, 4)
scion = Scion([{"params": one.parameters()}, {"params": other.parameters()}], lr=1e-6)
(one(inputs[:, :4]).sum() + other(inputs[:, 4:]).sum()).backward()
scion.step()
difference = (one.weight - other.weight).abs().max().item()
print(f"two layers, each first in its group: expected two matrices, found a difference of {difference:.0e}")
sys.exit(0 if as_described and difference < 1e-5 else 1)
PYTHON
