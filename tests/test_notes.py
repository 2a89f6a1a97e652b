"""The measurements behind docs/notes.md measure what they say; its figures are theirs."""

from __future__ import annotations

import csv
import re
import statistics
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from clr_ignite.cifar10.data import DataSet, load
from clr_ignite.schedules import Fixed
from tests.scripts import script

ROOT = Path(__file__).parent.parent
NOTES = (ROOT / "docs/notes.md").read_text()


def measurements() -> ModuleType:
    return script("docs/measurements.py")


M = measurements()


@pytest.fixture(scope="module")
def data() -> DataSet:
    digits = load("digits")
    return DataSet("digits", digits.classes, digits.train.take(torch.arange(500)), digits.test)


def test_small_pixels_train_only_when_the_first_layer_is_rescaled(data: DataSet) -> None:
    _, rows = M.pixel_scale(data, 8)
    assert [row[3] for row in rows] == pytest.approx([row[1] for row in rows], rel=1e-4)
    assert abs(rows[-1][1] - rows[0][1]) > 10 * abs(rows[-1][2] - rows[0][2])


def caffes_rule(parts: object, old: float, new: float, before: int, after: int) -> torch.Tensor:
    """The weights after so many iterations at the old and the new rate, the rate in the buffer."""
    groups = parts.optimizer.param_groups  # type: ignore[attr-defined]
    model, batches = parts.model, parts.batches  # type: ignore[attr-defined]
    buffers = [[torch.zeros_like(p) for p in group["params"]] for group in groups]
    for i in range(before + after):
        lr = old if i < before else new
        x, y = batches.batch(i)
        model.zero_grad()
        cross_entropy(model(x), y).backward()
        with torch.no_grad():
            for group, velocities in zip(groups, buffers, strict=True):
                for p, v in zip(group["params"], velocities, strict=True):
                    gradient = p.grad + group["weight_decay"] * p
                    v.mul_(0.9).add_(gradient, alpha=lr * group["lr_mult"])
                    p.sub_(v)
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def test_buffers_times_old_over_new_rate_are_caffes_rule(
    data: DataSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = caffes_rule(M.parts_of(data, Fixed(0.001)), 0.001, 0.0001, before=6, after=4)
    ends: list[torch.Tensor] = []
    lengths = M._lengths
    monkeypatch.setattr(M, "_lengths", lambda parts, lr, at: lengths(parts, lr, range(6, 10)))
    monkeypatch.setattr(M, "_accuracy", lambda parts: ends.append(M._weights(parts)) or 0.0)
    _, rows = M.momentum_after_a_drop(data, 6)
    torchs, caffes = ends
    moved = (expected - M._weights(M.parts_of(data, Fixed(0.001)))).norm()
    # Rounding grows to a thousandth within ten steps where threads share the sums.
    assert (caffes - expected).norm() < 0.01 * moved
    assert (torchs - expected).norm() > 0.3 * moved
    assert rows[0][2] > 5 * rows[0][1]


def test_the_shrinkage_is_that_of_the_layer(data: DataSet) -> None:
    parts = M.parts_of(data, Fixed(0.001))
    parts.model.norm1.alpha = 10.0
    seen: list[torch.Tensor] = []
    parts.model.norm1.register_forward_hook(lambda layer, x, y: seen.extend((x[0], y)))
    factor = M._factor(parts, "norm1", 1.0)
    x, y = seen
    torch.testing.assert_close((y / x)[x > 0].double(), factor, rtol=1e-5, atol=0)
    assert factor.min() < 0.99


def test_each_variant_undoes_what_it_says(data: DataSet) -> None:
    def groups(change: str) -> list[tuple[float, float]]:
        parts = M.parts_of(data, Fixed(0.001))
        M.VARIANTS[change](parts)
        return [(g["lr_mult"], g["weight_decay"]) for g in parts.optimizer.param_groups]

    assert groups("Caffe's") == [(1, 0.004), (2, 0.004), (1, 1.0), (2, 0)]
    assert groups("biases at the plain rate") == [(1, 0.004), (1, 0.004), (1, 1.0), (1, 0)]
    assert groups("last layer's decay as the others'") == [
        *((1, 0.004), (2, 0.004), (1, 0.004), (2, 0))
    ]
    parts = M.parts_of(data, Fixed(0.001))
    M.VARIANTS["without LRN"](parts)
    assert isinstance(parts.model.norm1, nn.Identity) and isinstance(parts.model.norm2, nn.Identity)


def test_adadelta_is_measured_with_each_pair_of_constants(
    data: DataSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[float, float, float]] = []
    step = torch.optim.Adadelta.step

    def look(self: torch.optim.Adadelta, *args: object) -> object:
        group = self.param_groups[0]
        if len(self.param_groups) > 1:  # not that on which it is tried whether the rate is used
            seen.append((group["rho"], group["eps"], group["lr"]))
        return step(self, *args)

    monkeypatch.setattr(torch.optim.Adadelta, "step", look)
    _, rows = M.adadelta(data, 8)
    assert [row[:2] for row in rows] == [(name, at) for name in M.ADADELTA for at in (2, 4, 6, 8)]
    assert [step[:2] for step in seen] == [(0.95, 1e-6)] * 8 + [(0.9, 1e-8)] * 8
    rates = [0.01 + 0.09 * i / 2_000 for i in range(8)]
    assert [step[2] for step in seen] == pytest.approx(rates * 2)


def test_the_command_writes_what_the_page_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["measurements.py", "pixel_scale", "--iterations", "2", "--out", str(tmp_path)]
    monkeypatch.setattr("sys.argv", words)
    M.main()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "pixel_scale.csv",
        "pixel_scale.png",
    ]
    assert len((tmp_path / "pixel_scale.csv").read_text().splitlines()) == 3


