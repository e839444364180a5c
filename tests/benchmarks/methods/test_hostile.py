"""The parsers and methods of many agents on hostile replies, and the same records whatever the engine's timing."""

from __future__ import annotations

import asyncio
import hashlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.recording import Recorder, debate, exchange, play

from benchmarks.methods.debategpt import confidence
from benchmarks.methods.dylan import ranking, ratings, weights
from benchmarks.methods.json_reply import json_field
from optima_agents import Request
from optima_agents.backends.base import Completion
from optima_envs.records import Episode

METHODS = ("mad", "divergent-debate", "dylan", "macnet", "mixture-of-agents", "debategpt")
PIECES = (
    *("{", "}", '"', "[", "]", "[[", "]]", ",", ":", "\\", "\n", "1", "2", "99", "-3", "0.5", "9" * 400, "\u0663"),
    *('{"answer": ', '"teal"}', "null", "NaN", "1e999", "true", "<think>", "</think>", "<A>", "</A>", "\\boxed{"),
    *("confidence", "Confidence: ", "(1-100)", " of ", "\ud800", "\x00", "{partners}", "%s", "\u2028", "answer"),
)
hostile = st.one_of(st.text(max_size=200), st.lists(st.sampled_from(PIECES), max_size=60).map("".join))


@given(hostile)
def test_a_json_field_is_a_bounded_text_or_nothing(text: str):
    found = json_field(text, "answer")
    assert found is None or (isinstance(found, str) and found == found.strip() and len(found) <= 2000)


@given(
    st.text(st.characters(exclude_characters="\\<", exclude_categories=("Cc", "Cs")), max_size=300),
    st.text("ab {}\n", max_size=50),
)
def test_a_json_field_comes_back_as_it_was_written(answer: str, noise: str):
    row = json.dumps({"reason": "x", "answer": answer})
    assert json_field(f"{noise}{row}\n```", "answer") == answer.strip()
    assert json_field(json.dumps({"answer": "template"}) + row, "answer") == answer.strip(), "the last one counts"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"answer": 42}', "42"),
        ('{"answer": 0.5}', "0.5"),
        ('{"answer": null}', ""),
        ('{"answer": true}', None),
        ('{"answer": NaN}', None),
        ('{"answer": {"answer": 1}}', None),
        ('{"answer": ' + "9" * 5000 + "}", None),
        (json.dumps({"answer": "x" * 2001}), None),
        ("<think>" + '{"answer": "1"}</think>{"other": 2}', None),
        ("f'{x}' " * 300 + '{"answer": "late"}', "late"),
        (r'{"answer": "\frac{1}{2} \\times \u0032 \"q\""}', '\\frac{1}{2} \\times 2 "q"'),
        ('{"answer": "old"} {"answer": "new', "old"),
        ('{"reason": "a\tb\nc", "answer": "5"}', "5"),
        ('{"answer": "two\nlines"}', "two\nlines"),
        ('{"answer": "5",}', "5"),
        ('{"steps": [1, 2, ], "answer": "5" ,\n}', "5"),
        ('{"answer": "a, }", "more": {"x": 1,},}', "a, }"),
        ('{"answer": "old",} then {"answer": "new",}', "new"),
        ('{"answer": "5" "more": 1}', None),
        ('{"a":[1,],' * 5_000, None),
        ('{"a":' * 20_000, None),
        ('{"' * 20_000, None),
    ],
)
def test_json_fields_by_example(text: str, found: str | None):
    assert json_field(text, "answer") == found


@given(hostile, st.integers(2, 6))
def test_rankings_name_two_solutions_or_nothing(text: str, count: int):
    picked = ranking(text, count)
    assert picked is None or (len(set(picked)) == len(picked) == 2 and all(0 <= place < count for place in picked))
    assert ranking(f"{text} [2, 1]", count) in ([1, 0], None if "<think>" in text else [1, 0])


@given(hostile, st.integers(1, 6))
def test_ratings_fit_or_are_nothing_and_weights_are_shares(text: str, count: int):
    scores = ratings(text, count)
    assert scores is None or (len(scores) == count and all(0 <= score <= 5 for score in scores))
    shares = weights(scores, count)
    assert len(shares) == count and sum(shares) == pytest.approx(1.0) and min(shares) >= 0


@given(hostile)
def test_confidence_is_from_1_to_100_or_nothing(text: str):
    found = confidence(text)
    assert found is None or 1 <= found <= 100


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Confidence: 85", 85),
        ("**Confidence:** 85%", 85),
        ("My confidence (1-100) is 70.", 70),
        ("Confidence on a scale 1 to 100: 64", 64),
        ("confidence = 99.5/100", 99.5),
        ("Confidence: 20. No, confidence: 30", 30),
        ("Confidence: 9/10", 90),
        ("Confidence: 4 out of 5", 80),
        ("Confidence (0-100): 90", 90),
        ("Confidence (1-10): 9", 90),
        ("Confidence (0\u201310): 7.5", 75),
        ("Confidence: 0.9", 90),
        ("Confidence (0-1): 0.8", 80),
        ("Confidence: 11/10", None),
        ("Confidence: 1", 1),
        ("Confidence: 0", None),
        ("Confidence: 101", None),
        ("Confidence: -5", None),
        ("Confidence: 1,000", None),
        ("Confidence: " + "9" * 500, None),
        ("confidence in <A> 42 </A>", None),
        ("confidence in \\boxed{42}", None),
        ("<think>Confidence: 50</think>", None),
        ("Confidence: \u0665\u0660", None),
        ("85", None),
    ],
)
def test_confidence_by_example(text: str, found: float | None):
    assert confidence(text) == found


@pytest.mark.parametrize("name", METHODS)
@settings(max_examples=15, deadline=None)
@given(replies=st.lists(hostile, min_size=1, max_size=8), boxed=st.booleans())
def test_no_reply_breaks_a_method(name: str, replies: list[str], boxed: bool):
    done = play(name, debate("choice", "B", {"options": ["x", "y"]}) if boxed else exchange(), replies)
    assert 0.0 <= done.episode.score <= 1.0
    assert len(done.requests) == done.episode.info["calls"] <= 28
    row = json.loads(json.dumps(done.episode.to_json(), allow_nan=False))
    assert Episode.from_json(row).info == done.episode.info


class Late(Recorder):
    """Replies depend on the request alone; how late they come, on ``salt`` as well."""

    def __init__(self, salt: str) -> None:
        super().__init__([])
        self.salt = salt

    async def complete(self, request: Request) -> Completion:
        seen = repr((request.messages, request.seed))
        for _ in range(hashlib.sha256((self.salt + seen).encode()).digest()[0] % 7):
            await asyncio.sleep(0)
        number = hashlib.sha256(seen.encode()).digest()[0] % 5
        text = f"<A> {number} </A> [[{number}, 1, 2, 3]] [2, {number}] Confidence: {number * 20}"
        return Completion(text, 5)


@pytest.mark.parametrize("name", METHODS)
def test_the_record_does_not_depend_on_the_engines_timing(name: str):
    def record(salt: str) -> Episode:
        return play(name, exchange(), Late(salt)).episode

    first = record("a")
    for salt in "bcd":
        again = record(salt)
        assert (again.turns, again.outcome, again.info) == (first.turns, first.outcome, first.info)
