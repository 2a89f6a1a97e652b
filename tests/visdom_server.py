"""A real Visdom server for tests: loopback, a free port, login enabled, offline front end."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from clr_ignite.live.visdom_assets import in_place, install, static_folder

USERNAME, PASSWORD = "reader", "not-a-secret"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def missing(message: str) -> None:
    """In CI what is missing is a failure; elsewhere the test is skipped and says what to do."""
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


def put_front_end_in_place() -> None:
    static = static_folder()
    if not in_place(static):
        if shutil.which("npm") is None:
            missing("no npm to fetch Visdom's front end with: apt-get install npm")
        with FileLock(static.parent / "front-end.lock"):  # test processes share the folder
            if not in_place(static):
                install(static)


class FileLock:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None:
        self.file = open(self.path, "w")
        fcntl.flock(self.file, fcntl.LOCK_EX)

    def __exit__(self, *error: object) -> None:
        self.file.close()


class Server:
    """Start, kill and restart; files and the cookie key stay in ``home``."""

    def __init__(self, home: Path, port: int | None = None, base_url: str = "") -> None:
        self.home, self.port, self.base_url = home, port or free_port(), base_url
        (home / ".visdom").mkdir(parents=True, exist_ok=True)
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.base_url}"

    def start(self) -> None:
        environment = dict(
            os.environ,
            HOME=str(self.home),
            VISDOM_USE_ENV_CREDENTIALS="1",
            VISDOM_USERNAME=USERNAME,
            VISDOM_PASSWORD=PASSWORD,
            VISDOM_COOKIE="a-cookie-key-for-tests",
        )
        command = [sys.executable, "-m", "visdom.server", "-port", str(self.port)]
        command += ["-env_path", str(self.home / "env"), "-bind_local", "-enable_login"]
        command += ["-base_url", self.base_url or "/"]
        with open(self.home / "server.log", "ab") as log:
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            assert self.process.poll() is None, (self.home / "server.log").read_text()
            time.sleep(0.1)
        raise AssertionError("the Visdom server did not start within a minute")

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def client(self) -> Any:
        from clr_ignite.live.visdom import connect

        return connect("http://127.0.0.1", self.port, USERNAME, PASSWORD, 10.0, self.base_url)

    def traces(
        self, window: str, env: str = "clr_ignite"
    ) -> dict[str, tuple[list[Any], list[Any]]]:
        """Name -> x and y of a window as the server holds it; empty where there is none."""
        import json

        text = self.client().get_window_data(window, env)
        if not text:
            return {}
        return {t["name"]: (t["x"], t["y"]) for t in json.loads(text)["content"]["data"]}

    def window(self, window: str, env: str = "clr_ignite") -> dict[str, Any]:
        import json

        found: dict[str, Any] = json.loads(self.client().get_window_data(window, env))
        return found