def rows(name: str) -> list[dict[str, str]]:
    with open(ROOT / f"results/notes/{name}.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_the_losses_on_the_page() -> None:
    last = rows("pixel_scale")[-1]
    assert last["iteration"] == "300"
    for column in ("0..255", "[0, 1]", "[0, 1], rescaled"):
        assert f"{float(last[column]):.4f}" in NOTES
    for row in rows("pixel_scale"):
        assert float(row["[0, 1], rescaled"]) == pytest.approx(float(row["0..255"]), rel=0.001)


def test_the_steps_after_a_drop_on_the_page() -> None:
    *steps, accuracies = rows("momentum_after_a_drop")
    ratios = [float(row["caffe"]) / float(row["torch"]) for row in steps]
    assert f"{ratios[0]:.1f} times" in NOTES and f"{ratios[9]:.1f} times" in NOTES
    longer = sum(float(row["caffe"]) for row in steps[39:])
    assert f"{100 * (longer / sum(float(row['torch']) for row in steps[39:]) - 1):.1f} %" in NOTES
    for rule in ("caffe", "torch"):
        assert f"{100 * float(accuracies[rule]):.2f} %" in NOTES


def test_the_shrinkages_on_the_page() -> None:
    table = rows("normalization")
    assert all(float(row["largest shrinkage"]) < 1e-5 for row in table if row["iteration"] == "0")
    for row in (row for row in table if row["iteration"] == "2000"):
        if row["pixels times"] == "1":
            assert f"{100 * float(row['mean shrinkage']):.2f} %" in NOTES
            assert f"{100 * float(row['largest shrinkage']):.1f} %" in NOTES
    small = [float(row["largest shrinkage"]) for row in table if row["pixels times"] != "1"]
    assert f"{100 * max(small):.3f} %" in NOTES


def test_the_variants_on_the_page() -> None:
    table = rows("variants")
    assert {row["variant"] for row in table} == set(M.VARIANTS)
    for variant in M.VARIANTS:
        found = [100 * float(row["accuracy"]) for row in table if row["variant"] == variant]
        mean, spread = statistics.mean(found), statistics.stdev(found)
        assert f"| {variant} | {mean:.2f} ± {spread:.2f} (n = {len(found)}) |" in NOTES


def test_adadeltas_accuracies_on_the_results_page() -> None:
    page = " ".join((ROOT / "results/README.md").read_text().split())
    ends = {row["constants"]: row for row in rows("adadelta") if row["iteration"] == "8000"}
    example, defaults = (f"{100 * float(ends[name]['accuracy']):.1f} %" for name in M.ADADELTA)
    assert f"it has {example} with those of Caffe's example and {defaults} with those of" in page


@pytest.mark.slow
def test_the_compiled_gradient_is_as_wrong_as_the_page_says() -> None:
    """Fails when torch mends it: then the nets can be compiled, and the page is to say so."""
    (snippet,) = re.findall(r"```python\n(.*?)```", NOTES, re.DOTALL)
    names: dict[str, list[float]] = {}
    exec(snippet, names)
    written = re.findall(r"# \[(\d+\.\d+), (\d+\.\d+)\]", snippet)[0]
    assert names["gradients"] == pytest.approx([float(number) for number in written], abs=0.01)
