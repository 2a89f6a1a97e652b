"""From an experiment and a data set to what an Engine needs."""

from clr_ignite.cifar10.parts.parts import Parts, build

__all__ = ["Parts", "build"]
