"""Cyclical learning rates and the learning-rate range test as PyTorch-Ignite handlers."""

from clr_ignite.handlers import ScheduleHandler, cycle_end

__all__ = ["ScheduleHandler", "cycle_end"]
__version__ = "0.1.0"
