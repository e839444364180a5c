"""Teams: each agent its own model, adapter, sampling and backend, from one short description.

>>> make_team({"policy": "hf:tiny", "agents": {"Bob": {"temperature": 0.2}}}, ("Alice", "Bob"))  # doctest: +SKIP
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .backends.base import Backend, Sampling
from .formats import FORMATS
from .llm import LLMPolicy, Thinking
from .making import BACKENDS, make_policy, open_backend
from .policy import Policy
from .team_file import read_team

SAMPLING = ("temperature", "top_p", "max_tokens", "stop", "logprobs")


class Seat(BaseModel):
    """What plays one agent. What a seat does not say, the team says for all."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    policy: str = "hf:tiny"
    """As for ``make_policy``: ``hf:tiny``, ``vllm:MODEL``, ``openai:URL#MODEL``, ``human`` ..."""
    options: dict[str, Any] = {}
    """Of the backend: ``dtype``, ``tensor_parallel_size``, ``tokenizer`` ..."""
    adapter: str | None = None
    """A LoRA folder; for ``openai``, the adapter's name on the server."""
    hint: str | None = None
    """A format hint in the prompt: a name in ``formats.FORMATS``, or the text itself."""
    temperature: float = Field(default=0.7, ge=0)
    top_p: float = Field(default=1.0, gt=0, le=1)
    max_tokens: int = Field(default=256, ge=1)
    stop: tuple[str, ...] = ()
    logprobs: bool = True
    """Keep the sampled tokens' log-probabilities; an engine and a server are quicker without."""
    thinking: Thinking = "off"
    """``keep``: a model that can think before it speaks may; its partners never see it."""


class TeamSpec(Seat):
    """A team. ``sharing`` says what the agents share, and refuses a seat that would silently break it.

    ``shared`` (the default, the paper's case): one model; seats differ in sampling and hint only. ``adapter``: one
    model, a LoRA adapter per seat. ``full``: every seat may name its own policy and options; equal ones still share
    one engine.
    """

    sharing: Literal["shared", "adapter", "full"] = "shared"
    cache: str | None = None
    """A sqlite file of completions made before."""
    agents: dict[str, Seat] = {}


ALLOWED = {
    "shared": frozenset(),
    "adapter": frozenset({"adapter"}),
    "full": frozenset({"policy", "options", "adapter"}),
}


def make_team(spec: TeamSpec | Mapping[str, Any] | str | os.PathLike[str], agents: Sequence[str]) -> dict[str, Policy]:
    """One policy for each of ``agents``; engines are started once and shared where their settings are equal.

    ``spec`` may be a ``team.yaml``, or a folder with one, such as the ``model`` of a run whose agents have weights of
    their own. Raises ValueError naming the key that is wrong, and UnknownName for a policy nobody knows.
    """
    if isinstance(spec, (str, os.PathLike)):
        spec = read_team(spec)
    team = spec if isinstance(spec, TeamSpec) else _read(spec)
    unknown = [name for name in team.agents if name not in agents]
    if unknown:
        raise ValueError(f"the team has {', '.join(unknown)}, but the agents are {', '.join(agents)}")
    seats = {agent: _seat(team, agent) for agent in agents}
    engines: dict[str, Backend] = {}
    return {agent: _policy(team, seats, agent, engines) for agent in agents}


async def close_team(policies: Iterable[Policy]) -> None:
    """Close what the policies opened; an engine that several share is closed once."""
    closed: set[int] = set()
    for policy in policies:
        target = policy.backend if isinstance(policy, LLMPolicy) else policy
        if hasattr(target, "aclose") and id(target) not in closed:
            closed.add(id(target))
            await target.aclose()  # type: ignore[attr-defined]


def _read(spec: Mapping[str, Any]) -> TeamSpec:
    try:
        return TeamSpec.model_validate(spec)
    except ValidationError as err:
        first = err.errors(include_url=False)[0]
        known = " (known keys: " + ", ".join(TeamSpec.model_fields) + ")" if first["type"] == "extra_forbidden" else ""
        raise ValueError(f"team: {'.'.join(map(str, first['loc']))}: {first['msg']}{known}") from None


def _seat(team: TeamSpec, agent: str) -> Seat:
    """The agent's seat with the team's settings filled in."""
    own = team.agents.get(agent, Seat()).model_dump(exclude_unset=True)
    refused = {"policy", "options", "adapter"} & own.keys() - ALLOWED[team.sharing]
    if refused:
        raise ValueError(
            f"team: {agent} has its own {' and '.join(sorted(refused))}, but sharing is {team.sharing!r}; "
            f"write sharing: {'adapter' if refused == {'adapter'} else 'full'}"
        )
    return Seat(**{name: getattr(team, name) for name in Seat.model_fields} | own)


def _policy(team: TeamSpec, seats: Mapping[str, Seat], agent: str, engines: dict[str, Backend]) -> Policy:
    seat = seats[agent]
    kind, _, model = seat.policy.partition(":")
    if kind not in BACKENDS:
        return make_policy(seat.policy, **seat.options)
    options, adapter = dict(seat.options), seat.adapter
    if kind != "openai":  # a server has loaded its adapters itself
        if team.sharing == "adapter":
            # agents that share an adapter ask for it by the name of the first of them
            names = {other.adapter: name for name, other in reversed([*seats.items()]) if other.adapter}
            options["adapters"] = {name: folder for folder, name in names.items()}
            adapter = names[adapter] if adapter else None
        elif adapter:
            options["adapter"], adapter = adapter, None
    key = repr((seat.policy, sorted(options.items())))
    if key not in engines:
        try:
            engines[key] = open_backend(kind, model, cache=team.cache, **options)
        except TypeError as err:  # how a backend refuses an option it does not know
            raise ValueError(f"team: {agent}: {seat.policy}: {err}") from None
    sampling = Sampling(**{name: getattr(seat, name) for name in SAMPLING})
    hint = FORMATS[seat.hint].hint if seat.hint and seat.hint in FORMATS else seat.hint
    return LLMPolicy(engines[key], sampling, hint=hint, adapter=adapter, thinking=seat.thinking)
