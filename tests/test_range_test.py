"""What a range test records is what training really used; what it refuses; how it ends."""

from __future__ import annotations

import math
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ignite.engine import Engine, Events
from torch import Tensor, nn
from torch.nn import functional as F

from clr_ignite import LRRangeTest, RangeTestResult, ScheduleHandler, _scalars
from clr_ignite.no_trace.interrupts import Undoing
from clr_ignite.optimizers.wrapped import RateChanged
from clr_ignite.range_test import sweep
from clr_ignite.range_test.divergence import Divergence
from clr_ignite.schedules import Fixed, Geometric, Linear
from tests.rigs import Rig, computed, same, state_of


def hand_written(rig: Rig, rates: list[float]) -> list[float]:
    """The losses of a plain loop at these rates: no Engine, no handlers."""
    losses: list[float] = []
    while True:
        for x, y in rig.loader:
            if len(losses) == len(rates):
                return losses
            for group in rig.optimizer.param_groups:
                group["lr"] = rates[len(losses)]
            rig.model.train()
            loss = F.cross_entropy(rig.model(x), y)
            rig.optimizer.zero_grad()
            loss.backward()
            rig.optimizer.step()
            losses.append(loss.item())


@pytest.mark.parametrize("step_mode", ["linear", "exponential"])
def test_each_row_is_a_step_at_the_rate_that_it_used(step_mode: Any) -> None:
    rig, plain = Rig(), Rig()
    test = rig.test(start_lr=0.001, end_lr=0.1, num_iter=23, step_mode=step_mode)
    result = test.run(rig.trainer, rig.loader)
    schedule = (Linear if step_mode == "linear" else Geometric)(0.001, 0.1, 22)
    rates = [schedule(t) for t in range(23)]
    assert list(result.lr) == rig.used == rates
    assert rates[0] == 0.001 and rates[-1] == 0.1
    assert list(result.iteration) == list(range(1, 24))
    assert list(result.loss) == rig.losses == hand_written(plain, rates)
    assert (result.stop_reason, test.result) == ("completed", result)
    assert "all 23 steps" in result.stop_detail and "0.1" in result.stop_detail


def test_the_training_loss_does_not_notice_the_evaluator() -> None:
    with_it, without = Rig(), Rig()
    result = with_it.test(num_iter=23, **with_it.with_evaluator(every=5)).run(
        with_it.trainer, with_it.loader
    )
    alone = without.test(num_iter=23).run(without.trainer, without.loader)
    assert list(result.loss) == list(alone.loss)
    rates, accuracies = result["accuracy"]
    assert rates == [result.lr[row - 1] for row in (5, 10, 15, 20, 23)]
    assert all(0 <= accuracy <= 1 for accuracy in accuracies)
    assert result.metrics == ("accuracy", "loss") and alone.metrics == ()


def test_held_out_metrics_may_be_numpys_numbers_or_tensors() -> None:
    rig = Rig()
    computed(lambda: np.float32(0.5)).attach(rig.evaluator, "single")
    computed(lambda: np.int64(7)).attach(rig.evaluator, "whole")
    computed(lambda: torch.tensor([0.25])).attach(rig.evaluator, "tensor")
    computed(lambda: np.zeros(2)).attach(rig.evaluator, "several")
    result = rig.test(**rig.with_evaluator(every=12)).run(rig.trainer, rig.loader)
    assert set(result.metrics) == {"accuracy", "loss", "single", "whole", "tensor"}
    values = [result[name][1] for name in ("single", "whole", "tensor")]
    assert values == [[0.5], [7.0], [0.25]]


def test_held_out_metrics_are_those_of_the_model_at_that_row() -> None:
    """Files accuracy under the rate just used: a plain loop stopped there gives the same."""
    rig = Rig()
    result = rig.test(num_iter=10, **rig.with_evaluator(every=5)).run(rig.trainer, rig.loader)
    for row, expected in zip((5, 10), result["loss"][1], strict=True):
        plain = Rig()
        hand_written(plain, list(result.lr[:row]))
        plain.evaluator.run(plain.held)
        assert plain.evaluator.state.metrics["loss"] == expected


