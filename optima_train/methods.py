"""Methods: each a recipe from an iteration to its list of stages.

``METHODS`` is open: ``@METHODS.register("mine")`` over a function ``config -> Recipe`` adds one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from optima_envs.registry import Registry

from .settings import TrainConfig
from .stages import Stage, Step

Recipe = Callable[[int], Sequence[Stage]]
METHODS: Registry[Callable[[TrainConfig], Recipe]] = Registry("method", "optima.methods")


@METHODS.register("isft")
def isft(config: TrainConfig) -> Recipe:
    """Iterative SFT (paper Alg. 2): the best dialogue of each instance, then supervised fine-tuning.

    Iteration 0 is the initialisation (Alg. 1): the same stages, with the format pool in the prompts.
    """
    from .evaluate import Evaluate
    from .generate import Generate
    from .rank import Rank
    from .rows import BuildRows
    from .selection import Select
    from .sft import Sft

    stages = (Generate(), Rank(), Select(), BuildRows(), Sft(), Evaluate())
    return lambda iteration: stages


def plan(config: TrainConfig) -> list[Step]:
    """Every step of a run, in order: the untrained team's evaluation, then each iteration's stages."""
    from .evaluate import Evaluate

    recipe = METHODS[config.method](config)
    steps = [Step(-1, Evaluate())]
    for iteration in range(config.iterations):
        steps += [Step(iteration, stage) for stage in recipe(iteration)]
    return steps
