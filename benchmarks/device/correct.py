"""Gradients of every form beside double precision, and 300 iterations beside the plain form."""

from __future__ import annotations

import copy
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.device.forms import FORMS, Form
from benchmarks.device.place import Gradients, Place
from benchmarks.device.record import Record
from clr_ignite import ScheduleHandler
from clr_ignite.cifar10.models import CaffeFull, CaffeQuick
from clr_ignite.cifar10.parts import build
from clr_ignite.cifar10.parts.repeatable import repeatable

Net = type[CaffeFull] | type[CaffeQuick]
# Of the norm of all gradients' error: what float32 and factors rounded to TensorFloat-32 allow.
LIMITS = {False: 1e-5, True: 1e-3}


def run(record: Record, place: Place) -> None:
    gradients(record, place, ((CaffeFull, "ceil"),))
    trainings(record, place)
    others = ((CaffeQuick, "ceil"), (CaffeFull, "floor"), (CaffeQuick, "floor"))
    gradients(record, place, others)


def gradients(record: Record, place: Place, nets: tuple[tuple[Net, str], ...]) -> None:
    for (net, pooling), (name, form) in product(nets, place.forms.items()):
        for rounded in (False, True) if place.cuda else (False,):
            kind = "TF32" if rounded else "float32"
            measured = f"{name}: {net.__name__}, {pooling}, {kind}"
            with record.measuring("correct", measured) as found:
                if found is None:
                    continue
                torch.backends.cudnn.allow_tf32 = rounded
                exact = net(pooling=pooling, init="torch").double().to(place.device)
                least, *_, most = gradient_errors(form, exact, place)
                found |= {"off": least, "at most": most, "right": least < LIMITS[rounded]}
    torch.backends.cudnn.allow_tf32 = True


def trainings(record: Record, place: Place) -> None:
    plain: dict[str, Tensor] = {}
    for name, form in place.forms.items():
        with record.measuring("correct", f"{name}: {place.iterations} iterations") as found:
            if found is not None:
                plain = plain or trained(FORMS["repeatable"], place)[0]
                way, loss = trained(form, place)
                found |= {"loss": loss, "apart": relative(way, plain)}


def gradient_errors(form: Form, exact: nn.Module, place: Place) -> list[float]:
    """Relative norms of the gradients' error in five batches, the least first.

    Where two values of a window are nearly equal, rounding moves the whole gradient from one to
    the other (one batch of 4 images in 60, error 1e-4): what is wrong shows in all five.
    """
    torch.manual_seed(0)
    model = copy.deepcopy(exact).float().to(memory_format=torch.channels_last)
    with repeatable(place.device, form.repeatable):
        compute, errors = Gradients(form.of(model), place), []
        for _ in range(5):  # all but the first one are replays
            x = 60 * torch.randn(place.batch, 3, 32, 32, device=place.device)
            y = torch.randint(10, (place.batch,), device=place.device)
            exact.zero_grad()
            F.cross_entropy(exact(x.double()), y).backward()
            compute(x.contiguous(memory_format=torch.channels_last), y)
            found = {name: parameter.grad for name, parameter in model.named_parameters()}
            expected = {name: parameter.grad for name, parameter in exact.named_parameters()}
            errors.append(relative(found, expected))
    return sorted(errors)


def trained(form: Form, place: Place) -> tuple[dict[str, Tensor], float]:
    """The way of the weights in some iterations of Table 2; the mean loss of their last sixth."""
    experiment = place.experiment
    with repeatable(place.device, form.repeatable):
        parts = build(experiment, place.data, seed=0, device=place.device, form=form.of)
        start = {name: tensor.clone() for name, tensor in parts.model.state_dict().items()}
        ScheduleHandler(parts.optimizer, lr=experiment.schedule).attach(parts.trainer)
        losses = []
        parts.trainer.add_event_handler(place.completed, lambda e: losses.append(e.state.output))
        parts.trainer.run(parts.batches, max_iters=place.iterations)
    last = torch.stack(losses[-(place.iterations // 6) :])
    way = {name: tensor - start[name] for name, tensor in parts.model.state_dict().items()}
    return way, float(last.mean())


def relative(found: dict[str, Tensor], expected: dict[str, Tensor]) -> float:
    ours, theirs = (
        torch.cat([one[name].detach().double().flatten() for name in expected])
        for one in (found, expected)
    )
    return float((ours - theirs).norm() / theirs.norm())