def test_training_metrics_are_recorded_beside_the_loss() -> None:
    rig = Rig()
    rig.meddle = lambda engine, loss: (loss, {"twice": 2 * loss.item()})
    test = rig.test(
        output_transform=lambda output: output[0],
        training_metrics={"twice": lambda output: output[1]["twice"]},
    )
    result = test.run(rig.trainer, rig.loader)
    assert list(result.training["twice"]) == [2 * loss for loss in result.loss]
    assert list(result.columns()) == ["iteration", "lr", "loss", "train_twice"]


def test_with_accumulation_a_row_is_a_step_and_its_loss_the_mean() -> None:
    rig = Rig()
    micro: list[float] = []

    def step(engine: Engine, batch: tuple[Tensor, Tensor]) -> float:
        loss = F.cross_entropy(rig.model(batch[0]), batch[1])
        (loss / 3).backward()
        micro.append(loss.item())
        if engine.state.iteration % 3 == 0:
            rig.optimizer.step()
            rig.optimizer.zero_grad()
        return loss.item()

    result = rig.test(num_iter=7).run(Engine(step), rig.loader)
    assert list(result.lr) == rig.used == [Linear(0.0, 0.1, 6)(t) for t in range(7)]
    means = [sum(micro[3 * row : 3 * row + 3]) / 3 for row in range(7)]
    assert list(result.loss) == pytest.approx(means, rel=1e-12)


@pytest.mark.parametrize("kind", ["DataLoader", "list", "iterable without a length"])
def test_any_repeatable_data_and_however_short(kind: str) -> None:
    rig = Rig()
    batches = [(torch.randn(4, 4), torch.tensor([0, 1, 2, 0])) for _ in range(2)]

    class Stream:
        def __iter__(self) -> Iterator[Any]:
            return iter(batches)

    data = {"DataLoader": rig.loader, "list": batches}.get(kind, Stream())
    assert len(rig.test(num_iter=31).run(rig.trainer, data)) == 31


def test_a_loader_that_ends_before_its_length_is_gone_through_again() -> None:
    class Short(list[Any]):
        def __len__(self) -> int:
            return 10

    rig = Rig()
    data = Short([(torch.randn(4, 4), torch.tensor([0, 1, 2, 0]))])
    assert len(rig.test(num_iter=25).run(rig.trainer, data)) == 25


def test_lr_mult_is_kept_in_proportion_and_recorded_per_group() -> None:
    rig = Rig()
    weights = [p for p in rig.model.parameters() if p.ndim > 1]
    others = [p for p in rig.model.parameters() if p.ndim == 1]
    optimizer = torch.optim.SGD(
        [{"params": weights}, {"params": others, "lr_mult": 2.0}], lr=0.1, momentum=0.9
    )
    used: list[list[float]] = []
    optimizer.register_step_pre_hook(lambda o, *_: used.append([g["lr"] for g in o.param_groups]))
    rig.optimizer = optimizer
    result = rig.test().run(rig.trainer, rig.loader)
    assert [list(row) for row in zip(*result.group_lr, strict=True)] == used
    assert list(result.group_lr[1]) == [2 * rate for rate in result.lr]


def test_divergence_stops_and_says_where() -> None:
    rig = Rig()
    rig.meddle = lambda engine, loss: 1.0 if engine.state.iteration < 20 else 100.0
    result = rig.test(num_iter=40, diverge_th=4.0, **rig.with_evaluator(every=15)).run(
        rig.trainer, rig.loader
    )
    assert (result.stop_reason, len(result)) == ("diverged", 20)
    assert result.stop_detail == f"the loss reached 100 at a rate of {result.lr[19]:.3g}"
    assert result["accuracy"][0] == [result.lr[14], result.lr[19]]  # and at the stop


@pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_not_finite_is_recorded_and_stops(loss: float) -> None:
    rig = Rig()
    rig.meddle = lambda engine, _: 1.0 if engine.state.iteration < 4 else loss
    result = rig.test(diverge_th=4.0).run(rig.trainer, rig.loader)
    assert (result.stop_reason, len(result)) == ("diverged", 4)
    assert repr(result.loss[3]) == repr(loss)


