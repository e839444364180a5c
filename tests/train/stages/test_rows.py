"""Rows: exactly the sampled tokens, loss on own turns only, hints stripped, nothing dropped uncounted."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

import optima_envs
from optima_agents import Job, LLMPolicy, Rollouts, Sampling, make_backend
from optima_agents.formats import TALK
from optima_agents.prompts import messages
from optima_envs.records import Episode
from optima_train.stages.rows import NO_IDS, TOO_LONG, rows_of, turns_with_history


@pytest.fixture(scope="module")
def backend(random_model: Path):
    return make_backend(f"hf:{random_model}", device="cpu")


async def sample(backend, order, hint: str | None) -> tuple[Episode, optima_envs.Scenario]:
    scenario = optima_envs.scenario("twohop-asym", split="train", order=order, max_turns=6)
    policy = LLMPolicy(backend, Sampling(0.7, 1.0, 12), hint=hint)
    job = Job(7, info={"format": "arrows"} if hint else {})
    return await anext(Rollouts(scenario, policy).stream([job])), scenario


@pytest.mark.parametrize("order", ["alternating", "simultaneous"])
@pytest.mark.parametrize("hint", [None, TALK["arrows"]])
def test_rows_hold_what_was_sampled(backend, order, hint: str | None) -> None:
    import asyncio

    episode, scenario = asyncio.run(sample(backend, order, hint))
    assert episode.error is None
    dropped: Counter[str] = Counter()
    rows = rows_of(episode, scenario.rules, lambda view: backend.render(messages(view)), None, dropped)
    assert not dropped
    said = {number: (heard, turn) for number, heard, turn in turns_with_history(scenario.rules, episode)}
    assert sorted(number for row in rows for number in row.turns) == list(range(len(episode.turns)))
    for row in rows:
        assert len(row.input_ids) == len(row.completion_mask)
        trained = [i for i, bit in zip(row.input_ids, row.completion_mask, strict=True) if bit]
        assert trained == [i for number in row.turns for i in said[number][1].ids or ()]
        heard, last = said[row.turns[-1]]
        plain = backend.render(messages(scenario.rules.view(episode.instance, heard, row.agent)))
        assert row.input_ids == plain + list(last.ids or ())  # the prompt has no hint, and the row ends with the turn
        assert all(said[number][1].agent == row.agent for number in row.turns)


def fake_prompt(view) -> list[int]:
    """An append-only rendering: one token per agent name, then whatever was said."""
    return [1] + [token for said in view.dialogue for token in map(int, said.text.split())]


def talk(*texts: str) -> tuple[Episode, optima_envs.Scenario]:
    from optima_envs.records import EpisodeKey, Outcome, Turn

    scenario = optima_envs.scenario("twohop-asym", split="train")
    turns = tuple(
        Turn(scenario.rules.agents[k % 2], text, 1, ids=tuple(map(int, text.split()))) for k, text in enumerate(texts)
    )
    inst = scenario.task[0]
    return Episode(EpisodeKey(inst.id), scenario.id, inst, turns, Outcome("max_turns")), scenario


def test_append_only_prompts_give_one_row_per_agent() -> None:
    episode, scenario = talk("11", "21 22", "12", "23")
    rows = rows_of(episode, scenario.rules, fake_prompt, None, Counter())
    assert [(row.input_ids, row.completion_mask) for row in rows] == [
        ([1, 11, 21, 22, 12], [0, 1, 0, 0, 1]),
        ([1, 11, 21, 22, 12, 23], [0, 0, 1, 1, 0, 1]),
    ]


def test_a_prompt_that_rewrites_the_past_begins_a_new_row() -> None:
    episode, scenario = talk("11", "21", "12", "22")

    def rewriting(view) -> list[int]:
        return [1, len(view.dialogue), *fake_prompt(view)]

    rows = rows_of(episode, scenario.rules, rewriting, None, Counter())
    assert [row.turns for row in rows] == [[0], [1], [2], [3]]
    assert rows[2].input_ids == [1, 2, 1, 11, 21, 12]


def test_turns_that_cannot_be_trained_on_are_counted() -> None:
    episode, scenario = talk("11", "21", "12", "22")
    episode = replace(episode, turns=(replace(episode.turns[0], ids=None), *episode.turns[1:]))
    dropped: Counter[str] = Counter()
    rows = rows_of(episode, scenario.rules, fake_prompt, 4, dropped)
    assert dropped == {NO_IDS: 1, TOO_LONG: 1}
    assert [row.turns for row in rows] == [[1], [2]]
    assert all(len(row.input_ids) <= 4 for row in rows)
