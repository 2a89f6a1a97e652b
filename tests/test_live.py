"""The plotter with a real Visdom server: every point arrives, and nothing ever waits for it."""

from __future__ import annotations

import json
import logging
import math
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ignite.engine import Events

from clr_ignite import (
    ComparedResult,
    RangeTestResult,
    RepeatedResult,
    ScheduleHandler,
    _scalars,
    compare_range_tests,
    cycle_end,
)
from clr_ignite._smoothing import fitting_beta
from clr_ignite.cifar10.__main__ import main
from clr_ignite.cifar10.runs.run_folder import RunFolder
from clr_ignite.live import VisdomPlotter, observer
from clr_ignite.live.summary import Summary
from clr_ignite.live.visdom import Sender, _session, address, connect
from clr_ignite.live.windows import Window
from clr_ignite.schedules import Triangular
from tests.rigs import Rig, computed
from tests.visdom_server import PASSWORD, USERNAME, Server, free_port, put_front_end_in_place

CLR = Triangular(0.01, 0.1, 5)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    put_front_end_in_place()
    return tmp_path_factory.mktemp("visdom")


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[Server]:
    server = Server(home / "shared")
    server.start()
    yield server
    server.kill()


def plotter(url: str, env: str, **options: Any) -> VisdomPlotter:
    known = {"username": USERNAME, "password": PASSWORD, "every": 0.1, "timeout": 5.0}
    return VisdomPlotter(url, env=env, **(known | options))


