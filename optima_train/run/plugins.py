"""Plugins: modules that register a user's own parts when they are imported."""

from __future__ import annotations

import importlib
from collections.abc import Sequence

from .stage import StageError


def import_plugins(modules: Sequence[str]) -> None:
    """Import the modules that register a user's own parts. Raises StageError naming one that fails."""
    for name in modules:
        try:
            importlib.import_module(name)
        except Exception as err:
            raise StageError(f"plugin {name} failed to import: {type(err).__name__}: {err}") from err