def test_without_a_threshold_nothing_is_divergence() -> None:
    rig = Rig()
    rig.meddle = lambda engine, loss: math.nan
    result = rig.test(diverge_th=None).run(rig.trainer, rig.loader)
    assert (result.stop_reason, len(result)) == ("completed", 12)


@pytest.mark.parametrize(
    ("losses", "stops_at"),
    [
        ([1.0] * 30 + [5.0] * 30, 42),  # the average passes 4 with the thirteenth
        ([2.3] * 50, None),
        ([0.0] * 50, None),
        ([0.0] * 10 + [1.0] * 20, None),  # the first loss that is not zero gives the scale
        ([0.0] * 10 + [1.0] + [40.0] * 2, 11),
        ([-1.0 - 0.1 * i for i in range(50)], None),  # falling below zero is no divergence
        ([-10.0] * 30 + [30.0] * 20, 42),
        ([5.0 - 0.1 * i for i in range(50)], None),  # passes through zero
        ([1.0, math.nan], 1),
    ],
)
def test_the_rule_for_losses_of_any_sign_and_scale(
    losses: list[float], stops_at: int | None
) -> None:
    for scale in (1e-6, 1.0, 1e6):
        rule = Divergence(4.0)
        found = next((i for i, loss in enumerate(losses) if rule.reached(scale * loss)), None)
        assert found == stops_at


def test_losses_on_a_device_are_read_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """On an accelerator the host waits once a block. Here CPU tensors are taken for remote ones."""
    reads: list[int] = []
    to_host = sweep._to_host

    def counted(rows: list[dict[str, Any]]) -> list[dict[str, float]]:
        reads.append(len(rows))
        return to_host(rows)

    monkeypatch.setattr(_scalars, "_is_remote", lambda value: True)
    monkeypatch.setattr(sweep, "_to_host", counted)
    rig, plain = Rig(), Rig()
    rig.meddle = lambda engine, loss: loss
    result = rig.test(num_iter=120).run(rig.trainer, rig.loader)
    assert reads == [50, 50, 20, 0]  # the last is the read that a broken-off test would need
    expected = plain.test(num_iter=120).run(plain.trainer, plain.loader)
    assert list(result.loss) == pytest.approx(list(expected.loss), rel=1e-6)

    diverging = Rig()
    diverging.meddle = lambda engine, _: torch.tensor(
        math.nan if engine.state.iteration > 60 else 1.0
    )
    stopped = diverging.test(num_iter=120, diverge_th=4.0).run(diverging.trainer, diverging.loader)
    assert stopped.stop_reason == "diverged" and len(stopped) == 100  # one block late at most
    assert f"{stopped.lr[60]:.3g}" in stopped.stop_detail  # but it says where it was


def test_losses_that_share_memory_are_each_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A CUDA graph writes every step's loss into the same tensor."""
    monkeypatch.setattr(_scalars, "_is_remote", lambda value: True)
    rig = Rig()
    shared = torch.zeros(1)
    rig.meddle = lambda engine, loss: shared.copy_(loss.detach())
    result = rig.test().run(rig.trainer, rig.loader)
    assert list(result.loss) == rig.losses and len(set(rig.losses)) == 12


def test_losses_wait_in_what_their_device_has() -> None:
    assert _scalars._widest(torch.device("mps")) == torch.float32  # Metal has no float64
    assert _scalars._widest(torch.device("cuda")) == torch.float64
    assert _scalars._kept(torch.ones(1)).dtype == torch.float64


def test_rows_that_were_not_read_yet_are_there_after_an_exception(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_scalars, "_is_remote", lambda value: True)
    rig = Rig()

    def fail_late(engine: Engine, loss: Tensor) -> Tensor:
        if engine.state.iteration == 8:
            raise RuntimeError("planned")
        return loss

    rig.meddle = fail_late
    test = rig.test()
    with pytest.raises(RuntimeError, match="planned"):
        test.run(rig.trainer, rig.loader)
    assert test.result is not None
    assert list(test.result.loss) == pytest.approx(rig.losses, rel=1e-6)
    assert test.result.stop_reason is None


