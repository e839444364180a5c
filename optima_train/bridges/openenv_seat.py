"""OpenEnv: one seat of a dialogue as an environment of its servers, many sessions at a time."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from pydantic import Field

from optima_envs.extras import need

from .seat import Seat, reciting

try:
    from openenv.core.client_types import StepResult
    from openenv.core.env_client import EnvClient
    from openenv.core.env_server import create_app
    from openenv.core.env_server.interfaces import Environment
    from openenv.core.env_server.types import Action, Observation, State
except ModuleNotFoundError:
    need("openenv", "the bridge to OpenEnv")
    raise

if TYPE_CHECKING:
    from optima_envs import Scenario, View


class Say(Action):
    """One turn."""

    text: str = Field(description="what the seat says to the others")


class Heard(Observation):
    """What the seat's agent may know: its facts, and what was said."""

    agent: str = ""
    partners: list[str] = Field(default_factory=list)
    instructions: str = ""
    question: str = ""
    facts: str = Field(default="", description="what this agent alone is told")
    dialogue: list[tuple[str, str]] = Field(default_factory=list, description="(speaker, words), oldest first")
    turns_left: int = 0
    answer: str | None = Field(default=None, description="at the end: the answer that counts")


class Talk(State):
    """Where a dialogue stands."""

    env: str = ""
    instance: str = ""
    stop: str = Field(default="", description="at the end: why it ended")


class SeatEnvironment(Environment[Say, Heard, Talk]):
    """``reset(seed=..., index=...)`` begins a dialogue, ``step(Say(text=...))`` is the seat's turn; the reward of the
    last step is the score. The same seed draws the same instance."""

    SUPPORTS_CONCURRENT_SESSIONS = True

    def __init__(self, scenario: Scenario, *, agent: str | None = None, partners: Any = reciting) -> None:
        super().__init__()
        self._seat = Seat(scenario, agent=agent, partners=partners)
        self._state = Talk(env=scenario.id)

    def reset(self, seed: int | None = None, episode_id: str | None = None, **kwargs: Any) -> Heard:
        return self._began(self._seat.reset(kwargs.get("index"), seed=seed or 0), episode_id)

    async def reset_async(self, seed: int | None = None, episode_id: str | None = None, **kwargs: Any) -> Heard:
        return self._began(await self._seat.areset(kwargs.get("index"), seed=seed or 0), episode_id)

    def step(self, action: Say, timeout_s: float | None = None, **kwargs: Any) -> Heard:
        return self._shown(self._seat.say(action.text))

    async def step_async(self, action: Say, timeout_s: float | None = None, **kwargs: Any) -> Heard:
        return self._shown(await self._seat.asay(action.text))

    @property
    def state(self) -> Talk:
        return self._state

    def close(self) -> None:
        self._seat.close()

    def _began(self, view: View | None, episode_id: str | None) -> Heard:
        self._state = Talk(env=self._seat.scenario.id, episode_id=episode_id or uuid.uuid4().hex)
        return self._shown(view, step=0)

    def _shown(self, view: View | None, step: int = 1) -> Heard:
        self._state.step_count += step
        if view is None:
            episode = self._seat.episode
            if episode is None:
                return Heard(done=True, reward=0.0)
            self._state.instance, self._state.stop = episode.instance.id, episode.outcome.stop
            talk = [(turn.agent, turn.text) for turn in episode.turns]
            told = {"error": f"{episode.error.kind}: {episode.error.message}"} if episode.error is not None else {}
            return Heard(
                done=True, reward=episode.score, dialogue=talk, answer=episode.outcome.answer,
                agent=self._seat.agent, question=episode.instance.question, metadata=told,
            )  # fmt: skip
        return Heard(
            done=False, reward=0.0, agent=view.agent, partners=list(view.partners), instructions=view.instructions,
            question=view.question, facts=view.private, dialogue=list(view.dialogue), turns_left=view.turns_left,
        )  # fmt: skip


class SeatClient(EnvClient[Say, Heard, Talk]):
    """The client of such a server: ``async with SeatClient(base_url=...) as env``."""

    def _step_payload(self, action: Say) -> dict[str, Any]:
        return action.model_dump()

    def _parse_result(self, payload: dict[str, Any]) -> StepResult[Heard]:
        told = {"done": bool(payload.get("done")), "reward": payload.get("reward")}
        heard = Heard.model_validate({**payload.get("observation", {}), **told})
        return StepResult(observation=heard, **told)

    def _parse_state(self, payload: dict[str, Any]) -> Talk:
        return Talk.model_validate(payload)


def app(scenario: Scenario, *, agent: str | None = None, partners: Any = reciting, sessions: int = 64) -> Any:
    """The server, as an ASGI application: a seat for each of at most ``sessions`` sessions."""
    return create_app(
        lambda: SeatEnvironment(scenario, agent=agent, partners=partners),
        Say,
        Heard,
        env_name=scenario.id.replace("/", "-"),
        max_concurrent_envs=sessions,
        state_cls=Talk,
    )
