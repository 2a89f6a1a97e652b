"""From run folders and range tests to a Markdown report and its pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from clr_ignite._files import make_folder, printable, write_text
from clr_ignite.cifar10.report.drawing import draw_accuracies, draw_overview, draw_rates
from clr_ignite.cifar10.report.groups import grouped, names_of, read_run
from clr_ignite.cifar10.report.overview import Overview, overview
from clr_ignite.cifar10.report.pictures import accuracies, rates
from clr_ignite.cifar10.report.plates import Drawn, plates_of
from clr_ignite.cifar10.report.tables import tables
from clr_ignite.cifar10.runs.run_folder import RunError, RunFolder
from clr_ignite.result import RangeTestResult


def write_report(paths: Sequence[Path], out: Path) -> str:
    """Write report.md and the pictures into ``out`` and return the text.

    Args:
        paths: run folders, and folders of range tests; those of earlier reports are passed over.
        out: gets ``report.md``, ``<name>.png`` for each range test, ``accuracy-<plate>.png`` and
            ``schedules-<plate>.png`` for each of ``PLATES`` of which a row is there and for the
            runs of each net outside the table, and ``overview.png`` where the rows are there that
            the paper has equal.
    """
    tests = [path for path in paths if RunFolder(path).range_test.exists()]
    runs = [path for path in paths if path not in tests and not _is_report(path)]
    if not runs and not tests:
        raise RunError(f"{', '.join(map(str, paths))}: no run and no range test, only reports")
    groups = grouped([read_run(path) for path in runs])
    plates = plates_of(groups)
    text = tables(groups) if groups else ""
    sweeps = {
        name: RangeTestResult.from_json(RunFolder(path).range_test)
        for name, path in zip(names_of(tests), tests, strict=True)
    }
    text += "".join(_bounds(name, result) for name, result in sweeps.items())
    claimed = overview(groups)
    if claimed is not None:
        text += f"\n![{claimed.title}](overview.png)\n"
    text += "".join(_shown(plate) for plate in plates)
    text = printable(text)  # names of folders may hold anything
    make_folder(out)
    write_text(out / "report.md", text)
    _draw(plates, claimed, sweeps, out)
    return text


def _draw(
    plates: Sequence[Drawn],
    claimed: Overview | None,
    sweeps: Mapping[str, RangeTestResult],
    out: Path,
) -> None:
    for plate in plates:
        draw_accuracies(accuracies(plate), out / f"accuracy-{plate.name}.png")
        draw_rates(rates(plate), out / f"schedules-{plate.name}.png")
    if claimed is not None:
        draw_overview(claimed, out / "overview.png")
    for name, result in sweeps.items():
        result.plot(out / f"{name}.png", metric=_read(result))


def _shown(plate: Drawn) -> str:
    """The pictures of a plate."""
    return (
        f"\n![{plate.title}](accuracy-{plate.name}.png)\n"
        f"![{plate.title}: learning rates](schedules-{plate.name}.png)\n"
    )


def _bounds(name: str, result: RangeTestResult) -> str:
    read = _read(result)
    how = ", by accuracy and the paper's rule" if read else ""
    return (
        f"\nRange test {name}, {result.start_lr:g} to {result.end_lr:g} in {result.num_iter:,} "
        f"steps{how}: {result.suggest(read)}.\n\n![{name}]({quote(name)}.png)\n"
    )


def _read(result: RangeTestResult) -> str | None:
    """Accuracy, as the paper does, where it was measured."""
    return "accuracy" if "accuracy" in result.metrics else None


def _is_report(path: Path) -> bool:
    """Such as the one that ``reproduce`` leaves beside its runs."""
    return (path / "report.md").exists() and not RunFolder(path).config.exists()
