"""The cache of completions: what it keeps, what it makes again, and that its faults are its own."""

from __future__ import annotations

import asyncio
import json
import sqlite3

import pytest

from optima_agents import CachedBackend, Completion, LLMPolicy, Request, Sampling, rollout
from optima_agents.backends.fake import FakeBackend

ASK = Request(({"role": "user", "content": "hi"},), sampling=Sampling(0.5), seed=3)


def ask(cache: CachedBackend, request: Request = ASK) -> Completion:
    return asyncio.run(cache.complete(request))


def test_a_completion_that_failed_is_never_kept(tmp_path):
    made = [Completion("", 0, finish="error"), Completion("healthy", 1)]
    cache = CachedBackend(FakeBackend(lambda request: made.pop(0)), tmp_path / "c.sqlite", model="m")
    assert [ask(cache).text for _ in range(3)] == ["", "healthy", "healthy"]
    assert (cache.hits, cache.misses) == (1, 2)
    asyncio.run(cache.aclose())


@pytest.mark.parametrize(
    "change",
    [
        *({"text": value} for value in (7, None)),
        *({"tokens": value} for value in ("3", -1, None, 2.5)),
        *({"ids": value} for value in ([1, "2"], [-1], 3)),
        *({"logprobs": value} for value in (["x"], [None])),
        *({"finish": value} for value in ("done", "error", None)),
        *({"usage": value} for value in (None, [], {"prompt_tokens": "1"})),
        *({"prompt_ids": {}}, {"thinking": 3}, {"more": 1}),
    ],
    ids=str,
)
def test_a_row_of_wrong_types_is_a_miss_and_mended(tmp_path, change):
    path = tmp_path / "c.sqlite"
    cache = CachedBackend(FakeBackend("fresh"), path, model="m")
    ask(cache)
    with sqlite3.connect(path) as db:
        (value,) = db.execute("SELECT value FROM completions").fetchone()
        db.execute("UPDATE completions SET value = ?", (json.dumps(json.loads(value) | {"text": "old"} | change),))
    cache.backend = FakeBackend("again")
    assert [ask(cache).text for _ in range(2)] == ["again", "again"]
    assert (cache.hits, cache.misses) == (1, 2)
    asyncio.run(cache.aclose())


@pytest.mark.parametrize("stored", ["", "null", "[]", "{", "7", "NaN", '{"text": "x"}', "[" * 100_000, b"\xff\x00"])
def test_a_row_that_is_no_completion_is_a_miss(tmp_path, stored):
    path = tmp_path / "c.sqlite"
    cache = CachedBackend(FakeBackend("fresh"), path, model="m")
    ask(cache)
    with sqlite3.connect(path) as db:
        db.execute("UPDATE completions SET value = ?", (stored,))
    assert ask(cache).text == "fresh"
    assert cache.misses == 2
    asyncio.run(cache.aclose())


def test_rows_of_an_older_version_are_still_read(tmp_path):
    path = tmp_path / "c.sqlite"
    cache = CachedBackend(FakeBackend("fresh"), path, model="m")
    ask(cache)
    with sqlite3.connect(path) as db:
        (value,) = db.execute("SELECT value FROM completions").fetchone()
        row = json.loads(value) | {"text": "old", "ids": [3, 4], "logprobs": [-0.5, -1]}
        row.pop("thinking", None)
        db.execute("UPDATE completions SET value = ?", (json.dumps(row),))
    done = ask(cache)
    assert (done.text, done.ids, done.logprobs, done.thinking) == ("old", (3, 4), (-0.5, -1.0), "")
    asyncio.run(cache.aclose())


def test_the_switch_for_thinking_is_part_of_the_key_and_old_keys_stand(tmp_path):
    cache = CachedBackend(FakeBackend(lambda request: str(request.thinking)), tmp_path / "c.sqlite", model="m")
    other = Request(ASK.messages, sampling=ASK.sampling, seed=3, thinking=True)
    assert [ask(cache).text, ask(cache, other).text, ask(cache, other).text] == ["False", "True", "True"]
    assert cache._key(ASK).startswith("fdaa4694e6ca"), (
        "the key of a request without thinking is that of former versions"
    )
    asyncio.run(cache.aclose())


def test_a_full_disk_under_the_cache_costs_no_dialogue(tmp_path, caplog):
    cache = CachedBackend(FakeBackend(), tmp_path / "c.sqlite", model="m")
    cache._db.execute("PRAGMA max_page_count = 3")  # sqlite then says that its disk is full
    episodes = rollout("twohop-asym", LLMPolicy(cache), episodes=60, max_turns=3)
    assert not any(episode.error for episode in episodes)
    assert caplog.text.count("full") == 1, "told once"
    asyncio.run(cache.aclose())


def test_a_locked_or_damaged_file_costs_no_dialogue(tmp_path, caplog):
    path = tmp_path / "c.sqlite"
    cache = CachedBackend(FakeBackend("fresh"), path, model="m")
    cache._db.execute("PRAGMA busy_timeout = 0")
    with sqlite3.connect(path, isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert ask(cache).text == "fresh"
        other.execute("ROLLBACK")
    assert "locked" in caplog.text
    cache._db.execute("DROP TABLE completions")
    assert ask(cache).text == "fresh"
    asyncio.run(cache.aclose())


def test_a_file_that_is_no_cache_is_refused_by_name(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("my notes, which are longer than a header of sqlite\n" * 20)
    with pytest.raises(ValueError, match=r"notes\.txt.*not a database"):
        CachedBackend(FakeBackend(), path, model="m")
    assert path.read_text().startswith("my notes")
