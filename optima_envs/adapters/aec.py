"""The turn-based view: PettingZoo's AEC interface, in which only agents whose turn it is are asked to act."""

from __future__ import annotations

from typing import Any

from gymnasium.spaces import Space
from pettingzoo import AECEnv  # pyright: ignore[reportMissingTypeStubs]

from .parallel import Actions, DialogueEnv, Env, Observation


class DialogueAEC(AECEnv[str, Observation, "str | None"]):
    """A dialogue environment (with its wrappers) agent by agent: ``agent_selection`` is the next speaker.

    Speakers of a simultaneous round are asked one after the other and see each other's words once all have spoken.
    Raises TypeError for what is no parallel environment around a ``DialogueEnv``.
    """

    def __init__(self, env: Env) -> None:
        super().__init__()
        talk = getattr(env, "unwrapped", None)
        if not isinstance(talk, DialogueEnv):
            raise TypeError(f"DialogueAEC goes around a DialogueEnv, not {type(env).__name__}")
        self.env, self._talk = env, talk
        self.metadata = dict(env.metadata)
        self.possible_agents = list(env.possible_agents)
        self.agents = []
        self.render_mode = talk.render_mode

    def __repr__(self) -> str:
        return f"<DialogueAEC{self.env!r}>"

    @property
    def unwrapped(self) -> DialogueAEC:
        return self

    def observation_space(self, agent: str) -> Space[Any]:
        return self.env.observation_space(agent)

    def action_space(self, agent: str) -> Space[Any]:
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

    def observe(self, agent: str) -> Observation:
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
        self._actions: Actions = {}
        self.agent_selection = self._talk.speakers[0]

    def render(self) -> Any:
        return self.env.render()

    def close(self) -> None:
        self.env.close()
