"""The thread that keeps a Visdom server up to date, and a client that cannot hang."""

from __future__ import annotations

import importlib
import json
import logging
import os
import threading
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

from clr_ignite.live.visdom_assets import INSTALL
from clr_ignite.live.windows import Window, kind

_LOG = logging.getLogger("clr_ignite.visdom")


class Refused(ConnectionError):
    """What answered takes no windows: its login is missing or wrong, or it is no Visdom server."""


def connect(
    server: str,
    port: int,
    username: str | None,
    password: str | None,
    timeout: float,
    base_url: str = "",
) -> Any:
    """A Visdom client whose every request ends within ``timeout`` seconds of silence.

    Raises:
        ConnectionError: no server, a refused login, no answer in time, no visdom installed.
    """
    try:
        import requests

        client_class = _client_class(timeout)
    except ModuleNotFoundError as error:
        raise ConnectionError(f"{error}: {INSTALL}") from error
    logging.getLogger("visdom").setLevel(logging.ERROR)  # it warns of what is meant here
    try:
        client = client_class(
            server=server,
            port=port,
            base_url=base_url,
            username=username,
            password=password,
            use_incoming_socket=False,
            raise_exceptions=True,
        )
        answer = client._win_exists_wrap("")
    except (requests.RequestException, RuntimeError, ConnectionError) as error:
        raise ConnectionError(f"{error}{_unused_proxy(server)}") from error
    if answer not in ("true", "false"):
        what = f"something else answers there: {answer[:80]!r}" if answer else "it wants a login"
        raise Refused(what)
    return client


def _unused_proxy(server: str) -> str:
    """A remark where the environment has a proxy for ``server``, which is always asked itself."""
    import requests

    proxies = requests.utils.get_environ_proxies(server)
    named = proxies.get(urlsplit(server).scheme) or proxies.get("all")
    return "; the environment's proxy is not used: the server must be reachable" if named else ""


def _client_class(timeout: float) -> Any:
    # Here, since it takes seconds; and untyped, since its own annotations lack half of it.
    visdom: Any = importlib.import_module("visdom")

    class Client(visdom.Visdom):  # type: ignore[misc]
        _session: Any

        @property
        def session(self) -> Any:
            """Visdom's own has no time-out, and the login is posted inside it."""
            if self._session is None:
                session = _session(timeout)
                if self.username:
                    _log_in(self, session)
                self._session = session
            return self._session

    return Client


def _session(timeout: float) -> Any:
    """A session that asks the configured host itself, and no longer than ``timeout`` seconds."""
    import requests
    from requests.adapters import HTTPAdapter

    class Limited(HTTPAdapter):
        def send(self, *args: Any, **options: Any) -> Any:
            answer = super().send(*args, **(options | {"timeout": (timeout, timeout)}))
            if answer.is_redirect:
                raise Refused(f"it sends on to {answer.headers['location']}: give that address")
            return answer

    session = requests.Session()
    session.trust_env = False  # no proxy, and no login out of ~/.netrc
    session.verify = os.environ.get("REQUESTS_CA_BUNDLE") or True
    session.mount("http://", Limited())
    session.mount("https://", Limited())
    return session


def _log_in(client: Any, session: Any) -> None:
    answer = session.post(
        f"{client.server}:{client.port}{client.base_url}",
        json={"username": client.username, "password": client.password},
    )
    if not answer.ok:
        raise Refused("the login was refused")


class Sender(threading.Thread):
    """Sends whole views of windows that changed, about every ``every`` seconds.

    What cannot be sent waits: a window stays marked as changed, and once a server answers again
    every window is sent. Warnings are logged once for each stretch of failures.
    """

    def __init__(
        self,
        connect: Callable[[], Any],
        windows: Callable[[], Iterable[Window]],
        env: str,
        every: float,
        hint: str,
    ) -> None:
        super().__init__(name="clr_ignite-visdom", daemon=True)
        self._connect, self._windows, self._env = connect, windows, env
        self._every, self._hint = every, hint
        self._wake, self._ending = threading.Event(), threading.Event()
        self._client: Any = None
        self._failing = False
        self._there: set[str] = set()  # panes in the environment

    def run(self) -> None:
        ending = False
        while not ending:
            self._wake.wait(self._every)
            self._wake.clear()
            ending = self._ending.is_set()  # asked first: what came during an update is sent too
            self._update()
        if self._client is not None:
            try:
                self._client.save([self._env])
            except Exception as error:
                _LOG.warning("Visdom did not save its windows: %s", error)

    def close(self, timeout: float) -> bool:
        """Send what is waiting and end, within ``timeout`` seconds; whether all has arrived."""
        self._ending.set()
        self._wake.set()
        if self.is_alive():
            self.join(timeout)
        return not (self.is_alive() or self._failing)

    def _update(self) -> None:
        windows: list[Window] = []
        try:
            windows += self._windows()
            if self._client is None:
                self._client = self._connect()
                self._there = _panes(self._client, self._env)
                _mark(windows)
            elif windows and not self._client.win_exists(windows[0].name, self._env):
                _mark(windows)  # a restarted server has lost them
            self._clear_away(windows)
            for window in windows:
                if window.changed:
                    window.changed = False  # before the view: what comes meanwhile counts again
                    if not self._client._send(window.message(self._env), endpoint="events"):
                        raise Refused("it does not take windows: the login is missing")
            self._failing = False
        except Exception as error:  # whatever happens here, training goes on
            self._client = None
            _mark(windows)
            if not self._failing:
                self._failing = True
                _LOG.warning("no Visdom to draw in (%s); the curves wait. %s", error, self._hint)

    def _clear_away(self, windows: Iterable[Window]) -> None:
        """Close what another run, or other range tests, left among the panes to be drawn."""
        names = {window.name for window in windows}
        kinds = {kind(name) for name in names}
        for name in self._there - names:
            if kind(name) in kinds:
                self._client.close(name, self._env)
                self._there.discard(name)
        self._there |= names


def _panes(client: Any, env: str) -> set[str]:
    """The names of the panes that an environment holds."""
    if env not in client.get_env_list():
        return set()
    return set(json.loads(client.get_window_data(None, env)))


def _mark(windows: Iterable[Window]) -> None:
    for window in windows:
        window.changed = True


def address(url: str | None) -> tuple[str, int, str]:
    """Server with its scheme, port, and the path below which a server's -base_url has it."""
    given = url or os.environ.get("VISDOM_SERVER_URL") or "http://127.0.0.1"
    if "@" in given:  # before any error that repeats it
        raise ValueError("url must hold no login: it goes into username and password")
    try:
        parts = urlsplit(given if "//" in given else f"http://{given}")
        port = parts.port or int(os.environ.get("VISDOM_PORT") or 8097)
    except ValueError as error:
        raise ValueError(f"url must be like http://127.0.0.1:8097, got {given!r}") from error
    plain = not (parts.query or parts.fragment)
    if not (plain and parts.hostname and parts.scheme in ("http", "https")):
        raise ValueError(f"url must be like http://127.0.0.1:8097, got {given!r}")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}", port, parts.path.rstrip("/")
