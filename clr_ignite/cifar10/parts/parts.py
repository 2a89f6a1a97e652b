"""From an experiment and a data set to what an Engine needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from ignite.engine import Engine, create_supervised_evaluator, create_supervised_trainer
from ignite.handlers import EMAHandler
from ignite.metrics import Accuracy, Loss

from clr_ignite.cifar10.batches import Batches, EvalBatches, Pixels, hold_out
from clr_ignite.cifar10.choices import ModelName
from clr_ignite.cifar10.data import DataSet
from clr_ignite.cifar10.experiments import Experiment
from clr_ignite.cifar10.models import CaffeFull, CaffeQuick, EarlyQuick, param_groups
from clr_ignite.cifar10.parts.cuda_graph import GraphedGradients
from clr_ignite.cifar10.parts.muon import MuonSGD

_NETS: Mapping[ModelName, type[CaffeFull] | type[CaffeQuick]] = {
    "full": CaffeFull,
    "quick": CaffeQuick,
    "early-quick": EarlyQuick,
}
_LARGEST = torch.finfo(torch.float32).max


@dataclass(frozen=True)
class Parts:
    """What an experiment trains with: ready for an Engine, a range test or a look inside."""

    model: torch.nn.Module
    optimizer: torch.optim.Optimizer
    trainer: Engine  # its output is the batch's mean loss, detached, on the device
    evaluator: Engine  # metrics "accuracy" (0..1) and "loss"; of the averaged weights, if any
    average: EMAHandler | None  # attached to the trainer
    batches: Batches
    eval_batches: EvalBatches


def build(
    experiment: Experiment,
    data: DataSet,
    *,
    seed: int,
    device: torch.device | str,
    start: int = 0,
    form: Callable[[torch.nn.Module], torch.nn.Module] = lambda model: model,
) -> Parts:
    """The parts of ``experiment``; weights and the order of batches follow from ``seed`` alone.

    torch's global random state is left as it was.

    Args:
        start: the iteration from which the batches begin.
        form: the model to the module that computes its training loss in its place, with the same
            parameters, such as ``torch.compile``.
    """
    device = torch.device(device)
    model = _model(experiment, len(data.classes), seed).to(device)
    # channels-last: on two CPU cores the nets train about a fifth faster than in torch's default.
    model = model.to(memory_format=torch.channels_last)
    optimizer = _optimizer(experiment, model)
    optimizer.register_step_pre_hook(_check_float32)
    batches, eval_batches = _batches(experiment, data, seed, device, start)
    trainer = _trainer(form(model), optimizer, device)
    average = _average(experiment, model, trainer)
    return Parts(
        model=model,
        optimizer=optimizer,
        trainer=trainer,
        evaluator=create_supervised_evaluator(
            model if average is None else average.ema_model,
            metrics={
                "accuracy": Accuracy(device=device),
                "loss": Loss(F.cross_entropy, device=device),
            },
            device=device,
        ),
        average=average,
        batches=batches,
        eval_batches=eval_batches,
    )


def _trainer(
    model: torch.nn.Module, optimizer: torch.optim.Optimizer, device: torch.device
) -> Engine:
    if device.type != "cuda":
        return create_supervised_trainer(
            model,
            optimizer,
            F.cross_entropy,
            device=device,
            output_transform=lambda x, y, y_pred, loss: loss.detach(),
        )
    gradients = GraphedGradients(model)

    def step(engine: Engine, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        model.train()
        loss = gradients(*batch)
        optimizer.step()
        return loss

    return Engine(step)


def _average(experiment: Experiment, model: torch.nn.Module, trainer: Engine) -> EMAHandler | None:
    if not experiment.ema_decay:
        return None
    average = EMAHandler(model, momentum=1 - experiment.ema_decay)
    average.attach(trainer)
    return average


def _optimizer(experiment: Experiment, model: torch.nn.Module) -> torch.optim.Optimizer:
    groups = param_groups(
        model, weight_decay=experiment.weight_decay, multipliers=experiment.multipliers
    )
    lr, momentum = experiment.schedule(0), _at(experiment.momentum, 0)
    # One kernel for each group instead of four; torch has it for these two.
    fused = next(model.parameters()).is_cuda or None
    if experiment.optimizer == "sgd":
        return torch.optim.SGD(
            groups, lr=lr, momentum=momentum, nesterov=experiment.nesterov, fused=fused
        )
    if experiment.optimizer == "muon":
        return MuonSGD(groups, lr=lr, momentum=momentum)
    if experiment.optimizer == "adam":
        return torch.optim.Adam(groups, lr=lr, betas=(momentum, 0.999), fused=fused)
    if experiment.optimizer == "rmsprop":
        return torch.optim.RMSprop(groups, lr=lr, momentum=momentum)
    if experiment.optimizer == "adagrad":
        return torch.optim.Adagrad(groups, lr=lr)
    return torch.optim.Adadelta(groups, lr=lr, rho=0.95, eps=1e-6)


def _check_float32(optimizer: torch.optim.Optimizer, *_: Any) -> None:
    """Refuse what float32 weights cannot be multiplied by: torch's own error names nothing."""
    for group in optimizer.param_groups:
        for name in ("lr", "weight_decay"):
            # A tensor's value would have to come from its device, and it is in float32 already.
            if not isinstance(group[name], torch.Tensor) and group[name] > _LARGEST:
                raise OverflowError(f"{name} must be at most {_LARGEST:.3g}, got {group[name]:.3g}")


def _batches(
    experiment: Experiment, data: DataSet, seed: int, device: torch.device, start: int
) -> tuple[Batches, EvalBatches]:
    train, held = data.train, data.test
    if experiment.held_out:
        train, held = hold_out(train, experiment.held_out, seed)
    pixels = Pixels.fit(experiment.pixels, train)
    batches = Batches(
        train,
        pixels,
        batch_size=experiment.batch_size,
        seed=seed,
        order=experiment.order,
        device=device,
        start=start,
        memory_format=torch.channels_last,
    )
    held_batches = EvalBatches(held, pixels, device=device, memory_format=torch.channels_last)
    return batches, held_batches


def _model(experiment: Experiment, num_classes: int, seed: int) -> torch.nn.Module:
    net = _NETS[experiment.model]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return net(num_classes, pooling=experiment.pooling, init=experiment.init)


def _at(value: Any, iteration: int) -> float:
    return float(value(iteration) if callable(value) else value)
