"""Snapshots: content back in place, absent things absent, shared things once."""

from __future__ import annotations

import collections
import copy
import functools
import io
import logging
import queue
import random
import socket
import tempfile
import threading
import warnings
from array import array
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from ignite.engine import Engine, Events
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune

from clr_ignite import LRRangeTest
from clr_ignite.no_trace import objects
from clr_ignite.no_trace.random_states import generators, put_random, random_now, random_states
from clr_ignite.no_trace.reachable import reachable
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


def grown(model: Any) -> None:
    model.append(nn.Linear(3, 3))
    model[0].register_forward_hook(lambda module, given, output: 2 * output)


@pytest.mark.parametrize(
    "change",
    [
        grown,
        lambda model: model.__setitem__(1, nn.Tanh()),
        lambda model: prune.l1_unstructured(model[0], "weight", 0.5),
        lambda model: prune.remove(model[2], "weight"),
        lambda model: parametrizations.spectral_norm(model[0]),
    ],
)
def test_submodules_hooks_and_parametrizations_come_back(change: Any) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3))
    prune.l1_unstructured(model[2], "weight", 0.3)
    x, parts, names = torch.ones(2, 3), list(model.modules()), list(model.state_dict())
    before, kinds = model(x), [type(part) for part in parts]
    snapshot = Snapshot([model])
    change(model)
    model(x)
    snapshot.restore()
    assert list(model.modules()) == parts and [type(part) for part in parts] == kinds
    assert list(model.state_dict()) == names and torch.equal(model(x), before)


COUNTING: dict[str, tuple[Any, Any]] = {
    "bytearray": (bytearray(b"ab"), lambda one: one.append(1)),
    "numbers": (array("d", [1.0]), lambda one: one.extend([2.0])),
    "objects in an array": (np.array([{}, 1], dtype=object), lambda one: one[0].update(a=1)),
    "an array that grows": (np.ones(2), lambda one: one.resize(5, refcheck=False)),
    "bits": (np.random.PCG64(1), lambda one: one.random_raw()),
    "sobol": (torch.quasirandom.SobolEngine(2), lambda one: one.draw()),
    "partial": (functools.partial(dict.update, {}), lambda one: one(a=1)),
    "bound": (collections.UserDict(a=1).update, lambda one: one(b=2)),
}


def content(one: Any) -> Any:
    if isinstance(one, np.random.PCG64):
        return str(one.state)
    if isinstance(one, torch.quasirandom.SobolEngine):
        return one.num_generated, one.quasi.tolist()
    if isinstance(one, functools.partial):
        return dict(one.args[0])
    return dict(one.__self__) if hasattr(one, "__self__") else copy.deepcopy(list(one))


@pytest.mark.parametrize("name", COUNTING)
def test_what_a_module_keeps_comes_back_whatever_its_kind(name: str) -> None:
    one, change = COUNTING[name]
    model = nn.Linear(1, 1)
    model.kept = one
    before = content(one)
    snapshot = Snapshot([model])
    change(one)
    assert content(one) != before
    snapshot.restore()
    assert model.kept is one and content(one) == before


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


# -- tensors that change more than their numbers ------------------------------

