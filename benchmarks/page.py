"""What the benchmarks share: the machine in words, candidates that take turns, tables, the page."""

from __future__ import annotations

import os
import platform
import re
import statistics
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import ignite
import torch
import torchvision

from clr_ignite.cifar10.runs.environment import processor

INTRODUCTION = """# Benchmarks

`make bench` writes this page, `make bench PARTS="range_test data"` only the sections named.
Candidates take turns in one process; a ratio is the median over the turns of a candidate's time
over that of the first one in the same turn. Where a section says CPU time, what other programs
took from the core is not counted; what they do to its caches and its clock is, in both.
"""


def machine() -> str:
    """Processor, cores and versions."""
    versions = {
        "Python": platform.python_version(),
        "torch": torch.__version__,
        "Ignite": ignite.__version__,
        "torchvision": torchvision.__version__,
    }
    named = ", ".join(f"{name} {version}" for name, version in versions.items())
    return f"{processor()}, {os.cpu_count()} cores, {platform.system()}, {named}"


def conditions() -> str:
    """Commit, threads and how busy the machine was."""
    load, cores = os.getloadavg()[1], os.cpu_count() or 1
    shared = f" for {cores} cores: a shared machine" if load > 1.5 else ""
    return (
        f"Commit {_commit()}, {torch.get_num_threads()} thread(s) where nothing else is said, "
        f"load average {load:.1f}{shared}."
    )


def in_turns(
    candidates: Mapping[str, Callable[[], Callable[[], object]]],
    repeats: int,
    clock: Callable[[], float] = time.process_time,
) -> tuple[float, dict[str, float]]:
    """Seconds of the first candidate, and each one's time over the first one's: medians.

    Each turn begins with another candidate: what one leaves behind (a warm allocator, a clock
    that has dropped) meets all of them alike.

    Args:
        candidates: by name, what sets one up and returns what is timed.
        repeats: turns, after one that warms up.
    """
    names = list(candidates)
    turns: list[list[float]] = []
    for turn in range(repeats + 1):
        first = turn % len(names)
        times = {}
        for name in names[first:] + names[:first]:
            run = candidates[name]()
            start = clock()
            run()
            times[name] = clock() - start
        turns.append([times[name] for name in names])
    seconds = statistics.median(turn[0] for turn in turns[1:])
    columns = zip(*([value / turn[0] for value in turn] for turn in turns[1:]), strict=True)
    return seconds, dict(zip(candidates, map(statistics.median, columns), strict=True))


def table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    heads = list(heads)
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines) + "\n"


def with_sections(page: str, sections: Mapping[str, str]) -> str:
    """``page`` under today's introduction, with ``sections`` (by title) put in or replaced.

    >>> print(with_sections("## a\\n\\n1\\n\\n## b\\n\\n2\\n", {"b": "3\\n"})[-20:])
    ## a
    <BLANKLINE>
    1
    <BLANKLINE>
    ## b
    <BLANKLINE>
    3
    <BLANKLINE>
    """
    found = re.findall(r"^## (.*)\n\n((?:(?!## ).*\n)*)", page, re.M)
    known = {title: text.strip() for title, text in found}
    known |= {title: text.strip() for title, text in sections.items()}
    body = "".join(f"\n## {title}\n\n{text}\n" for title, text in known.items())
    return f"{INTRODUCTION}\n{machine()}.\n{body}"


def _commit() -> str:
    here = Path(__file__).parent.parent

    def git(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["git", *arguments], cwd=here, capture_output=True, text=True)

    changed = git("diff", "--quiet", "HEAD", "--", "clr_ignite", "benchmarks").returncode
    commit = git("rev-parse", "--short", "HEAD").stdout.strip() or "unknown"
    return f"{commit} with changes" if changed else commit
