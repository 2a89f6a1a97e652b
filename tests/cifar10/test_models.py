"""Caffe's nets: counts, shapes, fillers, normalization by a plain loop, groups, alive."""

from __future__ import annotations

import copy
import shutil
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clr_ignite.cifar10.data import DataSet, load
from clr_ignite.cifar10.experiments import TABLE2, Experiment
from clr_ignite.cifar10.models import (
    CaffeFull,
    CaffeQuick,
    EarlyQuick,
    WithinChannelLRN,
    hanging_mean,
    param_groups,
)
from clr_ignite.cifar10.parts import build


@pytest.fixture(scope="module")
def digits() -> DataSet:
    return load("digits")


@pytest.mark.parametrize(
    ("model", "parameters"),
    [
        (CaffeFull(), 89_578),
        (CaffeQuick(), 145_578),
        (CaffeFull(pooling="floor"), 85_098),
        (CaffeQuick(pooling="floor"), 116_906),
        (EarlyQuick(pooling="floor"), 280_746),
    ],
)
def test_parameter_counts(model: nn.Module, parameters: int) -> None:
    assert sum(p.numel() for p in model.parameters()) == parameters


@pytest.mark.parametrize("make", [CaffeFull, CaffeQuick])
@pytest.mark.parametrize(("pooling", "sizes"), [("ceil", [16, 8, 4]), ("floor", [15, 7, 3])])
def test_pooled_sizes(make: Any, pooling: str, sizes: list[int]) -> None:
    model = make(7, pooling=pooling)
    seen: list[int] = []
    for name in ("pool1", "pool2", "pool3"):
        model.get_submodule(name).register_forward_hook(
            lambda module, args, output: seen.append(output.shape[-1])
        )
    assert model(torch.zeros(2, 3, 32, 32)).shape == (2, 7)
    assert seen == sizes


def relative(found: Tensor | None, expected: Tensor | None) -> float:
    assert found is not None and expected is not None
    return float((found.detach().double() - expected.detach()).norm() / expected.detach().norm())


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("size", [(16, 16), (8, 8), (15, 15), (7, 7), (8, 5), (3, 4)])
def test_the_mean_of_hanging_windows_is_that_of_torchs_pooling(
    size: tuple[int, int], layout: Any
) -> None:
    torch.manual_seed(0)
    x = torch.randn(3, 32, *size).contiguous(memory_format=layout).requires_grad_()
    exact = x.detach().double().requires_grad_()
    found, expected = hanging_mean(x, 3, 2), F.avg_pool2d(exact, 3, 2, ceil_mode=True)
    gradient = torch.randn_like(found)
    found.backward(gradient)
    expected.backward(gradient.double())
    assert relative(found, expected) < 2e-7 and relative(x.grad, exact.grad) < 2e-7
    assert found.is_contiguous(memory_format=layout)


@pytest.mark.parametrize(("pooling", "hangs"), [("ceil", True), ("floor", False)])
def test_only_compiled_layers_pool_padded_maps(pooling: Any, hangs: bool) -> None:
    torch._dynamo.reset()
    x, graphs = torch.randn(2, 3, 8, 8), []

    def backend(graph: Any, inputs: Any) -> Any:
        graphs.append(graph.code)
        return graph.forward

    for model in (CaffeFull(pooling=pooling), CaffeQuick(pooling=pooling)):
        for layer in (model.pool2, model.pool3):
            compiled = torch.compile(layer, backend=backend, fullgraph=True)(x)
            assert relative(compiled, layer(x).double()) < 2e-7
            assert torch.equal(layer(x), F.avg_pool2d(x, 3, 2, ceil_mode=hangs))
    assert graphs and all(("nn.pad(" in code) is hangs for code in graphs)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="Inductor needs g++ on a CPU")