@pytest.mark.filterwarnings("ignore:Detected call of")  # torch's view of the order
def test_a_scheduler_inside_the_step_is_found() -> None:
    rig = Rig()
    scheduler = torch.optim.lr_scheduler.ExponentialLR(rig.optimizer, 0.5)
    before = state_of(rig)
    rig.meddle = lambda engine, loss: scheduler.step()
    test = rig.test(start_lr=0.01)
    with pytest.raises(RateChanged, match="the test set a rate of 0.01, but .* had 0.005"):
        test.run(rig.trainer, rig.loader)
    assert same(state_of(rig), before)
    assert test.result is not None and len(test.result) == 0


def test_a_scheduler_after_the_step_is_found() -> None:
    rig = Rig()

    def step(engine: Engine, batch: Any) -> Any:
        loss = rig.step(engine, batch)
        rig.optimizer.param_groups[0]["lr"] = 0.5
        return loss

    with pytest.raises(RateChanged, match="0.01, but .* had 0.5"):
        rig.test(start_lr=0.01).run(Engine(step), rig.loader)


def test_a_kept_schedule_handler_is_found_and_a_suspended_one_does_no_harm() -> None:
    rig = Rig()
    handler = ScheduleHandler(rig.optimizer, lr=Fixed(0.3))
    handler.attach(rig.trainer)
    result = rig.test().run(rig.trainer, rig.loader)
    assert any("ScheduleHandler" in name for name in result.suspended)
    with pytest.raises(RateChanged, match=r"had 0\.3"):
        rig.test(keep=[handler]).run(rig.trainer, rig.loader)


def test_attached_the_trainers_run_is_the_test() -> None:
    rig, plain = Rig(), Rig()
    before = state_of(rig)
    test = rig.test()
    with test.attach(rig.trainer) as trainer:
        assert trainer is rig.trainer
        with pytest.raises(ValueError, match="already attached"), test.attach(trainer):
            pass
        state = rig.trainer.run(rig.loader)
    assert state is rig.trainer.state
    assert test.result == plain.test().run(plain.trainer, plain.loader)
    assert same(state_of(rig), before) and "run" not in vars(rig.trainer)
    rig.trainer.run(rig.loader)
    assert rig.trainer.state.iteration == 5


def test_attached_the_tests_own_run_is_the_test_as_well() -> None:
    rig, plain = Rig(), Rig()
    test = rig.test()
    with test.attach(rig.trainer) as trainer:
        result = test.run(trainer, rig.loader)
        rig.trainer.run(rig.loader)
    assert result == test.result == plain.test().run(plain.trainer, plain.loader)
    rig.trainer.run(rig.loader)
    assert rig.trainer.state.iteration == 5


def test_attached_without_a_block_it_says_so() -> None:
    rig = Rig()
    with pytest.warns(RuntimeWarning, match="without a with block.* trains as ever") as caught:
        rig.test().attach(rig.trainer)
    assert caught[0].filename == __file__
    assert rig.test().result is None
    with pytest.raises(TypeError, match="trainer must be an ignite"):
        rig.test().attach(rig.loader)  # without one more warning


def test_attached_the_run_takes_what_engines_take() -> None:
    rig = Rig()
    for arguments in ({"max_epochs": 3}, {"max_iters": 12}, {"max_iters": 900}, {}):
        test = rig.test()
        with test.attach(rig.trainer) as trainer:
            trainer.run(rig.loader, **arguments)
        assert (len(test.result), test.result.stop_reason) == (12, "completed")
    seen: list[int] = []
    rig.meddle = lambda engine, loss: seen.append(engine.state.epoch_length)
    test = rig.test()
    with test.attach(rig.trainer) as trainer:
        trainer.run(rig.loader, None, None, np.int64(2))
    assert set(seen) == {2} and test.result.epoch_length == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"max_epochs": 2}, r"max_epochs must leave num_iter \(12\) .* got 2, .* leaves 10: leave"),
        ({"max_epochs": 5, "epoch_length": 2}, "max_epochs must leave .* got 5, .* leaves 10"),
        ({"max_iters": 11}, "max_iters must leave .* got 11"),
        ({"max_epochs": 9, "max_iters": 90}, "max_epochs and max_iters exclude each other"),
        ({"max_epochs": 0}, "max_epochs must be at least 1, got 0"),
        ({"max_iters": 30.0}, "max_iters must be a whole number, got 30.0"),
        ({"epoch_length": 0}, "epoch_length must be at least 1, got 0"),
        ({"data": None, "epoch_length": 5}, r"data must be given; .* \[None\] will do"),
        ({"data": iter([1])}, "data must be iterable again and again"),
    ],
)
def test_or_refuses_it_in_words(arguments: dict[str, Any], words: str) -> None:
    rig = Rig()
    before = state_of(rig)
    with (
        pytest.raises((TypeError, ValueError), match=words),
        rig.test().attach(rig.trainer) as trainer,
    ):
        trainer.run(**({"data": rig.loader} | arguments))
    assert same(state_of(rig), before) and rig.used == []


