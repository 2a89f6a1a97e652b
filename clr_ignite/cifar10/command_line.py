"""The public path of :mod:`clr_ignite.cifar10.cli.command_line`."""

from clr_ignite.cifar10.cli.command_line import build_parser

__all__ = ["build_parser"]
