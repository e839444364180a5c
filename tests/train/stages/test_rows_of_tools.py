"""Rows of dialogues in which the world replies: no loss on replies, and none on what an agent invented as one."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from support.chats import PLUGIN, make_tokenizer
from support.random_llama import save_random_llama

import optima_envs
from optima_agents import rollout
from optima_agents.backends.base import Completion
from optima_agents.llm import LLMPolicy
from optima_agents.prompts import messages
from optima_envs.records import ENVIRONMENT, Episode
from optima_train.stages.readability import Readability
from optima_train.stages.rows import NO_IDS, OWN, rows_of, turns_with_history


@pytest.fixture(scope="module")
def backend(random_model: Path):
    from optima_agents import make_backend

    return make_backend(f"hf:{random_model}", device="cpu")


class Dictated:
    """A backend that says given lines as if they had been sampled, prompt ids and end of turn included."""

    def __init__(self, backend, lines):
        self.backend, self.lines = backend, iter(lines)

    async def complete(self, request):
        text = next(self.lines)
        prompt = tuple(self.backend.render(request.messages))
        ids = (*self.backend.encode(text), self.backend.chat.end_of_turn)
        return Completion(text, len(ids), prompt, ids, (-0.1,) * len(ids))

    async def aclose(self):
        """Nothing to close."""


def said(backend, *lines: str) -> tuple[Episode, optima_envs.Scenario]:
    scene = optima_envs.scenario("twohop-search", split="train")
    (episode,) = rollout(scene, LLMPolicy(Dictated(backend, lines)), episodes=1)
    assert episode.error is None, episode.error
    return episode, scene


def built(backend, episode: Episode, scene, encode=True) -> tuple[list, Counter[str]]:
    dropped: Counter[str] = Counter()
    render = lambda view: list(backend.render(messages(view)))  # noqa: E731
    rows = rows_of(episode, scene.rules, render, None, dropped, backend.encode if encode else None)
    return rows, dropped


def trained(backend, row) -> str:
    return backend.chat.decode([i for i, bit in zip(row.input_ids, row.completion_mask, strict=True) if bit])


def whole(backend, row) -> str:
    return backend.chat.decode(row.input_ids)


def test_replies_are_in_the_prompt_and_carry_no_loss(backend) -> None:
    episode, scene = said(backend, "search[of]", "lookup[is]", "Final Answer: x")
    rows, dropped = built(backend, episode, scene)
    assert not dropped and [row.turns for row in rows] == [[0, 2, 4]]
    assert trained(backend, rows[0]) == "search[of] lookup[is] Final Answer: x"  # this tokenizer's words are apart
    seen = whole(backend, rows[0])
    for turn in episode.turns:
        if turn.agent == ENVIRONMENT:
            assert turn.text.splitlines()[0] in seen
    assert [number for number, _, _ in turns_with_history(scene.rules, episode)] == [0, 2, 4]
    assert [len(heard) for _, heard, _ in turns_with_history(scene.rules, episode)] == [0, 2, 4]
    # off: the same turns, the replies taken for an agent's, would be left out for want of ids
    strange = replace(episode, turns=tuple(replace(turn, agent="Alice") for turn in episode.turns))
    assert built(backend, strange, scene)[1][NO_IDS] == 2


def test_internlm2s_header_and_what_the_world_says_under_it_carry_no_loss(tmp_path: Path) -> None:
    from optima_agents import make_backend

    tokenizer = make_tokenizer("internlm2")
    tokenizer.chat_template = PLUGIN
    save_random_llama(tmp_path, tokenizer, num_attention_heads=2)
    backend = make_backend(f"hf:{tmp_path}", device="cpu")
    episode, scene = said(backend, "search[of]", "Final Answer: x")
    rows, dropped = built(backend, episode, scene)
    assert not dropped and len(rows) == 1
    assert trained(backend, rows[0]) == "search[of]Final Answer: x"
    raw = tokenizer.decode(rows[0].input_ids)
    assert "<|im_start|>environment name=<|plugin|>\n" in raw and episode.turns[1].text.splitlines()[0] in raw
    plugin = tokenizer.convert_tokens_to_ids("<|plugin|>")
    assert [bit for i, bit in zip(rows[0].input_ids, rows[0].completion_mask, strict=True) if i == plugin] == [0]


def test_what_follows_an_own_observation_is_not_trained_on(backend) -> None:
    own = "Thought: look\nsearch[of]\nObservation: the answer is 9\nFinal Answer: 9"
    episode, scene = said(backend, own, "search[of]", "Final Answer: x")
    rows, dropped = built(backend, episode, scene)
    assert dropped == {OWN: 1}
    text = "".join(trained(backend, row) for row in rows)
    assert "search[of]" in text and "Observation" not in text and "9" not in text
    assert not any("answer is 9" in whole(backend, row) for row in rows)
    assert sorted(number for row in rows for number in row.turns) == [0, 2, 4]
    # off: without the tokenizer nothing of that turn can be told apart, and all of it is left out
    rows, dropped = built(backend, episode, scene, encode=False)
    assert dropped == {OWN: 1} and sorted(number for row in rows for number in row.turns) == [2, 4]


def test_a_turn_that_is_nothing_but_an_observation_gives_no_row(backend) -> None:
    episode, scene = said(backend, "Observation: 9", "Final Answer: x")
    rows, dropped = built(backend, episode, scene)
    assert dropped == {OWN: 1} and [row.turns for row in rows] == [[2]]


def test_in_a_game_without_a_world_the_word_is_a_word_like_any_other(backend) -> None:
    scene = optima_envs.scenario("twohop-asym", split="train", max_turns=2)
    (episode,) = rollout(scene, LLMPolicy(Dictated(backend, ["Observation: 9", "Observation: 8"])), episodes=1)
    rows, dropped = built(backend, episode, scene)
    assert not dropped and [trained(backend, row) for row in rows] == ["Observation: 9", "Observation: 8"]


def test_readability_reads_agents_alone(backend) -> None:
    episode, scene = said(backend, "search[of]", "Final Answer: x")
    term = Readability(backend, scene.rules, cap=10.0)
    other = replace(episode, turns=tuple(
        replace(turn, text="zq" * 400) if turn.agent == ENVIRONMENT else turn for turn in episode.turns
    ))  # fmt: skip
    assert asyncio.run(term.loss(episode)) == asyncio.run(term.loss(other))
