"""Policies and inference: what fills the seats of an environment. Nothing heavy is imported before it is used.

>>> from optima_agents import make_policy, rollout                      # doctest: +SKIP
>>> episodes = rollout("twohop-asym", make_policy("hf:tiny"), episodes=10)  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from optima_envs.lazy import lazy

# eager (it is light): a submodule imported later would put itself in the place of the function of the same name
from .results.one_call import Job, Rollouts, arollout, rollout

if TYPE_CHECKING:
    from .backends.base import Backend, Completion, Request, Sampling
    from .cache import CachedBackend
    from .llm import LLMPolicy
    from .making import BACKENDS, POLICIES, make_backend, make_policy
    from .policy import Act, Policy
    from .results.episodes import Episodes
    from .results.one_call import Results, evaluate
    from .results.summary import Summary, summarise
    from .serving.drive import drive
    from .store import EpisodeLog
    from .team import TeamSpec, close_team, make_team

_WHERE = {
    "Act": "policy",
    "BACKENDS": "making",
    "Backend": "backends.base",
    "CachedBackend": "cache",
    "Completion": "backends.base",
    "EpisodeLog": "store",
    "Episodes": "results.episodes",
    "LLMPolicy": "llm",
    "POLICIES": "making",
    "Policy": "policy",
    "Request": "backends.base",
    "Results": "results.one_call",
    "Sampling": "backends.base",
    "Summary": "results.summary",
    "TeamSpec": "team",
    "close_team": "team",
    "drive": "serving.drive",
    "evaluate": "results.one_call",
    "make_backend": "making",
    "make_policy": "making",
    "make_team": "team",
    "summarise": "results.summary",
}
__all__ = [
    "BACKENDS",
    "POLICIES",
    "Act",
    "Backend",
    "CachedBackend",
    "Completion",
    "EpisodeLog",
    "Episodes",
    "Job",
    "LLMPolicy",
    "Policy",
    "Request",
    "Results",
    "Rollouts",
    "Sampling",
    "Summary",
    "TeamSpec",
    "arollout",
    "close_team",
    "drive",
    "evaluate",
    "make_backend",
    "make_policy",
    "make_team",
    "rollout",
    "summarise",
]


__getattr__, __dir__ = lazy(__name__, __all__, _WHERE)
