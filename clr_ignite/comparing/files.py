"""Files of a comparison: the rows of every test, and everything as JSON, read strictly."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clr_ignite._checks import check_fields, shown
from clr_ignite.comparing.settings import described
from clr_ignite.range_test.repeated import RepeatedResult
from clr_ignite.result import RangeTestResult
from clr_ignite.result.files import check_values, in_json, reading, write_object

if TYPE_CHECKING:
    from clr_ignite.comparing.compared import ComparedResult

_KIND = "clr_ignite comparison"
_FIELDS = {
    "settings": (dict,),
    "batch_sizes": (dict,),
    "current": (str, type(None)),
    "results": (dict,),
}
_TESTS = {"seeds": (list,), "tests": (list,)}


def tables_of(compared: ComparedResult) -> list[dict[str, Sequence[Any]]]:
    """The columns of each test, its setting and its seed first."""
    return [
        {"setting": [name] * len(table["seed"]), **table}
        for name, one in compared.results.items()
        for table in one.tables()
    ]


def values_of(compared: ComparedResult) -> dict[str, Any]:
    """Everything as numbers, strings and lists that JSON has."""
    return {
        "settings": described(compared.settings),
        "batch_sizes": compared.batch_sizes,
        "current": compared.current,
        "results": {
            name: {
                "seeds": list(one.seeds),
                "tests": [in_json(result.to_dict()) for result in one.results],
            }
            for name, one in compared.results.items()
        },
    }


def write(path: Path, values: Mapping[str, Any]) -> None:
    """What :func:`values_of` gave, as a file."""
    write_object(path, _KIND, values)


def is_comparison(path: Path) -> bool:
    """Whether a file says that it holds what :func:`write` wrote."""
    with contextlib.suppress(ValueError), reading(path, _KIND):
        return True
    return False


def read(path: Path) -> dict[str, Any]:
    """The arguments of the ``ComparedResult`` that :func:`write` wrote.

    Raises:
        ValueError: something else, naming the file and the field.
    """
    with reading(path, _KIND) as values:
        check_fields(values, _FIELDS)
        if not values["results"] or values["results"].keys() - values["settings"].keys():
            raise ValueError("field 'results' holds others than field 'settings'")
        if values["current"] not in (None, *values["settings"]):
            raise ValueError(f"field 'current' holds {shown(values['current'])}, no setting's name")
        sizes = dict.fromkeys(values["batch_sizes"], (int, type(None)))
        check_fields(values["batch_sizes"], sizes)
        check_fields(values["settings"], dict.fromkeys(values["settings"], (dict,)))
        tests = {name: _tests(own) for name, own in values["results"].items()}
        return {name: values[name] for name in _FIELDS} | {"results": tests}


def _tests(values: object) -> RepeatedResult:
    own = check_fields(values, _TESTS)
    seeds, tests = own["seeds"], own["tests"]
    whole = all(type(seed) is int for seed in seeds)
    if not tests or not whole or not len(set(seeds)) == len(seeds) == len(tests):
        raise ValueError(f"field 'seeds' holds {shown(seeds)} for {len(tests)} tests")
    found = [RangeTestResult.from_dict(check_values(check_fields(one, {}))) for one in tests]
    return RepeatedResult(seeds, found)
