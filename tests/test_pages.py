"""Every page: its links lead somewhere, its commands parse, its code runs."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import create_supervised_evaluator, create_supervised_trainer
from ignite.metrics import Accuracy, Loss
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import clr_ignite
from clr_ignite import live
from clr_ignite.cifar10.cli.command_line import build_parser
from tests.pages import PAGES, ROOT, blocks, broken

DOCS = sorted((ROOT / "docs").glob("*.md"))
RUN_ELSEWHERE = {"any-loop.md": "test_any_loop.py", "notes.md": "test_notes.py"}


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def users_names() -> dict[str, Any]:
    """What the reader is taken to have: a model, an optimizer, loaders and two Engines."""
    torch.manual_seed(0)
    digits = load_digits()
    x, y = torch.tensor(digits.data / 16).float(), torch.tensor(digits.target)
    loader = DataLoader(TensorDataset(x[:1200], y[:1200]), 20, shuffle=True)

    def make_training() -> tuple[Any, ...]:
        model = nn.Sequential(nn.Linear(64, 100), nn.ReLU(), nn.Linear(100, 10))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.7, momentum=0.9)
        trainer = create_supervised_trainer(model, optimizer, nn.functional.cross_entropy)
        return model, optimizer, trainer, loader

    names = dict(zip(("model", "optimizer", "trainer"), make_training(), strict=False))
    metrics = {"loss": Loss(nn.functional.cross_entropy), "accuracy": Accuracy()}
    return names | {
        "make_training": make_training,
        "train_loader": loader,
        "val_loader": DataLoader(TensorDataset(x[1200:], y[1200:]), 300),
        "evaluator": create_supervised_evaluator(names["model"], metrics=metrics),
    }


@pytest.mark.filterwarnings("ignore:Run completed without loss diverging")
@pytest.mark.parametrize(
    "page", [page for page in DOCS if blocks(page.read_text(), "python")], ids=name_of
)
def test_a_pages_code_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if page.name in RUN_ELSEWHERE:
        assert page.name in (ROOT / "tests" / RUN_ELSEWHERE[page.name]).read_text()
        return
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VISDOM_SERVER_URL", "http://127.0.0.1:9")  # nobody there
    names: dict[str, Any] = {}
    for block in blocks(page.read_text(), "python"):
        if "import MLflowLogger" in block or "import ClearMLLogger" in block:
            continue  # tests/company/test_loggers.py runs them
        names |= users_names()
        exec(block, names)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    assert broken(page) == []


def test_a_link_to_nowhere_is_found(tmp_path: Path) -> None:
    (tmp_path / "other.md").write_text("# A heading: here\n")
    page = tmp_path / "page.md"
    page.write_text("[a](other.md#a-heading-here) [b](gone.md) [c](other.md#gone) `[d](code.md)`")
    assert broken(page) == ["gone.md", "other.md#gone"]


def test_every_page_is_found_from_the_first_one_and_leads_on() -> None:
    start = (ROOT / "docs/index.md").read_text()
    for page in DOCS:
        assert page.name == "index.md" or f"({page.name})" in start, page
        assert ".md)" in page.read_text() or ".md#" in page.read_text(), page


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_parse(page: Path) -> None:
    for block in blocks(page.read_text(), "sh"):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line)
            if words[:3] == ["python", "-m", "clr_ignite.cifar10"]:
                build_parser().parse_args(words[3:])


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_visdom_is_installed_with_what_its_build_needs(page: Path) -> None:
    for command in re.findall(r"pip install[^`\n]*visdom[^`\n]*", page.read_text()):
        assert "PIP_BUILD_CONSTRAINT" in page.read_text() or "isolation" in command, command


def test_the_reference_has_every_public_name() -> None:
    page = (ROOT / "docs/reference.md").read_text()
    for name in [*clr_ignite.__all__, *(f"live.{name}" for name in live.__all__)]:
        assert f"clr_ignite.{name}\n" in page, name
    for module in ("schedules", "suggestions", "plots"):
        assert f"automodule:: clr_ignite.{module}\n" in page, module


@pytest.mark.slow
def test_the_site_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "sphinx", "-q", "-W", "-c", "docs", ".", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True)
    pages = list(tmp_path.rglob("*.html"))
    assert tmp_path / "docs/index.html" in pages
    for page in pages:
        loaded = re.findall(r"""<(?:img|script|link|iframe)\b[^>]*https?:""", page.read_text())
        assert loaded == [], page


def test_the_templates_ask_for_versions_and_a_script() -> None:
    templates = sorted((ROOT / ".github").rglob("*.md"))
    assert len(templates) == 3
    for template in templates:
        text = template.read_text()
        assert "ersions" in text and "```python" in text, template
    (command,) = blocks((ROOT / ".github/ISSUE_TEMPLATE/bug.md").read_text(), "sh")
    _, option, code = shlex.split(command)
    assert option == "-c"
    exec(code, {})