def test_epochs_of_data_without_a_length_need_one() -> None:
    class Stream:
        def __iter__(self) -> Iterator[Any]:
            return iter([(torch.randn(4, 4), torch.tensor([0, 1, 2, 0]))])

    rig = Rig()
    with pytest.raises(ValueError, match="max_epochs needs an epoch_length: the data has no"):
        rig.test().run(rig.trainer, Stream(), max_epochs=100)
    assert len(rig.test().run(rig.trainer, Stream(), max_epochs=6, epoch_length=2)) == 12


def test_with_accumulation_a_limit_may_end_the_test() -> None:
    rig = Rig()

    def step(engine: Engine, batch: tuple[Tensor, Tensor]) -> float:
        loss = F.cross_entropy(rig.model(batch[0]), batch[1])
        loss.backward()
        if engine.state.iteration % 2 == 0:
            rig.optimizer.step()
        return loss.item()

    result = rig.test().run(Engine(step), rig.loader, max_epochs=3)
    assert (len(result), result.stop_reason) == (7, "terminated")
    assert result.stop_detail == f"max_epochs=3 ended the test after a rate of {result.lr[-1]:.3g}"


def test_the_test_reads_the_run_of_a_subclass() -> None:
    class Loud(Engine):
        pass

    rig = Rig()
    assert len(rig.test().run(Loud(rig.step), rig.loader)) == 12


def test_on_row_sees_every_row_and_progress_shows_a_bar(capsys: pytest.CaptureFixture[str]) -> None:
    rig = Rig()
    seen: list[int] = []
    rig.test(on_row=lambda result: seen.append(len(result))).run(rig.trainer, rig.loader)
    assert seen == list(range(1, 13))
    assert capsys.readouterr() == ("", "")
    rig.test(progress=True).run(rig.trainer, rig.loader)
    out, err = capsys.readouterr()
    assert out == "" and "range test" in err and "12/12" in err


def test_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    rig = Rig()
    rig.test(**rig.with_evaluator()).run(rig.trainer, rig.loader)
    assert list(tmp_path.rglob("*")) == []


