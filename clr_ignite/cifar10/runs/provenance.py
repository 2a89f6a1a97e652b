"""Whose a run folder is: the configuration and data that it was made with."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from clr_ignite._checks import check_fields
from clr_ignite.cifar10.data import DataSet, Images
from clr_ignite.cifar10.experiments import Experiment
from clr_ignite.cifar10.runs.environment import environment
from clr_ignite.cifar10.runs.run_folder import RunError, RunFolder

_CONFIG = {"experiment": (dict,), "seed": (int,), "data": (dict,), "environments": (list,)}
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


def claim(
    folder: RunFolder,
    experiment: Experiment,
    data: DataSet,
    device: torch.device,
    settings: Mapping[str, Any],
) -> None:
    """Write the configuration into a fresh folder, or hold it against the one that is there.

    A folder in which nothing was measured is fresh. The place is added to those that the
    configuration names, unless all that is asked for is already there.

    Args:
        settings: what else decides the outcome, such as the seed.

    Raises:
        RunError: the folder belongs to something else; the message names the difference.
    """
    config: dict[str, Any] = {
        "experiment": experiment.to_dict(),
        **settings,
        "data": {
            "name": data.name,
            "classes": list(data.classes),
            "train": digest(data.train),
            "test": digest(data.test),
        },
    }
    environments = []
    known = None if folder.empty else read_config(folder)
    if known is not None:
        _refuse_another(folder, known, config)
        if folder.finished:
            return
        environments = known["environments"]
    place = environment(device)
    if place not in environments:
        environments = [*environments, place]
    folder.write_json("config.json", config | {"environments": environments})


def _refuse_another(folder: RunFolder, known: Mapping[str, Any], config: Mapping[str, Any]) -> None:
    there, here = _settings(known), _settings(config)
    differences = {
        name: (there[name], here[name])
        for name in here
        if name in there and there[name] != here[name]
    }
    if differences:
        raise AnotherRun(folder.path, differences)


def _settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """By name, all that makes a run another one."""
    data = {"data": same_data(config["data"])}
    flat = {**config, **config["experiment"], **data}
    return {name: flat[name] for name in flat if name not in ("experiment", "environments")}


def read_config(folder: RunFolder) -> dict[str, Any] | None:
    """The configuration in ``folder``, or None where there is none.

    Raises:
        RunError: one that :func:`claim` did not write; the message names the file and the field.
    """
    values = folder.read_json("config.json")
    if values is None:
        return None
    try:
        check_fields(values, _CONFIG)
        check_fields(values["data"], _DATA)
        for place in values["environments"]:
            check_fields(place, _ENVIRONMENT)
        # One written before a field was added has its default.
        values["experiment"] = Experiment.from_dict(values["experiment"]).to_dict()
    except (TypeError, ValueError) as error:
        raise RunError(
            f"{folder.path / 'config.json'} was not written by a run ({error}): remove the folder"
        ) from None
    return values


def same_data(data: Mapping[str, Any]) -> dict[str, Any]:
    """What makes a configuration's ``data`` the same: not the name, which is its folder's."""
    return {name: value for name, value in data.items() if name != "name"}


def digest(images: Images) -> str:
    """A fingerprint of a split's pixels and labels."""
    sha = hashlib.sha256(images.pixels.numpy().tobytes())
    sha.update(images.labels.numpy().tobytes())
    return sha.hexdigest()
