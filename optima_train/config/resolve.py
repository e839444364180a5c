"""What a run writes down of settings that depend on where and with what it was begun: absolute paths, and splits."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from optima_agents.backends.chat.named_models import NAMED

from .loading import flatten
from .settings import TrainConfig

KEYS = (
    "model",
    "env.train.data",
    "env.train.ids",
    "env.test.data",
    "env.test.ids",
    "train.accelerate",
    "data.*.files.*",
    "data.*.options.*",
    "evaluate.also.*.env.train.data",
    "evaluate.also.*.env.train.ids",
    "evaluate.also.*.env.test.data",
    "evaluate.also.*.env.test.ids",
)


def absolute_paths(config: TrainConfig) -> TrainConfig:
    """``config`` with every setting that names a file or folder here by its absolute path, and the current folder among
    those where plugins are looked for.

    Whatever is not here, such as a hub id, the embedded model or a packaged file's name, stays as it is.
    """
    for key in KEYS:
        config = _replaced(config, key.split("."))
    if not config.plugins:
        return config
    folders = [*(_absolute(folder) for folder in config.plugin_folders), str(Path.cwd())]
    return config.model_copy(update={"plugin_folders": tuple(dict.fromkeys(folders))})


def local_inputs(config: TrainConfig) -> dict[str, Path]:
    """The files and folders that a config with absolute paths names, by the settings that name them."""
    found: dict[str, Path] = {}
    for key, value in flatten(config).items():
        items = (
            {f"{key}.{n}": text for n, text in enumerate(value)} if isinstance(value, (list, tuple)) else {key: value}
        )
        for name, text in items.items():
            named = any(fnmatch(name, pattern) for pattern in KEYS)
            if named and isinstance(text, str) and text.startswith("/") and Path(text).exists():
                found[name] = Path(text)
    return found


def named_splits(config: TrainConfig) -> TrainConfig:
    """``config`` with the splits it leaves to the environment by their names. Raises UnknownName."""
    env = config.env
    test = env.test.model_copy(update={"split": env.evaluation_split()})
    train = env.train.model_copy(update={"split": env.train.split or "train"})
    return config.model_copy(update={"env": env.model_copy(update={"train": train, "test": test})})


def _replaced(settings: Any, key: Sequence[str]) -> Any:
    """A copy of frozen ``settings`` with that key's path made absolute; ``*`` is every item of a mapping or a list."""
    if not key:
        named = settings in (None, "", "tiny") or settings in NAMED
        return settings if named or not isinstance(settings, str) else _absolute(settings)
    first, *rest = key
    if first != "*":
        value = getattr(settings, first)
        new = _replaced(value, rest)
        return settings if new == value else settings.model_copy(update={first: new})
    if isinstance(settings, dict):
        return {name: _replaced(value, rest) for name, value in settings.items()}
    return tuple(_replaced(value, rest) for value in settings)


def _absolute(text: str) -> str:
    try:
        path = Path(text).expanduser()
        return str(path.absolute()) if path.exists() else text
    except (OSError, RuntimeError, ValueError):  # too long a name, no such user, a NUL
        return text
