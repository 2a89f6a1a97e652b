"""Observers of training: curves in Visdom while they grow."""

from clr_ignite.live.plotter import VisdomPlotter

__all__ = ["VisdomPlotter"]
