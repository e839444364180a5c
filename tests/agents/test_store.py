"""The episode log: torn tails, foreign lines, full disks; and the completion cache."""

from __future__ import annotations

import asyncio
import json
import math
import os
import sqlite3
from dataclasses import asdict, replace
from functools import reduce
from types import MappingProxyType
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.processes import flushed

from optima_agents import CachedBackend, Completion, EpisodeLog, LLMPolicy, Request, Sampling, rollout
from optima_agents.backends.fake import FakeBackend
from optima_envs import scenario
from optima_envs.records import Episode, EpisodeKey, Instance, Outcome, Turn, Usage


def episode(number: int = 0, text: str = "hi") -> Episode:
    turn = Turn("Alice", text, 3, (1, 2), (3, 4, 5), (-0.5, -1.0, -0.1), usage=Usage(2, 3, 1))
    inst = Instance(f"i{number}", "q?", ("a",), {"Alice": "x"})
    return Episode(EpisodeKey(f"i{number}"), "optima/x-v0", inst, (turn,), Outcome("answered", "a"), 1.0, True)


@settings(deadline=None)  # it writes files, and a shared disk stalls
@given(st.text())
def test_any_text_round_trips(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("log") / "e.jsonl"
    with EpisodeLog(path) as log:
        log.append(episode(0, text))
        log.append(episode(1, text[::-1]))
    assert EpisodeLog.read(path) == [episode(0, text), episode(1, text[::-1])]


def test_lone_surrogates_and_nul_stay_valid_json(tmp_path):
    with EpisodeLog(tmp_path / "e.jsonl") as log:
        log.append(episode(0, "\ud800 \x00 \u202e"))
    assert EpisodeLog.read(log.path)[0].turns[0].text == "\ud800 \x00 \u202e"


def test_a_log_cut_at_any_byte_loses_only_its_last_line(tmp_path):
    path = tmp_path / "e.jsonl"
    with EpisodeLog(path) as log:
        for number in range(3):
            log.append(episode(number))
    whole = path.read_bytes()
    ends = [i + 1 for i, byte in enumerate(whole) if byte == 10]
    for cut in [*range(0, len(whole), 37), *ends, *(e - 1 for e in ends)]:
        path.write_bytes(whole[:cut])
        complete = sum(end <= cut for end in ends)
        assert len(EpisodeLog.read(path)) == complete
        with EpisodeLog(path) as log:
            assert log.torn == cut - ([0, *ends][complete])
            log.append(episode(9))
            assert {k.instance for k in log.keys()} == {f"i{n}" for n in range(complete)} | {"i9"}  # noqa: SIM118 (a method, no mapping)


@pytest.mark.parametrize("line", ["not json", "[1]", '{"schema": 1}', '{"key": 3}'])
def test_a_foreign_line_is_named(tmp_path, line):
    path = tmp_path / "e.jsonl"
    with EpisodeLog(path) as log:
        log.append(episode())
    path.write_bytes(path.read_bytes() + line.encode() + b"\n")
    with pytest.raises(ValueError, match="line 2"):
        EpisodeLog.read(path)


def test_a_write_that_fails_leaves_whole_lines(tmp_path, monkeypatch):
    with EpisodeLog(tmp_path / "e.jsonl") as log:
        log.append(episode(0))
        real = os.write
        monkeypatch.setattr(os, "write", lambda fd, data: real(fd, data[:10]))
        with pytest.raises(OSError, match="disk full"):
            log.append(episode(1))
        monkeypatch.undo()
        log.append(episode(2))
    assert [e.instance.id for e in EpisodeLog.read(log.path)] == ["i0", "i2"]


@pytest.mark.parametrize(
    "odd",
    [
        {"score": math.nan},
        {"terms": {"a": -math.inf}},
        {"info": {"deep": [{"x": math.inf}]}},
        {"info": {"x": object()}},
        {"info": {"x": np.int64(3)}},
        {"instance": Instance("i0", "q?", ("a",), meta={"x": math.nan})},
        {"turns": (Turn("Alice", "hi", 1, ids=(object(),)),)},  # type: ignore[arg-type]
        {"turns": (Turn("Alice", "hi", 1, logprobs=(0.0, math.nan)),)},
        {"info": {"x": reduce(lambda inner, _: [inner], range(100_000), [])}},
    ],
)
def test_what_json_cannot_hold_is_a_failed_episode_with_the_reason(tmp_path, odd):
    with EpisodeLog(tmp_path / "e.jsonl") as log:
        logged = log.append(replace(episode(), **odd))
        log.append(episode(1))
    assert EpisodeLog.read(log.path) == [logged, episode(1)]
    assert (logged.key, logged.score, logged.outcome.stop) == (episode().key, 0.0, "error")
    assert logged.error is not None
    assert (logged.error.kind, "plain JSON" in logged.error.message) == ("env", True)


def test_no_dialogue_of_an_odd_task_vanishes_from_a_logged_run(tmp_path):
    class Odd:
        def __len__(self):
            return 3

        def __getitem__(self, index):
            return Instance(f"i{index}", "q?", ("a",), meta={"weight": np.int64(2) if index == 1 else 2})

    world = replace(scenario("twohop-asym", max_turns=2), task=Odd())
    with EpisodeLog(tmp_path / "e.jsonl") as log:
        played = rollout(world, LLMPolicy(FakeBackend("hi")), episodes=3, log=log)
    assert [e.error and e.error.kind for e in played] == [None, "env", None]
    assert sorted(EpisodeLog.read(log.path), key=lambda e: e.key.instance) == played


NUMBERS = st.integers() | st.floats()
LEAVES = st.none() | st.booleans() | NUMBERS | st.text()
JSON = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))
ANY_TEXT = st.lists(st.characters() | st.sampled_from("\\\ud800\udfff\0\n\x85\u2028\u2029")).map("".join)