def test_an_interrupt_inside_the_undoing_waits_for_its_end() -> None:
    done: list[str] = []
    with pytest.raises(KeyboardInterrupt), Undoing() as stack, stack:
        stack.callback(done.append, "last")
        stack.callback(os.kill, os.getpid(), signal.SIGINT)
        stack.callback(done.append, "first")
    assert done == ["first", "last"]


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"start_lr": 0.1, "end_lr": 0.1}, ValueError, r"start_lr must be below end_lr \(0.1\)"),
        ({"start_lr": -0.1}, ValueError, "start_lr must not be negative, got -0.1"),
        ({"end_lr": math.inf}, ValueError, "end_lr must be finite, got inf"),
        ({"step_mode": "exponential"}, ValueError, "start_lr must be above 0 with exponential"),
        ({"step_mode": "log"}, ValueError, "'linear' or 'exponential', got 'log'"),
        ({"num_iter": 1}, ValueError, "num_iter must be at least 2, got 1"),
        ({"num_iter": 2.0}, TypeError, "num_iter must be a whole number, got 2.0"),
        ({"diverge_th": 1.0}, ValueError, "diverge_th must be above 1 or None, got 1.0"),
        ({"eval_data": [1]}, ValueError, "evaluator and eval_data belong together"),
        ({"to_save": {}}, ValueError, "to_save must hold the optimizer"),
    ],
)
def test_bad_arguments_are_named(
    changes: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        Rig().test(**changes)


def test_a_trainer_is_not_its_own_evaluator() -> None:
    rig = Rig()
    before = state_of(rig)
    test = rig.test(evaluator=rig.trainer, eval_data=rig.loader)
    with pytest.raises(ValueError, match="evaluator must be another Engine than the trainer"):
        test.run(rig.trainer, rig.loader)
    assert same(state_of(rig), before)


def test_every_beyond_num_iter_is_refused() -> None:
    rig = Rig()
    with pytest.raises(ValueError, match=r"every must be at most num_iter \(12\), got 13"):
        rig.test(**rig.with_evaluator(every=13))


def test_a_model_that_would_not_be_put_back_is_refused() -> None:
    rig = Rig()
    with pytest.raises(ValueError, match=r"every module .* shape \(8, 4\) is in none"):
        rig.test(to_save={"optimizer": rig.optimizer})


@pytest.mark.parametrize("entry", [None, 3, "text", b"text", frozenset({1}), Rig])
def test_what_has_no_state_to_put_back_is_refused(entry: object) -> None:
    rig = Rig()
    saved = {"model": rig.model, "optimizer": rig.optimizer, "extra": entry}
    with pytest.raises(TypeError, match=r"to_save\['extra'\] must have a state to put back"):
        rig.test(to_save=saved)


def test_a_lazy_model_is_refused() -> None:
    model = nn.LazyLinear(2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(ValueError, match="run one batch first"):
        LRRangeTest(optimizer, 0.0, 0.1, 5, to_save={"model": model, "optimizer": optimizer})


def test_groups_of_differing_rates_without_lr_mult_are_refused() -> None:
    rig = Rig()
    rig.optimizer.add_param_group({"params": [], "lr": 0.2})
    with pytest.raises(ValueError, match=r"rates differ \(0.05, 0.2\)"):
        rig.test().run(rig.trainer, rig.loader)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_group_that_the_step_adds_is_named(when: str) -> None:
    rig = Rig()
    groups = list(rig.optimizer.param_groups)

    def step(engine: Engine, batch: Any) -> Any:
        if when == "before":
            rig.optimizer.add_param_group({"params": [], "lr": 0.2})
        loss = rig.step(engine, batch)
        if when == "after":
            rig.optimizer.add_param_group({"params": [], "lr": 0.2})
        return loss

    with pytest.raises(RuntimeError, match="a test of 1 param groups now has 2"):
        rig.test().run(Engine(step), rig.loader)
    assert rig.optimizer.param_groups == groups


def test_a_one_shot_iterator_is_refused_untouched() -> None:
    rig = Rig()
    batches = iter([1, 2, 3])
    with pytest.raises(TypeError, match="one-shot iterator"):
        rig.test().run(rig.trainer, batches)
    assert list(batches) == [1, 2, 3]


class NothingThere:
    def __iter__(self) -> Iterator[Any]:
        return iter([])


@pytest.mark.parametrize("data", [[], torch.utils.data.DataLoader([]), NothingThere()])
def test_empty_data_is_refused(data: Any) -> None:
    rig = Rig()
    before = state_of(rig)
    with pytest.raises(ValueError, match="data must not be empty"):
        rig.test().run(rig.trainer, data)
    assert same(state_of(rig), before)


def test_a_stream_that_goes_on_where_it_was_ends_the_test_in_words() -> None:
    rig = Rig()
    stream = iter([batch for batch in rig.loader] * 2)

    class Stream:
        def __iter__(self) -> Iterator[Any]:
            yield from stream

    words = "again and again.* after 10 batches this Stream gave no more: begin anew in its __iter"
    with pytest.raises(ValueError, match=words):
        rig.test().run(rig.trainer, Stream())


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (torch.ones(2), r"tensor of shape \(2,\): give .*lambda output: output.mean\(\), or"),
        (np.ones(2), r"array\(.*\) of type ndarray: give .*lambda output: output.mean\(\), or"),
        ("0.5", "'0.5' of type str$"),
        (True, "True of type bool$"),
        ({"loss": 1.0}, r"{'loss': 1.0} of type dict: give .*lambda output: output\['loss'\], or"),
        ({"a": 1.0}, r"{'a': 1.0} of type dict: give .*lambda output: output\['a'\], or"),
        ((1.0, 2), r"\(1.0, 2\) of type tuple: give .*=lambda output: output\[0\], or"),
    ],
)  # fmt: skip
def test_an_output_that_holds_no_scalar_is_refused(output: Any, words: str) -> None:
    rig = Rig()
    before = state_of(rig)
    rig.meddle = lambda engine, loss: output
    with pytest.raises(TypeError, match=f"output_transform must give a number .*{words}"):
        rig.test().run(rig.trainer, rig.loader)
    assert same(state_of(rig), before)


