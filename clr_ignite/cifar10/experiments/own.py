"""Experiments of one's own, which stand in a Python file: ``FILE.py:NAME``."""

from __future__ import annotations

import os
import runpy
from pathlib import Path

from clr_ignite._files import check_plain
from clr_ignite.cifar10.experiments.entry import Entry
from clr_ignite.cifar10.experiments.experiment import Experiment


def is_own(text: str) -> bool:
    """Whether ``text`` has the form ``FILE.py:NAME``."""
    file, _, name = text.rpartition(":")
    return file.endswith(".py") and name.isidentifier()


def own(text: str) -> tuple[str, Experiment]:
    """The name and the experiment of ``FILE.py:NAME``; the file is run.

    Raises:
        OSError: there is no such file, or it is something else.
        ValueError: it cannot be run, or NAME is no Experiment and no Entry in it.
    """
    file, _, name = text.rpartition(":")
    check_plain(Path(file), os.stat(file))  # a pipe would be waited for
    try:
        values = runpy.run_path(file)
    except OSError:
        raise
    except (Exception, SystemExit) as error:  # whatever its author wrote
        raise ValueError(f"{file} cannot be run ({type(error).__name__}: {error})") from error
    found = {
        key: value.experiment if isinstance(value, Entry) else value
        for key, value in values.items()
        if isinstance(value, Experiment | Entry)
    }
    if name not in found:
        raise ValueError(f"{file} has no experiment {name}; it has {', '.join(found) or 'none'}")
    return name, found[name]
