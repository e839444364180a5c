"""Drive: one dialogue whose turns are asked for from outside, for programs that keep the model themselves.

An agent's next turn is asked of a function of the caller's; who speaks, what is seen, when it is over, the score and
the record are those of every other dialogue, since ``dialogue.Dialogue`` plays this one too.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from optima_envs.records import Episode, EpisodeKey, Instance, Turn, View

from ..dialogue import Dialogue
from ..policy import Act, Policy

if TYPE_CHECKING:
    from optima_envs.scenario import Scenario

Ask = Callable[[View, int], Awaitable[Act | str]]
Heard = Callable[[Turn], None]


@dataclass(frozen=True, slots=True)
class Asked:
    """A function of a view and a seed as a policy."""

    ask: Ask

    async def act(self, view: View, *, seed: int) -> Act:
        return await self.ask(view, seed)  # type: ignore[return-value] - a text is an act too


async def drive(
    scenario: Scenario,
    instance: Instance | Exception,
    ask: Ask | Mapping[str, Ask | Policy],
    *,
    sample: int = 0,
    seed: int = 0,
    info: Mapping[str, Any] | None = None,
    heard: Heard | None = None,
    timeout: float = 600.0,
    keep_ids: bool = True,
) -> Episode:
    """Play one dialogue on ``instance`` and return its record, a failed one included.

    ``ask(view, seed)`` gives the next turn of ``view.agent``: a text, or an Act with token ids; a mapping has one such
    function, or a policy, for each agent. ``heard`` is told every turn of a finished round, the world's replies among
    them. ``timeout``: seconds without a new turn until the dialogue is given up. ``seed`` and ``sample`` are those of
    the episode's key, ``info`` is kept in its record; ``keep_ids=False`` leaves token ids out of it.

    What ``ask`` raises fails this episode alone, with its reason (``BackendError`` as the backend's, others as the
    policy's). Raises EngineDead, CancelledError, and ValueError for agents without a function.
    """
    agents = scenario.rules.agents
    given = ask if isinstance(ask, Mapping) else dict.fromkeys(agents, ask)
    if missing := [agent for agent in agents if agent not in given]:
        raise ValueError(f"nobody to ask for {', '.join(missing)}; the agents are {', '.join(agents)}")
    team = {agent: one if isinstance(one := given[agent], Policy) else Asked(one) for agent in agents}
    name = instance.id if isinstance(instance, Instance) else "unknown"
    player = _Told(scenario, EpisodeKey(name, sample, seed), instance, info or {}, team=team, keep_ids=keep_ids)
    player.heard = heard
    return await player.play(timeout)


class _Told(Dialogue):
    """A dialogue that tells of its turns as its rounds end."""

    heard: Heard | None = None

    async def round(self, policies: Mapping[str, Policy]) -> None:
        before = len(self.turns)
        await super().round(policies)
        for turn in self.turns[before:] if self.heard is not None else ():
            self.heard(turn)  # type: ignore[reportOptionalCall]
