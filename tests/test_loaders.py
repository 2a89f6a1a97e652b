"""Loaders with a place or a pass count, in ``to_save``: the next pass is the one it would be."""

from __future__ import annotations

import contextlib
import multiprocessing
import warnings
from collections.abc import Iterator
from multiprocessing.shared_memory import SharedMemory
from typing import Any

import pytest
import torch
from ignite.engine import Engine
from torch import nn
from torch.utils.data import DataLoader

from clr_ignite import LRRangeTest


class Counting:
    """The order of a pass depends on how many there were."""

    def __init__(self) -> None:
        self.passes = 0

    def __iter__(self) -> Iterator[float]:
        self.passes += 1
        return iter([float(self.passes * i) for i in range(5)])


class Hidden:
    """A place that only its state_dict can tell."""

    def __init__(self) -> None:
        place = 0

        def move(to: int | None = None, by: int = 0) -> int:
            nonlocal place
            place = (place if to is None else to) + by
            return place

        self._move, self.asked = move, 0

    def __iter__(self) -> Iterator[float]:
        return (float(self._move(by=1)) for _ in range(5))

    def state_dict(self) -> dict[str, Any]:
        self.asked += 1  # to ask changes something, as it does in some
        return {"place": torch.tensor(self._move()), "more": [1, (2,)]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._move(to=int(state["place"]))


class EmptyOnceLoaded(Hidden):
    """As torchdata's: a state that is loaded is that of the pass that ended."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __iter__(self) -> Iterator[float]:
        self.count += 1
        return iter([float(self.count)] * 5)

    def state_dict(self) -> dict[str, Any]:
        return {"count": self.count}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        raise AssertionError("attributes had it already")


class Resumable(torch.utils.data.IterableDataset[float]):
    """A data set that goes on where it was; its loader has no state."""

    def __init__(self) -> None:
        self.place = 0

    def __iter__(self) -> Iterator[float]:
        while self.place < 7:
            self.place += 1
            yield float(self.place)
        self.place = 0

    def state_dict(self) -> dict[str, int]:
        return {"place": self.place}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.place = state["place"]


def loader_of_resumable() -> Any:
    return torch.utils.data.DataLoader(Resumable(), batch_size=None)


@pytest.mark.parametrize("make", [Counting, Hidden, EmptyOnceLoaded, loader_of_resumable])
@pytest.mark.parametrize("epochs", [0, 2])
def test_the_next_pass_is_the_one_it_would_be(make: Any, epochs: int) -> None:
    def batches(tested: bool) -> list[float]:
        model, data = nn.Linear(1, 1), make()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        seen: list[float] = []
        trainer = Engine(lambda engine, batch: (optimizer.step(), seen.append(batch), 1.0)[2])
        if epochs:
            trainer.run(data, max_epochs=epochs, epoch_length=5)
        before = list(seen)
        if tested:
            saved = {"model": model, "optimizer": optimizer, "data": data}
            LRRangeTest(optimizer, 0.0, 0.1, 12, to_save=saved).run(trainer, data)
            assert len(seen) == len(before) + 12
        del seen[len(before) :]
        trainer.run(data, max_epochs=epochs + 2, epoch_length=5)
        return seen

    assert batches(True) == batches(False)


def test_persistent_workers_that_a_test_starts_end_with_it() -> None:
    def batches(tested: bool) -> list[list[float]]:
        torch.manual_seed(0)
        numbers = [float(i) for i in range(10)]
        data = DataLoader(numbers, 5, shuffle=True, num_workers=1, persistent_workers=True)  # type: ignore[arg-type]
        model, seen = nn.Linear(1, 1), []
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

        def step(engine: Engine, batch: torch.Tensor) -> float:
            optimizer.step()
            seen.append([*batch.tolist(), torch.rand(1).item()])
            return 1.0

        trainer = Engine(step)
        if tested:
            test = LRRangeTest(optimizer, 0.0, 0.1, 3, to_save={"m": model, "o": optimizer})
            test.run(trainer, data)
            seen.clear()
        trainer.run(data, max_epochs=2)
        return seen

    assert batches(True) == batches(False)


class Wrapped:
    """As webdataset's WebLoader: a loader inside, whose data set has a stage that counts."""

    def __init__(self) -> None:
        self.stages = [DataLoader(Streamed(), batch_size=None)]

    def __iter__(self) -> Iterator[float]:
        return iter(self.stages[0])


class Streamed(torch.utils.data.IterableDataset[float]):
    """As webdataset's pipeline."""

    def __init__(self) -> None:
        self.stage = Counting()

    def __iter__(self) -> Iterator[float]:
        return iter(self.stage)


class AskedByItsLoader(Streamed):
    """As those of litdata and MosaicML: its state is told to whoever says how far it is."""

    def state_dict(self, num_samples: int) -> dict[str, int]:
        raise AssertionError("only its loader knows how many")

    def load_state_dict(self, state: dict[str, int]) -> None:
        raise AssertionError("nothing was asked")


class CountedByProcesses(Streamed):
    """As MosaicML's: epochs are counted where workers see them."""

    def __init__(self) -> None:
        self.block = SharedMemory(create=True, size=8)
        self.value = multiprocessing.Value("q", 0)

    def __iter__(self) -> Iterator[float]:
        self.block.buf[0] += 1
        self.value.value += 10
        return iter([float(self.value.value + self.block.buf[0])] * 5)

    def __del__(self) -> None:
        self.block.close()
        self.block.unlink()


class CountingSampler(torch.utils.data.Sampler[int]):
    """Another order in each epoch, without a generator."""

    def __init__(self) -> None:
        self.epoch = 0

    def __iter__(self) -> Iterator[int]:
        self.epoch += 1
        return iter([self.epoch * i % 7 for i in range(5)])


KEEPING_A_PLACE = {
    "wrapped": Wrapped,
    "stage": lambda: DataLoader(Streamed(), batch_size=None),
    "asked": lambda: DataLoader(AskedByItsLoader(), batch_size=None),
    "shared": lambda: DataLoader(CountedByProcesses(), batch_size=None),
    "sampler": lambda: DataLoader([float(i) for i in range(7)], None, sampler=CountingSampler()),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("saved", [True, False])
@pytest.mark.parametrize("kind", KEEPING_A_PLACE)
def test_a_place_inside_a_loader_comes_back_or_is_warned_of(kind: str, saved: bool) -> None:
    def batches(tested: bool) -> list[float]:
        model, data = nn.Linear(1, 1), KEEPING_A_PLACE[kind]()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        seen: list[float] = []
        trainer = Engine(
            lambda engine, batch: (optimizer.step(), seen.append(float(batch)), 1.0)[2]
        )
        if tested:
            entries = {"model": model, "optimizer": optimizer} | ({"data": data} if saved else {})
            test = LRRangeTest(optimizer, 0.0, 0.1, 12, to_save=entries)
            with (
                contextlib.nullcontext()
                if saved
                else pytest.warns(UserWarning, match="not put back")
            ):
                test.run(trainer, data)
            seen.clear()
        trainer.run(data, max_epochs=2, epoch_length=5)
        return seen

    assert (batches(True) == batches(False)) == saved


def test_data_that_keeps_no_place_is_not_warned_of() -> None:
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    trainer = Engine(lambda engine, batch: (optimizer.step(), 1.0)[1])
    data = DataLoader(torch.arange(5.0), 1, shuffle=True)  # type: ignore[arg-type]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        LRRangeTest(optimizer, 0.0, 0.1, 12, to_save={"m": model, "o": optimizer}).run(
            trainer, data
        )
