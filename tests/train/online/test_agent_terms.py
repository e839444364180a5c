"""Rewards of an agent's own, by hand; what is no number fails the dialogue, not the run."""

from __future__ import annotations

import math

import pytest

from optima_envs.records import Episode, EpisodeKey, ErrorInfo, Instance, Outcome, Turn
from optima_envs.registry import UnknownName
from optima_train.online.credit.agent_terms import AGENT_TERMS, AgentReward, agent_term


def dialogue(*said: tuple[str, str, int], answer: str | None = None, score: float = 0.0) -> Episode:
    turns = tuple(Turn(agent, text, tokens) for agent, text, tokens in said)
    inst = Instance("q", "?", ("Zed",))
    return Episode(EpisodeKey("q"), "env", inst, turns, Outcome("answered", answer), score, score == 1.0)


def test_tokens_own_is_over_the_agents_own_longest_sibling():
    group = [
        dialogue(("Alice", "a", 3), ("Bob", "b", 10), ("Alice", "c", 1)),
        dialogue(("Alice", "a", 8), ("Bob", "b", 5)),
    ]
    assert AGENT_TERMS["tokens-own"](group) == [{"Alice": -0.5, "Bob": -1.0}, {"Alice": -1.0, "Bob": -0.5}]
    assert AGENT_TERMS["tokens-own"]([dialogue(("Alice", "", 0))]) == [{"Alice": 0.0}], "nothing said costs nothing"


def test_format_own_blames_the_agent_that_did_it():
    posing = dialogue(("Alice", "Bob: <A> Zed </A>", 4), ("Bob", "yes", 1), ("Alice", "fine", 1), ("Bob", " ", 0))
    assert AGENT_TERMS["format-own"]([posing]) == [{"Alice": -0.5, "Bob": -0.5}]
    clean = dialogue(("Alice", "hi", 1), ("Bob", "hi", 1))
    assert AGENT_TERMS["format-own"]([clean]) == [{"Alice": 0.0, "Bob": 0.0}]


@pytest.mark.parametrize("text", ["<A> Zed </A>", "so \\boxed{zed}.", "<A> no </A> I mean <A>ZED</A>"])
def test_answered_first_pays_who_said_it_first(text: str):
    said = dialogue(
        ("Alice", "is it zed?", 3), ("Bob", text, 5), ("Alice", "<A> Zed </A>", 5), answer="Zed", score=0.75
    )
    assert AGENT_TERMS["answered-first"]([said]) == [{"Alice": 0.0, "Bob": 0.75}]


def test_answered_first_pays_nobody_where_there_is_no_answer():
    assert AGENT_TERMS["answered-first"]([dialogue(("Alice", "<A> Zed </A>", 5))]) == [{"Alice": 0.0}]
    other = dialogue(("Alice", "<A> Zed </A>", 5), answer="Yan", score=1.0)
    assert AGENT_TERMS["answered-first"]([other]) == [{"Alice": 0.0}]


def test_weights_add_up_and_a_weight_of_zero_computes_nothing():
    group = [dialogue(("Alice", "<A> Zed </A>", 2), ("Bob", "ok", 4), answer="Zed", score=1.0)]
    reward = AgentReward({"tokens-own": 0.5, "answered-first": 2.0, "format-own": 0.0})
    assert reward(group) == [{"Alice": 1.5, "Bob": -0.5}]
    assert AgentReward({})(group) == [{"Alice": 0.0, "Bob": 0.0}]
    with pytest.raises(UnknownName, match="did you mean tokens-own"):
        AgentReward({"token-own": 1.0})


def test_a_term_that_is_no_number_fails_its_dialogue_alone():
    agent_term("half-broken")(lambda group: [{"Alice": 1.0, "Bob": math.nan if e.score else 2.0} for e in group])
    try:
        group = [dialogue(("Alice", "a", 1), ("Bob", "b", 1), score=s) for s in (0.0, 1.0)]
        fine, broken = AgentReward({"half-broken": 1.0})(group)
        assert fine == {"Alice": 1.0, "Bob": 2.0}
        assert broken == ErrorInfo("reward", "agent term half-broken is not finite for Bob")
    finally:
        AGENT_TERMS._items.pop("half-broken")


@pytest.mark.parametrize("rows", [[{"Alice": 1.0}], [{}, {}], [{"Alice": math.inf}, {"Alice": 1.0}]])
def test_a_term_that_forgets_somebody_is_told_so(rows: list[dict]):
    agent_term("forgetful")(lambda group: rows)
    try:
        group = [dialogue(("Alice", "a", 1)), dialogue(("Alice", "b", 1))]
        if len(rows) != len(group):
            with pytest.raises(ValueError, match="'forgetful' gave 1 rows for 2 dialogues"):
                AgentReward({"forgetful": 1.0})(group)
        else:
            assert isinstance(AgentReward({"forgetful": 1.0})(group)[0], ErrorInfo)
    finally:
        AGENT_TERMS._items.pop("forgetful")
