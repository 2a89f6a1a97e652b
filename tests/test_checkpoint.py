"""A range test that is killed and goes on: the record of one never killed, and no trace."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Engine
from torch import Tensor

from clr_ignite import _scalars
from clr_ignite._checkpoints import read_checkpoint
from clr_ignite.range_test.checkpoint import SweepFile
from tests.rigs import Malicious, Rig, same, state_of


class Killed(BaseException):
    """Stands for the end of the process."""


def arguments(rig: Rig, path: Path) -> dict[str, Any]:
    return {"num_iter": 60, "checkpoint": path, **rig.with_evaluator(every=7)}


def broken_off(path: Path, at: int, **kind: Any) -> None:
    rig = Rig(**kind)

    def die(engine: Engine, loss: Tensor) -> None:
        if engine.state.iteration == at:
            raise Killed

    rig.meddle = die
    with pytest.raises(Killed):
        rig.test(**arguments(rig, path)).run(rig.trainer, rig.loader)


@pytest.mark.parametrize("at", [4, 5, 17, 31, 60])
def test_the_record_is_that_of_a_test_never_broken_off(at: int, tmp_path: Path) -> None:
    """Passes have five batches, saves come every third row: neither falls together."""
    whole = Rig()
    expected = whole.test(**arguments(whole, tmp_path / "whole")).run(whole.trainer, whole.loader)
    path = tmp_path / "test.pt"
    broken_off(path, at)
    rig = Rig()
    before = state_of(rig)
    torch.rand(at)  # another process has other random states
    result = rig.test(**arguments(rig, path)).run(rig.trainer, rig.loader)
    assert result == expected
    assert len(rig.used) == 60 - 3 * ((at - 1) // 3)
    after = state_of(rig)
    for part in ("parameters", "buffers", "gradients", "optimizer", "loader", "trainer"):
        assert same(after[part], before[part]), part
    assert list(tmp_path.iterdir()) == []


def test_twice_broken_off(tmp_path: Path) -> None:
    whole = Rig()
    expected = whole.test(**arguments(whole, tmp_path / "whole")).run(whole.trainer, whole.loader)
    path = tmp_path / "test.pt"
    for at in (20, 41):
        broken_off(path, at)
    rig = Rig()
    assert rig.test(**arguments(rig, path)).run(rig.trainer, rig.loader) == expected


class Bell(random.Random):
    """A signal comes while it is put back."""

    rings = True

    def setstate(self, state: Any) -> None:
        if self.rings:
            signal.raise_signal(signal.SIGINT)
        super().setstate(state)

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        pass


def test_a_signal_after_the_last_step_loses_neither_record_nor_file(tmp_path: Path) -> None:
    whole, rig, path = Rig(), Rig(), tmp_path / "test.pt"
    expected = whole.test(**arguments(whole, tmp_path / "whole")).run(whole.trainer, whole.loader)
    bell = Bell()
    saved = {"model": rig.model, "optimizer": rig.optimizer, "bell": bell}
    test = rig.test(**arguments(rig, path) | {"to_save": saved})
    with pytest.raises(KeyboardInterrupt):
        test.run(rig.trainer, rig.loader)
    assert test.result == expected and path.exists()
    bell.rings = False
    assert test.run(rig.trainer, rig.loader) == expected and not path.exists()


@pytest.mark.parametrize("diverge_th", [4.0, None])
def test_weights_that_are_not_finite_go_on_as_without_the_break(
    diverge_th: float | None, tmp_path: Path
) -> None:
    """Step 9 of 60 breaks the weights, its row is saved, and the process dies in the next one."""
    path = tmp_path / "test.pt"

    def spoil(rig: Rig, die: bool) -> None:
        def meddle(engine: Engine, loss: Tensor) -> None:
            if engine.state.iteration == 9:
                rig.optimizer.param_groups[0]["params"][0].register_hook(lambda g: g * torch.nan)
            if die and engine.state.iteration == 10:
                raise Killed

        rig.meddle = meddle

    def test(rig: Rig, path: Path) -> Any:
        return rig.test(num_iter=60, checkpoint=path, diverge_th=diverge_th)

    whole, rig = Rig(), Rig()
    spoil(whole, die=False)
    expected = test(whole, tmp_path / "whole").run(whole.trainer, whole.loader)
    assert (len(expected), expected.stop_reason) == (
        (10, "diverged") if diverge_th else (60, "completed")
    )
    spoil(rig, die=True)
    with pytest.raises(Killed):
        test(rig, path).run(rig.trainer, rig.loader)
    assert read_checkpoint(path)["objects"]["model"]["tensors"][0].isnan().any()
    again = Rig()
    before = state_of(again)
    assert test(again, path).run(again.trainer, again.loader) == expected
    assert same(state_of(again)["parameters"], before["parameters"])


def test_a_divergence_found_in_reading_is_not_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Losses on an accelerator are read when the test is saved."""
    monkeypatch.setattr(_scalars, "_is_remote", lambda value: True)
    rig, losses = Rig(), iter([1.0] * 7 + [float("nan")] * 53)
    rig.meddle = lambda engine, loss: torch.tensor(next(losses))
    test = rig.test(num_iter=60, checkpoint=tmp_path / "test.pt", diverge_th=4.0)
    saved: list[int] = []
    monkeypatch.setattr(SweepFile, "save", lambda self, **values: saved.append(len(test.result)))
    assert test.run(rig.trainer, rig.loader).stop_reason == "diverged"
    assert saved == [3, 6]


