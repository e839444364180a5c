"""Episodes as lines of JSON: the lines of older versions stay readable, and new ones are written the same way."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path
from types import MappingProxyType
from typing import cast

import numpy as np
import pytest

from optima_envs.records import Episode, EpisodeKey, ErrorInfo, Instance, Outcome, Turn, Usage

# written by the first version of the log (schema 1); never to be written again
GOLDEN = Path(__file__).parent / "golden_episodes.jsonl"


def episodes() -> list[Episode]:
    inst = Instance("q-1", "Who, Zoë?", ("Ann", "ann b."), {"Alice": "a\tb\n", "Bob": ""}, {"held": {"Alice": ["x"]}})
    whole = Turn("Alice", 'say "hi" \\ é 🙂', 3, (1, 2, 3), (4, 5, 6), (-0.5, -1e-07, 0.0), "stop", Usage(3, 3, 1))
    cut = Turn("Bob", "", 0, None, None, None, "length", None)
    odd = Turn("Bob", "\x00 \x1b[31m \x85 \u2028 \u2029 \u202e NaN -Infinity", 12)
    numpy_ids = cast("tuple[int, ...]", tuple(np.arange(3)))
    return [
        Episode(EpisodeKey("q-1"), "optima/x-v0", inst, (whole, cut), Outcome("answered", "Ann"), 1.0, True),
        Episode(
            EpisodeKey("q-1", 7, 2**31 - 1),
            "optima/x-v0",
            inst,
            (odd,),
            Outcome("max_turns"),
            2 / 3,
            False,
            -0.25,
            {"task": 2 / 3, "tokens": -1.0},
            seconds=1.25,
            info={"format": None, "deep": [1, 2.5, {"a": [True]}]},
        ),
        Episode(
            EpisodeKey("q-2"),
            "other/y-v3",
            Instance("q-2", "", ()),
            (),
            Outcome("error"),
            error=ErrorInfo("backend", "503: try\nlater"),
        ),
        Episode(EpisodeKey("q-3"), "optima/x-v0", inst, (Turn("A", "\ud800 lone"),), Outcome("token_budget", "\ud800")),
        Episode(
            EpisodeKey("q-4"),
            "optima/x-v0",
            inst,
            (Turn("A", "b", 1, ids=numpy_ids),),
            Outcome("answered", "b"),
        ),
        Episode(
            EpisodeKey("q-5"),
            "optima/x-v0",
            inst,
            (Turn("A", "b", 1),),
            Outcome("answered", "b"),
            info=MappingProxyType({"a": (1, MappingProxyType({2: "b"}))}),
        ),
    ]


def test_lines_are_written_as_ever():
    assert [episode.to_line() for episode in episodes()] == GOLDEN.read_bytes().split(b"\n")[:-1]


def test_lines_of_the_first_version_are_read():
    *plain, mapped = [Episode.from_json(json.loads(row)) for row in GOLDEN.read_bytes().split(b"\n")[:-1]]
    assert plain == episodes()[:-1]
    assert (mapped.key, mapped.info) == (episodes()[-1].key, {"a": [1, {"2": "b"}]})


def row(**changes: object) -> dict[str, object]:
    return {**json.loads(episodes()[0].to_line()), **changes}


def turn(**changes: object) -> dict[str, object]:
    return {"agent": "Alice", "text": "hi", **changes}


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"schema": 2}, r"schema '2' is not 1"),
        ({"schema": "x" * 10**6}, r"schema 'x{80}' is not 1"),
        ({"score": float("nan")}, r"malformed episode: score: .*finite"),
        ({"score": "nan"}, r"score: .*finite"),
        ({"terms": {"tokens": float("inf")}}, r"terms\.tokens: .*finite"),
        ({"turns": [turn(), turn(logprobs=[0.0, float("nan")])]}, r"turns\.1\.logprobs\.1: .*finite"),
        ({"turns": [turn(text=5)]}, r"turns\.0\.text: .*string"),
        ({"turns": [turn(mood="good")]}, r"turns\.0\.mood: "),
        ({"turns": [turn(finish="done")]}, r"turns\.0\.finish: .*'stop'"),
        ({"turns": [turn(usage={"prompt_tokens": "many"})]}, r"turns\.0\.usage\.prompt_tokens: .*integer"),
        ({"turns": "hi"}, r"turns: .*tuple"),
        ({"key": None}, r"key: "),
        ({"key": {"sample": 3}}, r"key\.instance: .*required|key\.instance: Missing"),
        ({"instance": {"id": "q", "question": "?", "answers": "gold"}}, r"instance\.answers: "),
        ({"error": {"kind": "backend"}}, r"error\.message: "),
    ],
)
def test_what_is_no_episode_is_named_by_its_field(changes: dict[str, object], named: str):
    with pytest.raises(ValueError, match=named) as caught:
        Episode.from_json(row(**changes))
    assert len(str(caught.value).splitlines()) == 1


def test_a_reader_wants_no_fields_it_can_do_without_and_leaves_others_alone():
    short = {name: row()[name] for name in ("schema", "key", "env", "instance", "turns", "outcome")}
    assert Episode.from_json({**short, "note": "mine"}).score == 0.0


@pytest.mark.parametrize("record", [episodes()[0].turns[0], episodes()[0].instance, episodes()[1].key])
def test_records_stay_frozen_and_copy_equal(record: object):
    copies = [copy.copy(record), copy.deepcopy(record), pickle.loads(pickle.dumps(record))]  # noqa: S301 - our own
    assert all(same == record and type(same) is type(record) for same in copies)
    with pytest.raises((AttributeError, TypeError)):
        record.note = "x"  # type: ignore[attr-defined]
