"""Run a Dockerfile's steps in a root made by debootstrap, where no Docker engine is at hand.

    debootstrap --variant=minbase bookworm /var/rehearsal MIRROR
    python docker/rehearse.py --root /var/rehearsal --log docker/rehearsal.md

As root. ``--carry`` copies a file or folder of this machine, such as pip's configuration, to the
same place for the time of the rehearsal. FROM, ARG and HEALTHCHECK's schedule are not rehearsed.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent


def instructions(text: str) -> list[tuple[str, str]]:
    """(name, rest) of each instruction, comments gone and continued lines joined."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ").splitlines()
    return [
        (name, rest.strip()) for name, _, rest in (line.partition(" ") for line in joined) if name
    ]


class Rehearsal:
    """A root, and the state that instructions change."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"}
        self.user, self.folder = "root", "/"
        self.log: list[str] = []

    def run(self, command: list[str], shown: str) -> None:
        inside = [f"--userspec={self.user}:{self.user}", str(self.root), "/usr/bin/env", "-i"]
        variables = [f"{name}={value}" for name, value in self.environment.items()]
        words = ["/bin/sh", "-c", f'cd "{self.folder}" && exec "$@"', "sh", *command]
        start = time.monotonic()
        done = subprocess.run(
            ["chroot", *inside, *variables, *words], capture_output=True, text=True
        )
        self.log.append(f"- `{shown}`: exit {done.returncode}, {time.monotonic() - start:.0f} s")
        print(self.log[-1], flush=True)
        if done.returncode:
            sys.exit(f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
        self.output = done.stdout

    def follow(self, name: str, rest: str) -> None:
        if name == "RUN":
            self.run(["/bin/sh", "-c", rest], f"RUN {' '.join(rest.split())}")
        elif name == "ENV":
            for word in shlex.split(rest):
                key, _, value = word.partition("=")
                self.environment[key] = value
        elif name == "USER":
            self.user = rest
            self.environment["HOME"] = f"/home/{rest}"
        elif name == "WORKDIR":
            self.folder = rest
        elif name == "COPY":
            *sources, target = shlex.split(rest)
            for source in sources:
                self.copy(REPOSITORY / source, target)
        elif name == "CMD":
            self.run(json.loads(rest), f"CMD {rest}")
        elif name not in ("FROM", "ARG", "VOLUME", "HEALTHCHECK"):
            sys.exit(f"{name} is not rehearsed")

    def copy(self, source: Path, target: str) -> None:
        place = self.root / self.folder.lstrip("/") / target
        if source.is_dir():
            shutil.copytree(
                source, place, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__")
            )
        else:
            shutil.copy(source, place / source.name if target.endswith("/") else place)
        self.log.append(f"- `COPY {source.relative_to(REPOSITORY)} {target}`")


def carried(paths: list[Path], root: Path) -> list[Path]:
    """Copy files and folders to the same place below ``root``; those that were new."""
    made = []
    for path in paths:
        place = root / str(path).lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            shutil.copytree(path, place, dirs_exist_ok=True)
        else:
            shutil.copy(path, place)
        made.append(place)
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--carry", type=Path, nargs="*", default=[])
    parser.add_argument("--pass-on", nargs="*", default=[], help="variables of this environment")
    parser.add_argument("--log", type=Path, default=REPOSITORY / "docker/rehearsal.md")
    options = parser.parse_args()
    rehearsal = Rehearsal(options.root)
    rehearsal.environment |= {name: os.environ[name] for name in options.pass_on}
    made = carried(options.carry, options.root)
    try:
        for name, rest in instructions((REPOSITORY / "docker/Dockerfile").read_text()):
            rehearsal.follow(name, rest)
        quickstart = rehearsal.output
        rehearsal.run(["id", "-un"], "id -un")
        user = rehearsal.output.strip()
        rehearsal.run(["ls", "/results"], "ls /results")
    finally:
        for place in made:
            shutil.rmtree(place) if place.is_dir() else place.unlink()
    commit = subprocess.run(
        ["git", "-C", REPOSITORY, "rev-parse", "HEAD"], capture_output=True, text=True
    ).stdout.strip()
    system = (options.root / "etc/os-release").read_text().splitlines()[0].partition("=")[2]
    text = f"# A rehearsal of the Dockerfile\n\nIn a root of {system}, at commit {commit}.\n\n"
    text += "\n".join(rehearsal.log)
    text += f"\n\nThe quickstart, as the user `{user}`, printed\n\n```\n{quickstart}```\n"
    text += f"\nand left in /results: {', '.join(rehearsal.output.split())}.\n"
    options.log.write_text(text)


if __name__ == "__main__":
    main()
