"""``docs/schedules.md`` shows every public schedule, and its picture is drawn from it."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from benchmarks.schedule_calls import ALONE, AROUND
from tests.schedule_strategies import KINDS
from tests.scripts import script

DOCS = Path(__file__).parent.parent / "docs"


@pytest.fixture(scope="module")
def drawing() -> ModuleType:
    return script("docs/draw_schedules.py")


def test_the_page_shows_every_public_schedule(drawing: ModuleType) -> None:
    assert {type(one).__name__ for one in drawing.examples().values()} == set(KINDS)


def test_the_benchmark_calls_every_public_schedule() -> None:
    called = [*ALONE.values(), *(whole for whole, _ in AROUND.values())]
    assert {type(one).__name__ for one in called} == set(KINDS)


def test_the_picture_has_a_panel_for_each(
    drawing: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "schedules.md").write_text((DOCS / "schedules.md").read_text())
    monkeypatch.setattr(drawing, "PAGE", tmp_path / "schedules.md")
    drawing.main()
    assert (tmp_path / "schedules.png").read_bytes().startswith(b"\x89PNG")
