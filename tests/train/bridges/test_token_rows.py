"""Engines that somebody else keeps: the rows are those of our own training, ids, masks and log-probabilities."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from support.token_engine import native, sampled, tokenizer

from optima_agents import LLMPolicy, Request, Sampling, make_backend, rollout
from optima_agents.backends import BackendError, ContextOverflow
from optima_envs import Episode, Scenario, scenario
from optima_envs.checks.canary import GOLD, META, Planted, secret
from optima_train.bridges.token_rows import CallersTokens, seat_rows
from optima_train.stages.rows import rows_of


def refuse(view):
    raise AssertionError("every turn has the prompt it was sampled on")


def check_rows(episode: Episode, rules, encode) -> None:
    wanted = rows_of(episode, rules, refuse, None, Counter(), encode)
    found = seat_rows(episode, rules, encode)
    assert [row.agent for row in found] == [row.agent for row in wanted]
    for row, ours in zip(found, wanted, strict=True):
        assert row.prompt + row.response == ours.input_ids
        assert [0] * len(row.prompt) + row.mask == ours.completion_mask
        said = [episode.turns[number] for number in ours.turns]
        assert row.logprobs is not None
        assert [value for value, own in zip(row.logprobs, row.mask, strict=True) if own] == [
            value for turn in said for value in turn.logprobs or ()
        ]


@pytest.mark.parametrize("env", ["twohop-asym", "arith-debate"])
def test_a_hundred_dialogues_have_the_rows_of_our_training(env: str):
    played, encode = scenario(env), make_backend("hf:tiny").encode  # type: ignore[attr-defined]
    episodes = native(played)
    for episode in episodes:
        check_rows(episode, played.rules, encode)
    assert {turn.finish for episode in episodes for turn in episode.turns} == {"stop", "length"}


def test_the_real_engine_behind_it_gives_its_own_dialogues():
    played, engine = scenario("twohop-asym"), make_backend("hf:tiny")

    async def generate(prompt: list[int], request: Request):
        done = await engine.complete(Request(prompt_ids=tuple(prompt), sampling=request.sampling, seed=request.seed))
        return list(done.ids or ()), list(done.logprobs or ())

    sampling = Sampling(0.7, max_tokens=40)
    ours = rollout(played, LLMPolicy(engine, sampling), episodes=6, seed=1)
    theirs = rollout(played, LLMPolicy(CallersTokens(tokenizer(), generate), sampling), episodes=6, seed=1)
    for one, other in zip(ours, theirs, strict=True):
        assert [(t.text, t.prompt_ids, t.ids, t.finish) for t in one.turns] == [
            (t.text, t.prompt_ids, t.ids, t.finish) for t in other.turns
        ]
        check_rows(other, played.rules, engine.encode)  # type: ignore[attr-defined]
    asyncio.run(engine.aclose())


def test_a_world_replies_are_read_and_never_trained_on():
    played, tokens = scenario("twohop-search"), tokenizer()

    async def generate(prompt: list[int], request: Request):
        text = "search[mentor]" if len(prompt) < 400 else "search[x]\nObservation: none"
        return [*tokens(text)["input_ids"], backend.chat.end_of_turn], None

    backend = CallersTokens(tokens, generate)
    (episode,) = rollout(played, LLMPolicy(backend), episodes=1)
    rows = seat_rows(episode, played.rules, backend.encode)
    text = tokens.decode([i for row in rows for i, own in zip(row.response, row.mask, strict=True) if own])
    assert "search[mentor]" in text
    assert "Observation" not in text
    assert all(row.logprobs is None for row in rows)


@pytest.mark.parametrize("said", ["nothing", secret("Alice")])
def test_the_canary_what_is_private_is_in_no_other_agents_row(said: str):
    made, tokens = scenario("twohop-asym"), tokenizer()
    played = Scenario(made.id, made.rules, Planted(made.task, made.rules.agents), made.metric)

    async def generate(prompt: list[int], request: Request):
        mine = "You are Alice." in tokens.decode(prompt)[:60]
        return [*tokens(said if mine else "hm")["input_ids"], backend.chat.end_of_turn], None

    backend = CallersTokens(tokens, generate)
    for episode in rollout(played, LLMPolicy(backend), episodes=20):
        rows = seat_rows(episode, played.rules, backend.encode)
        text = {row.agent: tokens.decode(row.prompt + row.response) for row in rows}
        assert secret("Alice") in text["Alice"] and secret("Bob") in text["Bob"]
        assert secret("Bob") not in text["Alice"]
        assert (secret("Alice") in text["Bob"]) == (said != "nothing")
        assert GOLD not in "".join(text.values()) and META not in "".join(text.values())


def test_what_the_engine_must_not_give_is_named():
    tokens = tokenizer()

    async def crooked(prompt: list[int], request: Request):
        return [5, 6], [-1.0]

    asked = Request(({"role": "user", "content": "hi"},))
    with pytest.raises(BackendError, match="2 tokens and 1 log-prob"):
        asyncio.run(CallersTokens(tokens, crooked).complete(asked))
    with pytest.raises(ContextOverflow):
        asyncio.run(CallersTokens(tokens, crooked, window=3).complete(asked))
    assert sampled(tokens, 2, [1, 2], 9) == sampled(tokens, 2, [1, 2], 9)
