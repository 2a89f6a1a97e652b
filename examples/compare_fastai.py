"""What Ignite's FastaiLRFinder records beside what the optimizer used, and the same of ours."""

import ignite
import torch
from ignite.engine import create_supervised_trainer
from ignite.handlers import FastaiLRFinder
from torch import nn

from clr_ignite import LRRangeTest

STEPS = 6
torch.manual_seed(0)
data = [(torch.randn(8, 4), torch.randn(8, 1)) for _ in range(10)]


def setup():
    torch.manual_seed(0)
    model = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.07)
    trainer = create_supervised_trainer(model, optimizer, nn.functional.mse_loss)
    used = []
    optimizer.register_step_pre_hook(lambda o, *_: used.append(o.param_groups[0]["lr"]))
    return {"model": model, "optimizer": optimizer}, trainer, used


def line(name, rates):
    print(f"{name:32}", " ".join(f"{rate:.3f}" for rate in rates))


to_save, trainer, used = setup()
finder = FastaiLRFinder()
with finder.attach(
    trainer, to_save, num_iter=STEPS, start_lr=0.01, end_lr=0.06, step_mode="linear", diverge_th=1e9
) as finding:
    finding.run(data)
print(f"Ignite {ignite.__version__}, SGD set to 0.070, a sweep from 0.010 to 0.060")
line("FastaiLRFinder: used", used)
line("FastaiLRFinder: recorded", finder.get_results()["lr"])

to_save, trainer, used = setup()
test = LRRangeTest(to_save["optimizer"], 0.01, 0.06, STEPS, to_save=to_save, diverge_th=None)
result = test.run(trainer, data)
line("LRRangeTest: used", used)
line("LRRangeTest: recorded", result.lr)
assert list(result.lr) == used
