"""Snapshots: content back in place, absent things absent, shared things once."""

from __future__ import annotations

import io
import random
from collections import deque
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from clr_ignite.no_trace.random_states import put_random, random_now, random_states
from clr_ignite.no_trace.snapshot import Snapshot


class Holder:
    def __init__(self, **attributes: Any) -> None:
        vars(self).update(attributes)


def test_attributes_of_any_kind_come_back_in_place() -> None:
    tensor, array = torch.ones(2), np.ones(2)
    items: list[Any] = [1, [2]]
    holder = Holder(
        number=1,
        tensor=tensor,
        array=array,
        items=items,
        pair=(items, tensor),
        names={"a"},
        queue=deque([1], maxlen=3),
        table={"x": {"y": 1}},
        model=nn.Linear(1, 1),
    )
    weight = holder.model.weight.detach().clone()
    inner, queue, table = items[1], holder.queue, holder.table
    snapshot = Snapshot([holder])
    tensor.zero_()
    array[:] = 0
    inner.append(3)
    items.clear()
    holder.names.add("b")
    queue.extend([5, 6, 7])
    table["x"] = None
    holder.number, holder.tensor, holder.new = 2, torch.zeros(3), 1
    nn.init.constant_(holder.model.weight, 9.0)
    snapshot.restore()
    assert vars(holder).keys() == {
        "number", "tensor", "array", "items", "pair", "names", "queue", "table", "model"
    }  # fmt: skip
    assert holder.number == 1 and holder.names == {"a"} and holder.table == {"x": {"y": 1}}
    assert holder.tensor is tensor and tensor.tolist() == [1, 1] and array.tolist() == [1, 1]
    assert holder.items is items and items == [1, [2]] and items[1] is inner
    assert holder.queue is queue and list(queue) == [1] and queue.maxlen == 3
    assert torch.equal(holder.model.weight, weight)


def test_an_object_that_holds_itself() -> None:
    loop: list[Any] = [1]
    loop.append(loop)
    holder = Holder(loop=loop)
    snapshot = Snapshot([holder])
    loop.append(2)
    snapshot.restore()
    assert len(loop) == 2 and loop[1] is loop


def test_modules_with_tied_weights_and_buffers_that_are_not_saved() -> None:
    model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    model[1].weight = model[0].weight
    model.register_buffer("hidden", torch.ones(1), persistent=False)
    model.register_buffer("later", None)
    model[0].weight.requires_grad_(False)
    weight = model[0].weight
    content = weight.detach().clone()
    model[1].eval()
    snapshot = Snapshot([model])
    with torch.no_grad():
        weight.zero_()
    model.hidden.zero_()
    model.later = torch.ones(1)
    model[0].weight = nn.Parameter(torch.zeros(2, 2))
    weight.requires_grad_(True)
    model.train()
    snapshot.restore()
    assert model[0].weight is weight and model[1].weight is weight
    assert torch.equal(weight, content) and not weight.requires_grad
    assert model.hidden.item() == 1 and model.later is None
    assert [part.training for part in model.modules()] == [True, True, False]


def test_what_a_module_counts_comes_back() -> None:
    class Annealed(nn.Linear):
        def __init__(self) -> None:
            super().__init__(1, 1)
            self.calls, self.seen, self.noise = 0, [0.0], torch.zeros(1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.calls += 1
            self.seen.append(x.item())
            self.noise.add_(1)
            self.late = True
            return super().forward(x)

    model = nn.Sequential(Annealed(), nn.ReLU())
    seen, noise = model[0].seen, model[0].noise
    model[0].itself = [model]
    snapshot = Snapshot([model])
    model(torch.ones(1))
    assert model[0].calls == 1
    snapshot.restore()
    assert model[0].calls == 0 and model[0].seen is seen and seen == [0.0]
    assert model[0].noise is noise and noise.item() == 0 and not hasattr(model[0], "late")
    assert model[0].itself == [model]


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:FutureWarning")
def test_a_script_module() -> None:
    model = torch.jit.script(nn.Sequential(nn.Linear(1, 1), nn.BatchNorm1d(1)))
    content = [tensor.clone() for tensor in model.state_dict().values()]
    snapshot = Snapshot([model])
    with torch.no_grad():
        for tensor in (*model.parameters(), *model.buffers()):
            tensor.add_(1)
    snapshot.restore()
    assert all(map(torch.equal, model.state_dict().values(), content))


def test_a_tensor_of_inference_mode() -> None:
    with torch.inference_mode():
        holder = Holder(tensor=torch.ones(2))
    snapshot = Snapshot([holder])
    with torch.inference_mode():
        holder.tensor.zero_()
    snapshot.restore()
    assert holder.tensor.tolist() == [1, 1] and holder.tensor.is_inference()


def test_gradients_present_and_absent() -> None:
    a, b = nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1))
    a.grad = torch.tensor([3.0])
    kept = a.grad
    snapshot = Snapshot([nn.ParameterList([a, b])])
    a.grad = None
    b.grad = torch.ones(1)
    kept.zero_()
    snapshot.restore()
    assert a.grad is kept and kept.item() == 3 and b.grad is None