def until(condition: Callable[[], Any], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def drawn_run(rig: Rig, plotter: VisdomPlotter, epochs: int = 8) -> list[float]:
    """Train with everything attached; the rates that were used."""
    ScheduleHandler(rig.optimizer, lr=CLR).attach(rig.trainer)
    plotter.attach(
        rig.trainer, rig.optimizer, rig.evaluator, cycle_end=cycle_end(CLR), total=5 * epochs
    )
    rig.trainer.run(rig.loader, max_epochs=epochs)
    rig.evaluator.run(rig.held)
    return rig.used


def test_a_server_below_a_path_is_found(home: Path) -> None:
    server = Server(home / "below", base_url="/below")
    server.start()
    try:
        rig = Rig()
        with plotter(f"{server.url}/", "run") as live:
            rates = drawn_run(rig, live)
        assert live.url == server.url
        assert server.traces("lr", "run")["lr"] == (list(range(1, 41)), rates)
    finally:
        server.kill()


def test_every_point_of_a_run_arrives(server: Server) -> None:
    rig = Rig()
    with plotter(server.url, "run") as live:
        rates = drawn_run(rig, live)
    assert server.traces("lr", "run")["lr"] == (list(range(1, 41)), rates)
    assert server.traces("momentum", "run")["momentum"][1] == [0.9] * 40
    loss = server.traces("loss", "run")
    assert loss["loss"] == (list(range(1, 41)), rig.losses)
    assert loss["smoothed"][1] == pytest.approx(_smoothed(rig.losses))
    accuracy = rig.evaluator.state.metrics["accuracy"]
    assert server.traces("held-out accuracy", "run")["accuracy"] == ([40], [accuracy])
    marks = server.window("lr", "run")["content"]["layout"]["shapes"]
    assert [mark["x0"] for mark in marks] == [10, 20, 30, 40]
    text = server.window("summary", "run")["content"]
    assert "iteration 40 of 40" in text and "learning rate 0.028" in text
    assert (server.home / "env/run.json").exists()  # saved at the end


def _smoothed(losses: list[float]) -> list[float]:
    record = RangeTestResult(start_lr=0, end_lr=1, num_iter=2, step_mode="linear")
    for loss in losses:
        record.add_row(iteration=1, lr=0.1, loss=loss)
    return record.smoothed_loss(fitting_beta(len(losses)))


def test_training_is_the_same_with_and_without(server: Server) -> None:
    watched, alone = Rig(), Rig()
    torch.manual_seed(1)
    with plotter(server.url, "same") as live:
        drawn_run(watched, live)
    torch.manual_seed(1)
    ScheduleHandler(alone.optimizer, lr=CLR).attach(alone.trainer)
    alone.trainer.run(alone.loader, max_epochs=8)
    assert watched.losses == alone.losses


def test_a_range_test_arrives_with_its_pair(server: Server) -> None:
    result = RangeTestResult(start_lr=0.001, end_lr=0.1, num_iter=80, step_mode="exponential")
    with plotter(server.url, "test") as live:
        for row in range(80):
            lr = 0.001 * 100 ** (row / 79)
            height = min(1.0, max(0.0, math.log(lr / 0.003) / math.log(10)))
            result.add_row(
                iteration=row + 1, lr=lr, loss=2 - height, evaluation={"accuracy": height}
            )
            live.on_row(result)
        until(lambda: len(server.traces("range test 1", "test").get("loss", [[]])[0]) == 80)
        running = server.window("range test 1", "test")["content"]
        assert running["layout"]["title"]["text"] == "step 80 of 80"
        assert [trace["name"] for trace in running["data"]] == [
            *("loss", "loss, smoothed", "held-out accuracy"),
        ]
        result.stop_reason, result.stop_detail = "completed", "all 80 steps were taken"
        live.on_row(result)
    window = server.window("range test 1", "test")
    traces = server.traces("range test 1", "test")
    assert traces["loss"] == (list(result.lr), list(result.loss))
    assert traces["held-out accuracy"] == result["accuracy"]
    assert window["content"]["layout"]["xaxis"]["type"] == "log"
    bounds = result.suggest()
    for name in ("base_lr", "max_lr"):
        rate = getattr(bounds, name)
        assert traces[f"{name} {rate:.3g}"][0] == [rate, rate]
    title = window["content"]["layout"]["title"]["text"]
    assert title.replace("<br>", " ") == bounds.reason
    assert window["title"] == "range test 1"


def test_a_range_test_draws_through_on_row(server: Server) -> None:
    rig = Rig()
    with plotter(server.url, "real") as live:
        result = rig.test(num_iter=40, on_row=live.on_row).run(rig.trainer, rig.loader)
    assert server.traces("range test 1", "real")["loss"] == (list(result.lr), list(result.loss))
    title = server.window("range test 1", "real")["content"]["layout"]["title"]["text"]
    assert title.replace("<br>", " ") == result.suggest().reason


def test_a_result_that_cannot_be_drawn_is_a_warning_and_has_not_arrived(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    result = RangeTestResult(start_lr=0, end_lr=1, num_iter=2, step_mode="linear")
    result.add_row(iteration=1, lr=0.0, loss=1.0, evaluation={"accuracy": 0.5})
    column = result.evaluation.pop("accuracy")
    result.evaluation["accuracy"] = None  # type: ignore[assignment]
    live = plotter(server.url, "odd")
    live.on_row(result)
    until(lambda: "'NoneType' object has no attribute" in caplog.text)
    time.sleep(0.5)  # tried again, and not taken for drawn
    assert sum(record.name == "clr_ignite.visdom" for record in caplog.records) == 1
    result.evaluation["accuracy"] = column
    drawn = ([0.0], [0.5])
    until(lambda: server.traces("range test 1", "odd").get("held-out accuracy") == drawn)
    result.evaluation["accuracy"] = None  # type: ignore[assignment]
    result.stop_reason = "completed"
    live.on_row(result)
    assert not live.close()


def test_infinities_leave_a_window_alive_and_readable(server: Server) -> None:
    result = RangeTestResult(start_lr=0, end_lr=1, num_iter=40, step_mode="linear")
    with plotter(server.url, "huge") as live:
        for row, loss in enumerate(
            [2.0 - 0.02 * i for i in range(36)] + [1e30, math.inf, math.nan]
        ):
            result.add_row(iteration=row + 1, lr=row / 39, loss=loss)
        result.stop_reason, result.stop_detail = "diverged", "the loss reached nan at a rate of 1"
        live.on_row(result)
        live.metrics(1, {"accuracy": math.inf, "odd": "text"})
    text = server.client().get_window_data("range test 1", "huge")
    assert "Infinity" not in text and "NaN" not in text
    y = server.traces("range test 1", "huge")["loss"][1]
    assert y[36] == 1e30 and y[37:] == [None, None]
    low, high = server.window("range test 1", "huge")["content"]["layout"]["yaxis"]["range"]
    assert low < 1.3 and 2 < high < 10
    title = server.window("range test 1", "huge")["content"]["layout"]["title"]["text"]
    assert "the loss reached nan at a rate of 1" in title
    assert server.traces("held-out accuracy", "huge")["accuracy"] == ([1], [None])
    assert server.traces("held-out odd", "huge") == {}


def test_metrics_that_are_numpys_numbers_or_tensors_are_drawn(server: Server) -> None:
    rig = Rig()
    computed(lambda: np.float32(0.5)).attach(rig.evaluator, "single")
    computed(lambda: np.int64(7)).attach(rig.evaluator, "whole")
    computed(lambda: torch.tensor([0.25])).attach(rig.evaluator, "tensor")
    computed(lambda: np.zeros(2)).attach(rig.evaluator, "several")
    with plotter(server.url, "numpy") as live:
        drawn_run(rig, live)
    for name, value in (("single", 0.5), ("whole", 7), ("tensor", 0.25)):
        assert server.traces(f"held-out {name}", "numpy") == {name: ([40], [value])}
    assert server.traces("held-out several", "numpy") == {}


def test_a_preview_before_training(server: Server) -> None:
    with plotter(server.url, "plan") as live:
        live.preview({"clr": CLR}, 30)
    assert server.traces("preview", "plan")["clr"] == (
        list(range(30)),
        [CLR(iteration) for iteration in range(30)],
    )


def test_several_groups_have_a_trace_each(server: Server) -> None:
    rig = Rig()
    rig.optimizer.add_param_group({"params": [torch.nn.Parameter(torch.zeros(1))], "lr_mult": 2})
    with plotter(server.url, "groups") as live:
        rates = drawn_run(rig, live, epochs=2)
    traces = server.traces("lr", "groups")
    assert traces["lr, group 0"][1] == rates
    assert traces["lr, group 1"][1] == [2 * rate for rate in rates]


def test_a_server_killed_and_restarted_gets_the_whole_picture(
    home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = Server(home / "restarted")
    server.start()
    rig = Rig()
    live = plotter(server.url, "again")
    drawn_run(rig, live, epochs=2)
    until(lambda: len(server.traces("loss", "again").get("loss", [[]])[0]) == 10)
    server.kill()
    rig.trainer.run(rig.loader, max_epochs=6)
    until(lambda: "no Visdom to draw in" in caplog.text)
    server.start()
    until(lambda: len(server.traces("loss", "again").get("loss", [[]])[0]) == 30)
    assert server.traces("loss", "again")["loss"][1] == rig.losses
    assert server.traces("lr", "again")["lr"][1] == rig.used
    live.close()
    server.kill()


def test_a_server_that_comes_later_gets_every_point(
    home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = Server(home / "late")
    rig = Rig()
    live = plotter(server.url, "late")
    drawn_run(rig, live)
    until(lambda: caplog.records)
    time.sleep(0.5)
    (record,) = (record for record in caplog.records if record.name == "clr_ignite.visdom")
    assert record.levelno == logging.WARNING  # one, though it tried several times
    assert f"python -m visdom.server -port {server.port} -bind_local" in record.getMessage()
    server.start()
    until(lambda: len(server.traces("loss", "late").get("loss", [[]])[0]) == 40)
    assert server.traces("loss", "late")["loss"][1] == rig.losses
    live.close()
    server.kill()


@pytest.mark.parametrize("missing", ["requests", "visdom"])
def test_a_package_that_is_missing_is_named(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ConnectionError, match=rf'{missing}.*: pip install "setuptools<81" && pip'):
        connect("http://127.0.0.1", free_port(), None, None, timeout=1.0)


@pytest.mark.parametrize(
    ("credentials", "words"),
    [
        ({"password": "wrong"}, "login was refused"),
        ({"username": None, "password": None}, "login"),
    ],
)
def test_a_refused_login_is_a_warning(
    credentials: dict[str, Any], words: str, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    rig = Rig()
    with plotter(server.url, "refused", **credentials) as live:
        drawn_run(rig, live)
        until(lambda: caplog.records)
    assert len(rig.losses) == 40 and words in caplog.text
    assert "wrong" not in caplog.text.replace("missing or wrong", "")
    assert server.traces("loss", "refused") == {}


@pytest.fixture
def mute() -> Iterator[int]:
    """A port that accepts connections and never answers."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(50)
        yield listening.getsockname()[1]


def test_a_server_that_never_answers_costs_no_more_than_the_time_out(mute: int) -> None:
    with pytest.raises(ConnectionError):
        connect("http://127.0.0.1", mute, USERNAME, PASSWORD, 0.3)
    rig = Rig()
    live = plotter(f"http://127.0.0.1:{mute}", "mute", timeout=0.5)
    drawn_run(rig, live)
    assert len(rig.losses) == 40
    start = time.monotonic()
    live.close()
    assert time.monotonic() - start < 0.5 + 5  # the time-out, and a busy machine's patience


@pytest.fixture
def elsewhere() -> Iterator[tuple[str, list[str]]]:
    """A web server that is no Visdom: its address, and the paths that it is asked for."""
    asked: list[str] = []

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.path)
            away = self.path.startswith("/away")
            self.send_response(307 if away else 200)
            if away:
                self.send_header("Location", "/there")
            self.end_headers()
            self.wfile.write(b"<html>not here</html>")

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Answer) as web:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{web.server_port}", asked
        web.shutdown()


def test_the_server_is_asked_itself_whatever_the_environment_says(
    server: Server, elsewhere: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy, asked = elsewhere
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv("http_proxy", proxy)
    with plotter(server.url, "direct") as live:
        live.metrics(1, {"accuracy": 0.5})
    assert server.traces("held-out accuracy", "direct")["accuracy"] == ([1], [0.5])
    with pytest.raises(ConnectionError, match="; the environment's proxy is not used"):
        connect("http://127.0.0.1", free_port(), None, None, 1.0)
    assert asked == []


def test_a_certificate_of_ones_own_is_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "own.pem")
    session = _session(1.0)
    assert (session.verify, session.trust_env) == ("own.pem", False)


@pytest.mark.parametrize(
    ("path", "words"),
    [("", "something else answers there: '<html>not here"), ("/away", "sends on to .*/there")],
)
def test_what_is_no_visdom_is_named(
    path: str, words: str, elsewhere: tuple[str, list[str]]
) -> None:
    url, asked = elsewhere
    server, port, base = address(url + path)
    with pytest.raises(ConnectionError, match=words):
        connect(server, port, None, None, 1.0, base)
    assert "/there" not in asked


def test_the_interpreters_exit_is_not_held_up(mute: int) -> None:
    code = (
        "from clr_ignite.live import VisdomPlotter\n"
        f"live = VisdomPlotter('http://127.0.0.1:{mute}', timeout=0.5, every=0.05)\n"
        "live.metrics(1, {'accuracy': 0.5})\n"
    )
    subprocess.run([sys.executable, "-c", code], timeout=60, check=True)


def test_no_thread_is_left_behind(server: Server) -> None:
    live = plotter(server.url, "threads")
    live.close()
    live.close()
    assert not any(thread.name == "clr_ignite-visdom" for thread in threading.enumerate())


def test_the_password_is_nowhere(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with plotter(server.url, "secret") as live:
        live.metrics(1, {"accuracy": 0.5})
        text = repr(live) + repr(vars(live))
    assert PASSWORD not in text + caplog.text
    assert repr(live) == f"VisdomPlotter('{server.url}', env='secret')"


def test_losses_on_a_device_are_read_by_the_other_thread(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though all are in the same memory, as those of a CUDA graph."""
    monkeypatch.setattr(_scalars, "_is_remote", lambda value: True)
    readers: set[str] = set()

    def floats(values: Sequence[_scalars.Value]) -> list[float]:
        readers.add(threading.current_thread().name)
        return _scalars.floats(values)

    monkeypatch.setattr(observer, "floats", floats)
    rig = Rig()
    shared = torch.zeros(1)
    rig.meddle = lambda engine, loss: shared.copy_(loss.detach())
    with plotter(server.url, "tensors") as live:
        drawn_run(rig, live)
    assert server.traces("loss", "tensors")["loss"][1] == rig.losses
    assert readers == {"clr_ignite-visdom"} and len(set(rig.losses)) == 40


def test_an_output_that_holds_no_loss_is_refused_at_the_first_step(server: Server) -> None:
    rig = Rig()
    rig.meddle = lambda engine, loss: {"loss": loss.item()}
    with (
        plotter(server.url, "dict") as live,
        pytest.raises(TypeError, match="output_transform must .*{'loss': .*} of type dict"),
    ):
        drawn_run(rig, live)
    assert len(rig.losses) == 1


def test_the_band_of_repeated_tests(server: Server) -> None:
    results = []
    for shift in (0.0, 0.2):
        result = RangeTestResult(start_lr=0, end_lr=0.02, num_iter=20, step_mode="linear")
        for row in range(20):
            result.add_row(iteration=row + 1, lr=0.001 * row, loss=2 - 0.05 * row + shift)
        results.append(result)
    repeated = RepeatedResult([0, 1], results)
    with plotter(server.url, "band") as live:
        live.repeated(repeated)
    traces = server.traces("range tests, mean", "band")
    rates, means, spreads = repeated["loss"]
    assert traces["loss, mean"] == (rates, means)
    assert traces["loss, upper"][1] == [m + s for m, s in zip(means, spreads, strict=True)]
    assert list(traces) == [
        *("loss, lower", "loss, upper", "loss, mean"),
        *("base_lr 0.000633", "lr 0.00317"),  # it was still falling at the last rate
    ]


def test_a_comparison_grows_in_one_window(server: Server) -> None:
    seen: list[dict[str, Any]] = []

    def look(growing: ComparedResult) -> None:
        live.compared(growing)
        rows = [len(test) for one in growing.results.values() for test in one.results]
        if rows == [12, 6]:
            until(lambda: "b" in server.traces("comparison", "compared"))
            seen.append(server.traces("comparison", "compared"))

    with plotter(server.url, "compared") as live:
        found = compare_range_tests(
            lambda seed, decay: rig_of(decay),
            {"a": {"decay": 0.0}, "b": {"decay": 0.5}},
            **{"start_lr": 0.0, "end_lr": 0.1, "num_iter": 12, "diverge_th": None},
            on_row=look,
        )
    (halfway,) = seen
    assert list(halfway) == ["a", "b"] and len(halfway["b"][0]) < len(halfway["a"][0])
    traces, picture = server.traces("comparison", "compared"), found.picture()
    for curve in picture.curves:
        assert traces[curve.name] == (list(curve.x), list(curve.y))
    assert set(traces) == {"a", "b", *picture.marks}
    title = server.window("comparison", "compared")["content"]["layout"]["title"]["text"]
    assert title.replace("<br>", " ") == found.choose().reason


def rig_of(decay: float) -> tuple[Any, ...]:
    rig = Rig(weight_decay=decay)
    saved = {"model": rig.model, "optimizer": rig.optimizer}
    return rig.trainer, rig.loader, rig.optimizer, saved, rig.with_evaluator(every=2)


def test_the_summary_has_the_last_and_the_best() -> None:
    summary = Summary(total=40)
    measured = ((0.5, 0.9, 3.0), (0.7, math.nan, 2.0), (0.7, 0.4, 2.5), (0.6, 0.6, 2.0))
    for number, values in enumerate(measured, start=1):
        summary.step(10 * number, 0.1)
        for name, value in zip(("accuracy", "val_loss", "other"), values, strict=True):
            summary.note(10 * number, name, value)
    assert summary.text().split("<br>") == [
        "iteration 40 of 40",
        "learning rate 0.1",
        "accuracy 0.6000 at iteration 40, best 0.7000 at 20",
        "val_loss 0.6000 at iteration 40, best 0.4000 at 30",
        "other 2.0000 at iteration 40",
    ]


def test_the_summary_ends_with_the_last_evaluation(server: Server) -> None:
    rig = Rig()
    accuracies = iter([0.4, 0.95])
    computed(lambda: next(accuracies)).attach(rig.evaluator, "accuracy")
    with plotter(server.url, "summary") as live:
        live.attach(rig.trainer, rig.optimizer, rig.evaluator, total=7)
        at_third = Events.ITERATION_COMPLETED(once=3)
        rig.trainer.add_event_handler(at_third, lambda: rig.evaluator.run(rig.held))
        rig.trainer.run(rig.loader, max_epochs=1, epoch_length=7)
        rig.evaluator.run(rig.held)  # behind the last iteration
    text = server.window("summary", "summary")["content"]
    assert "accuracy 0.9500 at iteration 7, best 0.9500 at 7" in text and "left" not in text
    assert text.startswith("iteration 7 of 7<br>")


def test_another_run_leaves_nothing_in_the_panes(server: Server) -> None:
    first, second, third = Rig(), Rig(), Rig()
    with plotter(server.url, "runs") as live:
        live.metrics(3, {"recall": 0.5})
        drawn_run(first, live)
        until(lambda: server.traces("momentum", "runs"))
    record = RangeTestResult(start_lr=0, end_lr=1, num_iter=2, step_mode="linear")
    third.optimizer.param_groups[0]["momentum"] = 0.0
    with plotter(server.url, "runs") as live:  # another process, say
        drawn_run(second, live, epochs=2)
        rates = drawn_run(third, live, epochs=3)
        live.on_row(record)
    assert server.traces("lr", "runs")["lr"] == (list(range(1, 16)), rates)
    panes = json.loads(server.client().get_window_data(None, "runs"))
    assert set(panes) == {
        *("lr", "loss", "summary", "range test 1", "held-out accuracy", "held-out loss"),
    }
    marks = server.window("lr", "runs")["content"]["layout"]["shapes"]
    assert [mark["x0"] for mark in marks] == [10]


def test_the_command_line_draws_and_replays(
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("VISDOM_USERNAME", USERNAME)
    monkeypatch.setenv("VISDOM_PASSWORD", PASSWORD)
    out = str(tmp_path / "run")
    words = ["train", "--schedule", "Triangular(0.001, 0.005, 2)", "--iterations", "8"]
    words += ["--model", "quick", "--eval-every", "4", "--no-progress", "--out", out]
    assert main([*words, "--visdom", server.url]) == 0
    lr = server.traces("lr")
    assert [name for name in lr] == ["lr, group 0", "lr, group 1"]
    schedule = Triangular(0.001, 0.005, 2)
    assert lr["lr, group 0"] == (list(range(1, 9)), [schedule(t) for t in range(8)])
    accuracy = [row["eval_accuracy"] for row in RunFolder(tmp_path / "run").rows()]
    assert server.traces("held-out accuracy")["accuracy"] == ([4, 8], accuracy)
    assert len(server.traces("preview")) == 1
    test = ["range-test", "--model", "quick", "--iterations", "10", "--no-progress"]
    assert main([*test, "--out", str(tmp_path / "test"), "--visdom", server.url]) == 0
    assert len(server.traces("range test 1")["loss"][0]) == 10
    words = ["compare", "--vary", "weight_decay=0,0.1", *test[1:], "--eval-every", "2"]
    assert main([*words, "--out", str(tmp_path / "compared"), "--visdom", server.url]) == 0
    curves = server.traces("comparison")
    assert [len(curves[f"weight_decay={decay}"][0]) for decay in ("0", "0.1")] == [5, 5]
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or PASSWORD.encode() not in path.read_bytes()

    server.client().delete_env("clr_ignite")
    record = str(tmp_path / "test/range_test.json")
    assert main(["replay", out, record, "--visdom", server.url]) == 0
    assert f"drawn at {server.url}/env/clr_ignite" in capsys.readouterr().out
    assert server.traces("lr")["lr"] == (list(range(1, 9)), [schedule(t) for t in range(8)])
    assert server.traces("held-out accuracy")["accuracy"] == ([4, 8], accuracy)
    assert len(server.traces("range test 1")["loss"][0]) == 10

    server.client().delete_env("clr_ignite")
    other = shutil.copytree(out, tmp_path / "other")
    assert main(["replay", out, str(other), str(tmp_path / "test"), "--visdom", server.url]) == 0
    both = {name: ([4, 8], accuracy) for name in ("run", "other")}
    assert server.traces("held-out accuracy") == both
    assert set(server.traces("lr")) == set(server.traces("loss")) == set(both)
    assert len(server.traces("range test 1")["loss"][0]) == 10
    (other / "metrics.csv").unlink()
    assert main(["replay", str(other), "--visdom", server.url]) == 2

    assert main(["replay", str(tmp_path / "compared"), "--visdom", server.url]) == 0
    assert server.traces("comparison") == curves
    copy = str(shutil.copy(tmp_path / "compared/comparison.json", tmp_path / "renamed.json"))
    both = [str(tmp_path / "compared"), copy]
    assert main(["replay", *both, "--visdom", server.url]) == 0
    panes = json.loads(server.client().get_window_data(None, "clr_ignite"))
    assert {name for name in panes if name.startswith("comparison")} == {
        *("comparison compared", "comparison renamed.json"),  # the one without a name is gone
    }
    assert server.traces("comparison renamed.json") == curves


def test_a_replay_that_nobody_takes_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "metrics.csv").write_text(
        "iteration,lr,train_loss,eval_loss,eval_accuracy,cycle_end\n4,0.1,1.0,1.0,0.5,0\n"
    )
    assert main(["replay", str(tmp_path), "--visdom", "http://127.0.0.1:9"]) == 2
    said = capsys.readouterr()
    assert said.err.endswith("replay: no server at http://127.0.0.1:9 took the curves\n")
    assert said.out == ""


def test_what_comes_during_the_last_update_is_sent() -> None:
    window, sending, go = Window("w"), threading.Event(), threading.Event()
    sent: list[int] = []

    class Slow:
        """A client whose first window takes until ``go``."""

        def win_exists(self, *_: Any) -> bool:
            return True

        def get_env_list(self) -> list[str]:
            return []

        def _send(self, message: dict[str, Any], endpoint: str) -> str:
            sent.append(len(message["data"][0]["x"]))
            sending.set()
            go.wait(20)
            return "w"

        def save(self, envs: list[str]) -> None: ...

    trace = window.trace("loss")
    trace.append(1, 1.0)
    sender = Sender(Slow, lambda: [window], "main", 0.01, "")
    sender.start()
    assert sending.wait(20)
    trace.append(2, 2.0)
    window.changed = True
    threading.Timer(0.2, go.set).start()
    assert sender.close(20.0)
    assert sent == [1, 2]


def test_memory_is_bounded() -> None:
    window = Window("lr")
    trace = window.trace("lr")
    for x in range(250_000):
        trace.append(x, float(x % 1_000))
        window.end(x)
    xs, ys = trace.points
    assert len(xs) == len(ys) <= 100_001 and (xs[0], xs[-1]) == (0, 249_999)
    assert max(ys) == 999 and min(ys) == 0
    message = window.message("env")
    (data,) = message["data"]
    assert len(data["x"]) <= 2_000 and (data["x"][0], data["x"][-1]) == (0, 249_999)
    ends = [shape["x0"] for shape in message["layout"]["shapes"]]
    assert len(window.ends) <= 2_000 and len(ends) <= 400
    assert ends == sorted(ends) and ends[-1] == 249_999


@pytest.mark.parametrize(
    ("url", "environment", "expected"),
    [
        (None, {}, ("http://127.0.0.1", 8097, "")),
        ("http://here:90/", {"VISDOM_PORT": "5"}, ("http://here", 90, "")),
        ("here", {"VISDOM_PORT": "5"}, ("http://here", 5, "")),
        (None, {"VISDOM_SERVER_URL": "https://there"}, ("https://there", 8097, "")),
        ("http://[::1]:90", {}, ("http://[::1]", 90, "")),
        ("https://here:90/a/visdom/", {}, ("https://here", 90, "/a/visdom")),
    ],
)
def test_the_address(
    url: str | None, environment: dict[str, str], expected: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("VISDOM_SERVER_URL", "VISDOM_PORT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert address(url) == expected


@pytest.mark.parametrize(
    "url", ["ftp://x", "http://x:port", "http://", "http://[::1", "x/?env=main", "x/#a"]
)
def test_an_address_that_is_none_is_named(url: str) -> None:
    with pytest.raises(ValueError, match="url must be like"):
        VisdomPlotter(url)


@pytest.mark.parametrize("place", ["x", "x:port", "[::1"])
def test_a_login_in_the_address_is_refused_and_not_repeated(place: str) -> None:
    with pytest.raises(ValueError, match="url must hold no login") as refused:
        VisdomPlotter(f"http://me:secret@{place}")
    assert "secret" not in str(refused.value)
