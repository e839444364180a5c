"""The two games as pure rules: who speaks, what ends a dialogue, whose answer counts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.worlds import turns

from optima_envs.games.asymmetric import AsymmetricQA
from optima_envs.games.debate import SolverCritic
from optima_envs.games.rules import Rules
from optima_envs.records import Instance, Outcome, Turn

INST = Instance("i", "who?", ("x",), {"Alice": "secret of Alice", "Bob": "secret of Bob"})
A, B, C = "Alice", "Bob", "Carol"


def end(rules: Rules, *said: tuple[str, str], tokens: int = 1) -> Outcome | None:
    return rules.outcome(INST, turns(*said, tokens=tokens))


def test_both_are_rules():
    assert isinstance(AsymmetricQA(), Rules)
    assert isinstance(SolverCritic(), Rules)


def test_alternating_and_simultaneous_speakers():
    assert AsymmetricQA().speakers(INST, ()) == (A,)
    assert AsymmetricQA().speakers(INST, turns((A, "hi"))) == (B,)
    assert AsymmetricQA(order="simultaneous").speakers(INST, ()) == (A, B)


def test_exchange_ends_when_two_agents_state_the_same_answer():
    rules = AsymmetricQA()
    assert end(rules, (A, "<A>Paris</A>")) is None
    assert end(rules, (A, "<A>Paris</A>"), (B, "<A>the paris.</A>")) == Outcome("answered", "the paris.")
    assert end(rules, (A, "<A>Paris</A>"), (B, "sure?"), (A, "<A>Paris</A>")) is None, "that is one agent"
    assert end(rules, (A, "<A>Paris</A>"), (B, "<A>Rome</A>"), (A, "<A>Rome</A>")) == Outcome("answered", "Rome")


def test_only_the_latest_statement_of_an_agent_counts():
    rules = AsymmetricQA()
    assert end(rules, (A, "<A>x</A>"), (B, "?"), (A, "<A>y</A>"), (B, "<A>x</A>")) is None


def test_two_of_three_agents_are_enough():
    rules = AsymmetricQA(agents=(A, B, C))
    assert end(rules, (A, "<A>x</A>"), (B, "<A>y</A>"), (C, "<A>x</A>")) == Outcome("answered", "x")
    assert end(rules, (A, "<A>x</A>"), (B, "<A>y</A>"), (C, "<A>z</A>")) is None


def test_a_simultaneous_round_is_judged_when_it_is_complete():
    rules = AsymmetricQA(order="simultaneous", max_turns=4)
    assert end(rules, (A, "<A>x</A>")) is None
    assert end(rules, (A, "<A>x</A>"), (B, "<A>x</A>")) == Outcome("answered", "x")
    assert end(rules, *[(A, "a"), (B, "b")] * 2) == Outcome("max_turns", None)


def test_limits_keep_the_last_stated_answer():
    assert end(AsymmetricQA(max_turns=2), (A, "<A>x</A>"), (B, "hm")) == Outcome("max_turns", "x")
    assert end(AsymmetricQA(token_budget=8), (A, "<A>x</A>"), (B, "hm"), tokens=4) == Outcome("token_budget", "x")


def test_debate_ends_when_the_solver_repeats_itself_after_the_critic():
    rules = SolverCritic()
    assert end(rules, (A, "<A>5</A>"), (B, "check")) is None
    assert end(rules, (A, "<A>5</A>"), (B, "check"), (A, "<A>5</A>")) == Outcome("answered", "5")
    assert end(rules, (A, "<A>5</A>"), (B, "check"), (A, "<A>6</A>")) is None
    assert end(rules, (A, "<A>5</A>"), (B, "no"), (A, "hm"), (B, "go"), (A, "<A>5</A>")) == Outcome("answered", "5")


def test_a_critics_answer_never_counts():
    rules = SolverCritic(max_turns=2)
    assert end(rules, (A, "I think"), (B, "<A>5</A>")) == Outcome("max_turns", None)
    assert end(SolverCritic(), (A, "<A>5</A>"), (B, "<A>5</A>")) is None


def test_debate_with_simultaneous_rounds():
    rules = SolverCritic(order="simultaneous")
    assert end(rules, (A, "<A>5</A>"), (B, "ok")) is None
    assert end(rules, (A, "<A>5</A>"), (B, "ok"), (A, "<A>5</A>"), (B, "ok")) == Outcome("answered", "5")


def test_boxed_answers():
    rules = SolverCritic(answer_format="boxed")
    said = ((A, "so \\boxed{5}"), (B, "fine"), (A, "\\boxed{5}"))
    assert end(rules, *said) == Outcome("answered", "5")


def test_a_view_holds_ones_own_context_and_what_was_said():
    rules = AsymmetricQA(max_turns=4, token_budget=10)
    spoken = (Turn(A, "hello", 3, ids=(1, 2), prompt_ids=(9,)),)
    view = rules.view(INST, spoken, B)
    assert (view.role, view.family, view.partners, view.private) == ("holder", "exchange", (A,), "secret of Bob")
    assert (view.turn, view.turns_left, view.tokens_left) == (1, 3, 7)
    assert [(said.agent, said.text) for said in view.dialogue] == [(A, "hello")]
    assert "secret of Alice" not in repr(view)


def test_roles_of_a_debate():
    rules = SolverCritic(agents=(A, B, C))
    assert [rules.view(INST, (), agent).role for agent in rules.agents] == ["solver", "critic", "critic"]


@given(st.lists(st.tuples(st.sampled_from([A, B]), st.text(max_size=4)), max_size=6), st.integers(0, 6))
def test_views_do_not_depend_on_what_was_asked_before(said, cut):
    spoken = turns(*said)
    used = AsymmetricQA()
    used.view(INST, spoken[:cut], A)
    used.view(INST, turns(*reversed(said)), B)
    assert used.view(INST, spoken, A) == AsymmetricQA().view(INST, spoken, A)


@pytest.mark.parametrize(
    ("kwargs", "named"),
    [
        ({"agents": ("Alice",)}, "agents"),
        ({"agents": ("Alice", "Alice")}, "agents"),
        ({"max_turns": 0}, "max_turns"),
        ({"token_budget": 0}, "token_budget"),
        ({"order": "random"}, "order"),
        ({"answer_format": "json"}, "answer_format"),
    ],
)
def test_bad_arguments_are_named(kwargs, named):
    with pytest.raises(ValueError, match=named):
        AsymmetricQA(**kwargs)
