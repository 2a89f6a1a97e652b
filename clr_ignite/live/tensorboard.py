"""``TensorBoardPlotter``: training runs and range tests as events for TensorBoard."""

from __future__ import annotations

import logging
import math
from os import PathLike
from pathlib import Path
from typing import Any

from clr_ignite import plots
from clr_ignite._checks import instance
from clr_ignite.live.observer import Observer
from clr_ignite.pictures import Picture
from clr_ignite.result import RangeTestResult

_LOG = logging.getLogger("clr_ignite.tensorboard")


class TensorBoardPlotter(Observer):
    """Writes what it sees into a folder for ``tensorboard --logdir``, one run a folder.

    A range test is drawn over its steps while it grows, as a picture over the rate when it ends.
    The file holds numbers in single precision, as TensorBoard's plain scalars are.
    A disk that cannot be written to is a warning, and training goes on.

    Args:
        folder: gets a file of events.

    Raises:
        TypeError: ``folder`` is no path.
        ImportError: ``pip install "clr_ignite[tensorboard]"``.
    """

    def __init__(self, folder: str | Path) -> None:
        super().__init__()
        instance("folder", folder, str | PathLike, "a path")
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise ImportError('needs tensorboard: pip install "clr_ignite[tensorboard]"') from error
        self._writer: Any = SummaryWriter(str(folder))
        self._rows: dict[str, int] = {}  # written, by pane
        self._texts: dict[str, str] = {}
        self._works = True

    def __enter__(self) -> TensorBoardPlotter:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Write what is waiting and end; may be called again."""
        self.flush()
        for pane, text in self._texts.items():
            self._write("add_text", pane, text.replace("<br>", "  \n"))
        self._texts.clear()
        self._write("close")

    def point(self, pane: str, curve: str, x: float, y: float) -> None:
        self._write("add_scalar", f"{pane}/{curve}", y, int(x))

    def text(self, pane: str, text: str) -> None:
        self._texts[pane] = text  # the last one is written

    def show(self, pane: str, picture: Picture) -> None:
        self._write("add_figure", pane, plots.draw(picture).figure, close=False)

    def test(self, pane: str, result: RangeTestResult) -> None:
        columns = result.columns()
        for row in range(self._rows.get(pane, 0), len(result)):
            if result.stop_reason is None and math.isnan(result.loss[row]):
                break  # still on its device
            for name, cells in columns.items():
                if name != "iteration" and not math.isnan(cells[row]):
                    self.point(pane, name, result.iteration[row], cells[row])
            self._rows[pane] = row + 1
        if result.stop_reason is not None:
            self.show(pane, result.picture())

    def _write(self, what: str, *values: Any, **options: Any) -> None:
        try:
            if self._works:
                getattr(self._writer, what)(*values, **options)
        except OSError as error:
            self._works = False
            _LOG.warning("no events can be written for TensorBoard: %s", error)
