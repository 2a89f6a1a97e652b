"""Real loaders, pinned in requirements.txt: in ``to_save``, a range test leaves their order."""

from __future__ import annotations

import importlib
import io
import tarfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Engine
from torch import nn
from torch.utils.data import DataLoader, RandomSampler

from clr_ignite import LRRangeTest

pytestmark = pytest.mark.company

COUNT, BATCH = 40, 5


def shards(folder: Path) -> list[str]:
    for shard in range(4):
        with tarfile.open(folder / f"{shard}.tar", "w") as tar:
            for number in range(shard * 10, shard * 10 + 10):
                info, text = tarfile.TarInfo(f"{number:03}.cls"), str(number).encode()
                info.size = len(text)
                tar.addfile(info, io.BytesIO(text))
    return sorted(map(str, folder.glob("*.tar")))


def webdataset(folder: Path) -> Any:
    wds = importlib.import_module("webdataset")
    data = wds.WebDataset(shards(folder), shardshuffle=4, detshuffle=True, seed=3)
    stages = data.compose(wds.detshuffle(20, seed=1)).decode().to_tuple("cls").batched(BATCH)
    return wds.WebLoader(stages, batch_size=None)


def nodes(folder: Path) -> Any:
    found = importlib.import_module("torchdata.nodes")
    node = found.SamplerWrapper(RandomSampler(range(COUNT)))
    return found.Loader(found.Batcher(node, BATCH))


def grain(folder: Path) -> Any:
    source = importlib.import_module("grain").MapDataset.source(list(range(COUNT)))
    return source.seed(3).shuffle().batch(BATCH).to_iter_dataset()


def datasets(folder: Path) -> Any:
    found = importlib.import_module("datasets").Dataset.from_dict({"x": list(range(COUNT))})
    stream = found.with_format("torch").to_iterable_dataset(num_shards=4)
    return DataLoader(stream.shuffle(seed=1, buffer_size=10), BATCH)


@pytest.mark.parametrize("make", [webdataset, nodes, grain, datasets])
@pytest.mark.parametrize("epochs", [0, 2])
def test_in_to_save_its_order_is_what_it_would_be(
    make: Callable[[Path], Any], epochs: int, tmp_path: Path
) -> None:
    def batches(tested: bool) -> list[Any]:
        torch.manual_seed(0)
        folder = tmp_path / str(tested)
        folder.mkdir()
        data, model, seen = make(folder), nn.Linear(1, 1), []
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        trainer = Engine(lambda e, batch: (optimizer.step(), seen.append(numbers(batch)), 1.0)[2])
        if epochs:
            trainer.run(data, max_epochs=epochs)
        before = len(seen)
        if tested:
            saved = {"model": model, "optimizer": optimizer, "data": data}
            with warnings.catch_warnings():
                warnings.filterwarnings("error", message="the data was not put back")
                LRRangeTest(optimizer, 0.0, 0.1, 12, to_save=saved).run(trainer, data)
        del seen[before:]
        trainer.run(data, max_epochs=epochs + 2)
        return seen

    found = batches(True)
    assert found == batches(False)
    passed = found[len(found) // (epochs + 2) * -1 :]
    assert sorted(sum(passed, [])) == list(range(COUNT))


def test_left_out_of_to_save_it_is_warned_of(tmp_path: Path) -> None:
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    trainer = Engine(lambda engine, batch: (optimizer.step(), 1.0)[1])
    test = LRRangeTest(optimizer, 0.0, 0.1, 12, to_save={"m": model, "o": optimizer})
    with pytest.warns(UserWarning, match="epoch.* changed during the test"):
        test.run(trainer, webdataset(tmp_path))


def numbers(batch: Any) -> list[int]:
    batch = batch["x"] if isinstance(batch, dict) else batch
    batch = batch[0] if len(batch) == 1 else batch
    return [int(one) for one in batch]
