"""SkyRL: a generator that plays dialogues and gives back a row for each agent.

``env_extras`` of a prompt names its dialogue: ``{"index": 3}`` of the generator's environment. An agent's row carries
the id of its own trajectory, so that advantages compare an agent with itself in the other dialogues on an instance.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from optima_agents import LLMPolicy, Request, Sampling
from optima_agents.serving.drive import drive
from optima_envs.extras import need

from .token_rows import CallersTokens, SeatRow, seat_rows

try:
    from skyrl.train.generators.base import GeneratorInput, GeneratorInterface, GeneratorOutput, TrajectoryID
except ModuleNotFoundError:
    need("skyrl", "the bridge to SkyRL")
    raise

if TYPE_CHECKING:
    from optima_envs import Episode, Scenario


class DialogueGenerator(GeneratorInterface):
    """Plays each prompt's dialogue with ``engine`` (SkyRL's inference client) in every seat.

    ``max_tokens``: of a turn. ``window``: tokens of a prompt and its reply together, at most.
    """

    def __init__(
        self, scenario: Scenario, engine: Any, tokenizer: Any, *, max_tokens: int = 256, window: int | None = None
    ) -> None:
        self.scenario, self._engine = scenario, engine
        self._sampling: dict[str, Any] = {}
        self._tokens = CallersTokens(tokenizer, self._generate, window=window)
        self._policy = LLMPolicy(self._tokens, Sampling(max_tokens=max_tokens))

    async def generate(self, input_batch: GeneratorInput) -> GeneratorOutput:
        """All dialogues of the batch side by side; rows in the order of its prompts, agents within."""
        self._sampling = dict(input_batch.get("sampling_params") or {})
        extras = input_batch["env_extras"] or []
        ids = input_batch.get("trajectory_ids") or [TrajectoryID(str(at), 0) for at in range(len(extras))]
        if len(extras) != len(ids):
            raise ValueError(f"{len(ids)} trajectories, but env_extras for {len(extras)}: each needs an index")
        played = await asyncio.gather(*(self._play(extra, one) for extra, one in zip(extras, ids, strict=True)))
        rows = [
            (episode, row, one)
            for (episode, _), one in zip(played, ids, strict=True)
            for row in seat_rows(episode, self.scenario.rules, self._tokens.encode)
        ]
        with_logprobs = all(row.logprobs is not None for _, row, _ in rows)
        return GeneratorOutput(  # type: ignore[typeddict-item]
            prompt_token_ids=[row.prompt for _, row, _ in rows],
            response_ids=[row.response for _, row, _ in rows],
            rewards=[episode.score for episode, _, _ in rows],
            loss_masks=[row.mask for _, row, _ in rows],
            stop_reasons=["stop" if episode.error is None else episode.error.kind for episode, _, _ in rows],
            rollout_metrics=_metrics([episode for episode, _ in played]),
            rollout_logprobs=[row.logprobs or [] for _, row, _ in rows] if with_logprobs else None,
            trajectory_ids=[_of_agent(one, row) for _, row, one in rows],
            trajectory_generation_times=[seconds for _, seconds in played],
            is_last_step=None,
            env_metrics=[{"agent": row.agent, "score": e.score, "tokens": e.tokens} for e, row, _ in rows],
        )

    async def _play(self, extra: dict[str, Any], one: TrajectoryID) -> tuple[Episode, float]:
        began, instance = time.monotonic(), self.scenario.task[int(extra["index"])]
        team = dict.fromkeys(self.scenario.rules.agents, self._policy)
        episode = await drive(self.scenario, instance, team, sample=one.repetition_id)
        return episode, time.monotonic() - began

    async def _generate(self, prompt: list[int], request: Request) -> tuple[list[int], list[float] | None]:
        asked = {**self._sampling, "max_tokens": request.sampling.max_tokens}
        done = await self._engine.generate({"prompt_token_ids": [prompt], "sampling_params": asked})
        logprobs = done.get("response_logprobs")
        return list(done["response_ids"][0]), None if not logprobs else list(logprobs[0])


def _of_agent(one: TrajectoryID, row: SeatRow) -> TrajectoryID:
    return TrajectoryID(f"{one.instance_id}/{row.agent}", one.repetition_id)


def _metrics(episodes: list[Episode]) -> dict[str, Any]:
    count = max(1, len(episodes))
    return {
        "optima/score": sum(episode.score for episode in episodes) / count,
        "optima/tokens": sum(episode.tokens for episode in episodes) / count,
        "optima/failed": sum(episode.error is not None for episode in episodes),
    }
