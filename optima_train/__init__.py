"""The generate-rank-select-train loop of OPTIMA (arXiv 2410.08115).

>>> import optima_train
>>> state = optima_train.train("quickstart", directory="runs/quickstart", seed=1)      # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .config.loading import load
    from .config.settings import TrainConfig
    from .loop.experiment import Experiment
    from .loop.results import LoopState
    from .run.progress import Progress

__all__ = ["Experiment", "TrainConfig", "load", "train"]
_WHERE = {"Experiment": "loop.experiment", "TrainConfig": "config", "load": "config"}


def train(
    recipe: TrainConfig | str | Path,
    directory: str | Path | None = None,
    *,
    watch: Callable[[Progress], None] | None = None,
    **overrides: Any,
) -> LoopState:
    """Run a config, a recipe file or a packaged recipe to its end, or resume it; default directory ``runs/NAME``.

    ``overrides`` are settings by name, nested as mappings or dotted keys: ``train("quickstart", seed=1,
    **{"generate.samples": 4})``. Raises ConfigError and StageError, each with a message that says what to do.
    """
    from .config.loading import TrainConfig, check, load, merge, nested
    from .loop.experiment import Experiment
    from .run.progress import silent

    chosen = load(recipe) if isinstance(recipe, (str, Path)) else recipe
    data = chosen.model_dump(mode="json")
    for key, value in overrides.items():
        data = merge(data, nested(key, value))
    chosen = check(data, TrainConfig)
    return Experiment(chosen, directory or Path("runs") / chosen.name).run(watch or silent)


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f".{_WHERE[name]}", __name__), name)
