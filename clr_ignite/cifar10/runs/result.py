"""The result of a finished run, read back and held against its rows."""

from __future__ import annotations

from typing import cast, get_args, get_type_hints

from clr_ignite._checks import check_fields
from clr_ignite.cifar10.experiments import Experiment
from clr_ignite.cifar10.runs.records import Result, summary
from clr_ignite.cifar10.runs.run_folder import RunError, RunFolder, unreadable

_FIELDS = {name: get_args(hint) or (hint,) for name, hint in get_type_hints(Result).items()}


def result_of(folder: RunFolder, experiment: Experiment, seconds: float) -> Result:
    """What a run whose rows are complete has come to."""
    return {
        **summary(folder.rows(), experiment.iterations),
        "evaluated_on": "held-out" if experiment.held_out else "test",
        "rows": folder.digest(),
        "seconds": round(seconds, 1),
    }


def read_result(folder: RunFolder, experiment: Experiment) -> Result | None:
    """The result in a folder, or None where the run is not finished.

    Raises:
        RunError: it is not a result, or contradicts the rows; the message names file and field.
    """
    values = folder.read_json(folder.result)
    if values is None:
        return None
    if not folder.rows():
        raise RunError(
            f"{folder.metrics} has no rows, where {folder.result.name} says that a run ended"
        )
    expected = result_of(folder, experiment, 0.0)
    # Earlier versions gave no fingerprint of the rows.
    found = {"rows": expected["rows"], **values}
    try:
        check_fields(found, _FIELDS)
    except ValueError as error:
        raise unreadable(folder.result, error) from None
    for name, value in expected.items():
        if name != "seconds" and found[name] != value:
            raise RunError(
                f"{folder.result} holds {found[name]} as {name}, where the rows in "
                f"{folder.metrics} give {value}: one of them is damaged; start the run anew with "
                "again=True or --again, or restore the file"
            )
    return cast(Result, found)
