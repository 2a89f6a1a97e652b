"""Observers of training: curves while they grow, in Visdom or TensorBoard."""

from typing import TYPE_CHECKING

from clr_ignite._lazy import lazily

if TYPE_CHECKING:
    from clr_ignite.live.observer import Observer
    from clr_ignite.live.plotter import VisdomPlotter
    from clr_ignite.live.tensorboard import TensorBoardPlotter
else:  # putting Visdom's front end in place needs no torch
    __getattr__, __dir__ = lazily(
        __name__,
        {
            "Observer": "clr_ignite.live.observer",
            "TensorBoardPlotter": "clr_ignite.live.tensorboard",
            "VisdomPlotter": "clr_ignite.live.plotter",
        },
    )

__all__ = ["Observer", "TensorBoardPlotter", "VisdomPlotter"]
