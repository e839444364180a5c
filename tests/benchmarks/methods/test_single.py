"""Methods of one agent and of the plain dialogue, step by step: who is called, with what, and when it stops."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.recording import Recorder, debate, exchange, play

from benchmarks.methods.baseline import BASELINES, Session
from benchmarks.methods.dialogue import COMPACT
from benchmarks.methods.reflexion import LESSONS, REFLECT
from benchmarks.methods.self_refine import CRITICISE, satisfied
from optima_agents import Sampling
from optima_agents.formats import ACTING
from optima_envs import EpisodeKey, Scenario, scenario

BOTH = "Facts:\nSECRET-Alice\nSECRET-Bob\nQuestion: Which colour?"
HALF = "Facts:\nSECRET-Alice\nQuestion: Which colour?"


@pytest.mark.parametrize(("name", "sees", "block"), [("cot", BOTH, "oracle"), ("cot-half", HALF, "fair")])
def test_chain_of_thought_is_one_call_with_the_whole_context_or_one_half(name: str, sees: str, block: str):
    done = play(name, exchange(), ["Bob knows, so <A> teal </A>"])
    assert done.agents == ["Alice"]
    assert done.last == [sees]
    assert "Think step by step and state the answer as <A> answer </A>" in done.requests[0].messages[0]["content"]
    assert (done.episode.correct, done.episode.info["block"], done.episode.info["unparsed"]) == (True, block, 0)


def test_chain_of_thought_in_a_debate_sees_no_more_than_the_agents_do_and_boxes_its_answer():
    done = play("cot", debate(), ["\\boxed{7}"])
    assert (done.last, done.episode.info["block"], done.episode.correct) == (["Question: How many?"], "fair", True)
    assert "\\boxed{answer}" in done.requests[0].messages[0]["content"]


def test_an_answer_that_cannot_be_read_is_wrong_and_counted():
    """Du et al.'s scorer counts it as right."""
    done = play("cot", debate(), ["7"])
    assert (done.episode.score, done.episode.outcome.answer, done.episode.info["unparsed"]) == (0.0, None, 1)


def test_methods_that_need_two_halves_are_not_for_debates_and_the_other_way_round():
    assert {name for name in BASELINES if BASELINES[name].families == ("exchange",)} >= {"cot-half", "context-dump"}
    assert BASELINES["solver-critic"].families == ("debate",)


def test_the_dialogue_alternates_under_the_rules_and_ends_when_two_state_the_same():
    lines = ["Mine ends in al.", "I say <A> teal </A>", "Hm <A> Teal. </A>", "too late"]
    done = play("dialogue", exchange(), lines)
    assert done.agents == ["Alice", "Bob", "Alice"]
    assert done.last == [
        HALF,
        "Facts:\nSECRET-Bob\nQuestion: Which colour?\nAlice: Mine ends in al.",
        "Bob: I say <A> teal </A>",
    ]
    assert (done.episode.outcome.stop, done.episode.correct, done.episode.tokens) == ("answered", True, 13)


def test_a_dialogue_without_agreement_runs_into_its_limit_and_the_answer_stated_last_counts():
    done = play("dialogue", exchange(max_turns=4), ["<A> red </A>", "<A> blue </A>", "<A> teal </A>", "well"])
    assert (done.episode.outcome.stop, done.episode.outcome.answer, len(done.agents)) == ("max_turns", "teal", 4)
    none = play("dialogue", exchange(max_turns=4), ["well"])
    assert (none.episode.outcome.answer, none.episode.info["unparsed"]) == (None, 1)


def test_react_demonstrates_thoughts_and_actions_where_there_are_tools():
    world = scenario("twohop-search")
    done = play("react", world, ["Thought: I search.\nAction: search[x]", "Final Answer: y"])
    assert ACTING["react"] in done.requests[0].messages[0]["content"]
    assert (BASELINES["react"].families, len(done.requests)) == (("tool",), 2)


@pytest.mark.parametrize(("name", "world"), [("cot", debate()), ("solver-critic", debate()), ("reflexion", debate())])
def test_the_sentence_a_model_was_taught_stands_in_every_prompt_but_a_checkers(name: str, world: Scenario):
    recorder, inst = Recorder(["\\boxed{7}", "Fine."]), world.task[0]
    session = Session(BASELINES[name], world, inst, EpisodeKey(inst.id), recorder, Sampling(0.0), told="Be right.")
    asyncio.run(session.run())
    systems = [request.messages[0]["content"] for request in recorder.requests]
    checks = ["You are Bob" in system for system in systems]
    assert [system.endswith(" Be right.") for system in systems] == [not check for check in checks]
    assert any(checks) == (name == "solver-critic")


def test_solver_and_critic_solve_advise_revise_and_stop_when_the_answer_stands():
    lines = ["\\boxed{6}", "You forgot one; it is \\boxed{8}.", "\\boxed{7}", "Fine.", "\\boxed{7}", "no"]
    done = play("solver-critic", debate(), lines)
    assert done.agents == ["Alice", "Bob", "Alice", "Bob", "Alice"]
    systems = [request.messages[0]["content"] for request in done.requests]
    assert "checks your work" in systems[0] and "\\boxed{answer}" in systems[0]
    assert "do not state the answer yourself" in systems[1] and "boxed" not in systems[1]
    assert (done.episode.outcome.answer, done.episode.correct) == ("7", True), "the critic's 8 does not count"
    capped = play("solver-critic", debate(max_turns=6), ["\\boxed{6}", "no", "\\boxed{7}", "no", "\\boxed{8}", "no"])
    assert (len(capped.agents), capped.episode.outcome.answer) == (6, "8")


