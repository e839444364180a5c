"""One seat of a dialogue as a Gymnasium environment, or many such: you speak in it, plain functions for the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, cast

import gymnasium
from gymnasium.vector import SyncVectorEnv

from ..scenario import scenario
from ..scoring.answer_format import FORMATS
from .parallel import DialogueEnv
from .shared_memory import teach_gymnasium

Partner = Callable[[dict[str, Any]], str]
teach_gymnasium()  # how AsyncVectorEnv may hand on our observations


class SingleSeat(gymnasium.Env[dict[str, Any], str]):
    """``gymnasium.make("optima/twohop-asym-v0")``: act as ``seat`` against ``partners``.

    ``seat``: an agent's name (default: the first). ``partners``: one function from observation to utterance for all
    other agents, or a mapping with one for each (default ``recite``). Observations, infos and the final reward (the
    score) are those of ``DialogueEnv``; other arguments are those of ``scenario``. Raises ValueError naming a wrong
    seat or partner.
    """

    metadata: dict[str, Any] = {"render_modes": ["ansi", "human"], "render_fps": 1}  # noqa: RUF012

    def __init__(
        self,
        dialogue: str,
        *,
        seat: str | None = None,
        partners: Partner | Mapping[str, Partner] | None = None,
        render_mode: str | None = None,
        **scenario_kwargs: Any,
    ) -> None:
        self.env = DialogueEnv(scenario(dialogue, **scenario_kwargs), render_mode=render_mode)
        agents = self.env.possible_agents
        self.seat = agents[0] if seat is None else seat
        if self.seat not in agents:
            raise ValueError(f"seat {seat!r} is not an agent of {dialogue}: {', '.join(agents)}")
        others = [agent for agent in agents if agent != self.seat]
        if isinstance(partners, Mapping):
            given = dict(cast("Mapping[str, Partner]", partners))
            if set(given) != set(others):
                raise ValueError(f"partners must be for {', '.join(others)}, got {', '.join(given) or 'none'}")
            self.partners = given
        else:
            self.partners = dict.fromkeys(others, partners or recite)
        self.render_mode = render_mode
        self.observation_space = self.env.observation_space(self.seat)
        self.action_space = self.env.action_space(self.seat)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        super().reset(seed=seed)
        self._observations, infos = self.env.reset(int(self.np_random.integers(2**31)), options)
        info = infos[self.seat]
        if self.seat not in self.env.speakers:
            *_, info = self._play({})
        return self._observations[self.seat], info

    def step(self, action: str) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        return self._play({self.seat: action})

    def _play(self, actions: dict[str, str]) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """Let the partners speak until it is this seat's turn again or the dialogue is over."""
        seat = self.seat
        while True:
            for agent in self.env.speakers:
                if agent != seat:
                    actions[agent] = self.partners[agent](self._observations[agent])
            self._observations, rewards, terminations, truncations, infos = self.env.step(actions)
            if not self.env.agents or seat in self.env.speakers:
                return self._observations[seat], rewards[seat], terminations[seat], truncations[seat], infos[seat]
            actions = {}

    def render(self) -> Any:
        return self.env.render()


class Seats(SyncVectorEnv):
    """``gymnasium.make_vec("optima/twohop-asym-v0", num_envs=8)``: seats of as many dialogues, stepped in turn.

    Arguments are those of ``SingleSeat``. The modes ``"sync"`` and ``"async"`` of ``make_vec`` give Gymnasium's own
    vectors. Raises ValueError for a ``num_envs`` that is no int of at least 1.
    """

    def __init__(self, num_envs: int = 1, **seat_kwargs: Any) -> None:
        if type(num_envs) is not int or num_envs < 1:
            raise ValueError(f"num_envs must be an int of at least 1, got {num_envs!r}")
        super().__init__(  # pyright: ignore[reportUnknownMemberType]
            [partial(SingleSeat, **seat_kwargs) for _ in range(num_envs)]
        )


def recite(observation: dict[str, Any]) -> str:
    """The default partner: agrees with the answer it heard last, and until there is one tells its facts."""
    for _, text in reversed(observation["dialogue"]):
        for form in FORMATS.values():
            if (answer := form.find(text)) is not None:
                return form.state(answer, gap="")
    return observation["private"] or "Please go on."