def test_without_a_checkpoint_it_starts_again(tmp_path: Path) -> None:
    path = tmp_path / "test.pt"
    broken_off(path, 20)
    path.unlink()
    rig = Rig()
    rig.test(**arguments(rig, path)).run(rig.trainer, rig.loader)
    assert len(rig.used) == 60


@pytest.mark.parametrize("changes", [{"end_lr": 0.2}, {"num_iter": 90}, {"hold": 2}])
def test_the_checkpoint_of_another_test_is_refused(changes: Any, tmp_path: Path) -> None:
    path = tmp_path / "test.pt"
    broken_off(path, 20)
    rig = Rig()
    before = state_of(rig)
    with pytest.raises(ValueError, match="belongs to another test"):
        rig.test(**(arguments(rig, path) | changes)).run(rig.trainer, rig.loader)
    assert same(state_of(rig), before) and rig.used == []


@pytest.mark.parametrize("content", [b"", b"nonsense", b"PK\x03\x04", b"PK\x05\x06" + bytes(18)])
def test_a_checkpoint_that_cannot_be_read_is_named(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "test.pt"
    path.write_bytes(content)
    rig = Rig()
    with pytest.raises(ValueError, match="test.pt cannot be read .*: remove it"):
        rig.test(**arguments(rig, path)).run(rig.trainer, rig.loader)


def longer(state: dict[str, Any]) -> None:
    """As many rows as there are steps: the test would never end."""
    for cells in state["result"]["columns"].values():
        cells.extend(cells[:1] * (60 - len(cells)))


def grouped(state: dict[str, Any]) -> None:
    columns = state["result"]["columns"]
    columns["group_lr_0"] = columns["group_lr_1"] = columns["lr"]


@pytest.mark.parametrize("at", range(0, 8_000, 97))
def test_one_flipped_bit_is_noticed(at: int, saved: bytes, tmp_path: Path) -> None:
    content = bytearray(saved)
    place = at * len(content) // 8_000
    content[place] ^= 1 << at % 8
    (tmp_path / "test.pt").write_bytes(content)
    file = SweepFile(tmp_path / "test.pt", {}, {}, 1)
    with pytest.raises(ValueError, match="test.pt cannot be read .*checksum.*: remove it"):
        file.load()


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("saved") / "test.pt"
    broken_off(path, 20)
    return path.read_bytes()


def test_a_checkpoint_without_a_checksum_is_held_against_its_archives(tmp_path: Path) -> None:
    """As earlier versions wrote it."""
    path, state = tmp_path / "old.pt", {"weights": torch.randn(1000)}
    torch.save(state, path)
    assert torch.equal(read_checkpoint(path)["weights"], state["weights"])
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert not torch.equal(torch.load(path)["weights"], state["weights"])  # it does not notice
    with pytest.raises(ValueError, match="its checksum is another"):
        read_checkpoint(path)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda s: s["objects"].pop("model"), r"does not fit to_save\['model'\] \('model'\)"),
        (lambda s: s["objects"]["model"]["tensors"].pop(), r"to_save\['model'\] \(zip"),
        # One number would be repeated over a whole layer.
        (
            lambda s: s["objects"]["model"]["tensors"].__setitem__(0, torch.ones(1)),
            r"to_save\['model'\] \(shape \(1,\) instead of \(8, 4\)",
        ),
        (lambda s: s["objects"].update(optimizer={}), r"does not fit to_save\['optimizer'\]"),
        (lambda s: s.pop("settings"), "cannot be read .KeyError: 'settings'.: remove it"),
        (lambda s: s.pop("taken"), "does not fit this test .field 'taken' is missing"),
        (lambda s: s.update(taken=0), "field 'taken' holds 0"),
        (lambda s: s.update(taken=19), "field 'taken' holds 19"),
        (lambda s: s.update(iteration=17), "field 'iteration' holds 17 after 18 rows"),
        (lambda s: s["now"].update(torch=torch.zeros(3)), "does not fit this test"),
        (lambda s: s["start"].update(own=[]), "does not fit this test .zip"),
        (lambda s: s["result"].update(num_iter=12), "field 'num_iter' of its result holds 12"),
        (lambda s: s["result"].update(stop_reason="completed"), "in an unfinished test"),
        (lambda s: s["result"]["columns"]["loss"].pop(), "column 'loss' is not a list as long"),
        (longer, "field 'result' holds 60 rows of 60"),
        (lambda s: s["result"]["columns"]["iteration"].reverse(), "'iteration' of its result does"),
        (grouped, "field 'result' holds rates of 2 param groups"),
        (
            lambda s: s["objects"]["optimizer"]["state"][0].update(momentum_buffer=torch.ones(3)),
            r"'momentum_buffer' of parameter 0 has shape \(3,\) instead of \(8, 4\)",
        ),
        (lambda s: s["objects"]["optimizer"]["param_groups"][0].pop("momentum"), "groups hold mom"),
    ],
)
def test_the_checkpoint_of_other_objects_is_refused_and_leaves_no_trace(
    spoil: Any, words: str, tmp_path: Path
) -> None:
    path = tmp_path / "test.pt"
    broken_off(path, 20)
    state = torch.load(path, weights_only=True)
    spoil(state)
    torch.save(state, path)
    rig = Rig()
    before = state_of(rig)
    with pytest.raises(ValueError, match=words):
        rig.test(**arguments(rig, path)).run(rig.trainer, rig.loader)
    assert same(state_of(rig), before) and rig.used == []


