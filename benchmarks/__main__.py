"""Run benchmarks by name, all of them by default, and write their sections.

python -m benchmarks [PART ...] [--out results/benchmarks.md]
"""

from __future__ import annotations

import argparse
import importlib
import sys
import warnings
from pathlib import Path

from benchmarks.page import conditions, with_sections
from clr_ignite._files import write_text

PARTS = (
    *("schedule_update", "range_test", "training_step", "data", "growth", "live", "imports"),
    *("schedule_calls", "gpu"),
)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks.md"))
    parser.add_argument("--quick", action="store_true", help="few repeats, to see that it runs")
    options = parser.parse_args(arguments)
    unknown = [part for part in options.parts if part not in PARTS]
    if unknown:
        parser.error(f"no benchmark {unknown[0]!r}; there are {', '.join(PARTS)}")
    warnings.simplefilter("ignore")  # the peers', of schedulers and losses that did not diverge
    for part in options.parts or PARTS:
        module = importlib.import_module(f"benchmarks.{part}")
        if missing := getattr(module, "missing", lambda: "")():
            if options.parts:
                parser.error(f"{part} cannot be measured here: {missing}")
            print(f"{part}: left out, {missing}", file=sys.stderr)
            continue
        before = conditions()
        text = f"{module.section(quick=options.quick).strip()}\n\n{before}"
        print(f"## {module.TITLE}\n\n{text}\n", flush=True)
        options.out.parent.mkdir(parents=True, exist_ok=True)
        page = options.out.read_text() if options.out.exists() else ""
        write_text(options.out, with_sections(page, {module.TITLE: text}))


if __name__ == "__main__":
    main()
