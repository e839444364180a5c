"""Optima environments: dialogues between agents as PettingZoo environments over pure rules.

>>> import optima_envs
>>> optima_envs.scenario("twohop-asym").id
'optima/twohop-asym-v0'
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .adapters.mirror import mirror, mirror_into_loaded
from .adapters.render import draw
from .games.asymmetric import AsymmetricQA
from .games.debate import SolverCritic
from .games.round_robin import RoundRobin
from .games.rules import Rules, Turns
from .keywords import Keyword
from .lazy import lazy
from .records import (
    MAX_UTTERANCE,
    Episode,
    EpisodeKey,
    ErrorInfo,
    Instance,
    Outcome,
    Said,
    Turn,
    Usage,
    View,
)
from .registry import Registry, UnknownName
from .rewards import TERMS, Breakdown, Reward, Term, term
from .scenario import Scenario, Task, scenario, settings
from .scoring.metrics import METRICS, Measure, Metric
from .spec import EnvSpec, Sheet, list_envs, register, spec
from .text import printable
from .tokens import COUNTERS

if TYPE_CHECKING:
    from .adapters.aec import DialogueAEC
    from .adapters.making import make, make_aec
    from .adapters.parallel import DialogueEnv
    from .adapters.single import SingleSeat
    from .adapters.wrappers import EpisodeRecord, OrderEnforcing, RewardTerms, TokenBudget, Wrapper
    from .checks.canary import NonConformanceError
    from .checks.check import check_env
    from .tasks.dataset import Dataset, RowError
    from .tasks.loading import DataError, Source

# these need PettingZoo or Gymnasium, or are seldom needed, so they load when first asked for
_WHERE = {
    "DataError": "tasks.loading",
    "Dataset": "tasks.dataset",
    "DialogueAEC": "adapters.aec",
    "DialogueEnv": "adapters.parallel",
    "EpisodeRecord": "adapters.wrappers",
    "NonConformanceError": "checks.canary",
    "OrderEnforcing": "adapters.wrappers",
    "RewardTerms": "adapters.wrappers",
    "RowError": "tasks.dataset",
    "SingleSeat": "adapters.single",
    "Source": "tasks.loading",
    "TokenBudget": "adapters.wrappers",
    "Wrapper": "adapters.wrappers",
    "check_env": "checks.check",
    "make": "adapters.making",
    "make_aec": "adapters.making",
}

__all__ = [
    # use an environment
    "make",
    "make_aec",
    "scenario",
    "settings",
    "spec",
    "list_envs",
    "mirror",
    "DialogueEnv",
    "DialogueAEC",
    "SingleSeat",
    "OrderEnforcing",
    "TokenBudget",
    "RewardTerms",
    "EpisodeRecord",
    "Keyword",
    "UnknownName",
    "DataError",
    # what passes through it
    "Instance",
    "View",
    "Said",
    "Turn",
    "Turns",
    "Usage",
    "Outcome",
    "Episode",
    "EpisodeKey",
    "ErrorInfo",
    "MAX_UTTERANCE",
    "draw",
    "printable",
    # write one
    "register",
    "check_env",
    "NonConformanceError",
    "EnvSpec",
    "Sheet",
    "Scenario",
    "Task",
    "Dataset",
    "Source",
    "RowError",
    "Rules",
    "RoundRobin",
    "AsymmetricQA",
    "SolverCritic",
    "Wrapper",
    # metrics, rewards, token counts
    "METRICS",
    "Metric",
    "Measure",
    "TERMS",
    "Term",
    "term",
    "Reward",
    "Breakdown",
    "COUNTERS",
    "Registry",
]

__getattr__, __dir__ = lazy(__name__, __all__, _WHERE)

mirror_into_loaded()
