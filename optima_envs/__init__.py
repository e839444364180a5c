"""Optima environments: dialogues between agents as PettingZoo environments over pure rules.

>>> import optima_envs
>>> optima_envs.scenario("twohop-asym").id
'optima/twohop-asym-v0'
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .adapters import mirror as _mirror
from .games.rules import Rules
from .records import Episode, EpisodeKey, ErrorInfo, Instance, Outcome, Said, Turn, Usage, View
from .registry import UnknownName
from .scenario import Scenario, Task, scenario
from .spec import EnvSpec, Sheet, list_envs, register, spec

if TYPE_CHECKING:
    from .adapters.parallel import DialogueEnv, make
    from .checks.check import check_env
    from .rewards import TERMS, Reward, term

# these need PettingZoo or Gymnasium, so they load when first asked for
_LAZY = {
    "make": "adapters.parallel",
    "DialogueEnv": "adapters.parallel",
    "check_env": "checks.check",
    "Reward": "rewards",
    "TERMS": "rewards",
    "term": "rewards",
}

__all__ = [
    "make",
    "scenario",
    "spec",
    "list_envs",
    "register",
    "check_env",
    "DialogueEnv",
    "EnvSpec",
    "Sheet",
    "Scenario",
    "Task",
    "Rules",
    "Instance",
    "Turn",
    "Said",
    "View",
    "Outcome",
    "Episode",
    "EpisodeKey",
    "ErrorInfo",
    "Usage",
    "UnknownName",
    "Reward",
    "TERMS",
    "term",
]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_LAZY[name]}", __name__), name)


def __dir__() -> list[str]:
    return __all__


_mirror.mirror()
