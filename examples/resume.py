"""Cut a run off in mid-cycle and resume it from an Ignite Checkpoint: the schedule goes on."""

import tempfile

import torch
from ignite.engine import Events, create_supervised_trainer
from ignite.handlers import Checkpoint, DiskSaver
from torch import nn

from clr_ignite import ScheduleHandler
from clr_ignite.schedules import Triangular

torch.manual_seed(1)
data = [(torch.randn(8, 4), torch.randn(8, 1)) for _ in range(10)]
clr = Triangular(base_lr=0.001, max_lr=0.006, step_size=8)


def setup():
    torch.manual_seed(0)
    model = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9)
    trainer = create_supervised_trainer(model, optimizer, nn.functional.mse_loss)
    ScheduleHandler(optimizer, lr=clr).attach(trainer)  # it has no state of its own to save
    rates = []
    optimizer.register_step_pre_hook(lambda o, *_: rates.append(o.param_groups[0]["lr"]))
    return {"trainer": trainer, "model": model, "optimizer": optimizer}, rates


with tempfile.TemporaryDirectory() as folder:
    objects, before = setup()
    checkpoint = Checkpoint(objects, DiskSaver(folder))
    objects["trainer"].add_event_handler(Events.EPOCH_COMPLETED, checkpoint)
    objects["trainer"].run(data, max_epochs=1)  # ten iterations: inside the cycle of sixteen

    objects, after = setup()
    saved = torch.load(checkpoint.last_checkpoint, weights_only=True)
    Checkpoint.load_objects(to_load=objects, checkpoint=saved)
    objects["trainer"].run(data, max_epochs=2)

print("rate  1 to 10:", " ".join(f"{rate:.4f}" for rate in before))
print("rate 11 to 20:", " ".join(f"{rate:.4f}" for rate in after))
assert before + after == [clr(iteration) for iteration in range(20)]
