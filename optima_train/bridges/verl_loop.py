"""verl: an agent loop that plays a whole dialogue and gives back a row for each agent.

A row of the data set names the dialogue in ``extra_info``: ``{"env": "twohop-asym", "index": 3, "args": {...}}``. The
lists it returns need verl's v1 trainer; all rows of a dialogue carry its score as their reward.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from optima_agents import LLMPolicy, Request, Sampling
from optima_agents.serving.drive import drive
from optima_envs import scenario
from optima_envs.extras import need

from .token_rows import CallersTokens, seat_rows

try:
    from verl.experimental.agent_loop.agent_loop import AgentLoopBase, AgentLoopMetrics, AgentLoopOutput, register
except ModuleNotFoundError:
    need("verl", "the bridge to verl")
    raise

if TYPE_CHECKING:
    from optima_envs import Scenario

NAME = "optima_dialogue"


@lru_cache(maxsize=8)
def _opened(env: str, args: str) -> Scenario:
    return scenario(env, **json.loads(args))


@register(NAME)
class DialogueLoop(AgentLoopBase):
    """``agent_name: optima_dialogue`` in the data set, with this module imported in the workers
    (``actor_rollout_ref.rollout.agent.agent_loop_config_path``)."""

    async def run(self, sampling_params: dict[str, Any], **kwargs: Any) -> list[AgentLoopOutput]:  # type: ignore[override]
        """One dialogue: an output for each agent's row; one longer than the configuration allows is cut and counted."""
        told: Mapping[str, Any] = kwargs["extra_info"]
        played = _opened(str(told["env"]), json.dumps(dict(told.get("args") or {}), sort_keys=True))
        limit = int(self.rollout_config.prompt_length) + int(self.rollout_config.response_length)
        length, sessions = int(self.rollout_config.response_length), {}

        async def generate(prompt: list[int], request: Request) -> tuple[list[int], list[float] | None]:
            # the same session for the same agent, so that the engine that has its prompt cached is asked again
            agent = sessions.setdefault(request.messages[0]["content"], uuid4().hex)
            asked = {**sampling_params, "max_tokens": min(request.sampling.max_tokens, limit - len(prompt))}
            done = await self.server_manager.generate(request_id=agent, prompt_ids=prompt, sampling_params=asked)
            return list(done.token_ids), None if done.log_probs is None else list(done.log_probs)

        backend = CallersTokens(self.tokenizer, generate, window=limit)
        policy = LLMPolicy(backend, Sampling(max_tokens=int(told.get("max_tokens", length))))
        episode = await drive(
            played, played.task[int(told["index"])], dict.fromkeys(played.rules.agents, policy),
            sample=int(kwargs.get("session_id", 0)),
        )  # fmt: skip
        # verl copies this of the last row to all, and insists on it where a loop scores itself
        rows = seat_rows(episode, played.rules, backend.encode)
        told_of_it = {"score": episode.score, "tokens": episode.tokens, "failed": float(episode.error is not None)}
        told_of_it["cut"] = sum(len(row.response) > length for row in rows)
        return [
            AgentLoopOutput(
                prompt_ids=row.prompt,
                response_ids=row.response[:length],
                response_mask=row.mask[:length],
                response_logprobs=None if row.logprobs is None else row.logprobs[:length],
                reward_score=episode.score,
                num_turns=len(episode.turns),
                metrics=AgentLoopMetrics(),
                extra_fields={
                    "agent": row.agent,
                    "instance": episode.instance.id,
                    "reward_extra_info": dict(told_of_it),
                },
            )
            for row in rows
        ]
