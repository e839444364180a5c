"""The generate-rank-select-train loop of OPTIMA (arXiv 2410.08115).

>>> import optima_train
>>> state = optima_train.train("quickstart", directory="runs/quickstart", seed=1)      # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optima_envs.lazy import lazy

if TYPE_CHECKING:
    from .analysis.comparison import Comparison, compare
    from .config import ConfigError, TrainConfig, load
    from .loop.experiment import Experiment
    from .loop.results import LoopState
    from .methods import METHODS
    from .run.engines import ModelRef
    from .run.progress import Progress
    from .run.stage import Stage, StageContext, StageError, StageResult, Step
    from .stages.evaluate import Evaluate
    from .stages.generate import Generate
    from .stages.rank import Rank
    from .stages.rows import BuildRows
    from .stages.selection import Select
    from .training.dpo import Dpo
    from .training.sft import Sft
    from .tree_search.grow import Grow
    from .tree_search.pairs import Pairs

_WHERE = {
    "BuildRows": "stages.rows",
    "Comparison": "analysis.comparison",
    "ConfigError": "config",
    "Dpo": "training.dpo",
    "Evaluate": "stages.evaluate",
    "Experiment": "loop.experiment",
    "Generate": "stages.generate",
    "Grow": "tree_search.grow",
    "LoopState": "loop.results",
    "METHODS": "methods",
    "ModelRef": "run.engines",
    "Pairs": "tree_search.pairs",
    "Progress": "run.progress",
    "Rank": "stages.rank",
    "Select": "stages.selection",
    "Sft": "training.sft",
    "Stage": "run.stage",
    "StageContext": "run.stage",
    "StageError": "run.stage",
    "StageResult": "run.stage",
    "Step": "run.stage",
    "TrainConfig": "config",
    "compare": "analysis.comparison",
    "load": "config",
}
__all__ = [
    # run an experiment
    "train",
    "load",
    "Experiment",
    "TrainConfig",
    "ConfigError",
    "LoopState",
    "Progress",
    "compare",
    "Comparison",
    # write a method
    "METHODS",
    "Stage",
    "StageContext",
    "StageResult",
    "StageError",
    "Step",
    "ModelRef",
    # stages to build it from
    "Generate",
    "Rank",
    "Select",
    "BuildRows",
    "Sft",
    "Grow",
    "Pairs",
    "Dpo",
    "Evaluate",
]


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
    from .config.loading import TrainConfig, check, load, override
    from .loop.experiment import Experiment
    from .run.progress import silent

    chosen = load(recipe) if isinstance(recipe, (str, Path)) else recipe
    data = chosen.model_dump(mode="json")
    for key, value in overrides.items():
        data = override(data, key, value)
    chosen = check(data, TrainConfig)
    return Experiment(chosen, directory or Path("runs") / chosen.name).run(watch or silent)


__getattr__, __dir__ = lazy(__name__, __all__, _WHERE)
