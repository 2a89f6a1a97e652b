"""MuonSGD steps kernels as torch's Muon steps matrices, and the rest as torch's SGD."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from clr_ignite.cifar10.models import CaffeFull
from clr_ignite.cifar10.parts.muon import MuonSGD, orthogonalized

SETTINGS = {"lr": 0.02, "momentum": 0.9, "weight_decay": 0.1}


def stepped(optimizer: torch.optim.Optimizer, parameter: Tensor, gradients: list[Tensor]) -> Tensor:
    """``parameter`` after a step along each of ``gradients``."""
    for gradient in gradients:
        parameter.grad = gradient.reshape(parameter.shape).clone()
        optimizer.step()
    return parameter.detach()


@pytest.mark.parametrize("shape", [(32, 3, 5, 5), (64, 32, 5, 5), (80, 2, 3, 3)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_kernel_steps_as_torchs_muon_steps_its_matrix(
    shape: tuple[int, ...], layout: torch.memory_format
) -> None:
    torch.manual_seed(0)
    start = 0.01 * torch.randn(shape)
    gradients = [torch.randn(shape) * torch.linspace(0.01, 1, shape[-1]) for _ in range(4)]
    kernel = nn.Parameter(start.clone().to(memory_format=layout))
    matrix = nn.Parameter(start.flatten(1).clone())
    mine = stepped(MuonSGD([kernel], **SETTINGS), kernel, gradients)
    torchs = stepped(torch.optim.Muon([matrix], **SETTINGS), matrix, gradients)
    # torch's rounds the momentum to bfloat16, eight bits, and scales tall matrices by their shape.
    scale = max(1, matrix.size(0) / matrix.size(1)) ** 0.5
    shrunk = start * (1 - SETTINGS["lr"] * SETTINGS["weight_decay"]) ** 4
    ours, theirs = mine - shrunk, (torchs.view(shape) - shrunk) / scale
    assert float((ours - theirs).norm() / ours.norm()) < 0.02


def test_everything_else_steps_as_torchs_sgd() -> None:
    torch.manual_seed(0)
    for shape in ((7,), (10, 6)):
        start, gradients = torch.randn(shape), [torch.randn(shape) for _ in range(5)]
        mine, torchs = nn.Parameter(start.clone()), nn.Parameter(start.clone())
        sgd = torch.optim.SGD([torchs], nesterov=True, **SETTINGS)  # type: ignore[arg-type]
        ours = stepped(MuonSGD([mine], **SETTINGS), mine, gradients)
        torch.testing.assert_close(ours, stepped(sgd, torchs, gradients), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("shape", [(32, 75), (64, 800), (90, 20)])
def test_singular_values_come_near_one(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    u, _, v = torch.linalg.svd(torch.randn(shape), full_matrices=False)
    matrix = u @ torch.diag(torch.logspace(0, -1, min(shape))) @ v
    for factor in (1e-6, 1.0, 1e6):
        values = torch.linalg.svdvals(orthogonalized(factor * matrix))
        assert 0.65 < float(values.min()) < float(values.max()) < 1.25
    found = orthogonalized(matrix)
    assert float((u.T @ found @ v.T).diag().min()) > 0.65  # the same directions


def test_a_gradient_of_zero_only_shrinks_and_none_does_nothing() -> None:
    kernels = [nn.Parameter(torch.ones(4, 3, 2, 2)) for _ in range(2)]
    kernels[0].grad = torch.zeros(4, 3, 2, 2)
    MuonSGD(kernels, **SETTINGS).step()
    torch.testing.assert_close(kernels[0].detach(), torch.full((4, 3, 2, 2), 1 - 0.002))
    assert torch.equal(kernels[1], torch.ones(4, 3, 2, 2))


def test_a_closure_gives_the_loss_before_the_step() -> None:
    torch.manual_seed(0)
    model = CaffeFull(init="torch")
    optimizer = MuonSGD(model.parameters(), lr=0.01)
    x, y = torch.randn(8, 3, 32, 32), torch.arange(8)

    def closure() -> float:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()  # type: ignore[no-untyped-call]
        return float(loss.detach())

    losses = [optimizer.step(closure) for _ in range(40)]
    assert losses[0] == pytest.approx(2.303, abs=0.1)
    assert losses[-1] is not None and losses[-1] < 1
