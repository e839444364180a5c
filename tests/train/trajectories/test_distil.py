"""DebateGPT's steps: a debate of the benchmarks becomes one answer, and the answer forgets the debate."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.foreign import save
from support.recording import play
from support.steps import go, made, reasons

from optima_agents import EpisodeLog
from optima_agents.prompts import messages
from optima_envs import Episode, scenario
from optima_envs.scoring.parsing import extract
from optima_train.trajectories import Dropped, make_steps, read
from optima_train.trajectories.steps.distil import DEBATING
from optima_train.trajectories.transcript import trained

SUMS = scenario("arith-debate", split="train")
GOLD = SUMS.task[0].answers[0]
WRONG = str(int(GOLD) + 1)
FORM = SUMS.rules.view(SUMS.task[0], (), "Alice").answer_format


def stated(answer: str, sure: str = "", why: str = "I add it up.") -> str:
    given = rf"\boxed{{{answer}}}" if FORM == "boxed" else f"<A> {answer} </A>"
    return f"{why} {given}" + (f" Confidence: {sure}" if sure else "")


def debated(*last: str, **options: Any) -> Episode:
    """A debate over the first sum; every agent says one line."""
    return play("debategpt", SUMS, last, agents=len(last), rounds=1, **options).episode


def distilled(item: Episode, **options: object) -> Episode | Dropped:
    (found,) = go([{"distil": options}], [item])
    return found


def test_the_surest_of_the_winners_is_what_one_agent_says() -> None:
    item = debated(stated(GOLD, "60"), stated(WRONG, "99"), stated(GOLD, "80", "Sum by sum."))
    found = distilled(item)
    assert isinstance(found, Episode)
    assert [(turn.agent, turn.text) for turn in found.turns] == [("assistant", stated(GOLD, "80", "Sum by sum."))]
    assert (found.outcome.answer, found.correct, found.info["neutral"]) == (GOLD, True, 0)
    alone = replace(SUMS.rules.view(SUMS.task[0], (), "Alice"), role="solo")
    system, opening = messages(alone)
    assert (found.instance.meta["system"], found.instance.question) == (system["content"], opening["content"])


ANSWERS = st.sampled_from([GOLD, WRONG, f"{GOLD}.0", "12 apples", "", "no idea"])


@given(
    st.lists(st.tuples(ANSWERS, st.sampled_from(["", "1", "50", "100", "101", "-5", "8/10"])), min_size=2, max_size=5)
)
@settings(max_examples=60, deadline=None)
def test_the_target_agrees_with_the_vote_of_the_benchmarks(said: list[tuple[str, str]]) -> None:
    item = debated(*(stated(*row) if row[0] else "I do not know." for row in said))
    found = distilled(item)
    if item.outcome.answer is None:
        assert isinstance(found, Dropped) and found.reason == "no vote winner: nobody states an answer"
        return
    assert isinstance(found, Episode)
    metric = SUMS.metric
    answer = found.outcome.answer or ""
    assert answer == item.outcome.answer or metric.score(answer, [item.outcome.answer]) == 1
    assert found.info["neutral"] == item.info["neutral"]
    assert found.turns[0].text in {turn.text for turn in item.turns}
    assert extract(found.turns[0].text, FORM) == answer
    assert found.correct == metric.correct(metric.score(answer, [GOLD]))


def test_a_random_agent_as_the_paper_takes_it_and_a_wrong_one_as_control() -> None:
    item = debated(stated(GOLD, "99"), stated(WRONG, "1"), "I do not know.")
    picks = {distilled(item, pick="random", seed=seed).turns[0].text for seed in range(30)}  # type: ignore[union-attr]
    assert picks == {turn.text for turn in item.turns}
    assert distilled(item, pick="random", seed=3) == distilled(item, pick="random", seed=3)
    for seed in range(5):
        found = distilled(item, pick="wrong", seed=seed)
        assert isinstance(found, Episode) and found.outcome.answer == WRONG and not found.correct
    right = distilled(debated(stated(GOLD), stated(GOLD)), pick="wrong")
    assert isinstance(right, Dropped) and right.reason == "nobody is wrong"
    with pytest.raises(ValueError, match="pick must be one of"):
        make_steps([{"distil": {"pick": "best"}}])


def test_only_last_answers_count_and_the_summariser_is_nobody() -> None:
    lines = [stated(WRONG, "100"), stated(WRONG, "100"), stated(WRONG, "100"), stated(WRONG, "100")]
    lines += [stated(GOLD, "10"), stated(GOLD, "20", "Again.")]
    item = play("debategpt", SUMS, lines, agents=2, rounds=2).episode
    found = distilled(item)
    assert isinstance(found, Episode) and found.turns[0].text == stated(GOLD, "20", "Again.")


def test_in_an_exchange_the_target_comes_with_what_its_speaker_knew() -> None:
    game = scenario("twohop-asym", split="train")
    inst = game.task[0]
    gold = inst.answers[0]
    lines = ["I cannot know.", f"<A> {gold} </A> Confidence: 90", "no"]
    item = play("debategpt", game, lines, agents=3, rounds=1).episode
    found = distilled(item)
    assert isinstance(found, Episode) and found.turns[0].text == lines[1]
    assert inst.private["Bob"] in found.instance.question and inst.private["Alice"] not in found.instance.question


def test_debates_come_in_as_a_log(tmp_path: Path) -> None:
    path = tmp_path / "episodes.jsonl"
    with EpisodeLog(path) as log:
        log.append(debated(stated(GOLD, "60"), stated(WRONG, "9")))
    (item,) = read("optima", [path])
    found = distilled(item)  # type: ignore[arg-type]
    assert isinstance(found, Episode) and found.outcome.answer == GOLD
    assert reasons(go(["distil"], [replace(item, env="nowhere/none-v0")])), "another's environment is a reason to drop"  # type: ignore[arg-type]
    assert reasons(go(["distil"], [replace(item, turns=())])) == {"no turns": 1}  # type: ignore[arg-type]


# -- clean ---------------------------------------------------------------------------------------------------------
PHRASES = (
    "The other agents made a slip.",
    "Another agent agrees.",
    "In the last round I said 7.",
    "In the previous round we were unsure.",
    "Confidence: 85",
    "My confidence is 90%.",
    "I agree with the summary.",
    "I still disagree with Bob about it.",
    "I stand by my earlier answer.",
    "After considering the replies of others, I change it.",
    "As this debate showed, the order does not matter.",
    "The others think it is 9.",
)


@pytest.mark.parametrize("phrase", PHRASES)
def test_no_word_of_the_debate_is_left_and_the_answer_stays(phrase: str) -> None:
    texts = [
        f"First 7 + 5 = 12. {phrase} Then 12 - 2 = 10.\n{stated('10', '', '')}",
        f"{phrase}\nSo 7 + 5 = 12.\n{stated('12', '80')}",
        f"So 7 + 5 = 12. {phrase.rstrip('.')} {stated('12')}",
        f"1 < 2 and 3.5 > 2. {stated('12')}\n\n{phrase}",
    ]
    for text in texts:
        item = replace(made(0, text), info={"answer_format": FORM})
        (found,) = go(["clean"], [item])
        assert isinstance(found, Episode), found
        said = found.turns[trained(found)[0]].text
        assert extract(said, FORM) == extract(text, FORM) is not None
        assert not DEBATING.search(said)
        for word in ("agent", "round", "onfidence", "debate", "others", "summary", "stand by", "agree"):
            assert word not in said
        assert "7 + 5 = 12" in said or "3.5 > 2" in said, "what is about the question stays"


def test_what_cleaning_would_spoil_is_dropped() -> None:
    only = replace(made(0, "I agree with the others."), info={"answer_format": FORM})
    assert reasons(go(["clean"], [only])) == {"without the debate nothing is left": 1}
    plain = replace(made(1, "So 7 + 5 = 12."), info={"answer_format": FORM})
    assert go(["clean"], [plain]) == [plain]


@given(
    st.lists(
        st.sampled_from([*PHRASES, "So it is 12.", "\n", " ", stated("12"), stated("3"), "\\boxed{", "<A>"]),
        max_size=12,
    ).map(" ".join)
)
@settings(max_examples=80, deadline=None)
def test_cleaning_never_changes_an_answer(text: str) -> None:
    item = replace(made(0, text or "x"), info={"answer_format": FORM})
    for found in go(["clean"], [item]):
        if isinstance(found, Episode):
            assert extract(found.turns[0].text, FORM) == extract(text or "x", FORM)
            assert not DEBATING.search(found.turns[0].text)


def test_cleaning_takes_linear_time() -> None:
    for unit in ("after considering ", "I agree with ", "confidence ", "a.", "\n", "my confidence: "):
        turn = replace(made(0, unit * 20_000), info={"answer_format": FORM})
        assert len(go(["clean"], [turn])) == 1


def test_after_both_steps_a_log_reads_as_one_agents_work(tmp_path: Path) -> None:
    item = debated(stated(GOLD, "60", "The other agents slipped. I add 1 + 2."), stated(WRONG, "9"))
    (found,) = go(["distil", "clean"], [item])
    assert isinstance(found, Episode)
    assert found.turns[0].text.startswith("I add 1 + 2.") and found.outcome.answer == GOLD
    assert not DEBATING.search(found.turns[0].text)
    (row,) = read("optima", [save(tmp_path / "x.jsonl", [found.to_json()])])
    assert row == found