@pytest.mark.parametrize("make", [CaffeFull, CaffeQuick])
@pytest.mark.parametrize("pooling", ["ceil", "floor"])
def test_inductors_gradients_are_those_of_double_precision(make: Any, pooling: Any) -> None:
    torch._dynamo.reset()
    torch.manual_seed(0)
    exact = make(pooling=pooling, init="torch").double()
    model = copy.deepcopy(exact).float().to(memory_format=torch.channels_last)
    x, y = 60 * torch.randn(8, 3, 32, 32), torch.randint(10, (8,))
    F.cross_entropy(exact(x.double()), y).backward()
    compiled = torch.compile(model, fullgraph=True, dynamic=False)
    F.cross_entropy(compiled(x.contiguous(memory_format=torch.channels_last)), y).backward()
    for mine, its in zip(model.parameters(), exact.parameters(), strict=True):
        assert relative(mine.grad, its.grad) < 1e-5


@pytest.mark.parametrize("pooling", ["ceil", "floor"])
def test_the_early_net_is_affine_after_its_second_pooling(pooling: Any) -> None:
    torch.manual_seed(0)
    model = EarlyQuick(5, pooling=pooling)
    seen: list[Tensor] = []
    model.pool2.register_forward_hook(lambda module, args, output: seen.append(output))
    scores = [model(64 * torch.randn(2, 3, 32, 32)) for _ in range(2)]
    between = model.ip2(model.ip1(model.conv3(torch.lerp(*seen, 0.5)).flatten(1)))
    torch.testing.assert_close(between, torch.lerp(*scores, 0.5))


@pytest.mark.parametrize("make", [CaffeFull, CaffeQuick, EarlyQuick])
def test_caffes_fillers(make: Any) -> None:
    torch.manual_seed(0)
    model = make()
    for name, std in model.fillers.items():
        layer = model.get_submodule(name)
        assert layer.weight.std().item() == pytest.approx(std, rel=0.1)
        assert abs(layer.weight.mean().item()) < 0.1 * std
        assert not layer.bias.any()
    plain = make(init="torch")
    assert plain.conv1.weight.abs().max() > 0.05 and plain.conv1.bias.any()


def test_the_normalization_is_caffes_formula() -> None:
    """Caffe's LRN within channels: over 3 x 3 windows padded by zeros, always divided by 9."""
    torch.manual_seed(0)
    x = 100 * torch.randn(2, 3, 5, 4, dtype=torch.float64)
    found = WithinChannelLRN(alpha=5e-5)(x)
    for n, c, i, j in torch.cartesian_prod(*map(torch.arange, x.shape)).tolist():
        window = x[n, c, max(0, i - 1) : i + 2, max(0, j - 1) : j + 2]
        scale = (1 + 5e-5 / 9 * window.square().sum()) ** 0.75
        assert found[n, c, i, j].item() == pytest.approx((x[n, c, i, j] / scale).item(), rel=1e-12)


def formulas_gradient(x: Tensor, alpha: float, weights: Tensor) -> Tensor:
    """Of the weighted sum of Caffe's formula at ``x``, by autograd."""
    mean = F.avg_pool2d(x * x, kernel_size=3, stride=1, padding=1)
    return torch.autograd.grad((weights * x * (1 + alpha * mean) ** -0.75).sum(), x)[0]


@pytest.mark.parametrize("alpha", [5e-5, 0.5])
def test_the_normalizations_gradient_is_that_of_its_formula(alpha: float) -> None:
    torch.manual_seed(0)
    spread = 0.5 / alpha**0.5  # so that the scale differs from 1 as much as it does in training
    x = (spread * torch.randn(2, 3, 5, 4, dtype=torch.float64)).requires_grad_()
    normalize = WithinChannelLRN(alpha)
    assert torch.autograd.gradcheck(normalize, x, eps=1e-6 * spread)
    weights = torch.randn_like(x)
    (found,) = torch.autograd.grad((weights * normalize(x)).sum(), x)
    expected = formulas_gradient(x, alpha, weights)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_normalizations_gradient_in_float32_is_that_of_autograd(layout: Any) -> None:
    torch.manual_seed(0)
    x = (100 * torch.randn(2, 32, 15, 15)).contiguous(memory_format=layout).requires_grad_()
    y = WithinChannelLRN()(x)
    (found,) = torch.autograd.grad(y.sum(), x)
    expected = formulas_gradient(x, 5e-5, torch.ones_like(x))
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    assert y.is_contiguous(memory_format=layout) and found.is_contiguous(memory_format=layout)


