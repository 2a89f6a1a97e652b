"""A range test of Caffe's "full" net, with accuracy on held-out images: CSV, JSON and a picture.

On digits it takes a minute; for CIFAR-10 unpacked as class folders:

    python examples/range_test.py --data folder --folder cifar10 --iterations 4000
"""

import argparse
import contextlib

import torch
from ignite.engine import create_supervised_evaluator, create_supervised_trainer
from ignite.metrics import Accuracy
from torch import nn

from clr_ignite import LRRangeTest
from clr_ignite.cifar10.batches import Batches, EvalBatches, Pixels, hold_out
from clr_ignite.cifar10.data import load
from clr_ignite.cifar10.models import CaffeFull, param_groups
from clr_ignite.live import VisdomPlotter

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--data", default="digits", choices=("digits", "cifar10", "folder"))
parser.add_argument("--folder", help="where CIFAR-10 or your class folders lie")
parser.add_argument("--iterations", type=int, default=200)
parser.add_argument("--visdom", metavar="URL", help="draw in the Visdom server there")
options = parser.parse_args()

data = load(options.data, options.folder)
train, held_out = hold_out(data.train, len(data.train) // 25, seed=0)
pixels = Pixels.fit("caffe", train)
batches = Batches(train, pixels, batch_size=100, seed=0)

torch.manual_seed(0)
model = CaffeFull(len(data.classes))
optimizer = torch.optim.SGD(param_groups(model), lr=0.001, momentum=0.9)
trainer = create_supervised_trainer(model, optimizer, nn.functional.cross_entropy)
evaluator = create_supervised_evaluator(model, metrics={"accuracy": Accuracy()})

plotter = VisdomPlotter(options.visdom) if options.visdom else None
test = LRRangeTest(
    optimizer,
    start_lr=0.0,
    end_lr=0.02,
    num_iter=options.iterations,
    to_save={"model": model, "optimizer": optimizer},
    evaluator=evaluator,
    eval_data=EvalBatches(held_out, pixels),
    every=options.iterations // 40,
    progress=True,
    on_row=plotter.on_row if plotter else None,
)
with plotter or contextlib.nullcontext():
    result = test.run(trainer, batches)
print(result.suggest("accuracy"))  # by the paper's rule
result.to_csv("range_test.csv")
result.to_json("range_test.json")
result.plot("range_test.png", metric="accuracy")
