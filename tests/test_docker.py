"""The Docker files held against the repository: every path, package, argument and command."""

from __future__ import annotations

import configparser
import fnmatch
import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from clr_ignite.cifar10.cli.command_line import build_parser
from clr_ignite.cifar10.experiments import EXPERIMENTS

ROOT = Path(__file__).parent.parent
DOCKERFILE = (ROOT / "docker/Dockerfile").read_text()
COMPOSE = (ROOT / "docker/compose.yaml").read_text()
README = (ROOT / "docker/README.md").read_text()
VISDOM_FLAGS = {"-m", "-port", "-env_path", "-enable_login", "-bind_local", "-logging_level"}


def instructions(text: str) -> list[tuple[str, str]]:
    """(name, rest) of each instruction, comments gone and continued lines joined."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ").splitlines()
    parts = [line.partition(" ") for line in joined]
    return [(name, rest.strip()) for name, _, rest in parts if name]


def wrong_command(words: list[str]) -> list[str]:
    """What is wrong with a command that a container is given."""
    if words[:1] == ["tar"]:
        return []
    if words[:1] == ["bash"]:
        return [] if (ROOT / words[1].lstrip("/")).is_file() else [f"no {words[1]}"]
    if words[:1] != ["python"]:
        return [f"not python: {words}"]
    if words[1] == "-c":
        compile(words[2], "command", "exec")
        return []
    if words[1] == "-m" and words[2] == "visdom.server":
        return [
            f"visdom has no {w}"
            for w in words
            if w.startswith("-") and w not in {"-m", *VISDOM_FLAGS}
        ]
    if words[1] == "-m" and words[2] == "clr_ignite.cifar10":
        try:
            options = build_parser().parse_args(words[3:])
        except SystemExit:
            return [f"does not parse: {words}"]
        if getattr(options, "experiment", None) not in (None, *EXPERIMENTS):
            return [f"no experiment {options.experiment}"]
        return []
    if words[1] == "-m" and words[2].startswith("clr_ignite."):
        return [] if importlib.util.find_spec(words[2]) else [f"no module {words[2]}"]
    inside = Path(words[1])
    there = inside.is_relative_to("/app") and (ROOT / inside.relative_to("/app")).is_file()
    return [] if there else [f"no {inside} in the image"]


def wrong_in_dockerfile(text: str) -> list[str]:
    wrong = []
    copied: set[str] = set()
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    for name, rest in instructions(text):
        if name == "COPY":
            *sources, _ = shlex.split(rest)
            for source in sources:
                copied.add(source)
                if not (ROOT / source).exists():
                    wrong.append(f"COPY of {source}, which is not there")
                if not any(fnmatch.fnmatch(source, line[1:]) for line in ignored if line[0] == "!"):
                    wrong.append(f"{source} is kept out by .dockerignore")
        elif name == "CMD":
            wrong += wrong_command(json.loads(rest))
        elif name == "HEALTHCHECK":
            wrong += wrong_command(json.loads(rest[rest.index("[") :]))
        elif name == "RUN":
            for part in rest.split("&&"):
                words = shlex.split(part)
                if words[0] == "python":
                    wrong += wrong_command(words)
    needed = {"clr_ignite", "examples", "setup.cfg", "pyproject.toml", "README.md", "LICENSE"}
    needed |= {"constraints.txt", "build-constraints.txt"}
    return wrong + [f"{name} is not copied" for name in sorted(needed - copied)]


def wrong_in_compose(text: str) -> list[str]:
    wrong = []
    compose = yaml.safe_load(text)
    for name, service in compose["services"].items():
        context = (ROOT / "docker" / service["build"]["context"]).resolve()
        if not (context / service["build"]["dockerfile"]).is_file():
            wrong.append(f"{name} is built from a file that is not there")
        wrong += wrong_command([str(word) for word in service["command"]])
        wrong += [
            f"{name} publishes {p}"
            for p in service.get("ports", ())
            if not p.startswith("127.0.0.1:")
        ]
        for variable, value in service.get("environment", {}).items():
            if re.search("PASSWORD|COOKIE", variable) and not value.startswith("${"):
                wrong.append(f"{name} holds a secret in {variable}")
        for volume in service.get("volumes", ()):
            source, target = volume.split(":")
            if source not in compose["volumes"] or f'"{target}"' not in DOCKERFILE:
                wrong.append(f"{name} mounts {volume}")
    return wrong


def known_mount(mount: str) -> bool:
    """Whether a folder of the host, or a volume that compose mounts at the same place."""
    source, target = mount.split(":")[:2]
    compose = yaml.safe_load(COMPOSE)
    names = {key: volume["name"] for key, volume in compose["volumes"].items()}
    mounted = {tuple(v.split(":")) for s in compose["services"].values() for v in s["volumes"]}
    return source[0] == "$" or (source, target) in {(names[key], at) for key, at in mounted}


def wrong_in_readme(text: str) -> list[str]:
    wrong = []
    for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL):
        for line in block.splitlines():
            words = shlex.split(line)
            if words[:2] == ["docker", "run"]:
                command = words[words.index("clr_ignite") + 1 :]
                command = command[: command.index(">")] if ">" in command else command
                wrong += wrong_command(command) if command else []
                mounts = [words[i + 1] for i, word in enumerate(words) if word == "-v"]
                wrong += [f"no volume {m}" for m in mounts if not known_mount(m)]
            elif "run" in words and words[:2] == ["docker", "compose"]:
                service = words[words.index("--rm") + 1]
                wrong += [] if service in yaml.safe_load(COMPOSE)["services"] else [service]
                wrong += wrong_command(words[words.index("--rm") + 2 :])
            elif "-f" in words:
                path = words[words.index("-f") + 1]
                wrong += [] if (ROOT / path).is_file() else [f"no {path}"]
    return wrong


def test_every_path_argument_and_command_is_right() -> None:
    assert wrong_in_dockerfile(DOCKERFILE) == []
    assert wrong_in_compose(COMPOSE) == []
    assert wrong_in_readme(README) == []


@pytest.mark.parametrize(
    ("check", "text", "old", "new"),
    [
        (wrong_in_dockerfile, DOCKERFILE, "quickstart.py", "quick_start.py"),
        (wrong_in_dockerfile, DOCKERFILE, "COPY examples examples", ""),
        (wrong_in_dockerfile, DOCKERFILE, "COPY examples examples", "COPY samples examples"),
        (wrong_in_dockerfile, DOCKERFILE, "clr_ignite.visdom_assets", "clr_ignite.assets"),
        (wrong_in_compose, COMPOSE, "--no-progress", "--quietly"),
        (wrong_in_compose, COMPOSE, "full-triangular2, --data", "fullest, --data"),
        (wrong_in_compose, COMPOSE, "-enable_login", "-enable_logins"),
        (wrong_in_compose, COMPOSE, "127.0.0.1:8097:8097", "8097:8097"),
        (wrong_in_compose, COMPOSE, "docker/Dockerfile", "Dockerfile"),
        (wrong_in_compose, COMPOSE, "${VISDOM_PASSWORD:?set a password}", "secret"),
        (wrong_in_compose, COMPOSE, '"data:/data"', '"data:/datum"'),
        (wrong_in_readme, README, "examples/resume.py", "examples/resumed.py"),
        (wrong_in_readme, README, "--device cuda", "--on cuda"),
        (wrong_in_readme, README, "-v clr_results:/results", "-v results:/results"),
        (wrong_in_readme, README, "--rm train python", "--rm training python"),
        (wrong_in_readme, README, "--experiment full-1cycle", "--experiment full-2cycle"),
        (wrong_in_readme, README, "-f docker/compose.yaml", "-f compose.yaml"),
    ],
)
def test_a_planted_mistake_is_found(check: Any, text: str, old: str, new: str) -> None:
    assert old in text
    assert len(check(text.replace(old, new))) >= 1


def test_the_packages_are_those_of_setup_cfg() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    wanted = config["options"]["install_requires"].split()
    for extra in ("plot", "cifar10", "visdom"):
        wanted += config["options.extras_require"][extra].split()
    (run,) = [rest for name, rest in instructions(DOCKERFILE) if "torchvision" in rest]
    installed = run.split("constraints.txt")[1].split()
    assert set(installed) == {re.split("[<>=]", package)[0] for package in wanted}


def test_the_image_is_careful() -> None:
    found = instructions(DOCKERFILE)
    names = [name for name, _ in found]
    assert names[:2] == ["ARG", "FROM"] and "HEALTHCHECK" in names
    base = dict(found)["ARG"]
    assert re.fullmatch(r"BASE_IMAGE=nvidia/cuda:\d+\.\d+\.\d+-base-ubuntu\d+\.\d+", base)
    user = names.index("USER")
    (made,) = [rest for _, rest in found if "useradd" in rest]
    assert f"--uid {found[user][1]} " in made and "USER" not in names[user + 1 :]
    # Large things first: a change of the code does not install torch again.
    large = next(i for i, (name, rest) in enumerate(found) if "torchvision" in rest)
    assert large < found.index(("COPY", "clr_ignite clr_ignite"))
    assert not re.search(r"PASSWORD|SECRET|TOKEN", DOCKERFILE)
    for name, rest in found:
        if name == "RUN" and "apt-get install" in rest:
            assert "--no-install-recommends" in rest and "rm -rf /var/lib/apt/lists" in rest
        if name == "RUN" and "pip install" in rest:
            assert "--no-cache-dir" in rest


def test_the_health_check_loads_nothing_and_output_is_not_held_back() -> None:
    found = instructions(DOCKERFILE)
    (check,) = [rest for name, rest in found if name == "HEALTHCHECK"]
    assert json.loads(check[check.index("[") :]) == ["python", "-c", "import clr_ignite"]
    assert ("ENV", "PYTHONUNBUFFERED=1") in found  # test_imports.py: clr_ignite loads nothing else


@pytest.mark.skipif(torch.version.cuda is None, reason="a torch without CUDA")
def test_the_page_names_the_cuda_of_the_pinned_torch() -> None:
    assert f"built with CUDA {str(torch.version.cuda).partition('.')[0]}:" in README


def needs(*tools: str) -> Any:
    absent = [tool for tool in tools if shutil.which(tool) is None]
    return pytest.mark.skipif(bool(absent), reason=f"not installed: {', '.join(absent)}")


@needs("hadolint")
def test_hadolint_has_no_other_objection() -> None:
    subprocess.run(["hadolint", "--ignore", "DL3008", ROOT / "docker/Dockerfile"], check=True)


@needs("podman", "podman-compose")
def test_the_compose_file_is_read_and_asks_for_each_secret() -> None:
    secrets = {name: "x" for name in ("VISDOM_USERNAME", "VISDOM_PASSWORD", "VISDOM_COOKIE")}
    asked = ["podman-compose", "-f", ROOT / "docker/compose.yaml", "config"]
    subprocess.run(asked, env={**os.environ, **secrets}, check=True, capture_output=True)
    for name in secrets:
        without = {key: value for key, value in secrets.items() if key != name}
        done = subprocess.run(asked, env={**os.environ, **without}, capture_output=True, text=True)
        assert done.returncode and f"{name} is missing" in done.stderr


def test_what_is_tried_in_the_image_is_what_the_compose_file_says() -> None:
    """``docker/try.sh`` exchanges data and device: the words must be those of the compose file."""
    words = (ROOT / "docker/try.sh").read_text().replace("\\/", "/")
    train = yaml.safe_load(COMPOSE)["services"]["train"]["command"]
    (exchanged,) = re.findall(r"asked/(--data cifar10 .*?)/--data digits", words)
    assert exchanged in " ".join(train) and "//visdom:" in " ".join(train)


@pytest.mark.slow
@needs("buildah", "debootstrap")
@pytest.mark.skipif(os.geteuid() != 0, reason="debootstrap needs root")
def test_the_image_is_built_and_does_what_the_page_promises(tmp_path: Path) -> None:
    command: list[Any] = [ROOT / "docker/build_without_engine.sh"]
    certificates = "/usr/local/share/ca-certificates"  # a network's own, where Debian keeps them
    if Path(certificates).is_dir():
        command += ["--volume", f"{certificates}:{certificates}:ro"]
    here = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(command, env=here, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    assert list(tmp_path.iterdir()) == []
    assert_built_and_tried(done.stdout)


def assert_built_and_tried(log: str) -> None:
    for line in (
        r"uid=10001\(reader\)",
        r"reader /data\nreader /results\nreader /visdom",
        r"fixed at max_lr +\d\d\.\d% of the test images",
        r"killed: exit 137\n(.*\n)*goes on after iteration 50",
        r"before the login: 400\n",
        r"with a wrong password: 400\n",
        r"with the password: 200\n",
        r"after it: 200\n",
        r"environments: \[.*'clr_ignite'",
        r"\./accuracy\.png",
        r"\./range_test\.png",
    ):
        assert re.search(line, log), f"no {line} in the log"
    (shown,) = re.findall(r"\$ seconds .*\n((?: *\d+ s  .*\n)+)", log)
    came = [int(second) for second in re.findall(r"^ *(\d+) s", shown, re.M)]
    assert came[0] < came[-1]  # line by line, not all at the end


def test_the_log_in_the_repository_is_a_whole_one() -> None:
    assert_built_and_tried((ROOT / "docker/rehearsal.md").read_text())
