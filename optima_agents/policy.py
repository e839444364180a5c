"""The Policy protocol: a view in, an utterance out. Anything with this one method can take a seat."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from optima_envs.records import Finish, Turn, Usage, View


@dataclass(frozen=True, slots=True)
class Act:
    """What a policy says. ``ids`` and ``logprobs`` belong to the sampled tokens, end-of-turn token included.

    ``thinking`` is what it wrote before it spoke: kept in the record, shown to nobody, its tokens counted too.
    """

    text: str
    tokens: int | None = None
    prompt_ids: tuple[int, ...] | None = None
    ids: tuple[int, ...] | None = None
    logprobs: tuple[float, ...] | None = None
    finish: Finish = "stop"
    usage: Usage | None = None
    thinking: str = ""

    def turn(self, agent: str) -> Turn:
        """The act as ``agent``'s turn; without a token count, white-space words are counted."""
        tokens = len(self.text.split()) if self.tokens is None else self.tokens
        return Turn(
            agent, self.text, tokens, self.prompt_ids, self.ids, self.logprobs, self.finish, self.usage, self.thinking
        )


@runtime_checkable
class Policy(Protocol):
    """What speaks in a seat: a model, a script, a person."""

    async def act(self, view: View, *, seed: int) -> Act:
        """Speak. Same view and seed, same act, as far as the engine underneath allows."""
        ...


def seats(policies: Policy | Mapping[str, Policy], agents: tuple[str, ...]) -> dict[str, Policy]:
    """One policy per agent. Raises ValueError naming agents without a policy, or names that are no agent."""
    if not isinstance(policies, Mapping):
        return dict.fromkeys(agents, policies)
    missing = [agent for agent in agents if agent not in policies]
    extra = [name for name in policies if name not in agents]
    if missing or extra:
        raise ValueError(f"policies do not fit the agents {', '.join(agents)}: missing {missing}, unknown {extra}")
    return {agent: policies[agent] for agent in agents}
