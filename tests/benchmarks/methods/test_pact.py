"""PACT: of a message only its action-state record and its answer enter what others see; the rules read all of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.recording import debate, exchange, play

from benchmarks.methods.pact import PROTOCOL, record
from optima_envs.scoring.parsing import extract

LONG = "Well, let me think about this for a good while. " * 20


def test_others_and_oneself_hear_the_records_alone():
    first = f"{LONG}\nState: the mentor is Zed\nAction: tell me Zed's colour"
    second = f"{LONG}\n**State:** Zed is teal\n- Action: confirm it\n<A> teal </A>"
    done = play("pact", exchange(), [first, second, "State: agreed\nAction: none\n<A> teal </A>"])
    assert all(PROTOCOL in request.messages[0]["content"] for request in done.requests)
    told = [request.messages[-1]["content"] for request in done.requests]
    assert not any("good while" in text for text in told)
    assert "State: the mentor is Zed Action: tell me Zed's colour" in " ".join(told[1].split())
    assert "Zed is teal" in told[2] and "<A>" in told[2] and "mentor" in str(done.requests[2].messages)
    assert (done.episode.outcome.answer, done.episode.turns[0].text) == ("teal", first), "the record is whole"
    assert done.episode.info["without a record"] == 0


def test_the_calls_are_those_of_the_dialogue():
    for scene in (exchange(), debate()):
        lines = ["\\boxed{7} <A> teal </A>"]
        assert play("pact", scene, lines).agents == play("dialogue", scene, lines).agents


def test_a_message_without_a_record_is_cut_and_counted():
    done = play("pact", exchange(max_turns=4), [LONG + "It is Zed."] * 2 + ["State: x"])
    assert done.episode.info["without a record"] == 2, "also the same words again"
    heard = str(done.requests[1].messages)
    assert "It is Zed." in heard and heard.count("good while") <= 4


@pytest.mark.parametrize("form", ["tag", "boxed"])
@given(text=st.text(st.sampled_from("State: Action:\n*<A>/ x7{}\\boxed"), max_size=120))
def test_a_stated_answer_always_gets_through(form: str, text: str):
    passed, _ = record(text, form)
    if (answer := extract(text, form)) is not None:
        assert extract(passed, form) == answer


@pytest.mark.parametrize("unit", ["State: ", "\n-*#", "State:\n", "<A>", "* "])
def test_reading_takes_linear_time(unit: str):
    record(unit * 100_000, "tag")  # one that went back would not end within the suite's limit
