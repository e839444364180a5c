"""The real verl's agent loop class and outputs, over a stub of its server: rows are ours, its own code takes them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

pytest.importorskip("verl")

from omegaconf import OmegaConf
from support.other_trainers import run
from support.token_engine import SAMPLING, native, sampled, tokenizer
from verl.experimental.agent_loop.agent_loop import (
    AgentLoopOutput,
    DictConfigWrap,
    _agent_loop_registry,
)
from verl.workers.rollout.replica import TokenOutput

from optima_agents.backends.chat.templates import ChatTokenizer
from optima_envs import scenario
from optima_train.bridges.token_rows import seat_rows
from optima_train.bridges.verl_loop import NAME, DialogueLoop

CONFIG = {
    "actor_rollout_ref": {"rollout": {"prompt_length": 1024, "response_length": 2048}},
    "data": {"apply_chat_template_kwargs": {}},
}


class Server:
    """What verl's server manager is asked, answered by an engine without a model."""

    def __init__(self) -> None:
        self.tokens, self.asked = tokenizer(), []
        self.end = ChatTokenizer(self.tokens).end_of_turn or 0

    async def generate(self, *, request_id: str, prompt_ids: list[int], sampling_params: dict, **more: Any):
        self.asked.append((request_id, len(prompt_ids), dict(sampling_params)))
        ids, logprobs = sampled(self.tokens, self.end, prompt_ids, sampling_params["max_tokens"])
        return TokenOutput(token_ids=ids, log_probs=logprobs if sampling_params.get("logprobs") else None)


async def loop_of(server: Server, response: int = 2048) -> DialogueLoop:
    config = OmegaConf.create(CONFIG)
    config.actor_rollout_ref.rollout.response_length = response
    wrapped = DictConfigWrap(config)
    return DialogueLoop(wrapped, server, server.tokens, None, None, DictConfigWrap(config.data))


def extra(index: int) -> dict[str, Any]:
    return {"env": "twohop-asym", "index": index, "args": {}, "max_tokens": SAMPLING.max_tokens}


def test_a_hundred_dialogues_give_the_rows_of_the_native_ones():
    played, server = scenario("twohop-asym"), Server()
    params = {"temperature": 1.0, "top_p": 1.0, "logprobs": True}

    async def all_of_them() -> list[list[AgentLoopOutput]]:
        loop = await loop_of(server)
        return await asyncio.gather(*(loop.run(dict(params), extra_info=extra(index)) for index in range(100)))

    chat = ChatTokenizer(server.tokens)
    for outputs, episode in zip(asyncio.run(all_of_them()), native(played), strict=True):
        for found, row in zip(outputs, seat_rows(episode, played.rules, chat.encode), strict=True):
            assert (found.prompt_ids, found.response_ids, found.response_mask) == (row.prompt, row.response, row.mask)
            assert found.response_logprobs == row.logprobs
            assert (found.reward_score, found.num_turns) == (episode.score, len(episode.turns))
            assert found.extra_fields["agent"] == row.agent
            assert found.extra_fields["reward_extra_info"]["tokens"] == episode.tokens
            fields = found.as_dict()  # verl's own way to tensors
            assert fields["responses"].tolist() == row.response
    sessions = {name for name, _, _ in server.asked}
    assert len(sessions) == 200  # an agent's turns go to one session


def test_it_is_registered_and_the_lengths_of_the_configuration_hold():
    assert NAME in _agent_loop_registry
    server = Server()

    async def one() -> list[AgentLoopOutput]:
        return await (await loop_of(server, response=8)).run({"temperature": 1.0}, extra_info=extra(0))

    outputs = asyncio.run(one())
    for output in outputs:
        assert len(output.response_ids) == len(output.response_mask) <= 8
        assert output.response_logprobs is None
        assert output.extra_fields["reward_extra_info"]["cut"] == len(outputs) == 2
    assert {params["max_tokens"] for _, _, params in server.asked} == {SAMPLING.max_tokens}


def test_the_block_of_the_page():
    row = run("verl")["rows"][3]

    async def one() -> list[AgentLoopOutput]:
        return await (await loop_of(Server())).run({"temperature": 1.0}, extra_info=row["extra_info"])

    assert row["agent_name"] == NAME
    assert {output.extra_fields["agent"] for output in asyncio.run(one())} == {"Alice", "Bob"}
