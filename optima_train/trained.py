"""Trained teams: the model a run reached, and policies that play as the run's own evaluation does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .config import ConfigError
from .loop.runner import initial_model, located, model_before, open_run
from .methods import plan
from .run.engines import Engines
from .run.layout import RunDirectory
from .run.markers import committed

if TYPE_CHECKING:
    from optima_agents.policy import Policy
    from optima_envs.scenario import Scenario

    from .config.settings import TrainConfig
    from .run.engines import ModelRef


def trained(run_dir: Path, iteration: int | None) -> tuple[TrainConfig, ModelRef]:
    """A run's settings, and its model after ``iteration`` (None: the final one) with paths that can be opened.

    Raises ConfigError when there is no such run, or it is not that far yet.
    """
    if not RunDirectory(run_dir).exists():
        raise ConfigError(f"{run_dir} is no run directory of optima train")
    config = open_run(run_dir)
    last = config.iterations - 1 if iteration is None else iteration
    if last >= config.iterations:
        raise ConfigError(f"{run_dir} has iterations 0 to {config.iterations - 1}, not {last}")
    steps = [step for step in plan(config) if step.iteration <= last]
    markers = {step.path: marker for step in steps if (marker := committed(step, run_dir))}
    waiting = [step.path for step in steps if step.path not in markers and step.stage.kind == "training"]
    if waiting:
        raise ConfigError(f"{run_dir} has not done {waiting[0]} yet; finish it with: optima resume {run_dir}")
    return config, located(model_before(steps, markers, len(steps), initial_model(config)), run_dir)


def game(config: TrainConfig) -> Scenario:
    """The run's environment without its instances: nothing is loaded or downloaded for it."""
    from optima_envs import scenario

    limits = {"max_turns": config.env.max_turns, "token_budget": config.env.token_budget}
    return scenario(config.env.id, **limits, **config.env.args, instances=())


def team_of(
    config: TrainConfig, ref: ModelRef, agents: Sequence[str], options: Mapping[str, Any], max_tokens: int | None = None
) -> dict[str, Policy]:
    """Who plays each agent, prompted and sampled as when the model was evaluated: greedy, plain, or under the sentence
    that it was taught to play under. ``options`` of the backend, and tokens of a turn, go over the run's own. Loading
    may take minutes."""
    from optima_agents import Sampling
    from optima_agents.policy import seats

    from .stages.generate import hinted_prompt

    sampling = Sampling(0.0, config.evaluate.top_p, max_tokens or config.evaluate.max_tokens, logprobs=False)
    hint = None if config.condition is None else config.condition.told()
    engines = Engines(config, **options)
    return seats(engines.team(ref, agents, sampling, hint=hint, prompt=hinted_prompt), tuple(agents))
