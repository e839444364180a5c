"""Self-consistency over single agents and over dialogues: samples, budgets, groups of like answers, ties."""

from __future__ import annotations

import pytest
from support.recording import Recorder, debate, exchange, play

OPTIONS = {"options": ["Paris", "Rome", "B", "Oslo"]}


def stated(*answers: str) -> list[str]:
    return [f"<A> {answer} </A>" for answer in answers]


def boxed(*answers: str) -> list[str]:
    return [f"\\boxed{{{answer}}}" for answer in answers]


def test_n_chains_of_thought_are_sampled_with_seeds_of_their_own_and_the_majority_wins():
    done = play("self-consistency", exchange(), stated("red", "teal", "Teal.", "blue", "red", "teal", "x", "y"))
    assert done.agents == ["Alice"] * 8
    assert len({request.seed for request in done.requests}) == 8
    assert {request.sampling.temperature for request in done.requests} == {0.7}
    assert all(request.messages == done.requests[0].messages for request in done.requests)
    assert (done.episode.outcome.answer, done.episode.correct) == ("teal", True)
    assert (done.episode.info["samples"], done.episode.info["votes"]) == (8, 3)


def test_ties_go_to_the_answer_given_first():
    done = play("self-consistency", exchange(), stated("red", "teal", "teal", "red"), n=4)
    assert done.episode.outcome.answer == "red"


def test_replies_without_an_answer_have_no_vote_and_are_counted():
    done = play("self-consistency", exchange(), ["hm", "hm", "hm", *stated("teal")], n=4)
    assert (done.episode.outcome.answer, done.episode.info["votes"], done.episode.info["unparsed"]) == ("teal", 1, 3)
    none = play("self-consistency", exchange(), ["hm"], n=4)
    assert (none.episode.outcome.answer, none.episode.score, none.episode.info["unparsed"]) == (None, 0.0, 4)


def test_free_text_answers_are_one_group_when_their_f1_is_above_nine_tenths():
    long = "red house near old mill by river in Kent"
    above, below = f"{long} town", "red house near old mill by river"  # F1 with it 18/19 and 14/16
    done = play("self-consistency", exchange(), stated(below, long, above), n=3)
    assert (done.episode.outcome.answer, done.episode.info["votes"]) == (long, 2)


@pytest.mark.parametrize(
    ("scene", "answers", "winner", "votes"),
    [
        (debate(), ["8", "1,000", "1000", "$1000.00"], "1,000", 3),
        (debate("math", "1/2"), ["3", "\\frac{1}{2}", "0.5", "\\frac12"], "\\frac{1}{2}", 3),
        (debate("choice", "B", OPTIONS), ["A", "B", "Rome", "(b)", "A) Paris"], "B", 3),
        (debate("choice", "B", OPTIONS), ["C", "B", "C) B"], "C", 2),
    ],
    ids=["numbers", "mathematics", "options", "an option that is a letter"],
)
def test_answers_are_told_apart_by_the_environments_metric(scene, answers: list[str], winner: str, votes: int):
    done = play("self-consistency", scene, boxed(*answers), n=len(answers))
    assert (done.episode.outcome.answer, done.episode.info["votes"]) == (winner, votes)


@pytest.mark.parametrize(("budget", "samples"), [(1, 1), (30, 3), (31, 4), (0, 1)])
def test_a_token_budget_takes_the_place_of_n(budget: int, samples: int):
    done = play("self-consistency", exchange(), Recorder(stated("teal"), tokens=10), budget=budget, n=2)
    assert (len(done.agents), done.episode.tokens, done.episode.info["samples"]) == (samples, samples * 10, samples)


def test_a_budget_ends_with_replies_that_cost_nothing():
    done = play("self-consistency", exchange(), Recorder([""], tokens=0), budget=5)
    assert len(done.agents) == 5


def test_budgeted_samples_are_the_first_of_the_free_ones():
    def reply(request) -> str:
        return f"{request.seed}"

    free = play("self-consistency", exchange(), reply, n=6)
    matched = play("self-consistency", exchange(), reply, budget=3)
    assert [turn.text for turn in matched.episode.turns] == [turn.text for turn in free.episode.turns][:3]


def test_dialogues_vote_with_their_final_answers_and_follow_one_another_in_the_record():
    def reply(request) -> str:  # each dialogue by its own seeds: the first agent decides, the other agrees
        dialogue = request.messages[-1]["content"]
        said = dialogue.rpartition("<A>")[2].partition("</A>")[0].strip() if "<A>" in dialogue else None
        return f"<A> {said or ('teal' if request.seed % 3 else 'red')} </A>"

    scene = exchange()
    single = [play("dialogue", scene, reply, sample=sample).episode for sample in range(8)]
    done = play("dialogue-sc", scene, reply)
    assert [turn.agent for turn in done.episode.turns] == ["Alice", "Bob"] * 8
    assert {request.sampling.temperature for request in done.requests} == {0.7}
    assert [turn.text for turn in done.episode.turns] == [turn.text for one in single for turn in one.turns]
    answers = [one.outcome.answer for one in single]
    assert set(answers) == {"red", "teal"}
    assert done.episode.outcome.answer == max(("red", "teal"), key=answers.count)
    assert done.episode.info["samples"] == 8


def test_dialogues_count_their_tokens_against_the_budget():
    done = play("dialogue-sc", exchange(), Recorder(stated("teal"), tokens=10), budget=50)
    assert (done.episode.info["samples"], done.episode.tokens) == (3, 60)


def test_a_dialogue_without_an_answer_has_no_vote():
    done = play("dialogue-sc", exchange(max_turns=2), ["hm"], n=2)
    assert (done.episode.outcome.answer, done.episode.info["unparsed"], len(done.agents)) == (None, 2, 4)
