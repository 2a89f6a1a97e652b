"""``ScheduleHandler`` on real Engines; rates are read where the optimizer uses them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Engine, Events
from ignite.handlers import Checkpoint, DiskSaver
from ignite.handlers.param_scheduler import (
    ConcatScheduler,
    LinearCyclicalScheduler,
    LRScheduler,
    ParamGroupScheduler,
)
from torch import nn

from clr_ignite import LRRangeTest, ScheduleHandler, cycle_end
from clr_ignite.schedules import CosineRestarts, Cyclic, Fixed, Linear, OneCycle, Triangular

CLR = Triangular(base_lr=0.1, max_lr=0.5, step_size=4)
BATCHES = [torch.full((2, 3), float(i)) for i in range(6)]


class Rig:
    """A model, an optimizer and a trainer that steps; ``used`` is filled by a step pre-hook."""

    def __init__(self, every: int = 1, make: Any = None, **options: Any) -> None:
        torch.manual_seed(0)
        self.model = nn.Linear(3, 1)
        make = make or torch.optim.SGD
        self.optimizer = make(self.model.parameters(), **({"lr": 0.1} | options))
        self.used = record(self.optimizer)
        self.trainer = Engine(self.step)
        self.every = every

    def step(self, engine: Engine, batch: torch.Tensor) -> float:
        loss = self.model(batch).square().mean() * 1e-6
        loss.backward()
        if engine.state.iteration % self.every == 0:
            self.optimizer.step()
            self.optimizer.zero_grad()
        return loss.item()


def record(optimizer: torch.optim.Optimizer, name: str = "lr") -> list[Any]:
    used: list[Any] = []
    optimizer.register_step_pre_hook(
        lambda o, *_: used.append(
            [g[name][0] if name == "betas" else float(g[name]) for g in o.param_groups]
        )
    )
    return used


def first(used: list[list[float]]) -> list[float]:
    return [rates[0] for rates in used]


def test_the_step_uses_the_schedules_rate() -> None:
    rig = Rig()
    ScheduleHandler(rig.optimizer, lr=CLR).attach(rig.trainer)
    rig.trainer.run(BATCHES, max_epochs=3)
    assert first(rig.used) == [CLR(t) for t in range(18)]


def test_later_handlers_and_completed_see_the_rate_in_use() -> None:
    rig = Rig()
    ScheduleHandler(rig.optimizer, lr=CLR).attach(rig.trainer)
    started: list[float] = []
    completed: list[float] = []
    group = rig.optimizer.param_groups[0]
    rig.trainer.add_event_handler(Events.ITERATION_STARTED, lambda: started.append(group["lr"]))
    rig.trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda: completed.append(group["lr"]))
    rig.trainer.run(BATCHES, max_epochs=2)
    assert started == completed == first(rig.used)


def test_a_run_that_starts_anew_starts_the_schedule_anew() -> None:
    rig = Rig()
    ScheduleHandler(rig.optimizer, lr=CLR).attach(rig.trainer)
    for _ in range(2):
        rig.trainer.run(BATCHES, max_epochs=1)
    assert first(rig.used) == [CLR(t) for t in range(6)] * 2


def test_a_checkpoint_in_mid_cycle_resumes_in_mid_cycle(tmp_path: Path) -> None:
    def attached() -> tuple[Rig, dict[str, Any]]:
        rig = Rig(momentum=0.9)
        ScheduleHandler(rig.optimizer, lr=CLR).attach(rig.trainer)
        return rig, {"trainer": rig.trainer, "model": rig.model, "optimizer": rig.optimizer}

    whole, _ = attached()
    whole.trainer.run(BATCHES, max_epochs=4)

    cut, objects = attached()
    saver = Checkpoint(objects, DiskSaver(str(tmp_path), require_empty=False), n_saved=None)
    cut.trainer.add_event_handler(Events.EPOCH_COMPLETED(once=2), saver)
    cut.trainer.run(BATCHES, max_epochs=2)

    resumed, objects = attached()
    (path,) = tmp_path.glob("*.pt")
    Checkpoint.load_objects(objects, torch.load(path, weights_only=True))
    resumed.trainer.run(BATCHES, max_epochs=4)
    assert first(cut.used) + first(resumed.used) == first(whole.used)
    assert torch.equal(resumed.model.weight, whole.model.weight)


def test_an_optimizer_whose_state_is_loaded_between_runs() -> None:
    """load_state_dict replaces the group dicts; a handler that held the old ones would write
    where nobody reads."""
    rig = Rig(momentum=0.9)
    ScheduleHandler(rig.optimizer, lr=CLR).attach(rig.trainer)
    rig.trainer.run(BATCHES, max_epochs=1)
    rig.optimizer.load_state_dict(rig.optimizer.state_dict())
    rig.trainer.run(BATCHES, max_epochs=1)
    assert first(rig.used) == [CLR(t) for t in range(6)] * 2


def test_a_group_added_in_mid_run_is_scheduled() -> None:
    rig = Rig()
    extra = nn.Parameter(torch.zeros(1))
    ScheduleHandler(rig.optimizer, lr=CLR).attach(rig.trainer)
    rig.trainer.add_event_handler(
        Events.ITERATION_COMPLETED(once=3),
        lambda: rig.optimizer.add_param_group({"params": [extra], "lr_mult": 2.0}),
    )
    rig.trainer.run(BATCHES, max_epochs=1)
    assert rig.used[2:4] == [[CLR(2)], [CLR(3), 2 * CLR(3)]]


@pytest.mark.parametrize("accumulation_steps", [2, 3])
def test_with_gradient_accumulation_the_schedule_counts_steps(accumulation_steps: int) -> None:
    rig = Rig(every=accumulation_steps)
    handler = ScheduleHandler(rig.optimizer, lr=CLR)
    handler.attach(rig.trainer, accumulation_steps=accumulation_steps)
    rig.trainer.run(BATCHES, max_epochs=4)
    assert first(rig.used) == [CLR(t) for t in range(24 // accumulation_steps)]


def test_before_start_nothing_is_written() -> None:
    rig = Rig(lr=0.7)
    ScheduleHandler(rig.optimizer, lr=CLR).attach(rig.trainer, start=5)
    rig.trainer.run(BATCHES, max_epochs=2)
    assert first(rig.used) == [0.7] * 5 + [CLR(t) for t in range(7)]


def test_two_optimizers_on_one_trainer() -> None:
    rig = Rig()
    bias = nn.Parameter(torch.zeros(1))
    other = torch.optim.SGD([bias], lr=0.3)
    used = record(other)
    rig.trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda: other.step())
    down = Triangular(0.0, 0.2, 2)
    ScheduleHandler(rig.optimizer, lr=CLR).attach(rig.trainer)
    ScheduleHandler(other, lr=down).attach(rig.trainer)
    rig.trainer.run(BATCHES, max_epochs=1)
    assert first(rig.used) == [CLR(t) for t in range(6)]
    assert first(used) == [down(t) for t in range(6)]


def test_lr_mult_scales_the_rate_and_nothing_else() -> None:
    weight, bias = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD(
        [{"params": [weight]}, {"params": [bias], "lr_mult": 2.0}], lr=0.1, momentum=0.9
    )
    used, momenta = record(optimizer), record(optimizer, "momentum")
    trainer = Engine(lambda engine, batch: optimizer.step())
    momentum = OneCycle(0.1, 0.5, 4, 10, 0.0).momentum(0.95, 0.85)
    ScheduleHandler(optimizer, lr=CLR, momentum=momentum).attach(trainer)
    trainer.run(BATCHES)
    assert used == [[CLR(t), 2 * CLR(t)] for t in range(6)]
    assert momenta == [[momentum(t)] * 2 for t in range(6)]


def test_a_tensor_rate_is_filled_in_place() -> None:
    rate = torch.tensor(0.1, dtype=torch.float64)
    rig = Rig(lr=rate, foreach=False)
    assert rig.optimizer.param_groups[0]["lr"] is rate
    ScheduleHandler(rig.optimizer, lr=CLR).attach(rig.trainer)
    rig.trainer.run(BATCHES, max_epochs=2)
    assert rig.optimizer.param_groups[0]["lr"] is rate
    assert first(rig.used) == [CLR(t) for t in range(12)]


def test_groups_that_share_a_tensor_rate_keep_to_their_lr_mult() -> None:
    """torch puts one tensor, the default, into every group: filled for one it changed in all."""
    parameters = [nn.Parameter(torch.zeros(1)) for _ in range(3)]
    groups = [
        {"params": [p], "lr_mult": m} for p, m in zip(parameters, (1.0, 2.0, 1.0), strict=True)
    ]
    rate = torch.tensor(0.1, dtype=torch.float64)
    optimizer = torch.optim.Adam(groups, lr=rate, foreach=False)
    assert all(group["lr"] is rate for group in optimizer.param_groups)
    used = record(optimizer)
    trainer = Engine(lambda engine, batch: optimizer.step())
    ScheduleHandler(optimizer, lr=CLR).attach(trainer)
    trainer.run(BATCHES, max_epochs=2)
    assert used == [[CLR(t), 2 * CLR(t), CLR(t)] for t in range(12)]
    first, second, third = (group["lr"] for group in optimizer.param_groups)
    assert first is rate and third is rate and second is not rate


@pytest.mark.parametrize("momentum", [0, torch.tensor(0.9)], ids=["int", "tensor"])
def test_momentum_that_is_no_float_is_written_too(momentum: Any) -> None:
    rig = Rig()
    rig.optimizer.param_groups[0]["momentum"] = momentum
    used = record(rig.optimizer, "momentum")
    ScheduleHandler(rig.optimizer, momentum=Linear(0.5, 0.25, 2)).attach(rig.trainer)
    rig.trainer.run(BATCHES[:3], max_epochs=1)
    assert first(used) == [0.5, 0.375, 0.25]
    if isinstance(momentum, torch.Tensor):  # filled, not replaced: graphs hold on to it
        assert rig.optimizer.param_groups[0]["momentum"] is momentum


def test_momentum_is_the_first_beta_where_the_optimizer_has_betas() -> None:
    rig = Rig(make=torch.optim.Adam, betas=(0.9, 0.99))
    betas = record(rig.optimizer, "betas")
    high_to_low = Triangular(0.8, 0.95, 3)
    ScheduleHandler(rig.optimizer, momentum=high_to_low).attach(rig.trainer)
    rig.trainer.run(BATCHES)
    assert first(betas) == [high_to_low(t) for t in range(6)]
    assert rig.optimizer.param_groups[0]["betas"][1] == 0.99


def test_tensor_betas_are_filled_in_place() -> None:
    betas = (torch.tensor(0.9, dtype=torch.float64), torch.tensor(0.99))
    rig = Rig(make=torch.optim.Adam, betas=betas, capturable=False, foreach=False)
    ScheduleHandler(rig.optimizer, momentum=Fixed(0.5)).attach(rig.trainer)
    rig.trainer.add_event_handler(Events.ITERATION_STARTED, lambda engine: engine.terminate())
    rig.trainer.run(BATCHES[:1])
    assert rig.optimizer.param_groups[0]["betas"][0] is betas[0]
    assert float(betas[0]) == 0.5


def test_nothing_that_was_not_asked_for_changes() -> None:
    rig = Rig(momentum=0.3, weight_decay=0.01)
    before = {k: v for k, v in rig.optimizer.param_groups[0].items() if k not in ("params", "lr")}
    ScheduleHandler(rig.optimizer, lr=CLR).attach(rig.trainer)
    rig.trainer.run(BATCHES)
    after = {k: v for k, v in rig.optimizer.param_groups[0].items() if k not in ("params", "lr")}
    assert after == before
    assert rig.optimizer.state_dict()["param_groups"][0].keys() == before.keys() | {"params", "lr"}


def test_detached_it_stays_silent_when_another_takes_over() -> None:
    rig = Rig()
    old, new = ScheduleHandler(rig.optimizer, lr=CLR), ScheduleHandler(rig.optimizer, lr=Fixed(0.3))
    old.attach(rig.trainer)
    old.detach(rig.trainer)
    assert not any(rig.trainer._event_handlers.values())
    new.attach(rig.trainer)
    rig.trainer.run(BATCHES, max_epochs=1)
    assert first(rig.used) == [0.3] * 6


def test_what_is_not_attached_is_not_detached() -> None:
    rig = Rig()
    with pytest.raises(ValueError, match="this ScheduleHandler is not attached to the trainer"):
        ScheduleHandler(rig.optimizer, lr=CLR).detach(rig.trainer)


def test_detached_it_leaves_the_rate_as_it_is() -> None:
    rig = Rig()
    handler = ScheduleHandler(rig.optimizer, lr=CLR)
    handler.attach(rig.trainer)
    rig.trainer.run(BATCHES)
    handler.detach(rig.trainer)
    rig.trainer.run(BATCHES)
    assert first(rig.used)[6:] == [CLR(5)] * 6
    handler.attach(rig.trainer)  # and may be attached again


def test_any_callable_is_a_schedule() -> None:
    rig = Rig()
    ScheduleHandler(rig.optimizer, lr=lambda t: 1 / (1 + t)).attach(rig.trainer)
    rig.trainer.run(BATCHES)
    assert first(rig.used) == [1 / (1 + t) for t in range(6)]


def _ours(rig: Rig) -> None:
    ScheduleHandler(rig.optimizer, lr=Fixed(0.2)).attach(rig.trainer)


def _ignites(rig: Rig) -> None:
    scheduler = LinearCyclicalScheduler(rig.optimizer, "lr", 0.1, 0.2, 10)
    rig.trainer.add_event_handler(Events.ITERATION_STARTED, scheduler)


def _torchs(rig: Rig) -> None:
    scheduler = LRScheduler(torch.optim.lr_scheduler.StepLR(rig.optimizer, 10))
    rig.trainer.add_event_handler(Events.ITERATION_COMPLETED, scheduler)


def _groups(rig: Rig) -> None:
    parts = [LinearCyclicalScheduler(rig.optimizer, "lr", 0.1, 0.2, 10, param_group_index=0)]
    scheduler = ParamGroupScheduler(parts, names=["lr"])
    rig.trainer.add_event_handler(Events.ITERATION_STARTED, scheduler)


def _concatenated(rig: Rig) -> None:
    parts = [LinearCyclicalScheduler(rig.optimizer, "lr", 0.1, 0.2, 10) for _ in range(2)]
    rig.trainer.add_event_handler(Events.ITERATION_STARTED, ConcatScheduler(parts, [10]))


@pytest.mark.parametrize("other", [_ours, _ignites, _torchs, _groups, _concatenated])
def test_a_second_setter_is_refused_at_attach_and_at_the_start(other: Any) -> None:
    rig = Rig()
    other(rig)
    with pytest.raises(ValueError, match="lr of this SGD is already set by"):
        ScheduleHandler(rig.optimizer, lr=CLR).attach(rig.trainer)
    if other is _ours:
        return  # the second one was refused above whichever came first
    rig = Rig()
    ScheduleHandler(rig.optimizer, lr=CLR).attach(rig.trainer)
    other(rig)
    with pytest.raises(ValueError, match="lr of this SGD is already set by"):
        rig.trainer.run(BATCHES)
    assert rig.used == []


def test_setters_of_other_hyperparameters_and_optimizers_are_welcome() -> None:
    rig, other = Rig(momentum=0.9), Rig()
    rig.trainer.add_event_handler(
        Events.ITERATION_STARTED, LinearCyclicalScheduler(other.optimizer, "lr", 0.1, 0.2, 10)
    )
    ScheduleHandler(rig.optimizer, momentum=Fixed(0.5)).attach(rig.trainer)
    ScheduleHandler(rig.optimizer, lr=CLR).attach(rig.trainer)
    rig.trainer.run(BATCHES)
    assert first(rig.used) == [CLR(t) for t in range(6)]


def test_an_owner_with_schedulers_of_another_kind_is_no_setter() -> None:
    class Owner:
        schedulers = None

        def step(self) -> None: ...

    rig = Rig()
    rig.trainer.add_event_handler(Events.ITERATION_STARTED, Owner().step)
    ScheduleHandler(rig.optimizer, lr=CLR).attach(rig.trainer)
    rig.trainer.run(BATCHES)
    assert first(rig.used) == [CLR(t) for t in range(6)]


def test_the_same_handler_is_not_attached_twice() -> None:
    rig = Rig()
    handler = ScheduleHandler(rig.optimizer, lr=CLR)
    handler.attach(rig.trainer)
    with pytest.raises(ValueError, match="already attached"):
        handler.attach(rig.trainer)


def test_groups_of_differing_rates_need_lr_mult() -> None:
    parameters = [nn.Parameter(torch.zeros(1)) for _ in range(2)]
    optimizer = torch.optim.SGD(
        [{"params": [p], "lr": 0.1 * (i + 1)} for i, p in enumerate(parameters)]
    )
    with pytest.raises(ValueError, match=r"rates differ \(0.1, 0.2\).*lr_mult"):
        ScheduleHandler(optimizer, lr=CLR).attach(Engine(lambda engine, batch: None))
    optimizer.param_groups[1]["lr_mult"] = 2.0
    ScheduleHandler(optimizer, lr=CLR).attach(Engine(lambda engine, batch: None))


def test_cycle_ends_run_a_users_evaluator() -> None:
    rig = Rig()
    evaluator = Engine(lambda engine, batch: None)
    seen: list[int] = []
    evaluator.add_event_handler(Events.COMPLETED, lambda: seen.append(rig.trainer.state.iteration))
    ScheduleHandler(rig.optimizer, lr=CLR).attach(rig.trainer, start=3)
    at_cycle_end = Events.ITERATION_COMPLETED(event_filter=cycle_end(CLR, start=3))
    rig.trainer.add_event_handler(at_cycle_end, lambda: evaluator.run([0]))
    rig.trainer.run(BATCHES, max_epochs=5)
    assert seen == [11, 19, 27]
    assert first(rig.used)[11] == CLR(0)  # the next step is at the base again


@pytest.mark.parametrize(
    ("options", "iterations", "expected"),
    [({}, 20, [8, 16]), ({"start": 1, "accumulation_steps": 2}, 40, [17, 33])],
    ids=["from the start", "with accumulation"],
)
def test_where_cycles_end(options: dict[str, int], iterations: int, expected: list[int]) -> None:
    engine = Engine(lambda engine, batch: None)
    seen: list[int] = []
    ends = Events.ITERATION_COMPLETED(event_filter=cycle_end(CLR, **options))
    engine.add_event_handler(ends, lambda: seen.append(engine.state.iteration))
    engine.run(range(iterations))
    assert seen == expected


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda o: ScheduleHandler("sgd", lr=CLR), TypeError, "optimizer must be .*, got 'sgd'"),
        (lambda o: ScheduleHandler(o), ValueError, "at least one hyperparameter"),
        (lambda o: ScheduleHandler(o, lr=0.1), TypeError, "lr must be a callable .*, got 0.1"),
        (lambda o: ScheduleHandler(o, rate=CLR), ValueError, "SGD has no .* 'rate'; it has .*lr"),
        (lambda o: ScheduleHandler(o, params=CLR), ValueError, "no hyperparameter 'params'"),
        (lambda o: cycle_end(CLR, start=-1), ValueError, "start must be at least 0, got -1"),
    ],
)
def test_bad_arguments_are_named(make: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        make(Rig().optimizer)


@pytest.mark.parametrize("argument", [{"start": -1}, {"accumulation_steps": 0}])
def test_bad_attachments_leave_nothing_attached(argument: dict[str, int]) -> None:
    rig = Rig()
    with pytest.raises(ValueError, match=next(iter(argument))):
        ScheduleHandler(rig.optimizer, lr=CLR).attach(rig.trainer, **argument)
    ScheduleHandler(rig.optimizer, lr=CLR).attach(rig.trainer)


def test_its_repr_says_what_it_does() -> None:
    assert repr(ScheduleHandler(Rig().optimizer, lr=CLR)) == (
        "ScheduleHandler(SGD, lr=Triangular(base_lr=0.1, max_lr=0.5, step_size=4))"
    )


class Pair:
    """A trainer whose optimizer has two groups; ``used`` has the rates of each step."""

    def __init__(self, make: Any = torch.optim.SGD, **second: Any) -> None:
        self.parameters = [nn.Parameter(torch.zeros(1)) for _ in range(2)]
        first_group, second_group = ({"params": [one]} for one in self.parameters)
        self.optimizer = make([first_group, second_group | second], lr=0.1)
        self.used = record(self.optimizer)
        self.trainer = Engine(self.step)

    def step(self, engine: Engine, batch: Any) -> None:
        for one in self.parameters:
            one.grad = torch.zeros(1)
        self.optimizer.step()


def test_each_group_has_a_schedule_of_its_own() -> None:
    pair, warm = Pair(), Linear(0.0, 1.0, 4)
    ScheduleHandler(pair.optimizer, lr=[CLR, warm]).attach(pair.trainer)
    pair.trainer.run(BATCHES)
    assert pair.used == [[CLR(t), warm(t)] for t in range(6)]


def test_groups_with_schedules_of_their_own_may_begin_at_different_rates() -> None:
    pair = Pair(**{"lr": 0.3})
    ScheduleHandler(pair.optimizer, lr=(Fixed(0.1), Fixed(0.3))).attach(pair.trainer)
    pair.trainer.run(BATCHES[:1])
    assert pair.used == [[0.1, 0.3]]


def test_a_factor_scales_a_groups_own_schedule() -> None:
    """As in a range test with a range for each group: the rate is before ``lr_mult``."""
    pair = Pair(lr_mult=2.0)
    ScheduleHandler(pair.optimizer, lr=[Fixed(0.1), CLR]).attach(pair.trainer)
    pair.trainer.run(BATCHES)
    assert pair.used == [[0.1, 2 * CLR(t)] for t in range(6)]


def test_a_range_for_each_group_is_trained_with_as_it_was_tested() -> None:
    tested, trained = Pair(lr_mult=2.0), Pair(lr_mult=2.0)
    saved = {"model": nn.ParameterList(tested.parameters), "optimizer": tested.optimizer}
    ends = [0.0, 0.1], [1.0, 0.4]
    test = LRRangeTest(tested.optimizer, *ends, num_iter=6, diverge_th=None, to_save=saved)
    result = test.run(Engine(lambda e, b: tested.step(e, b) or 0.0), BATCHES)
    ranges = [Linear(0.0, 1.0, 5), Linear(0.1, 0.4, 5)]
    ScheduleHandler(trained.optimizer, lr=ranges).attach(trained.trainer)
    trained.trainer.run(BATCHES)
    assert (
        trained.used == tested.used == [list(rates) for rates in zip(*result.group_lr, strict=True)]
    )


@pytest.mark.parametrize("shared", [False, True], ids=["a tensor each", "one tensor"])
def test_tensors_of_groups_with_schedules_of_their_own_are_filled(shared: bool) -> None:
    pair = Pair(**({} if shared else {"lr": torch.tensor(0.1)}))
    if shared:
        rate = torch.tensor(0.1)
        for group in pair.optimizer.param_groups:
            group["lr"] = rate
    ScheduleHandler(pair.optimizer, lr=[Fixed(0.25), Fixed(0.5)]).attach(pair.trainer)
    held = pair.optimizer.param_groups[1]["lr"]
    pair.trainer.run(BATCHES[:2])
    assert pair.used == [[0.25, 0.5]] * 2
    assert shared or pair.optimizer.param_groups[1]["lr"] is held


def test_other_hyperparameters_of_each_group() -> None:
    pair = Pair(torch.optim.Adam)
    ScheduleHandler(
        pair.optimizer, lr=CLR, momentum=[Fixed(0.5), CLR], weight_decay=[Fixed(0.0), Fixed(0.1)]
    ).attach(pair.trainer)
    pair.trainer.run(BATCHES)
    one, two = pair.optimizer.param_groups
    assert (one["betas"], two["betas"]) == ((0.5, 0.999), (CLR(5), 0.999))
    assert (one["weight_decay"], two["weight_decay"]) == (0.0, 0.1)


@pytest.mark.parametrize("given", [[CLR], [CLR, CLR, CLR], []])
def test_another_number_of_schedules_than_of_groups_is_refused(given: list[Any]) -> None:
    with pytest.raises(ValueError, match=rf"lr must be .* 2 param groups, got {len(given)}"):
        ScheduleHandler(Pair().optimizer, lr=given)


def test_a_group_added_without_its_schedule_is_refused_at_the_next_iteration() -> None:
    pair = Pair()
    ScheduleHandler(pair.optimizer, momentum=[CLR, CLR]).attach(pair.trainer)
    pair.optimizer.add_param_group({"params": [nn.Parameter(torch.zeros(1))]})
    with pytest.raises(ValueError, match="momentum must be .* each of 3 param groups, got 2"):
        pair.trainer.run(BATCHES)
    assert pair.used == []


def test_what_is_no_schedule_in_a_sequence_is_named() -> None:
    with pytest.raises(TypeError, match=r"lr must be a callable .*, got 0.1"):
        ScheduleHandler(Pair().optimizer, lr=[CLR, 0.1])
    pair = Pair()
    ScheduleHandler(pair.optimizer, lr=[CLR, lambda t: float("nan")]).attach(pair.trainer)
    with pytest.raises(ValueError, match="schedule of lr gave nan at step 0: it must be finite"):
        pair.trainer.run(BATCHES)


def test_a_rate_that_something_else_sets_in_one_group_is_noticed() -> None:
    pair = Pair()
    ScheduleHandler(pair.optimizer, lr=[CLR, Fixed(0.3)]).attach(pair.trainer)
    pair.trainer.add_event_handler(
        Events.ITERATION_COMPLETED(once=2), lambda: pair.optimizer.param_groups[1].update(lr=9.0)
    )
    with pytest.warns(UserWarning, match="the rate of this SGD is 9, not what"):
        pair.trainer.run(BATCHES)


@pytest.mark.parametrize("rate", [CLR, CosineRestarts(0.1, 0.5, 4), Cyclic(0.1, 0.5, 5, rise=2)])
def test_momentum_opposite_to_a_cyclical_rate_is_one_line(rate: Any) -> None:
    rig = Rig(make=torch.optim.Adam)
    betas = record(rig.optimizer, "betas")
    ScheduleHandler(rig.optimizer, lr=rate, momentum=rate.momentum(0.95, 0.85)).attach(rig.trainer)
    rig.trainer.run(BATCHES)
    expected = [0.95 - 0.1 * (rate(t) - 0.1) / 0.4 for t in range(6)]
    assert first(betas) == pytest.approx(expected, rel=1e-12)
