"""Scripted experts: what they say is right in every style, for any number of agents, out of their own facts."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

import optima_envs
from optima_agents import Job, rollout
from optima_agents.formats import ACTING, TALK
from optima_agents.making import make_policy
from optima_agents.scripted import experts
from optima_agents.scripted.experts import STYLES, Style, Teller, expert, hint_of, window
from optima_envs import Episode, Scenario
from optima_envs.registry import Registry

ROW = {
    "_id": "q1",
    "question": "Where was the founder of the Skerry Line born?",
    "answer": "Leith",
    "supporting_facts": [["Skerry Line", 0], ["Ann Tait", 1]],
    "context": [
        ["Skerry Line", ["The Skerry Line (est. 1901) was founded by Ann Tait with two ships.", "It went under."]],
        ["Ann Tait", ["Ann Tait was an engineer.", "She was born at Leith in 1871 as the third of nine children."]],
        ["Auk", ["The Auk is a ferry."]],
    ],
}


def played(scenario: Scenario, style: str, count: int) -> list[Episode]:
    return list(rollout(scenario, expert(scenario, style), episodes=count))


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("agents", [2, 3])
def test_an_exchange_ends_with_the_gold_answer_in_few_turns(style: str, agents: int) -> None:
    for episode in played(optima_envs.scenario("twohop-asym", agents=agents), style, 20):
        assert (episode.score, episode.outcome.stop) == (1.0, "answered"), episode.turns
        assert len(episode.turns) == agents + 1


def test_terser_styles_cost_less_and_keep_the_answer() -> None:
    scenario = optima_envs.scenario("hotpotqa-asym", data=[ROW], paragraphs="supporting")
    tokens: dict[str, int] = {}
    for style in STYLES:
        (episode,) = played(scenario, style, 1)
        assert episode.score == 1.0
        tokens[style] = episode.tokens
    assert tokens["telegram"] < tokens["notes"] < tokens["plain"]


def test_what_is_told_comes_from_the_speakers_own_facts() -> None:
    scenario = optima_envs.scenario("hotpotqa-asym", data=[ROW], paragraphs="supporting")
    (episode,) = played(scenario, "plain", 1)
    first, second, last = episode.turns
    held = episode.instance.private
    assert first.text == held[first.agent]
    assert second.text == f"{held[second.agent]} So the answer is <A> Leith </A>"
    assert last.text == "<A> Leith </A>"


def test_an_agent_without_a_word_on_it_says_so() -> None:
    view = optima_envs.scenario("twohop-asym").rules
    inst = optima_envs.Instance("i", "Who?", ("Ann",), {"Alice": "Birds sing.", "Bob": "Ann did it."}, {})
    seen = view.view(inst, (), "Alice")
    said = asyncio.run(Teller("Ann", Style()).act(seen, seed=0))
    assert said.text == "I hold nothing on this."


@pytest.mark.parametrize(
    ("words", "limit", "kept"),
    [
        ("a b Leith c question d", 2, ["b", "Leith"]),
        ("question question Leith", 2, ["question", "Leith"]),
        ("x y z question", 1, ["question"]),
        ("short", 5, ["short"]),
    ],
)
def test_the_answer_counts_before_the_question(words: str, limit: int, kept: Sequence[str]) -> None:
    split = words.split()
    start = window(split, {"question"}, {"leith"}, limit)
    assert split[start : start + limit] == kept


def test_in_the_style_react_every_action_has_its_thought() -> None:
    for episode in played(optima_envs.scenario("twohop-search"), "react", 3):
        said = [turn.text.splitlines() for turn in episode.turns if turn.agent == "Alice"]
        assert episode.score == 1.0 and not episode.info.get("faults")
        assert all(lines[0].startswith("Thought: ") and len(lines) == 2 for lines in said)
        assert [lines[1].partition(": ")[0] for lines in said] == [*["Action"] * (len(said) - 1), "Final Answer"]
    assert hint_of("react") == ACTING["react"]


def test_worlds_with_tools_are_played_by_their_own_solution() -> None:
    for episode in played(optima_envs.scenario("arith-plan"), "plain", 3):
        assert episode.score == 1.0


@pytest.mark.parametrize(
    ("env", "style", "told"),
    [
        ("twohop-asym", "sonnet", "no style 'sonnet'; choose from plain, notes, telegram"),
        ("arith-plan", "notes", "in the style plain only"),
        ("twohop-search", "notes", "in the styles plain and react"),
        ("arith-debate", "plain", "no scripted expert for games of the family 'debate'"),
    ],
)
def test_what_cannot_be_played_is_refused(env: str, style: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        expert(optima_envs.scenario(env), style)


def test_every_style_but_the_plain_one_is_asked_for_by_the_hint_of_its_name() -> None:
    assert hint_of("plain") == ""
    assert {style: hint_of(style) for style in STYLES if style != "plain"} == {
        style: TALK[style] for style in STYLES if style != "plain"
    }


def test_others_publish_experts(monkeypatch: pytest.MonkeyPatch) -> None:
    mine: Registry[Any] = Registry("expert", "optima.experts")
    mine.register("debate", lambda scenario, style: lambda job: make_policy("scripted:no"))
    monkeypatch.setattr(experts, "EXPERTS", mine)
    assert expert(optima_envs.scenario("arith-debate"))(Job(0)) is not None
