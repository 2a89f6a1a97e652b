"""Observers of training: curves while they grow."""

from typing import TYPE_CHECKING

from clr_ignite._lazy import lazily

if TYPE_CHECKING:
    from clr_ignite.live.plotter import VisdomPlotter
else:  # putting Visdom's front end in place needs no torch
    __getattr__, __dir__ = lazily(__name__, {"VisdomPlotter": "clr_ignite.live.plotter"})

__all__ = ["VisdomPlotter"]
