"""Train Caffe's "full" net by the paper's triangular2 policy, evaluating where cycles end.

On digits it takes a minute. For all of Table 2 of the paper, resumable, with a run folder:

    python -m clr_ignite.cifar10 train --experiment full-triangular2 --data cifar10 --folder data \\
        --out runs/full
"""

import argparse
import contextlib

import torch
from ignite.engine import Events, create_supervised_evaluator, create_supervised_trainer
from ignite.handlers import ProgressBar
from ignite.metrics import Accuracy
from torch import nn

from clr_ignite import ScheduleHandler, cycle_end
from clr_ignite.cifar10.batches import Batches, EvalBatches, Pixels
from clr_ignite.cifar10.data import load
from clr_ignite.cifar10.models import CaffeFull, param_groups
from clr_ignite.live import VisdomPlotter
from clr_ignite.schedules import Triangular2, step_size_from_epochs

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--data", default="digits", choices=("digits", "cifar10", "folder"))
parser.add_argument("--folder", help="where CIFAR-10 or your class folders lie")
parser.add_argument("--cycles", type=int, default=2)
parser.add_argument("--device", default="cpu")
parser.add_argument("--visdom", metavar="URL", help="draw in the Visdom server there")
options = parser.parse_args()

data = load(options.data, options.folder)
pixels = Pixels.fit("caffe", data.train)
batches = Batches(data.train, pixels, batch_size=100, seed=0, device=options.device)

torch.manual_seed(0)
model = CaffeFull(len(data.classes)).to(options.device)
optimizer = torch.optim.SGD(param_groups(model), lr=0.001, momentum=0.9)
trainer = create_supervised_trainer(model, optimizer, nn.functional.cross_entropy)
evaluator = create_supervised_evaluator(model, metrics={"accuracy": Accuracy()})
ProgressBar().attach(trainer)

# Half a cycle is four epochs; the bounds are those of the paper's Table 2.
clr = Triangular2(base_lr=0.001, max_lr=0.005, step_size=step_size_from_epochs(4, len(batches)))
ScheduleHandler(optimizer, lr=clr).attach(trainer)


@trainer.on(Events.ITERATION_COMPLETED(event_filter=cycle_end(clr)))
def evaluate(engine):
    accuracy = evaluator.run(EvalBatches(data.test, pixels, device=options.device)).metrics
    print(f"iteration {engine.state.iteration}: {accuracy['accuracy']:.2%} of the test images")


with contextlib.ExitStack() as stack:
    if options.visdom:
        plotter = stack.enter_context(VisdomPlotter(options.visdom))
        plotter.attach(trainer, optimizer, evaluator, cycle_end=cycle_end(clr))
    trainer.run(batches, max_epochs=8 * options.cycles)
