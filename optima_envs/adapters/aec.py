"""The turn-based view: PettingZoo's AEC interface, in which only agents whose turn it is are asked to act."""

from __future__ import annotations

from typing import Any

from gymnasium import spaces
from pettingzoo import AECEnv, ParallelEnv

from .parallel import DialogueEnv, make


class DialogueAEC(AECEnv[str, dict[str, Any], str | None]):
    """A dialogue environment (with its wrappers) agent by agent: ``agent_selection`` is the next speaker.

    Speakers of a simultaneous round are asked one after the other and see each other's words once all have spoken.
    """

    def __init__(self, env: ParallelEnv) -> None:
        super().__init__()
        self.env = env
        self.metadata = dict(env.metadata)
        self.possible_agents = list(env.possible_agents)
        self.agents: list[str] = []
        self.render_mode = self._talk.render_mode

    @property
    def _talk(self) -> DialogueEnv:
        return self.env.unwrapped  # type: ignore[return-value]

    @property
    def unwrapped(self) -> DialogueAEC:
        return self

    def observation_space(self, agent: str) -> spaces.Space:
        return self.env.observation_space(agent)

    def action_space(self, agent: str) -> spaces.Space:
        return self.env.action_space(agent)

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> None:
        self._observations, self.infos = self.env.reset(seed=seed, options=options)
        self.agents = list(self.env.agents)
        self.rewards = dict.fromkeys(self.agents, 0.0)
        self._cumulative_rewards = dict.fromkeys(self.agents, 0.0)
        self.terminations = dict.fromkeys(self.agents, False)
        self.truncations = dict.fromkeys(self.agents, False)
        self._skip_agent_selection: str | None = None
        self._begin_round()

    def observe(self, agent: str) -> dict[str, Any]:
        return self._observations[agent]

    def step(self, action: str | None) -> None:
        agent = self.agent_selection
        if self.terminations[agent] or self.truncations[agent]:
            self._was_dead_step(action)
            return
        self._cumulative_rewards[agent] = 0.0
        self._clear_rewards()
        self._actions[agent] = action
        waiting = [name for name in self._talk.speakers if name not in self._actions]
        if waiting:
            self.agent_selection = waiting[0]
            return
        self._observations, self.rewards, self.terminations, self.truncations, self.infos = self.env.step(self._actions)
        self._accumulate_rewards()
        if self.env.agents:
            self._begin_round()
        else:
            self._deads_step_first()

    def _begin_round(self) -> None:
        self._actions: dict[str, str | None] = {}
        self.agent_selection = self._talk.speakers[0]

    def render(self):
        return self.env.render()

    def close(self) -> None:
        self.env.close()


def aec(id: str, **kwargs: Any) -> DialogueAEC:  # noqa: A002
    """The AEC view of an environment; arguments and errors as in ``env.make``."""
    return DialogueAEC(make(id, **kwargs))
