"""Schedules beside the rates that other packages give: see ``peer_schedules.py``."""

from __future__ import annotations

import json
from typing import Any

import pytest

from clr_ignite.schedules.text import parse_schedule
from tests.peer_schedules import FILE, Case, ignites, torchs

FOUND = json.loads(FILE.read_text())
CASES = [tuple(case.values()) for case in FOUND["cases"]]


@pytest.mark.parametrize("case", CASES, ids=[f"{package} {call}" for package, call, *_ in CASES])
def test_the_same_rates(case: Case) -> None:
    _, _, ours, rates = case
    schedule = parse_schedule(ours)
    found = [schedule(t) for t in range(len(rates))]
    assert found == pytest.approx(rates, rel=1e-12, abs=0)


@pytest.mark.parametrize(("peer", "package"), [(torchs, "torch"), (ignites, "pytorch-ignite")])
def test_the_file_holds_what_the_packages_installed_give(peer: Any, package: str) -> None:
    anew = list(peer())
    assert [case[:3] for case in anew] == [case[:3] for case in CASES if case[0] == package]
    kept = [case[3] for case in CASES if case[0] == package]
    assert [case[3] for case in anew] == [pytest.approx(rates, rel=1e-13) for rates in kept]