def test_the_normalizations_gradient_under_autocast_is_near_that_in_float32() -> None:
    torch.manual_seed(0)
    x = (1 + torch.rand(2, 3, 5, 4)).bfloat16().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        (found,) = torch.autograd.grad(WithinChannelLRN(0.5)(x).sum(), x)
    exact = x.detach().float().requires_grad_()
    expected = formulas_gradient(exact, 0.5, torch.ones_like(exact))
    torch.testing.assert_close(found.float(), expected, rtol=0.02, atol=0.02)


def test_the_full_nets_groups_are_caffes() -> None:
    model = CaffeFull()
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    found = {
        names[id(parameter)]: (group["lr_mult"], group["weight_decay"])
        for group in param_groups(model)
        for parameter in group["params"]
    }
    assert found == {
        "conv1.weight": (1, 0.004), "conv1.bias": (2, 0.004),
        "conv2.weight": (1, 0.004), "conv2.bias": (2, 0.004),
        "conv3.weight": (1, 0.004), "conv3.bias": (1, 0.004),
        "ip1.weight": (1, 1.0), "ip1.bias": (2, 0.0),
    }  # fmt: skip


def test_the_quick_nets_groups_are_caffes() -> None:
    groups = param_groups(CaffeQuick(), weight_decay=0.01)
    assert [(g["lr_mult"], g["weight_decay"], len(g["params"])) for g in groups] == [
        (1, 0.01, 5),
        (2, 0.01, 5),
    ]
    (plain,) = param_groups(CaffeQuick(), multipliers=False)
    assert len(plain["params"]) == 10 and "lr_mult" not in plain


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: CaffeFull(1), ValueError, "num_classes must be at least 2, got 1"),
        (lambda: CaffeQuick(2.5), TypeError, "num_classes must be a whole number, got 2.5"),
        (lambda: CaffeFull(pooling="round"), ValueError, "'ceil' or 'floor', got 'round'"),
        (lambda: CaffeQuick(init="he"), ValueError, "'caffe' or 'torch', got 'he'"),
        (lambda: CaffeQuick()(torch.zeros(1, 1, 28, 28)), ValueError, r"got \(1, 1, 28, 28\)"),
        (lambda: param_groups(nn.Linear(1, 1)), TypeError, "CaffeQuick or CaffeFull, got Linear"),
    ],
)
def test_bad_arguments_are_named(call: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        call()


@pytest.mark.parametrize("model", ["full", "quick"])
def test_alive_after_200_iterations(digits: DataSet, model: Any) -> None:
    """The loss has fallen, and every ReLU neither sleeps nor lets everything through."""
    experiment = Experiment(schedule=TABLE2, iterations=200, model=model, batch_size=10)
    parts = build(experiment, digits, seed=0, device="cpu")
    losses: list[float] = []

    def step(iteration: int) -> None:
        x, y = parts.batches.batch(iteration)
        loss = nn.functional.cross_entropy(parts.model(x), y)
        parts.optimizer.zero_grad()
        loss.backward()
        for group in parts.optimizer.param_groups:
            group["lr"] = 0.001 * group["lr_mult"]
        parts.optimizer.step()
        losses.append(loss.item())

    for iteration in range(200):
        step(iteration)
    assert sum(losses[-20:]) / 20 < 0.5 * losses[0]
    shares: dict[str, float] = {}

    def watch(name: str) -> Any:
        def hook(module: nn.Module, args: Any, output: Tensor) -> None:
            shares[name] = (output > 0).float().mean().item()

        return hook

    for name in ("relu1", "relu2", "relu3"):
        parts.model.get_submodule(name).register_forward_hook(watch(name))
    parts.model(parts.batches.batch(0)[0])
    assert shares.keys() == {"relu1", "relu2", "relu3"}
    assert all(0.02 < share < 0.98 for share in shares.values()), shares
