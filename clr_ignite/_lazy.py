"""Packages whose public names are loaded when they are first asked for (PEP 562)."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any


def lazily(
    package: str, homes: Mapping[str, str], modules: Iterable[str] = ()
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """``__getattr__`` and ``__dir__`` for a package; imports for type checkers stand beside them.

    Args:
        homes: by public name, the module that defines it.
        modules: public modules of the package, attributes of it as well.
    """
    modules = tuple(modules)

    def find(name: str) -> Any:
        if name in homes:
            found: Any = getattr(importlib.import_module(homes[name]), name)
        elif name in modules:
            found = importlib.import_module(f"{package}.{name}")
        else:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        setattr(sys.modules[package], name, found)  # from now on it is simply there
        return found

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *homes, *modules})

    return find, names
