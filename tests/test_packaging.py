"""What is installed: the wheel and the sdist hold everything, and import without the extras."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import clr_ignite

ROOT = Path(__file__).parent.parent
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in (ROOT / "clr_ignite").rglob("*.py")
}
EXTRAS = ("matplotlib", "torchvision", "sklearn", "scipy", "PIL", "visdom", "tornado", "ray")
DATA = {"clr_ignite/py.typed", "clr_ignite/live/visdom_assets.json"}
BUILD = "from setuptools import build_meta as b; b.build_sdist({0!r}); b.build_wheel({0!r})"
# Run with -W error and without the extras: a finder that knows none of them stands first.
IMPORT = """
import importlib, sys
class Hide:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {extras!r}:
            raise ModuleNotFoundError(f"{{name}} is hidden", name=name)
sys.meta_path.insert(0, Hide())
for name in {modules!r}:
    importlib.import_module(name)
import clr_ignite
print(clr_ignite.__file__)
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both archives, built from a copy of the sources."""
    folder = tmp_path_factory.mktemp("built")
    source, dist = folder / "source", folder / "dist"
    dist.mkdir()
    shutil.copytree(
        ROOT / "clr_ignite", source / "clr_ignite", ignore=shutil.ignore_patterns("__pycache__")
    )
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    subprocess.run(
        [sys.executable, "-c", BUILD.format(str(dist))], cwd=source, check=True, capture_output=True
    )
    return dist


def test_both_archives_hold_code_data_and_licence(built: Path) -> None:
    (wheel,), (sdist,) = built.glob("*.whl"), built.glob("*.tar.gz")
    files = {str(path.relative_to(ROOT)) for path in (ROOT / "clr_ignite").rglob("*.py")} | DATA
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    information = {name for name in names if ".dist-info/" in name}
    assert names - information == files
    assert any(name.endswith("LICENSE") for name in information)
    with tarfile.open(sdist) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    needed = {"setup.cfg", "pyproject.toml", "README.md", "LICENSE", "PKG-INFO"}
    assert (files | needed) <= inside


def test_the_wheel_imports_without_extras_and_without_a_warning(
    built: Path, tmp_path: Path
) -> None:
    (wheel,) = built.glob("*.whl")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*install, "--target", str(tmp_path), str(wheel)], check=True)
    assert (tmp_path / "bin/clr-ignite").is_file()
    code = IMPORT.format(extras=EXTRAS, modules=sorted(MODULES))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env=dict(os.environ, PYTHONPATH=str(tmp_path)),
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).is_relative_to(tmp_path) and done.stderr == ""


def bounds_of(section: str, option: str) -> dict[str, str]:
    """What an option of setup.cfg asks for at least, by package."""
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg")
    lines = settings[section][option].split()
    return dict(line.split(">=") for line in lines)


def test_the_oldest_versions_are_the_lower_bounds() -> None:
    lines = (ROOT / "oldest.txt").read_text().splitlines()
    pinned = dict(line.split("==") for line in lines if not line.startswith("#"))
    asked = bounds_of("options", "install_requires")
    asked |= bounds_of("options.extras_require", "plot")
    assert asked.keys() == pinned.keys()
    for package, bound in asked.items():
        assert pinned[package] in (bound, f"{bound}.0"), package


def test_the_table_of_extras_is_that_of_setup() -> None:
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg")
    table = re.findall(r"^\| `(\w+)` \|", (ROOT / "docs/install.md").read_text(), re.M)
    assert sorted(table) == sorted(settings["options.extras_require"])


def test_the_changelog_begins_with_this_version() -> None:
    versions = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert versions[0] == "Unreleased"
    assert re.fullmatch(rf"{re.escape(clr_ignite.__version__)} - \d{{4}}-\d\d-\d\d", versions[1])
    assert len(set(versions)) == len(versions)
