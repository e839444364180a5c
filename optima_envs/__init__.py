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
    ENVIRONMENT,
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
    from .games.plan_ground import PlanGround
    from .games.tool_use import ToolUse
    from .tasks.dataset import Dataset, RowError
    from .tasks.loading import DataError, Source
    from .tools.actions import faults, parse_action
    from .tools.world import WORLDS, Call, Done, Tool, World

# these need PettingZoo or Gymnasium, or are seldom needed, so they load when first asked for
_WHERE = {
    "Call": "tools.world",
    "DataError": "tasks.loading",
    "Dataset": "tasks.dataset",
    "DialogueAEC": "adapters.aec",
    "DialogueEnv": "adapters.parallel",
    "Done": "tools.world",
    "EpisodeRecord": "adapters.wrappers",
    "NonConformanceError": "checks.canary",
    "OrderEnforcing": "adapters.wrappers",
    "PlanGround": "games.plan_ground",
    "RewardTerms": "adapters.wrappers",
    "RowError": "tasks.dataset",
    "SingleSeat": "adapters.single",
    "Source": "tasks.loading",
    "TokenBudget": "adapters.wrappers",
    "Tool": "tools.world",
    "ToolUse": "games.tool_use",
    "WORLDS": "tools.world",
    "World": "tools.world",
    "Wrapper": "adapters.wrappers",
    "check_env": "checks.check",
    "faults": "tools.actions",
    "make": "adapters.making",
    "make_aec": "adapters.making",
    "parse_action": "tools.actions",
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
    "ENVIRONMENT",
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
    # tools
    "ToolUse",
    "PlanGround",
    "World",
    "WORLDS",
    "Tool",
    "Call",
    "Done",
    "parse_action",
    "faults",
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