def test_a_wrong_output_transform_says_what_it_was_given() -> None:
    rig = Rig()
    with pytest.raises(
        TypeError, match=r"returns, 1\.\d+ of type float; on that .* TypeError: 'fl"
    ):
        rig.test(output_transform=lambda output: output["loss"]).run(rig.trainer, rig.loader)
    with pytest.raises(
        TypeError, match=r"got None of type NoneType, made of the output 0?1?\..*fl"
    ):
        rig.test(output_transform=lambda output: None).run(rig.trainer, rig.loader)


def test_groups_of_differing_rates_hear_of_both_ways_out() -> None:
    rig = Rig()
    first, *others = rig.model.parameters()
    groups = [{"params": [first]}, {"params": others, "lr": 0.5}]
    rig.optimizer = torch.optim.SGD(groups, lr=0.1)
    words = r"differ \(0.1, 0.5\).*'lr_mult', .*, or the test ranges of their own, start_lr=\[...\]"
    with pytest.raises(ValueError, match=words):
        rig.test().run(rig.trainer, rig.loader)
    with pytest.raises(ValueError, match=r"'lr_mult', the factor on the schedule's rate$"):
        ScheduleHandler(rig.optimizer, lr=Fixed(0.1)).attach(rig.trainer)


def test_an_evaluator_that_raises_ends_the_test_with_everything_back() -> None:
    rig = Rig()
    before = state_of(rig)
    rig.evaluator = Engine(lambda engine, batch: 1 / 0)
    before["evaluator"] = state_of(rig)["evaluator"]
    test = rig.test(**rig.with_evaluator(every=5))
    with pytest.raises(ZeroDivisionError):
        test.run(rig.trainer, rig.loader)
    assert same(state_of(rig), before)
    assert test.result is not None and len(test.result) == 5


def test_a_step_that_never_steps_ends_the_test() -> None:
    rig = Rig()
    rig.trainer = Engine(lambda engine, batch: 1.0)
    rig.trainer.add_event_handler(Events.ITERATION_COMPLETED, stepping_handler)
    words = "no step in 250 iterations.* wraps or what wraps it.*stepping_handler.*keep=.*guard"
    with pytest.raises(RuntimeError, match=words):
        rig.test().run(rig.trainer, rig.loader)


def stepping_handler(engine: Engine) -> None:
    """A handler that a range test suspends."""


def test_terminated_before_the_first_step() -> None:
    rig = Rig()
    stop = lambda engine: engine.terminate()  # noqa: E731
    rig.trainer.add_event_handler(Events.EPOCH_STARTED, stop)
    result = rig.test(keep=[stop]).run(rig.trainer, rig.loader)
    assert (result.stop_reason, len(result)) == ("terminated", 0)
    assert result.suggest().base_lr is None and isinstance(result, RangeTestResult)


def test_a_tensor_rate_in_single_precision_is_compared_in_it() -> None:
    rate = torch.tensor(0.05)
    rig = Rig(make=torch.optim.Adam, lr=rate, foreach=False)
    result = rig.test(num_iter=11).run(rig.trainer, rig.loader)
    assert len(result) == 11 and rig.optimizer.param_groups[0]["lr"] is rate
    assert float(rate) == pytest.approx(0.05)
