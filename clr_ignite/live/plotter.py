"""``VisdomPlotter``: curves in Visdom while they grow; it only reads and never costs a step."""

from __future__ import annotations

import atexit
import os
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from clr_ignite._checks import instance, positive
from clr_ignite.live.observer import Observer, comparison_pane
from clr_ignite.live.visdom import Sender, address, connect
from clr_ignite.live.windows import Window, kind
from clr_ignite.pictures import COLORS, FAINT, Picture, better
from clr_ignite.result import RangeTestResult
from clr_ignite.result.curves import picture_of

if TYPE_CHECKING:
    from clr_ignite.comparing import ComparedResult

_LABELS = {"lr": "learning rate", "loss": "training loss"}
_LOOKS = {  # of the training loss
    "loss": {"color": FAINT, "look": "faint", "better": "lower"},
    "smoothed": {"color": COLORS[0], "look": "thick", "better": "lower"},
}


def _look(pane: str, curve: str) -> dict[str, Any]:
    if pane.startswith("held-out "):
        return {"look": "points", "better": better(pane)}
    return _LOOKS.get(curve, {}) if pane == "loss" else {}


class VisdomPlotter(Observer):
    """Draws training runs and range tests in a Visdom server, from a thread of its own.

    About once every ``every`` seconds the panes that changed are sent as whole views of at most
    about 2,000 points a curve that keep lows and highs. A server that is absent, dies or comes
    back costs no step and loses no point: everything is sent again once it answers. Nothing waits
    longer than ``timeout``, the interpreter's exit included.

    Args:
        url: of the server, with its ``-base_url`` if it has one; by default
            ``$VISDOM_SERVER_URL`` and ``$VISDOM_PORT``, else ``http://127.0.0.1:8097``.
        username, password: by default ``$VISDOM_USERNAME`` and ``$VISDOM_PASSWORD``; never logged.
        env: Visdom's environment to draw in.
        every: seconds between updates, above 0.
        timeout: seconds, above 0.

    Example::

        with VisdomPlotter() as plotter:
            plotter.attach(trainer, optimizer, evaluator, total=8_000)
            trainer.run(train_loader, max_epochs=16)

    A range test takes its ``on_row``: ``LRRangeTest(..., on_row=plotter.on_row)``.
    """

    waiting = 10_000  # the sending thread reads them; only if it hangs does training have to

    def __init__(
        self,
        url: str | None = None,
        *,
        username: str | None = None,
        password: str | None = None,
        env: str = "clr_ignite",
        every: float = 1.0,
        timeout: float = 5.0,
    ) -> None:
        super().__init__()
        for name, text in {"url": url, "username": username, "password": password}.items():
            instance(name, text, str | None, "text or None")
        instance("env", env, str, "text")
        server, port, base_url = address(url)
        self.url, self.env = f"{server}:{port}{base_url}", env
        self.timeout = positive("timeout", timeout)
        username = username or os.environ.get("VISDOM_USERNAME")
        password = password or os.environ.get("VISDOM_PASSWORD")
        self._windows: dict[str, Window] = {}
        self._growing: dict[str, RangeTestResult] = {}
        self._compared: dict[str, ComparedResult] = {}
        self._sender = Sender(
            lambda: connect(server, port, username, password, self.timeout, base_url),
            self._current,
            env,
            positive("every", every),
            f"Start one: python -m visdom.server -port {port} -bind_local",
        )
        self._sender.start()
        atexit.register(self.close)

    @property
    def page(self) -> str:
        """The address of the page that shows the curves."""
        return f"{self.url}/env/{quote(self.env, safe='')}"

    def __repr__(self) -> str:
        return f"VisdomPlotter({self.url!r}, env={self.env!r})"

    def __enter__(self) -> VisdomPlotter:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> bool:
        """Send what is waiting and stop, within the time-out; may be called again.

        Returns:
            Whether all has arrived.
        """
        atexit.unregister(self.close)
        return self._sender.close(self.timeout)

    def point(self, pane: str, curve: str, x: float, y: float) -> None:
        """Keep a point; the sending thread draws it."""
        window = self._windows.get(pane) or self._window(pane)
        trace = window.traces.get(curve) or window.trace(curve, **_look(pane, curve))
        trace.append(x, y)
        window.changed = True

    def text(self, pane: str, text: str) -> None:
        window = self._window(pane)
        window.text = text
        window.changed = True

    def show(self, pane: str, picture: Picture) -> None:
        window = self._window(pane)
        window.picture = picture
        window.changed = True

    def test(self, pane: str, result: RangeTestResult) -> None:
        self._growing[pane] = result  # the sending thread draws it: rows come faster than views

    def compared(self, result: ComparedResult, name: str = "") -> None:
        self._compared[comparison_pane(name)] = result  # likewise

    def cycle_ended(self, iteration: int) -> None:
        self._window("lr").end(iteration)

    def begin(self) -> None:
        for pane in [name for name in self._windows if kind(name) == "run"]:
            del self._windows[pane]
        self._window("summary").text = ""  # the first of the run's panes

    def _window(self, pane: str) -> Window:
        if pane not in self._windows:
            label = _LABELS.get(pane, pane.removeprefix("held-out "))
            self._windows[pane] = Window(pane, Picture(y_label=label))
        return self._windows[pane]

    def _current(self) -> list[Window]:
        """Every window, brought up to date; called by the sending thread."""
        self.flush()
        for pane, result in list(self._growing.items()):
            window = self._window(pane)
            seen = (len(result), result.stop_reason)
            if window.seen != seen:
                bounds = None if result.stop_reason is None else result.suggest()
                window.picture = picture_of(result, bounds, None)
                window.seen, window.changed = seen, True  # not before: a failure is tried again
        for pane, compared in list(self._compared.items()):
            window = self._window(pane)
            ended = compared.ended
            rows = [[len(test) for test in one.results] for one in compared.results.values()]
            if window.seen != (rows, ended):
                window.picture = compared.picture()
                window.seen, window.changed = (rows, ended), True
        return list(self._windows.values())
