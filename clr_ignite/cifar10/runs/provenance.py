"""Whose a run folder is: the configuration and data that it was made with."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from clr_ignite._checks import check_fields
from clr_ignite.cifar10.data import DataSet, Images
from clr_ignite.cifar10.experiments import Experiment
from clr_ignite.cifar10.runs.environment import environment
from clr_ignite.cifar10.runs.run_folder import RunError, RunFolder

_FIELDS = {"experiment": (dict,), "seed": (int,), "data": (dict,), "environments": (list,)}
_DATA = {"classes": (list,)}
_ENVIRONMENT = {
    "device": (str,),
    "threads": (int,),
    "torch": (str,),
    "commit": (str, type(None)),
}


class AnotherRun(RunError):
    """A run folder that holds a run with other settings.

    Attributes:
        differences: by setting, its value there and the value asked for.
    """

    def __init__(self, path: Path, differences: Mapping[str, tuple[Any, Any]]) -> None:
        self.path, self.differences = path, dict(differences)
        super().__init__(self.text(lambda name: name))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.path, self.differences)

    def text(self, called: Callable[[str], str]) -> str:
        """The message, each setting as it is ``called``."""
        named = (
            f"another {called(name)}"
            + ("" if name == "data" else f": {there} there, {asked} asked for")
            for name, (there, asked) in self.differences.items()
        )
        return (
            f"{self.path} holds a run with {', '.join(named)}; choose another folder or start it "
            "anew (again=True, or --again of train and range-test)"
        )


@dataclass(frozen=True, kw_only=True)
class Config:
    """What results were made with, as ``config.json`` holds it.

    Args:
        name: what the experiment is called; None where it has no name.
        experiment: what was trained.
        settings: what else decides the outcome, such as the seed.
        data: the data set's name and classes, and fingerprints of its splits.
        environments: the places where it trained, in their order.
    """

    name: str | None
    experiment: Experiment
    settings: Mapping[str, Any]
    data: Mapping[str, Any]
    environments: Sequence[Mapping[str, Any]] = ()

    @classmethod
    def of(
        cls, experiment: Experiment, data: DataSet, *, name: str | None = None, **settings: Any
    ) -> Config:
        """What a run or a range test that is about to start is made with."""
        facts = {
            "name": data.name,
            "classes": list(data.classes),
            "train": digest(data.train),
            "test": digest(data.test),
        }
        return cls(name=name, experiment=experiment, settings=settings, data=facts)

    @property
    def seed(self) -> int:
        """Of the run."""
        return int(self.settings["seed"])

    @property
    def sweeps(self) -> bool:
        """Whether it is a range test's, not a run's."""
        return "every" in self.settings

    @property
    def same_data(self) -> dict[str, Any]:
        """What makes ``data`` the same: not its name, which is its folder's."""
        return {name: value for name, value in self.data.items() if name != "name"}

    def to_dict(self) -> dict[str, Any]:
        """JSON's view."""
        return {
            "name": self.name,
            "experiment": self.experiment.to_dict(),
            **self.settings,
            "data": self.data,
            "environments": list(self.environments),
        }

    @classmethod
    def from_dict(cls, values: object) -> Config:
        """The reverse of :meth:`to_dict`; a field of the experiment that is missing, or the name,
        is of an earlier version and has its default.

        Raises:
            TypeError, ValueError: naming the field.
        """
        known = dict(check_fields(values, _FIELDS))
        name = known.pop("name", None)
        check_fields({"name": name}, {"name": (str, type(None))})
        check_fields(known["data"], _DATA)
        for place in known["environments"]:
            check_fields(place, _ENVIRONMENT)
        return cls(
            name=name,
            experiment=Experiment.from_dict(known.pop("experiment")),
            data=known.pop("data"),
            environments=known.pop("environments"),
            settings=known,
        )


def claim(folder: RunFolder, config: Config, device: torch.device) -> None:
    """Write the configuration into a fresh folder, or hold it against the one that is there.

    A folder in which nothing was measured is fresh. The place is added to those that the
    configuration names.

    Raises:
        RunError: the folder belongs to something else; the message names the difference.
    """
    known = check_claim(folder, config)
    if known is not None:
        config = replace(config, settings=known.settings, environments=known.environments)
    place = environment(device)
    if place not in config.environments:
        config = replace(config, environments=[*config.environments, place])
    folder.write_json(folder.config, config.to_dict())


def check_claim(folder: RunFolder, config: Config) -> Config | None:
    """The configuration that the folder has, with which ``config`` agrees; None: it is fresh.

    Raises:
        RunError: as :func:`claim`.
    """
    known = None if folder.empty else read_config(folder)
    if known is not None:
        _refuse_another_kind(folder, known, config)
        _refuse_another(folder, known, config)
    return known


def _refuse_another_kind(folder: RunFolder, known: Config, config: Config) -> None:
    if config.sweeps:
        there, what = folder.metrics.exists(), "a run"
    else:  # an earlier version's configuration does not tell
        there, what = known.sweeps or folder.range_test.exists(), "a range test"
    if there:
        raise RunError(
            f"{folder.path} holds {what}; choose another folder or start it anew (again=True, or "
            "--again)"
        )


def _refuse_another(folder: RunFolder, known: Config, config: Config) -> None:
    there, here = (
        {**one.experiment.to_dict(), **one.settings, "data": one.same_data}
        for one in (known, config)
    )
    differences = {
        name: (there[name], here[name])
        for name in here
        if name in there and there[name] != here[name]
    }
    if differences:
        raise AnotherRun(folder.path, differences)


def read_config(folder: RunFolder) -> Config | None:
    """The configuration in ``folder``, or None where there is none.

    Raises:
        RunError: one that :func:`claim` did not write; the message names the file and the field.
    """
    values = folder.read_json(folder.config)
    try:
        return None if values is None else Config.from_dict(values)
    except (TypeError, ValueError) as error:
        raise RunError(
            f"{folder.config} was not written by a run ({error}): remove the folder"
        ) from None


def digest(images: Images) -> str:
    """A fingerprint of a split's pixels and labels."""
    sha = hashlib.sha256(images.pixels.numpy().tobytes())
    sha.update(images.labels.numpy().tobytes())
    return sha.hexdigest()
