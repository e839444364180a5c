"""Settings that online learning cannot work with, found before the first token is sampled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from optima_envs.registry import UnknownName

from ..config.loading import ConfigError
from ..config.settings import TrainConfig
from .credit.agent_terms import AGENT_TERMS
from .credit.estimators import on_trees

WHY = "stored log-probabilities are the model's own, and what is sampled otherwise would bias their ratios"


def check_online(config: TrainConfig, *, live: bool) -> None:
    """Raises ConfigError naming the key and the way out."""
    trees = _known("grpo.estimator", lambda: on_trees(config.grpo.estimator))
    for name in config.grpo.agent_weights:
        _known("grpo.agent_weights", lambda name=name: AGENT_TERMS[name])
    if trees and live:
        raise ConfigError(
            f"grpo.estimator: {config.grpo.estimator} needs trees, which grpo-live does not grow; set method=grpo"
        )
    section = "tree" if trees else "generate"
    temperatures = (config.tree.temperature,) if trees else config.generate.temperature
    top_p = config.tree.top_p if trees else config.generate.top_p
    if set(temperatures) != {1.0}:
        wanted = "1.0" if trees else "[1.0]"
        told = temperatures[0] if trees else list(temperatures)
        raise ConfigError(f"{section}.temperature: {told} instead of 1: {WHY}; set {section}.temperature={wanted}")
    if top_p != 1.0:
        raise ConfigError(f"{section}.top_p: {top_p} instead of 1: {WHY}; set {section}.top_p=1.0")
    if not trees and config.reward.normaliser == "percentile":
        raise ConfigError("reward.normaliser: percentile is for trees; set it to group-max, or grpo.estimator=tree")
    if not trees and config.generate.samples == 1 and config.grpo.estimator != "rae":
        raise ConfigError(
            "generate.samples: one dialogue has nothing to be compared with; set 2 or more, or grpo.estimator=rae"
        )
    if live and (config.train.processes > 1 or config.train.accelerate is not None):
        raise ConfigError("train.processes: grpo-live trains in one process; set it to 1, or method=grpo")


def _known(key: str, look: Callable[[], Any]) -> Any:
    try:
        return look()
    except UnknownName as err:
        raise ConfigError(f"{key}: {err}") from err