CHANGES: dict[str, tuple[Any, Any]] = {
    "resized": (torch.ones(3), lambda t: t.resize_(8).fill_(7)),
    "emptied": (torch.ones(3), lambda t: t.resize_(0)),
    "filled from nothing": (torch.empty(0), lambda t: t.resize_(3).fill_(7)),
    "another storage": (torch.ones(3), lambda t: t.set_(torch.zeros(2, 2))),
    "other data": (nn.Parameter(torch.ones(3)), lambda t: setattr(t, "data", torch.zeros(7))),
    "another type": (
        nn.Parameter(torch.ones(3)),
        lambda t: setattr(t, "data", torch.zeros(3).half()),
    ),
    "freed": (torch.ones(3), lambda t: t.untyped_storage().resize_(0)),
    "turned": (torch.arange(6.0).view(2, 3), lambda t: t.t_().add_(1)),
    "overlapping": (torch.arange(4.0).as_strided((2, 2), (1, 1)), lambda t: t.set_(torch.zeros(1))),
    "sparse": (torch.eye(3).to_sparse(), lambda t: t.add_(torch.ones(3, 3).to_sparse())),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_tensor_comes_back_whatever_became_of_it(change: str) -> None:
    tensor, act = CHANGES[change]
    content, strides = tensor.detach().clone(), tensor.layout == torch.strided and tensor.stride()
    alias = None if tensor.is_sparse else tensor.detach()
    snapshot = Snapshot([[tensor]])
    with torch.no_grad():
        act(tensor)
    snapshot.restore()
    assert tensor.dtype == content.dtype
    assert torch.equal(tensor.detach().to_dense(), content.to_dense())
    assert (tensor.layout == torch.strided and tensor.stride()) == strides
    if alias is not None and alias.numel():
        assert tensor.data_ptr() == alias.data_ptr()  # what shares its memory shares it again


@pytest.mark.parametrize("grad", [False, True])
def test_views_that_autograd_does_not_take_come_back(grad: bool) -> None:
    base = torch.arange(4.0, requires_grad=grad)
    with torch.set_grad_enabled(grad):
        views = list(base.unbind())
    places = [view.detach() for view in views]
    for given in ([views], [views, base], [base, views]):
        snapshot = Snapshot(given)
        with torch.no_grad():
            base.add_(1)
        snapshot.restore()
        assert [place.item() for place in places] == [0, 1, 2, 3]


class EightBit(Tensor):
    """A state as 8-bit optimizers keep it: around other tensors, unable to be cloned."""

    @staticmethod
    def __new__(cls, codes: Tensor, scale: Tensor) -> Any:
        return Tensor._make_wrapper_subclass(cls, codes.shape)

    def __init__(self, codes: Tensor, scale: Tensor) -> None:
        self.codes, self.scale = codes, scale

    def __tensor_flatten__(self) -> tuple[list[str], list[object]]:
        return ["codes", "scale"], []

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten.detach.default:
            return cls(args[0].codes, args[0].scale)
        raise NotImplementedError(f"{func} is not implemented")


class Opaque(Tensor):
    """One that cannot be taken apart either."""

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten.detach.default:
            return args[0]
        raise NotImplementedError(f"{func} is not implemented")


def test_state_tensors_that_cannot_be_cloned() -> None:
    codes, scale = torch.ones(4, dtype=torch.uint8), torch.ones(1)
    state = EightBit(codes, scale)
    snapshot = Snapshot([{"exp_avg": state}])
    codes.zero_()
    state.scale = torch.zeros(1)
    snapshot.restore()
    assert state.codes is codes and codes.tolist() == [1] * 4 and state.scale is scale
    opaque = Tensor._make_wrapper_subclass(Opaque, (4,))
    with pytest.raises(TypeError, match=r"Opaque of shape \(4,\) cannot be copied.*clone"):
        Snapshot([{"exp_avg": opaque}])


# -- objects of other people's classes ----------------------------------------


class Projector:
    def __init__(self) -> None:
        self.basis, self.calls, self.history = torch.ones(2), 0, [0]


class Slotted:
    __slots__ = ("calls", "basis", "late")

    def __init__(self) -> None:
        self.calls, self.basis = 0, torch.ones(2)


class SlottedChild(Slotted):
    __slots__ = ("more",)

    def __init__(self) -> None:
        super().__init__()
        self.more = [0]


@dataclass
class Plain:
    calls: int = 0
    basis: Tensor = field(default_factory=lambda: torch.ones(2))


@dataclass(frozen=True, slots=True)
class Frozen:
    basis: Tensor = field(default_factory=lambda: torch.ones(2))


class Guarded:
    """A class that does not let its attributes be set, nor looked up, in the usual way."""

    def __init__(self) -> None:
        object.__setattr__(self, "calls", 0)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(name)


def met(one: object) -> list[object]:
    """Places in which a snapshot meets an object without being given it."""
    module, parameter = nn.Linear(1, 1), nn.Parameter(torch.ones(1))
    module.held = {"deep": [(one,)]}
    optimizer = torch.optim.SGD([parameter], lr=0.1)
    optimizer.state[parameter]["projector"] = one
    outer = Projector()
    outer.inner = SimpleNamespace(one=one)
    parameter_with = nn.Parameter(torch.ones(1))
    parameter_with.projector = one
    return [
        module,
        optimizer,
        outer,
        parameter_with,
        frozenset({1, (one,)} if one.__hash__ else {1}),
    ]


@pytest.mark.parametrize("place", range(5))
@pytest.mark.parametrize("kind", [Projector, Slotted, SlottedChild, Plain, Frozen, Guarded])
def test_objects_are_followed_as_far_as_their_attributes(kind: Any, place: int) -> None:
    one = kind()
    if place == 4 and kind is Plain:
        pytest.skip("has no hash")
    snapshot = Snapshot([met(one)[place]])
    before = {name: value for name, value in objects.attributes(one).items()}
    if hasattr(one, "basis"):
        one.basis.zero_()
    if hasattr(one, "history"):
        one.history.append(1)
    for name, value in {"calls": 5, "late": 1, "more": None}.items():
        if name in before or name == "late" and kind in (Projector, Slotted):
            objects._set(one, dict(objects._slots(kind)), name, value)
    snapshot.restore()
    assert objects.attributes(one) == before
    if hasattr(one, "basis"):
        assert one.basis.tolist() == [1, 1]
    assert getattr(one, "history", [0]) == [0]


def test_objects_that_hold_each_other() -> None:
    a, b = Projector(), Projector()
    a.other, b.other, a.itself = b, a, [a]
    snapshot = Snapshot([nn.ModuleDict(), {"a": a}])
    a.calls = b.calls = 5
    del a.itself
    b.other = None
    snapshot.restore()
    assert (a.calls, b.calls, a.itself, b.other) == (0, 0, [a], a)


class Writer:
    def __init__(self, resource: Any) -> None:
        self.resource, self.lines = resource, 0


def resources(folder: Path) -> list[Any]:
    return [
        (folder / "log").open("w"),
        tempfile.NamedTemporaryFile("w"),
        threading.Thread(target=print),
        [threading.Thread(target=print)],
        {"pool": ThreadPoolExecutor(1)},
        socket.socket(),
    ]


@pytest.mark.parametrize("which", range(6))
def test_what_works_with_the_outside_is_left_alone_and_named(which: int, tmp_path: Path) -> None:
    resource = resources(tmp_path)[which]
    writer = Writer(resource)
    outer = Projector()
    outer.writer = writer
    snapshot = Snapshot([{"outer": outer}])
    writer.lines, outer.calls = 5, 5
    with pytest.warns(UserWarning, match="a Writer was not put back.*its lines changed"):
        snapshot.restore()
    assert writer.lines == 5 and writer.resource is resource and outer.calls == 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Snapshot([{"outer": outer}]).restore()  # nothing changed
    for one in (resource, *(resource if isinstance(resource, list) else ())):
        getattr(one, "close", lambda: None)()


def test_machinery_and_shared_things_are_not_written() -> None:
    holder = Projector()
    holder.lock, holder.queue, holder.logger = (
        threading.Lock(),
        queue.Queue(),
        logging.getLogger("a"),
    )
    holder.event, holder.kind, holder.module = threading.Event(), Projector, torch
    holder.data = torch.utils.data.DataLoader([1, 2])
    holder.compiled = torch.compile(nn.Linear(1, 1), backend="eager")
    holder.trainer = Engine(lambda engine, batch: None)
    snapshot = Snapshot([{"holder": holder}])
    holder.queue.put(1)
    holder.logger.extra = 1
    Projector.extra = 1
    holder.event.set()
    holder.lock.acquire()
    holder.data.extra = 1
    holder.trainer.extra = 1
    holder.calls = 5
    snapshot.restore()
    assert holder.calls == 0  # beside a lock all is followed
    assert holder.queue.get() == holder.logger.extra == Projector.extra == 1
    assert holder.event.is_set() and holder.lock.locked()
    assert holder.data.extra == holder.trainer.extra == 1
    del Projector.extra, holder.logger.extra


# -- generators wherever the data has them ------------------------------------


def drawing() -> list[tuple[Any, Any]]:
    """Generators of every kind, each with what draws from it."""
    kinds = [random.Random(1), torch.Generator().manual_seed(1), np.random.RandomState(1)]
    draws: list[tuple[Any, Any]] = [
        (kinds[0], lambda: kinds[0].gauss(0, 1)),
        (kinds[1], lambda: torch.rand(1, generator=kinds[1]).item()),
        (kinds[2], kinds[2].normal),
    ]
    for bits in ("MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64"):
        generator = np.random.Generator(getattr(np.random, bits)(1))
        draws.append((generator, generator.normal))
        draws.append((generator.bit_generator, generator.normal))
    return draws


class Pipeline:
    """A loader of another library around somebody's loader."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def __iter__(self) -> Any:
        return iter(self.inner)


class SlottedNode:
    __slots__ = ("source", "itself")

    def __init__(self, source: Any) -> None:
        self.source, self.itself = source, self


class Augmented(torch.utils.data.Dataset[int]):
    def __init__(self, transform: Any) -> None:
        self.transform, self.items = transform, list(range(5_000))

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> int:
        return index


def loader(**options: Any) -> Any:
    return torch.utils.data.DataLoader(Augmented(None), **options)


def closing_over(generator: Any) -> Any:
    return lambda batch: (batch, generator)


class Noise(nn.Module):
    def __init__(self, generator: Any) -> None:
        super().__init__()
        self.generator = generator


def sampler(generator: Any) -> Any:
    made = torch.utils.data.RandomSampler([1, 2])
    made.generator = generator
    return made


def of_its_class(generator: Any) -> Any:
    return type("Shared", (Pipeline,), {"R": generator})(None)


def named_in_a_method(generator: Any) -> Any:
    class Drawn(Augmented):
        def __getitem__(self, index: int) -> Any:
            return index, generator

    return torch.utils.data.DataLoader(Drawn(None))


PLACES: dict[str, Any] = {
    "a method's closure": named_in_a_method,
    "an attribute of the class": lambda g: loader_of([of_its_class(g)]),
    "itself": lambda g: g,
    "a batch sampler given as sampler": lambda g: loader(
        sampler=torch.utils.data.BatchSampler(sampler(g), 2, False), batch_size=None
    ),
    "a wrapper": lambda g: Pipeline(Pipeline(loader(generator=g))),
    "nodes": lambda g: SlottedNode(SlottedNode(SlottedNode(sampler(g)))),
    "an augmentation": lambda g: loader_of(Pipeline(SimpleNamespace(py_random=g))),
    "one of several": lambda g: loader_of(Pipeline([Noise(None), (Noise(g), 0.5)])),
    "by name": lambda g: {"train": [loader_of({"p": {"q": g}})]},
    "a module": lambda g: loader_of(nn.Sequential(nn.Identity(), Noise(g))),
    "a partial function": lambda g: loader(collate_fn=partial(print, rng=g)),
    "a bound method": lambda g: loader(worker_init_fn=Noise(g).forward),
    "a closure": lambda g: loader(collate_fn=closing_over(g)),
    "a set": lambda g: Pipeline({Noise(g)}),
}


def loader_of(transform: Any) -> Any:
    return torch.utils.data.DataLoader(Augmented(transform))


@pytest.mark.parametrize("place", PLACES)
def test_every_generator_that_data_reaches_comes_back(place: str) -> None:
    for generator, draw in drawing():
        restore = random_states(PLACES[place](generator))
        first = [draw() for _ in range(3)]
        restore()
        assert [draw() for _ in range(3)] == first, type(generator)


def test_their_states_are_plain_values() -> None:
    holders = [generator for generator, _ in drawing()]
    own = generators([holders, random.SystemRandom()])
    assert own == holders
    with io.BytesIO() as file:
        torch.save(random_now(own), file)
        file.seek(0)
        states = torch.load(file, weights_only=True)
    drawn = [generator.random() if hasattr(generator, "random") else 0 for generator in own]
    put_random(states, own)
    assert [g.random() if hasattr(g, "random") else 0 for g in own] == drawn


def test_a_librarys_function_is_not_searched() -> None:
    seen: list[object] = []
    reachable([nn.functional.gumbel_softmax], seen.append)
    assert seen[0] is nn.functional.gumbel_softmax and nn.functional.softmax not in seen


def test_the_walk_is_bounded_and_leaves_machinery_alone() -> None:
    generator = random.Random(1)
    crowd = [SimpleNamespace(number=[i]) for i in range(100_000)]
    assert generators([crowd, Pipeline(generator)]) == [generator]  # the nearest first
    far: Any = generator
    for _ in range(20_000):
        far = [far]
    assert generators([far]) == []
    thread = threading.Thread(target=print)
    thread.generator = generator
    trainer = Engine(lambda engine, batch: None)
    trainer.generator = generator
    assert generators([thread, trainer, Pipeline, random, logging.getLogger()]) == []


def test_a_training_on_augmented_data_goes_on_as_if_nothing_had_been() -> None:
    class Jitter:
        def __init__(self) -> None:
            self.choices = [SimpleNamespace(rng=np.random.default_rng(0)), random.Random(0)]

        def __call__(self, batch: Any) -> Tensor:
            noise = self.choices[0].rng.normal() + self.choices[1].random()
            return torch.tensor([float(x) + noise for x in batch])

    def losses(tested: bool) -> list[float]:
        model = nn.Linear(1, 1)
        nn.init.ones_(model.weight)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        data = torch.utils.data.DataLoader([1, 2, 3, 4], batch_size=2, collate_fn=Jitter())
        found: list[float] = []
        trainer = Engine(lambda engine, batch: (optimizer.step(), batch.sum().item())[1])
        if tested:
            saved = {"model": model, "optimizer": optimizer}
            LRRangeTest(optimizer, 0.0, 0.1, 5, to_save=saved, diverge_th=None).run(trainer, data)
        trainer.add_event_handler(
            Events.ITERATION_COMPLETED, lambda engine: found.append(engine.state.output)
        )
        trainer.run(data, max_epochs=3)
        return found

    assert losses(True) == losses(False)
