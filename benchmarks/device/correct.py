"""Gradients of every form beside double precision, and 300 iterations beside the plain form."""

from __future__ import annotations

import copy
from itertools import product

import torch
import torch.nn.functional as F
from ignite.engine import Engine, Events
from torch import Tensor, nn

from benchmarks.device.forms import FORMS, Form
from benchmarks.device.place import Gradients, Place
from benchmarks.device.record import Record
from clr_ignite import ScheduleHandler
from clr_ignite.cifar10.models import CaffeFull, CaffeQuick
from clr_ignite.cifar10.parts import build

Net = type[CaffeFull] | type[CaffeQuick]
Weights = dict[str, Tensor]
# Of the norm of all gradients' error: what float32 and factors rounded to TensorFloat-32 allow.
LIMITS = {False: 1e-5, True: 1e-3}


def run(record: Record, place: Place) -> None:
    """What decides on a form: Caffe's full net as the table has it."""
    gradients(record, place, ((CaffeFull, "ceil"),))
    trainings(record, place)


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
    """How far each form's weights come from the plain one's, in float32, in shares of the way.

    Training is chaotic: what counts is the distance beside that of the plain form from weights that
    are one rounding off ("nudged").
    """
    torch.backends.cudnn.allow_tf32 = False
    plain: list[Weights] = []
    nudged = {"nudged": FORMS["repeatable"]}
    for name, form in (nudged | place.forms).items():
        with record.measuring("correct", f"{name}: {place.iterations} iterations") as found:
            if found is None:
                continue
            plain = plain or trained(FORMS["repeatable"], place)[0]
            ways, loss = trained(form, place, nudge=1e-7 * (name in nudged))
            for mark, ours, theirs in zip(marks(place), ways, plain, strict=True):
                found[f"apart after {mark}"] = relative(ours, theirs)
            found["loss"] = loss
    torch.backends.cudnn.allow_tf32 = True


def marks(place: Place) -> list[int]:
    """Iterations after which weights are compared; the last one ends the training."""
    return [max(1, place.iterations // share) for share in (30, 3, 1)]


def gradient_errors(form: Form, exact: nn.Module, place: Place) -> list[float]:
    """Relative norms of the gradients' error in five batches, the least first.

    Where two values of a window are nearly equal, rounding moves the whole gradient from one to
    the other (one batch of 4 images in 60, error 1e-4): what is wrong shows in all five.
    """
    torch.manual_seed(0)
    model = copy.deepcopy(exact).float().to(memory_format=torch.channels_last)
    with form.settings(place.device):
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


def trained(form: Form, place: Place, nudge: float = 0.0) -> tuple[list[Weights], float]:
    """The ways of the weights up to each of the marks, and the mean loss of the last sixth."""
    with form.settings(place.device):
        parts = build(place.experiment, place.data, seed=0, device=place.device, form=form.of)
        with torch.no_grad():
            for parameter in parts.model.parameters():
                parameter.mul_(1 + nudge)
        start = {name: tensor.clone() for name, tensor in parts.model.state_dict().items()}
        ScheduleHandler(parts.optimizer, lr=place.experiment.schedule).attach(parts.trainer)
        losses, ways = [], []

        def look(trainer: Engine) -> None:
            losses.append(trainer.state.output)
            if trainer.state.iteration in marks(place):
                now = parts.model.state_dict()
                ways.append({name: now[name] - start[name] for name in start})

        parts.trainer.add_event_handler(Events.ITERATION_COMPLETED, look)
        parts.trainer.run(parts.batches, max_iters=place.iterations)
    return ways, float(torch.stack(losses[-(place.iterations // 6) :]).mean())


def relative(found: Weights, expected: Weights) -> float:
    ours, theirs = (
        torch.cat([one[name].detach().double().flatten() for name in expected])
        for one in (found, expected)
    )
    return float((ours - theirs).norm() / theirs.norm())