class Shuffled(torch.optim.SGD):
    """As adam-atan2-pytorch's MuonAdamAtan2: its parameters come in no order of their own."""

    def __init__(self, params: Any, shift: int = 0, **options: Any) -> None:
        params = list(params)
        super().__init__(params[shift:] + params[:shift], momentum=0.9, **options)


def test_parameters_in_another_order_are_noticed(tmp_path: Path) -> None:
    path = tmp_path / "test.pt"
    broken_off(path, 20, make=Shuffled)
    assert len(Rig(Shuffled).optimizer.param_groups[0]["params"]) == 6
    for shift in (1, 2):
        rig = Rig(Shuffled, shift=shift)
        before = state_of(rig)
        with pytest.raises(
            ValueError, match=r"to_save\['optimizer'\] \(its parameters come in ano"
        ):
            rig.test(**arguments(rig, path)).run(rig.trainer, rig.loader)
        assert same(state_of(rig), before) and rig.used == []


class Particular(torch.optim.Optimizer):
    """Keeps moments in double precision and, as kron-torch's Kron, a formula."""

    def __init__(self, params: Any, lr: float) -> None:
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                if not state:
                    moments = {"first": torch.zeros_like(p, dtype=torch.float64)}
                    state.update(formulas=("...,->...", ["x"]), moments=moments)
                moment = state["moments"]["first"].mul_(0.9).add_(p.grad)
                assert state["formulas"][1] == ["x"]
                p.sub_(torch.einsum(state["formulas"][0], moment, moment.new_tensor(group["lr"])))


