"""Preflight: everything that can be found wrong before the first token is sampled is found here."""

from __future__ import annotations

from optima_envs.registry import UnknownName

from .config import ConfigError
from .settings import EnvConfig, SplitConfig, TrainConfig


def preflight(config: TrainConfig) -> None:
    """Look up every name and open the data. Raises ConfigError naming the key."""
    from optima_agents.formats import format_pool
    from optima_agents.making import BACKENDS
    from optima_envs.keywords import Keywords
    from optima_envs.rewards import TERMS

    from .methods import METHODS

    _try("method", lambda: METHODS[config.method])
    _try("backend", lambda: BACKENDS[config.backend])
    if config.train.lora and "adapter" not in Keywords.of(BACKENDS[config.backend]).names:
        raise ConfigError(f"train.lora: the backend {config.backend} cannot load the adapter it gives; set it to null")
    if config.generate.formats not in (None, "all"):
        _try("generate.formats", lambda: format_pool(config.generate.formats))
    for name in config.reward.weights:
        if name != "readability":
            _try("reward.weights", lambda name=name: TERMS[name])
    for part, source in (("train", config.env.train), ("test", config.env.test)):
        _try(f"env ({part} instances)", lambda source=source: _instances(config.env, source))


def _instances(env: EnvConfig, source: SplitConfig) -> None:
    import optima_envs

    limits = {"max_turns": env.max_turns, "token_budget": env.token_budget}
    scenario = optima_envs.scenario(env.id, split=source.split, data=source.data, **limits, **env.args)
    if not len(scenario.task):
        raise ValueError("no instances")


def _try(key: str, look) -> None:
    try:
        look()
    except (UnknownName, ValueError, TypeError, OSError, ImportError) as err:
        raise ConfigError(f"{key}: {err}") from err