@settings(deadline=None)
@given(ANY_TEXT, st.dictionaries(st.text(), JSON), st.lists(st.floats()), st.lists(st.integers()), st.floats())
def test_a_line_says_what_the_record_says(text, info, logprobs, ids, score):
    turn = Turn(text, text, 3, tuple(ids), tuple(ids), tuple(logprobs), usage=Usage(2, 3, 1))
    made = replace(episode(0, text), turns=(turn,), info=info, score=score, terms={text: score})
    row = {"schema": 1, **asdict(made)}
    del row["turns"][0]["thinking"]  # left out when empty, so that lines stay what they were
    try:
        plain = json.dumps(row, allow_nan=False)
    except ValueError:
        with pytest.raises(ValueError, match="JSON"):
            made.to_line()
        return
    line = made.to_line()
    assert line.decode().splitlines() == [line.decode()]
    assert json.loads(line) == json.loads(plain)
    assert Episode.from_json(json.loads(line)) == Episode.from_json(json.loads(plain))


def test_ids_of_numpy_are_written_as_numbers():
    made = replace(episode(), turns=(Turn("Alice", "hi", 1, ids=cast("Any", tuple(np.arange(2)))),))
    assert json.loads(made.to_line())["turns"][0]["ids"] == [0, 1]


def test_texts_that_name_odd_numbers_and_mappings_that_are_no_dicts_are_written():
    made = replace(episode(0, "NaN or -Infinity"), info=MappingProxyType({"a": (1, MappingProxyType({2: "b"}))}))
    row = json.loads(made.to_line())
    assert (row["turns"][0]["text"], row["info"]) == ("NaN or -Infinity", {"a": [1, {"2": "b"}]})


def test_the_cache_answers_what_it_has_seen_and_survives_reopening(tmp_path):
    full = Completion("hey", 2, (1,), (2, 3), (-0.1, -0.2), "stop", Usage(1, 2, 0))
    requests = [
        Request(({"role": "user", "content": "\ud800 q"},), seed=s, sampling=Sampling(t))
        for s in (0, 1)
        for t in (0.0, 1.0)
    ]

    async def ask(cache):
        return [await cache.complete(request) for request in requests]

    engine = FakeBackend(lambda r: full)
    first = CachedBackend(engine, tmp_path / "c.sqlite", model="m")
    assert asyncio.run(ask(first)) == [full] * 4 == asyncio.run(ask(first))
    assert (first.hits, first.misses, engine.calls) == (4, 4, 4)
    asyncio.run(first.aclose())
    idle = FakeBackend("other")
    again = CachedBackend(idle, tmp_path / "c.sqlite", model="m")
    assert asyncio.run(ask(again)) == [full] * 4
    assert idle.calls == 0
    other = CachedBackend(FakeBackend("other"), tmp_path / "c.sqlite", model="m2")
    assert asyncio.run(ask(other))[0].text == "other"


@pytest.mark.parametrize(
    "row",
    [
        '{"text": 3',
        '{"text": 3, "tokens": 1}',
        '{"text": "x", "tokens": "many"}',
        '{"text": "x", "tokens": 1, "ids": ["a"]}',
        '{"text": "x", "tokens": 1, "usage": 5}',
        '{"text": "x", "tokens": 1, "finish": "done"}',
        "[]",
        "null",
        "[" * 100_000,
    ],
)
def test_a_damaged_cache_row_is_made_again(tmp_path, row):
    request = Request(({"role": "user", "content": "q"},))
    cache = CachedBackend(FakeBackend("fresh"), tmp_path / "c.sqlite", model="m")
    asyncio.run(cache.complete(request))
    with sqlite3.connect(tmp_path / "c.sqlite") as db:
        db.execute("UPDATE completions SET value = ?", (row,))
    assert asyncio.run(cache.complete(request)) == asyncio.run(FakeBackend("fresh").complete(request))
    assert cache.misses == 2


def test_a_full_disk_under_the_cache_is_told_and_fails_no_dialogue(tmp_path, caplog):
    cache = CachedBackend(FakeBackend(), tmp_path / "c.sqlite", model="m")
    pages = cache._db.execute("PRAGMA page_count").fetchone()[0]
    cache._db.execute(f"PRAGMA max_page_count = {pages}")  # sqlite's own way of a disk without room
    with EpisodeLog(tmp_path / "e.jsonl") as log:
        assert len(rollout("twohop-asym", LLMPolicy(cache), episodes=20, log=log)) == 20
    assert "full" in caplog.text
    assert [e for e in EpisodeLog.iterate(log.path) if e.error] == []


def test_a_log_is_on_the_disk_when_it_is_closed_or_has_its_name_again(tmp_path, monkeypatch):
    names = flushed(monkeypatch)
    with EpisodeLog(tmp_path / "log.jsonl") as log:
        log.append(episode(0))
        log.append(episode(1))
        assert names == []
        assert log.forget(lambda entry: entry.key.instance == "i0") == 1
        assert [name.startswith(".log.jsonl") for name in names] == [True], "before it replaces the old one"
    assert names[1:] == ["log.jsonl"]