def test_what_load_state_dict_changes_of_an_optimizers_state_is_as_it_was(tmp_path: Path) -> None:
    whole, path = Rig(Particular), tmp_path / "test.pt"
    expected = whole.test(**arguments(whole, tmp_path / "whole")).run(whole.trainer, whole.loader)
    broken_off(path, 31, make=Particular)
    rig = Rig(Particular)
    assert rig.test(**arguments(rig, path)).run(rig.trainer, rig.loader) == expected


def test_a_place_behind_the_datas_end_is_refused(tmp_path: Path) -> None:
    """Only reading tells: data may have a length and never end."""
    path = tmp_path / "test.pt"
    broken_off(path, 20)
    state = torch.load(path, weights_only=True)
    torch.save(state | {"taken": 6}, path)
    rig = Rig()
    with pytest.raises(ValueError, match="data gave 5 batches, where the checkpoint is 6 into a"):
        rig.test(**arguments(rig, path)).run(rig.trainer, rig.loader)
    assert rig.used == []


def test_a_checkpoint_runs_no_code(tmp_path: Path) -> None:
    path, mark = tmp_path / "test.pt", tmp_path / "mark"
    torch.save({"kind": Malicious(mark)}, path)
    rig = Rig()
    with pytest.raises(ValueError, match="cannot be read .UnpicklingError"):
        rig.test(**arguments(rig, path)).run(rig.trainer, rig.loader)
    assert not mark.exists()
    torch.load(path, weights_only=False)
    assert mark.exists()  # it would have


def test_a_folder_is_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="checkpoint must be a file, got the folder"):
        Rig().test(checkpoint=tmp_path)


def test_what_has_no_state_dict_cannot_be_in_a_checkpoint(tmp_path: Path) -> None:
    class Extra:
        count = 0

    rig = Rig()
    saved = {"model": rig.model, "optimizer": rig.optimizer, "extra": Extra()}
    with pytest.raises(TypeError, match=r"state_dict of to_save\['extra'\]"):
        rig.test(**arguments(rig, tmp_path / "x") | {"to_save": saved}).run(rig.trainer, rig.loader)


SCRIPT = """
import sys, time
from tests.rigs import Rig
from tests.test_checkpoint import arguments
from pathlib import Path
rig = Rig()
def slow(result):
    print(len(result), flush=True)
    time.sleep(0.01)
rig.test(**arguments(rig, Path(sys.argv[1])), on_row=slow).run(rig.trainer, rig.loader)
"""


def test_a_process_that_is_really_killed(tmp_path: Path) -> None:
    path = tmp_path / "test.pt"
    environment = dict(os.environ, PYTHONPATH=str(Path(__file__).parent.parent))
    environment["OMP_NUM_THREADS"] = str(torch.get_num_threads())  # sums depend on it
    for rows in (10, 33):
        with subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(path)],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            while int(process.stdout.readline()) < rows:
                pass
            process.send_signal(signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL
    rig, whole = Rig(), Rig()
    result = rig.test(**arguments(rig, path)).run(rig.trainer, rig.loader)
    assert 0 < len(rig.used) <= 30  # it went on
    assert result == whole.test(**arguments(whole, tmp_path / "whole")).run(
        whole.trainer, whole.loader
    )
