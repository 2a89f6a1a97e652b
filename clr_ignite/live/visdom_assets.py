"""Put Visdom's front end in place from the npm registry: ``python -m clr_ignite.visdom_assets``.

Visdom's server fetches its JavaScript and CSS from CDNs when it first starts and does not start
where they cannot be reached. Here the same files come out of npm packages of pinned versions, each
checked by its SHA-256; nothing of the packages is executed. Needs npm and, once, its registry.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

from clr_ignite._files import write_bytes

# Its build takes pkg_resources out of setuptools, which lost it with version 81.
INSTALL = 'pip install "setuptools<81" && pip install --no-build-isolation "clr_ignite[visdom]"'
_MAP = Path(__file__).with_name("visdom_assets.json")
_VERSION = "0.2.4"  # of Visdom, whose file list the map follows


class AssetError(RuntimeError):
    """The front end cannot be put in place; nothing was changed."""


def static_folder() -> Path:
    """Where the installed Visdom looks for its front end.

    Raises:
        AssetError: Visdom is not installed, or in another version than the map is for.
    """
    spec = importlib.util.find_spec("visdom")
    if spec is None or spec.origin is None:
        raise AssetError(f"visdom is not installed: {INSTALL}")
    package = Path(spec.origin).parent
    version = (package / "VERSION").read_text().strip()
    if version != _VERSION:
        raise AssetError(f"the file list is that of visdom {_VERSION}, installed is {version}")
    return package / "static"


def in_place(static: Path) -> bool:
    """Whether every file is there, unchanged, and the server knows it."""
    marker = static / "version.built"
    if not marker.exists() or marker.read_text() != _VERSION:
        return False
    return all(
        (static / asset["target"]).is_file()
        and _sum((static / asset["target"]).read_bytes()) == asset["sha256"]
        for asset in _assets()
    )


def install(static: Path, npm: str = "npm") -> None:
    """Fetch, check and write every file; the marker that the server looks for comes last.

    Raises:
        AssetError: npm is missing or fails, a package lacks a file or a checksum differs (nothing
            is written then), or the folder cannot be written to.
    """
    assets = _assets()
    contents: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory() as folder:
        for package in dict.fromkeys(asset["package"] for asset in assets):
            archive = _pack(package, Path(folder), npm)
            wanted = [asset for asset in assets if asset["package"] == package]
            contents |= _read(archive, wanted)
    try:
        for target, content in contents.items():
            _write(static / target, content)
        _write(static / "version.built", _VERSION.encode())
    except OSError as error:
        raise AssetError(f"{static} cannot be written to ({error}): run as its owner") from error


def _assets() -> list[dict[str, str]]:
    assets: list[dict[str, str]] = json.loads(_MAP.read_text())
    return assets


def _pack(package: str, folder: Path, npm: str) -> Path:
    """The package's archive, downloaded and not unpacked."""
    command = [npm, "pack", "--ignore-scripts", "--json", package]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    except FileNotFoundError as error:
        raise AssetError(f"{npm} is missing: install Node.js's npm") from error
    except subprocess.TimeoutExpired as error:
        raise AssetError(f"npm pack {package} took more than {error.timeout} s") from error
    archives = sorted(folder.glob("*.tgz"), key=lambda path: path.stat().st_mtime_ns)
    if done.returncode or not archives:
        reason = " ".join(done.stderr.split())[-300:]
        raise AssetError(f"npm pack {package} failed: {reason}")
    return archives[-1]


def _read(archive: Path, assets: Sequence[dict[str, str]]) -> dict[str, bytes]:
    """Target -> content of the wanted files, checked."""
    contents = {}
    try:
        with tarfile.open(archive) as tar:
            for asset in assets:
                member = tar.extractfile(f"package/{asset['path']}")
                contents[asset["target"]] = b"" if member is None else member.read()
    except (KeyError, tarfile.TarError, OSError, EOFError) as error:
        raise AssetError(f"{archive.name} is no package with the files wanted: {error}") from error
    for asset in assets:
        found = _sum(contents[asset["target"]])
        if found != asset["sha256"]:
            raise AssetError(
                f"{asset['path']} of {asset['package']} has the checksum {found}, "
                f"not {asset['sha256']}"
            )
    return contents


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, content)


def _sum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def main(arguments: Sequence[str] | None = None) -> int:
    """0, or 2 with one line on standard error."""
    parser = argparse.ArgumentParser(
        prog="python -m clr_ignite.visdom_assets", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--npm", default="npm", help="the npm to run")
    options = parser.parse_args(arguments)
    try:
        static = static_folder()
        if in_place(static):
            print(f"the front end is in place: {static}")
            return 0
        install(static, options.npm)
    except AssetError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 2
    print(f"put {len(_assets())} files into {static}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
