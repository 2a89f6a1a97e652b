"""A range test and a training run drawn in Visdom while they go, on scikit-learn's digits.

Start a server first (`python -m visdom.server -port 8097 -bind_local`), then open
http://127.0.0.1:8097/env/clr_ignite. Without a server it trains too.
"""

import argparse

import torch
from ignite.engine import Events, create_supervised_evaluator, create_supervised_trainer
from ignite.metrics import Accuracy, Loss
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from clr_ignite import LRRangeTest, ScheduleHandler, cycle_end
from clr_ignite.live import VisdomPlotter

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--visdom", metavar="URL", help="default $VISDOM_SERVER_URL, else port 8097")
parser.add_argument("--epochs", type=int, default=16)
options = parser.parse_args()

torch.manual_seed(0)
x, y = torch.tensor(load_digits().data / 16).float(), torch.tensor(load_digits().target)
loader = DataLoader(TensorDataset(x[:1400], y[:1400]), batch_size=20, shuffle=True)
held_out = [(x[1400:], y[1400:])]
model = nn.Sequential(nn.Linear(64, 100), nn.ReLU(), nn.Linear(100, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
trainer = create_supervised_trainer(model, optimizer, nn.CrossEntropyLoss())
evaluator = create_supervised_evaluator(
    model, metrics={"loss": Loss(nn.functional.cross_entropy), "accuracy": Accuracy()}
)

with VisdomPlotter(options.visdom) as plotter:
    test = LRRangeTest(
        optimizer, to_save={"model": model, "optimizer": optimizer},
        evaluator=evaluator, eval_data=held_out, on_row=plotter.on_row,
    )  # fmt: skip
    result = test.run(trainer, loader)
    print(result.suggest().reason)

    clr, total = result.schedule(step_size=2 * len(loader)), options.epochs * len(loader)
    plotter.preview({"triangular": clr}, total)
    ScheduleHandler(optimizer, lr=clr).attach(trainer)
    plotter.attach(trainer, optimizer, evaluator, cycle_end=cycle_end(clr), total=total)
    trainer.add_event_handler(Events.EPOCH_COMPLETED, lambda: evaluator.run(held_out))
    trainer.run(loader, max_epochs=options.epochs)
print(f"{evaluator.state.metrics['accuracy']:.1%} of the held-out images; drawn at {plotter.page}")