@pytest.mark.parametrize("scene", [exchange(), debate()], ids=["exchange", "debate"])
def test_autoform_is_the_dialogue_with_one_more_instruction_to_every_agent(scene):
    lines = ["\\boxed{7} <A> teal </A>"]
    plain, done = play("dialogue", scene, lines), play("autoform", scene, lines)
    assert done.agents == plain.agents
    for with_hint, without in zip(done.requests, plain.requests, strict=True):
        assert with_hint.messages[0]["content"] == f"{without.messages[0]['content']} {COMPACT}"
        assert with_hint.messages[1:] == without.messages[1:]


def test_the_context_dump_sends_every_other_half_word_for_word_and_asks_the_last_agent_once():
    done = play("context-dump", exchange(("Alice", "Bob", "Carol")), ["<A> teal </A>"])
    assert done.agents == ["Carol"]
    assert [(turn.agent, turn.text) for turn in done.episode.turns] == [
        ("Alice", "SECRET-Alice"),
        ("Bob", "SECRET-Bob"),
        ("Carol", "<A> teal </A>"),
    ]
    assert done.last == [
        "Facts:\nSECRET-Carol\nQuestion: Which colour?\nAlice: SECRET-Alice\nBob: SECRET-Bob",
    ]
    assert (done.episode.tokens, done.episode.info["calls"], done.episode.info["block"]) == (1 + 1 + 3, 1, "fair")


def test_self_refine_answers_criticises_and_revises_until_nothing_is_wrong():
    lines = ["\\boxed{6}", "Step 2 is wrong.", "\\boxed{7}", "All steps hold.\nNo issue.", "never"]
    done = play("self-refine", debate(), lines)
    assert done.agents == ["Alice"] * 4
    assert done.last[1] == done.last[3] == CRITICISE
    assert "state the answer as \\boxed{answer}" in done.last[2]
    assert [message["role"] for message in done.requests[3].messages] == ["system", *["user", "assistant"] * 3, "user"]
    assert [message["content"] for message in done.requests[3].messages if message["role"] == "assistant"] == lines[:3]
    assert (done.episode.outcome.answer, done.episode.correct) == ("7", True)


def test_self_refine_stops_after_its_rounds_and_keeps_the_answer_stated_last():
    done = play("self-refine", debate(), ["\\boxed{7}", "wrong", "I cannot say", "wrong", "no", "wrong", "nor now"])
    assert len(done.agents) == 1 + 2 * 3
    assert (done.episode.outcome.answer, done.episode.info["unparsed"]) == ("7", 3)
    assert len(play("self-refine", debate(), ["\\boxed{7}", "wrong"], rounds=1).agents) == 3
    assert len(play("self-refine", debate(), ["\\boxed{7}", "No issue."]).agents) == 2


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("no issue", True),
        ("**No issue.**", True),
        ("No issues found!", True),
        ("No issue. Each step follows.", True),
        ("I checked both sums.\n\nno issue\n", True),
        ("<think>No issue.</think> The second step is wrong.", False),
        ("No issue with step 1, but step 2 is wrong.", False),
        ("There is no issue in the first line\nThe second is wrong", False),
        ("An issue.", False),
        ("", False),
    ],
)
def test_only_a_clear_no_issue_ends_the_refinement(text: str, found: bool):
    assert satisfied(text) is found


@given(st.text(max_size=300))
def test_any_feedback_is_read(text: str):
    assert satisfied(text) in (True, False)


def test_reflexion_tries_again_after_a_failure_with_its_own_words_and_never_sees_the_gold():
    lines = ["<A> red </A>", "I guessed.", "who knows", "I gave no answer.", "<A> teal </A>", "never"]
    done = play("reflexion", exchange(), lines)
    assert done.agents == ["Alice"] * 5
    assert done.last == [
        BOTH,
        REFLECT,
        f"{BOTH}\n{LESSONS}\n- I guessed.",
        REFLECT,
        f"{BOTH}\n{LESSONS}\n- I guessed.\n- I gave no answer.",
    ]
    assert [len(request.messages) for request in done.requests] == [2, 4, 2, 4, 2]
    assert not any("teal" in message["content"] for request in done.requests for message in request.messages)
    assert (done.episode.correct, done.episode.info["block"], done.episode.info["trials"]) == (True, "feedback", 3)


def test_reflexion_stops_at_success_and_after_its_trials_without_a_last_reflection():
    assert play("reflexion", exchange(), ["<A> teal </A>"]).agents == ["Alice"]
    failed = play("reflexion", exchange(), ["<A> red </A>", "hm"] * 3, trials=2)
    assert (len(failed.agents), failed.episode.score, failed.episode.outcome.answer) == (3, 0.0, "red")


@pytest.mark.parametrize("name", ["self-consistency", "self-refine", "reflexion"])
def test_the_context_option_decides_what_a_single_agent_sees(name: str):
    done = play(name, exchange(), ["<A> teal </A>"], context="half")
    assert done.requests[0].messages[1]["content"] == HALF
    assert not any("SECRET-Bob" in message["content"] for request in done.requests for message in request.messages)
    assert done.episode.info["block"] == ("feedback" if name == "reflexion" else "fair")
    with pytest.raises(ValueError, match="context must be one of full, half"):
        play(name, exchange(), ["x"], context="none")
