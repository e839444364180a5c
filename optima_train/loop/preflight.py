"""Preflight: everything that can be found wrong before the first token is sampled is found here."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from optima_envs.registry import UnknownName

from ..config.data_settings import shares
from ..config.loading import ConfigError
from ..config.settings import EnvConfig, TrainConfig
from ..run.stage import Stage, StageError

if TYPE_CHECKING:
    from optima_envs import Scenario

logger = logging.getLogger(__name__)
BOUNDED = {"task": 1.0, "tokens": 0.0}  # the most a term adds for a weight of 1; readability adds its cap


def preflight(config: TrainConfig) -> None:
    """Look up every name, open the data, and see whether the stages can do what they are asked to.

    Raises ConfigError naming the key.
    """
    from optima_agents.formats import format_pool
    from optima_agents.making import BACKENDS, check_installed
    from optima_agents.workers.opening import check_workers
    from optima_envs.extras import need
    from optima_envs.keywords import Keywords
    from optima_envs.rewards import TERMS

    from ..methods import METHODS, plan
    from ..training.sharing import check_sharing

    if config.train.prompt_tokens and config.backend != "hf":
        raise ConfigError(
            f"train.prompt_tokens: the backend {config.backend} cannot play with a soft prompt; set backend=hf, or "
            f"train.lora"
        )
    _try("method", lambda: METHODS[config.method])
    _try("backend", lambda: check_installed(config.backend))
    _try("backend", lambda: BACKENDS[config.backend])
    if config.backend == "vllm" and config.dtype == "float64":
        raise ConfigError("dtype: vLLM does not compute in float64; set dtype=null, or float32 on a CPU")
    _engine(config)
    if config.rollout.workers is not None:
        _try("rollout.workers", lambda: check_workers(str(config.rollout.workers)))
    if config.tracker != "none":
        _try("tracker", lambda: need("trackers", "the tracker", config.tracker))
    if config.train.lora and "adapter" not in Keywords.of(BACKENDS[config.backend]).names:
        raise ConfigError(f"train.lora: the backend {config.backend} cannot load the adapter it gives; set it to null")
    if config.generate.formats not in (None, "all"):
        _try("generate.formats", lambda: format_pool(config.generate.formats))
    for name in config.reward.weights:
        if name != "readability":
            _try("reward.weights", lambda name=name: TERMS[name])
    steps = plan(config)
    stages = [step.stage for step in steps]
    if config.condition is not None:
        if not any(stage.name == "condition" for stage in stages):
            raise ConfigError(f"condition: {config.method} learns under no sentence of an outcome; use nat")
        _try("condition", config.condition.told)
    _training(config, stages)
    _memory(config, stages)
    if any(stage.name == "collect" for stage in stages):
        _data(config, {step.iteration for step in steps if step.stage.name == "collect"})
    if any(stage.name == "imagine" for stage in stages):
        _exploration(config)
    grown = any(stage.name == "grow" for stage in stages)
    _preferences(config, grown)
    _reachable(config, "select.threshold" if any(stage.name == "select" for stage in stages) else None, grown)
    train = _try("env (train instances)", lambda: _scenario(config.env, "train"))
    _try("env (test instances)", lambda: _scenario(config.env, "test"))
    takes = Keywords.of(BACKENDS[config.backend]).names
    _try("train.sharing", lambda: check_sharing(config, train.rules.agents, takes))
    if config.pairs.influence is not None:
        from ..tree_search.influence import check_influence

        _try("pairs.influence", lambda: check_influence(config, len(train.task), takes))
    if grown:
        from ..tree_search.grow import require_single_speaker

        _try("method", lambda: require_single_speaker(train, 0))


def _engine(config: TrainConfig) -> None:
    """Options of engines that the backend does not have."""
    from ..run.engines import engine_options

    try:
        engine_options(config)
    except ValueError as err:  # it names the keys itself
        raise ConfigError(str(err)) from None


def _training(config: TrainConfig, stages: Sequence[Stage]) -> None:
    """Trained weights must reach the backend, and batches must divide among the processes."""
    from optima_envs.extras import need

    from ..planning.fitting import sections_of
    from ..training.checkpoints import check_lora
    from ..training.processes import check_processes

    trained = [stage for stage in stages if stage.kind == "training"]
    if trained:
        _try("method", lambda: need("train", "training"))
    if trained and config.backend == "openai":
        raise ConfigError(
            "backend: an openai server keeps the weights it was started with, so the trained team would never play; "
            "use hf or vllm (optima eval and optima rollout take a server)"
        )
    if config.train.prompt_tokens and (other := {*sections_of(trained)} - {"train"}):
        raise ConfigError(
            f"train.prompt_tokens: {config.method} also trains by {', '.join(sorted(other))}, which "
            f"has no soft prompts; use a method of supervised fine-tuning alone, or train.lora"
        )
    for section in sections_of(trained):
        _try(section, lambda section=section: check_processes(config, section))
    lora = config.train.lora
    if trained and lora and (lora.targets != "all-linear" or config.train.sharing == "adapter"):
        _try("train.lora", lambda: check_lora(config.model, config.train))


def _memory(config: TrainConfig, stages: Sequence[Stage]) -> None:
    """A training that would run out of memory does so after everything was sampled."""
    from ..planning.devices import devices
    from ..planning.estimate import assume
    from ..planning.fitting import check_memory
    from ..planning.model_size import shape

    found = shape(config.model)
    if found is not None and any(stage.kind == "training" for stage in stages):
        _try("train", lambda: check_memory(config, stages, found, assume(config), devices(config.device)))


def _exploration(config: TrainConfig) -> None:
    """An environment that can be explored, and a judge that can be asked."""
    from optima_agents.making import BACKENDS, check_installed

    from ..trajectories.exploring import trials_of

    _try("imagine", lambda: trials_of(config))
    judge = config.imagine.judge
    if judge != "self":
        kind = judge.partition(":")[0]
        _try("imagine.judge", lambda: BACKENDS[kind])
        _try("imagine.judge", lambda: check_installed(kind))


def _data(config: TrainConfig, iterations: Collection[int]) -> None:
    """Sources: layouts, options, steps and files of those that are ever opened; a weight for each of ``iterations``."""
    from ..trajectories.pipeline import check_step
    from ..trajectories.registry import READERS, check_options

    opened: set[str] = set()
    for iteration in sorted(iterations):
        active = shares(config.data, config.mix, iteration)
        if not active and not config.mix.own:
            raise ConfigError(f"data: no source has a weight above 0 in iteration {iteration}")
        opened |= active.keys()
    for name in sorted(opened):
        source = config.data[name]
        if source.expert is not None:
            styles = source.expert.styles
            _try(f"data.{name}.expert", lambda styles=styles: _experts(config, styles))
        else:
            _try(f"data.{name}", lambda source=source: check_options(READERS, source.read, source.options))
        for step in source.steps:
            _try(f"data.{name}.steps", lambda step=step: check_step(step))
        for file in source.files:
            if not Path(file).is_file():
                raise ConfigError(f"data.{name}.files: there is no file {file}")


def _experts(config: TrainConfig, styles: Sequence[str]) -> None:
    from optima_agents.scripted.experts import expert

    scenario = config.env.scenario("train")
    for style in styles:
        expert(scenario, style)


def _preferences(config: TrainConfig, grown: bool) -> None:
    """Settings of trees that give no pair, or that nobody reads."""
    if config.method in ("idpo", "isft-dpo") and config.iterations == 1:
        logger.warning("iterations=1: %s grows trees from its second iteration on, so this run is iSFT", config.method)
    if grown and config.tree.rollouts == 1:
        raise ConfigError("tree.rollouts: one dialogue from a node has no sibling to be preferred to; set 2 or more")
    if not grown and config.reward.normaliser == "percentile" and config.method == "isft":
        raise ConfigError("reward.normaliser: percentile is for trees, which isft does not grow; set it to group-max")


def _reachable(config: TrainConfig, selection: str | None, grown: bool) -> None:
    """A threshold no dialogue can pass would be found out only after all of them were sampled."""
    most = BOUNDED | {"readability": config.reward.readability_cap}
    weights = {name: weight for name, weight in config.reward.weights.items() if weight}
    if not weights.keys() <= most.keys():
        return  # what another term adds at most is not known
    best = sum(weight * most[name] for name, weight in weights.items())
    if selection is not None and config.select.threshold > best:
        raise ConfigError(
            f"select.threshold: {config.select.threshold:g} is above the highest reward there is, {best:g}"
        )
    if grown and config.pairs.threshold >= best:
        raise ConfigError(f"pairs.threshold: {config.pairs.threshold:g} is not below the highest reward, {best:g}")


def _scenario(env: EnvConfig, part: Literal["train", "test"]) -> Scenario:
    scenario = env.scenario(part)
    if not len(scenario.task):
        raise ValueError("no instances")
    return scenario


def _try(key: str, look: Callable[[], Any]) -> Any:
    try:
        return look()
    except ConfigError:  # it names its keys itself
        raise
    except (UnknownName, StageError, ValueError, TypeError, OSError, ImportError) as err:
        raise ConfigError(f"{key}: {err}") from err
