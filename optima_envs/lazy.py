"""Packages whose names load when they are first asked for, so that importing a package costs next to nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

DISTRIBUTION = "optima-marl"


def installed() -> str:
    """The version of the distribution all our packages belong to; ``"0+unknown"`` for a source tree not installed."""
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return "0+unknown"


def lazy(
    package: str, names: Iterable[str], where: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """A package's ``__getattr__`` and ``__dir__``.

    ``names`` is its ``__all__``; ``where`` says for those that load late which module of the package holds them.
    ``__version__`` is known too (see ``installed``).

    The package imports the same names under ``TYPE_CHECKING``, for editors and type checkers.
    """

    def load(name: str) -> Any:
        if name == "__version__":
            value = installed()
        elif name in where:
            value = getattr(import_module(f".{where[name]}", package), name)
        else:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        setattr(sys.modules[package], name, value)  # found at once from now on
        return value

    def directory() -> list[str]:
        return sorted({*names, "__version__"})

    return load, directory