def test_an_optimizer_loses_state_that_it_did_not_have_and_groups_that_were_added() -> None:
    parameter = nn.Parameter(torch.ones(1))
    optimizer = torch.optim.Adam([parameter], lr=0.1)
    snapshot = Snapshot([optimizer])
    parameter.grad = torch.ones(1)
    optimizer.step()
    optimizer.add_param_group({"params": [nn.Parameter(torch.ones(1))]})
    optimizer.param_groups[0]["new"] = 1
    snapshot.restore()
    assert len(optimizer.state) == 0 and len(optimizer.param_groups) == 1
    assert "new" not in optimizer.param_groups[0]
    optimizer.step()  # its state is still a defaultdict


def test_a_snapshot_restores_as_often_as_it_is_asked() -> None:
    model = nn.Linear(1, 1)
    content = model.weight.detach().clone()
    snapshot = Snapshot([model])
    for _ in range(2):
        nn.init.constant_(model.weight, 7.0)
        snapshot.restore()
        assert torch.equal(model.weight, content)


def test_what_cannot_be_put_back_holds_nothing_else_back() -> None:
    buffer, array, model = torch.ones(1), np.ones(1), nn.Linear(1, 1)
    views = Holder(view=buffer.expand(3), buffer=buffer)
    content = model.weight.detach().clone()
    snapshot = Snapshot([Holder(array=array), views, model])
    buffer.zero_()
    array[:] = 0
    array.flags.writeable = False
    nn.init.constant_(model.weight, 7.0)
    with pytest.raises(ValueError, match="read-only"):
        snapshot.restore()
    assert torch.equal(model.weight, content) and views.view.tolist() == [1, 1, 1]


def test_random_states_and_every_generator_of_a_loader() -> None:
    dataset = torch.utils.data.TensorDataset(torch.arange(8))
    generators = [torch.Generator().manual_seed(i) for i in range(3)]
    sampler = torch.utils.data.RandomSampler(dataset, generator=generators[0])
    batched = torch.utils.data.BatchSampler(
        torch.utils.data.RandomSampler(dataset, generator=generators[1]), 2, False
    )
    loaders = [
        torch.utils.data.DataLoader(dataset, sampler=sampler, generator=generators[2]),
        torch.utils.data.DataLoader(dataset, batch_sampler=batched),
    ]

    def draw() -> list[Any]:
        own = [torch.rand(1, generator=generator).item() for generator in generators]
        return [random.random(), np.random.rand(), torch.rand(1).item(), *own]

    restore = random_states(*loaders, None)
    first = draw()
    assert draw() != first
    restore()
    assert draw() == first


@pytest.mark.parametrize("kind", ["MT19937", "PCG64", "Philox", "SFC64"])
def test_the_random_states_go_through_a_file_whatever_numpy_draws_with(kind: str) -> None:
    before = np.random.get_bit_generator()
    try:
        np.random.set_bit_generator(getattr(np.random, kind)(3))
        np.random.standard_normal()
        file = io.BytesIO()
        torch.save(random_now(), file)
        drawn = np.random.standard_normal(3).tolist()
        file.seek(0)
        put_random(torch.load(file, weights_only=True))
        assert np.random.standard_normal(3).tolist() == drawn
    finally:
        np.random.set_bit_generator(before)
