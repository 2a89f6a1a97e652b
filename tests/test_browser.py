"""What a reader sees: headless Chromium on a real Visdom server, curves found by their colors."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.visdom_server import PASSWORD, USERNAME, Server, missing, put_front_end_in_place

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
EXAMPLE = Path(__file__).parent.parent / "examples/visdom_live.py"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    if CHROMIUM is None:
        missing("no Chromium to look at the page with: apt-get install chromium")
    put_front_end_in_place()
    server = Server(tmp_path_factory.mktemp("browser"))
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def page(server: Server) -> Iterator[Any]:
    """The environment that the example drew, logged in, with every error of the page noted."""
    from playwright.sync_api import sync_playwright

    environment = dict(os.environ, VISDOM_USERNAME=USERNAME, VISDOM_PASSWORD=PASSWORD)
    done = subprocess.run(
        [sys.executable, str(EXAMPLE), "--visdom", server.url, "--epochs", "4"],
        env=environment, capture_output=True, text=True, timeout=300, check=True,
    )  # fmt: skip
    assert f"drawn at {server.url}/env/clr_ignite" in done.stdout
    assert "no Visdom" not in done.stderr
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1500, "height": 900})
        page.errors = []
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.on("console", lambda m: page.errors.append(m.text) if m.type == "error" else None)
        page.goto(server.url)
        page.fill("#inputUsername", USERNAME)
        page.fill("#inputPassword", PASSWORD)
        with page.expect_navigation():
            page.click("#submitButton")
        page.goto(f"{server.url}/env/clr_ignite")
        page.wait_for_selector(".js-plotly-plot path.js-line", timeout=60_000)
        page.wait_for_timeout(2_000)
        yield page
        browser.close()


def columns_of(picture: np.ndarray[Any, Any], color: tuple[int, int, int]) -> int:
    """Columns of the picture with a pixel near that color."""
    near = (np.abs(picture[:, :, :3].astype(int) - color) < 40).all(axis=2)
    return int(near.any(axis=0).sum())


def plot_of(page: Any, pane: str) -> Any:
    """The plot of the pane of that name."""
    windows = page.locator(".window").all()
    (found,) = [w for w in windows if pane in w.locator(".bar").first.inner_text().split("\n")]
    return found.locator(".js-plotly-plot")


def picture_of(plot: Any, path: Path) -> np.ndarray[Any, Any]:
    """A screenshot of the plot area alone, without legend and title."""
    plot.locator(".plot").first.scroll_into_view_if_needed()
    plot.locator("rect.nsewdrag, rect.drag").first.screenshot(path=path)
    return np.asarray(Image.open(path).convert("RGB"))


@pytest.mark.parametrize(
    ("pane", "colors", "traces"),
    [
        ("range test 1", [(174, 199, 232), (255, 127, 14), (44, 160, 44)], 7),
        ("loss", [(174, 199, 232), (31, 119, 180)], 2),
        ("lr", [(31, 119, 180)], 1),
        ("held-out accuracy", [(31, 119, 180)], 1),
        ("preview", [(31, 119, 180)], 1),
    ],
)
def test_curves_are_drawn(
    page: Any, pane: str, colors: list[tuple[int, int, int]], traces: int, tmp_path: Path
) -> None:
    plot = plot_of(page, pane)
    assert plot.locator(".scatterlayer path.js-line").count() == traces
    picture = picture_of(plot, tmp_path / "plot.png")
    for color in colors:
        assert columns_of(picture, color) > 0.3 * picture.shape[1], color
    assert columns_of(picture, (200, 20, 200)) == 0  # a color that nothing is drawn in


def test_titles_legends_and_text_are_there(page: Any) -> None:
    text = page.locator("body").inner_text()
    assert "iteration 280 of 280" in text and ", best 0." in text
    plot = plot_of(page, "range test 1")
    legend = [entry.text_content() for entry in plot.locator(".legendtext").all()]
    curves = ["loss", "held-out loss", "held-out accuracy", "held-out loss, as read"]
    assert legend[:4] == curves
    assert [entry.split()[0] for entry in legend[4:]] == ["base_lr", "max_lr", "lr"]
    assert plot.locator(".xtitle").text_content() == "learning rate"
    assert "loss is lowest at" in (plot.locator(".gtitle").text_content() or "")


def test_the_page_has_no_errors(page: Any) -> None:
    assert [error for error in page.errors if "favicon" not in error and "404" not in error] == []


def test_screenshot(page: Any, tmp_path: Path) -> None:
    """``SCREENSHOT=path`` keeps the picture, for the README."""
    path = Path(os.environ.get("SCREENSHOT") or tmp_path / "page.png")
    page.screenshot(path=path)
    assert np.asarray(Image.open(path)).std() > 5
