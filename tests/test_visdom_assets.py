"""Visdom's front end from npm packages: checked, whole or not at all."""

from __future__ import annotations

import io
import json
import shutil
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from clr_ignite.live import visdom_assets
from clr_ignite.live.visdom_assets import AssetError, in_place, install, main, static_folder
from tests.visdom_server import put_front_end_in_place

ASSETS = [
    {"target": "js/a.js", "package": "a@1.0.0", "path": "dist/a.js"},
    {"target": "css/deep/b.css", "package": "b@2.0.0", "path": "b.css"},
    {"target": "js/c.js", "package": "a@1.0.0", "path": "c.js"},
]
CONTENT = {"dist/a.js": b"let a = 1;", "b.css": b"body {}", "c.js": b"let c = 3;"}


@pytest.fixture
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An npm whose registry is a folder of archives, and a map of three files in two packages."""
    import hashlib

    known = [a | {"sha256": hashlib.sha256(CONTENT[a["path"]]).hexdigest()} for a in ASSETS]
    (tmp_path / "map.json").write_text(json.dumps(known))
    monkeypatch.setattr(visdom_assets, "_MAP", tmp_path / "map.json")
    for package in ("a@1.0.0", "b@2.0.0"):
        with tarfile.open(tmp_path / f"{package}.tgz", "w:gz") as tar:
            for asset in ASSETS:
                if asset["package"] == package:
                    entry = tarfile.TarInfo(f"package/{asset['path']}")
                    entry.size = len(CONTENT[asset["path"]])
                    tar.addfile(entry, io.BytesIO(CONTENT[asset["path"]]))
    script = tmp_path / "npm"
    script.write_text(f'#!/bin/sh\nfor last; do :; done\ncp "{tmp_path}/$last.tgz" .\n')
    script.chmod(0o755)
    return script


def test_every_file_is_put_in_place_and_the_marker_comes_last(npm: Path, tmp_path: Path) -> None:
    static = tmp_path / "static"
    assert not in_place(static)
    install(static, str(npm))
    assert in_place(static)
    for asset in ASSETS:
        assert (static / asset["target"]).read_bytes() == CONTENT[asset["path"]]
    files = [path for path in static.rglob("*") if path.is_file()]
    marker = static / "version.built"
    assert marker.read_text() == "0.2.4" and len(files) == 4
    assert marker.stat().st_mtime_ns >= max(path.stat().st_mtime_ns for path in files)
    (static / "js/a.js").write_text("changed")
    assert not in_place(static)


def _no_npm(npm: Path) -> str:
    npm.unlink()
    return "npm is missing"


def _npm_fails(npm: Path) -> str:
    npm.write_text('#!/bin/sh\necho "404 not found" >&2\nexit 1\n')
    return "npm pack a@1.0.0 failed: 404 not found"


def _truncated(npm: Path) -> str:
    path = npm.parent / "b@2.0.0.tgz"
    path.write_bytes(path.read_bytes()[:40])
    return "is no package with the files wanted"


def _file_missing(npm: Path) -> str:
    shutil.copy(npm.parent / "a@1.0.0.tgz", npm.parent / "b@2.0.0.tgz")
    return "is no package with the files wanted"


def _wrong_checksum(npm: Path) -> str:
    known = json.loads((npm.parent / "map.json").read_text())
    known[1]["sha256"] = "0" * 64
    (npm.parent / "map.json").write_text(json.dumps(known))
    return r"b.css of b@2.0.0 has the checksum \w+, not 0000"


@pytest.mark.parametrize("spoil", [_no_npm, _npm_fails, _truncated, _file_missing, _wrong_checksum])
def test_what_goes_wrong_is_named_and_nothing_is_written(
    spoil: Any, npm: Path, tmp_path: Path
) -> None:
    words = spoil(npm)
    with pytest.raises(AssetError, match=words):
        install(tmp_path / "static", str(npm))
    assert not (tmp_path / "static").exists()


def test_a_folder_that_cannot_be_written_to_leaves_no_marker(npm: Path, tmp_path: Path) -> None:
    static = tmp_path / "static"
    static.mkdir()
    (static / "css").write_text("a file where a folder should be")
    with pytest.raises(AssetError, match="cannot be written to .*run as its owner"):
        install(static, str(npm))
    assert not (static / "version.built").exists()


def test_the_command(
    npm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    static = tmp_path / "static"
    monkeypatch.setattr(visdom_assets, "static_folder", lambda: static)
    assert main(["--npm", "/no/such/npm"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert main(["--npm", str(npm)]) == 0
    assert main(["--npm", "/no/such/npm"]) == 0  # nothing left to fetch
    assert "put 3 files" in capsys.readouterr().out


def test_another_visdom_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "visdom"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "VERSION").write_text("9.9.9\n")
    monkeypatch.delitem(sys.modules, "visdom", raising=False)  # another test may have loaded it
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(AssetError, match=r"is that of visdom 0\.2\.4, installed is 9\.9\.9"):
        static_folder()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(AssetError, match="visdom is not installed"):
        static_folder()


def test_the_real_front_end() -> None:
    put_front_end_in_place()
    assert in_place(static_folder())
    assert (static_folder() / "js/plotly-plotly.min.js").stat().st_size > 3_000_000
