"""Range test -> bounds -> a triangular schedule beside a fixed rate, on scikit-learn's digits."""

import torch
from ignite.engine import create_supervised_evaluator, create_supervised_trainer
from ignite.metrics import Accuracy, Loss
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from clr_ignite import LRRangeTest, ScheduleHandler
from clr_ignite.plots import plot_curves, save
from clr_ignite.schedules import Fixed

x, y = torch.tensor(load_digits().data / 16).float(), torch.tensor(load_digits().target)
rest, test = train_test_split(torch.arange(len(y)), test_size=300, random_state=0)
train, held_out = train_test_split(rest, test_size=300, random_state=0)


def setup():
    """A model, its optimizer, a loader, a trainer and an evaluator: yours go here."""
    torch.manual_seed(0)
    loader = DataLoader(TensorDataset(x[train], y[train]), batch_size=20, shuffle=True)
    model = nn.Sequential(nn.Linear(64, 100), nn.ReLU(), nn.Linear(100, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    trainer = create_supervised_trainer(model, optimizer, nn.CrossEntropyLoss())
    evaluator = create_supervised_evaluator(
        model, metrics={"loss": Loss(nn.functional.cross_entropy), "accuracy": Accuracy()}
    )
    return model, optimizer, loader, trainer, evaluator


# Which rates? One short run that leaves model, optimizer and trainer as they were.
model, optimizer, loader, trainer, evaluator = setup()
range_test = LRRangeTest(
    optimizer, to_save={"model": model, "optimizer": optimizer},
    evaluator=evaluator, eval_data=[(x[held_out], y[held_out])],
)  # fmt: skip
result = range_test.run(trainer, loader)
result.plot("range_test.png")
bounds = result.suggest()
print(bounds)

# Train between these bounds, two epochs up and two down, and beside it at either of them alone.
curves = {}
for name, schedule in {
    "triangular": result.schedule(step_size=2 * len(loader)),
    "fixed at base_lr": Fixed(bounds.base_lr),
    "fixed at max_lr": Fixed(bounds.max_lr),
}.items():
    model, optimizer, loader, trainer, evaluator = setup()
    ScheduleHandler(optimizer, lr=schedule).attach(trainer)
    accuracy = []
    for epochs in range(1, 17):
        trainer.run(loader, max_epochs=epochs)  # goes on from the epochs already done
        accuracy.append(evaluator.run([(x[test], y[test])]).metrics["accuracy"])
    curves[name] = range(1, 17), accuracy
    print(f"{name:18}{accuracy[-1]:8.1%} of the test images after 16 epochs")
save(plot_curves(curves, x_label="epoch", y_label="test accuracy"), "accuracy.png")
