"""Settings: what a user may set, from YAML, recipes and dotted overrides."""

from __future__ import annotations

from .loading import ConfigError, assignment, check, dump, find, flatten, load, merge, nested, read
from .settings import TrainConfig

__all__ = [
    "TrainConfig",
    "ConfigError",
    "load",
    "check",
    "dump",
    "find",
    "flatten",
    "merge",
    "nested",
    "read",
    "assignment",
]
