"""The real SkyRL's generator interface, over a stub of its inference client: rows are ours, one for each agent."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest

pytest.importorskip("skyrl")
if sys.version_info < (3, 12):  # SkyRL is made for 3.12; on 3.11 its typed dictionaries need this one
    import typing

    import typing_extensions

    typing.TypedDict = typing_extensions.TypedDict  # type: ignore[misc]

from skyrl.train.generators.base import GeneratorInterface, GeneratorOutput, TrajectoryID
from support.other_trainers import run
from support.token_engine import SAMPLING, native, sampled, tokenizer

from optima_agents.backends.chat.templates import ChatTokenizer
from optima_envs import scenario
from optima_train.bridges.skyrl_generator import DialogueGenerator
from optima_train.bridges.token_rows import seat_rows


class Client:
    """What SkyRL's inference client is asked, answered by an engine without a model."""

    def __init__(self) -> None:
        self.tokens, self.asked = tokenizer(), []
        self.end = ChatTokenizer(self.tokens).end_of_turn or 0

    async def generate(self, input_batch: dict[str, Any], model: str | None = None) -> dict[str, Any]:
        (prompt,) = input_batch["prompt_token_ids"]
        self.asked.append(input_batch["sampling_params"])
        ids, logprobs = sampled(self.tokens, self.end, prompt, input_batch["sampling_params"]["max_tokens"])
        text = self.tokens.decode(ids, skip_special_tokens=True)
        return {"responses": [text], "response_ids": [ids], "stop_reasons": ["stop"], "response_logprobs": [logprobs]}


def batch(count: int, samples: int = 1) -> Any:
    ids = [(index, sample) for index in range(count) for sample in range(samples)]
    return {
        "prompts": [[{"role": "user", "content": ""}] for _ in ids],
        "env_classes": ["optima"] * len(ids),
        "env_extras": [{"index": index} for index, _ in ids],
        "sampling_params": {"temperature": 1.0, "logprobs": 0},
        "trajectory_ids": [TrajectoryID(str(index), sample) for index, sample in ids],
        "batch_metadata": None,
    }


def test_a_hundred_dialogues_give_the_rows_of_the_native_ones():
    played, client = scenario("twohop-asym"), Client()
    made = DialogueGenerator(played, client, client.tokens, max_tokens=SAMPLING.max_tokens)
    assert isinstance(made, GeneratorInterface)
    found = asyncio.run(made.generate(batch(50, 2)))
    chat = ChatTokenizer(client.tokens)
    episodes = native(played, 50, 2)
    rows = [(e, row) for e in episodes for row in seat_rows(e, played.rules, chat.encode)]
    assert found["prompt_token_ids"] == [row.prompt for _, row in rows]
    assert found["response_ids"] == [row.response for _, row in rows]
    assert found["loss_masks"] == [row.mask for _, row in rows]
    assert found["rollout_logprobs"] == [row.logprobs for _, row in rows]
    assert found["rewards"] == [episode.score for episode, _ in rows]
    names = [(one.instance_id, one.repetition_id) for one in found["trajectory_ids"] or []]
    assert names[:4] == [("0/Alice", 0), ("0/Bob", 0), ("0/Alice", 1), ("0/Bob", 1)]
    assert found["rollout_metrics"] is not None
    assert found["rollout_metrics"]["optima/score"] == sum(e.score for e in episodes) / 100
    assert len(found["trajectory_generation_times"] or []) == 100
    assert {params["temperature"] for params in client.asked} == {1.0}
    assert set(found) <= set(GeneratorOutput.__annotations__)


def test_a_prompt_without_an_index_is_named():
    played, client = scenario("twohop-asym"), Client()
    asked = {**batch(2), "env_extras": [{"index": 0}]}
    with pytest.raises(ValueError, match="2 trajectories, but env_extras for 1"):
        asyncio.run(DialogueGenerator(played, client, client.tokens).generate(asked))


def test_the_block_of_the_page():
    names = run("skyrl", engine=(client := Client()), tokenizer=client.tokens)
    assert len(asyncio.run(names["generator"].generate(batch(2)))["response_ids"]) == 4
