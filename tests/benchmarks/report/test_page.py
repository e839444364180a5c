"""The page of a suite: what is packed into it, that nothing in it can become markup, and the limits it keeps."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.bench_run import HOSTILE, METHODS, write_bench
from support.pages import Outline, opened

from benchmarks.report import page
from benchmarks.report.dialogues import choose, pack
from benchmarks.report.directory import Bench, load
from optima_train.report.dialogues import CHUNK, squeeze


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return load(write_bench(tmp_path_factory.mktemp("page") / "bench", count=12))


@pytest.fixture(scope="module")
def outline(bench: Bench) -> Outline:
    return Outline(page.write(bench).read_text(encoding="utf-8"))


def test_every_episode_is_in_the_page_once(bench: Bench, outline: Outline):
    index = opened(outline.blocks["index"])
    chunks = [opened(outline.blocks[f"chunk-{n}"]) for n in range(len(index["starts"]))]
    turns = [turns for chunk in chunks for turns in chunk]
    episodes = [(cell, episode) for cell in bench.cells for episode in cell.episodes()]
    assert len(turns) == len(episodes) == (2 * 2 * len(METHODS) - 1) * 12
    column = index["columns"]
    assert {len(values) for values in column.values()} == {len(episodes)}
    for place, (cell, episode) in enumerate(episodes):
        label, env, model, seed, block = index["origins"][column["origin"][place]]
        assert (label, env, model, seed, block) == (cell.label, cell.env, cell.model, episode.key.seed, cell.block)
        known = index["instances"][column["instance"][place]]
        assert known[:2] == [episode.instance.id, episode.instance.question]
        assert column["tokens"][place] == episode.tokens == sum(turn[2] for turn in turns[place])
        assert (column["error"][place] is None) == (episode.error is None)
        said = [turn.text.encode("utf-8", "replace").decode() for turn in episode.turns]
        assert [turn[1] for turn in turns[place]] == said
        assert [turn[4:] for turn in turns[place]] == [
            [turn.usage.prompt_tokens, turn.usage.cached_tokens] for turn in episode.turns if turn.usage
        ]
    trained = [terms for terms in column["terms"] if terms]
    assert len(trained) == 2 * 2 * 12 and set(trained[0]) == {"task", "tokens"}
    assert len(index["instances"]) == 2 * 12, "a question is stored once, whoever played it"


def test_hostile_text_stays_data(outline: Outline):
    assert Counter(outline.tags)["img"] == 0
    assert Counter(outline.tags)["script"] == 3 + sum(name.startswith("chunk-") for name in outline.blocks)
    index = opened(outline.blocks["index"])
    texts = [turn[1] for n in range(len(index["starts"])) for ts in opened(outline.blocks[f"chunk-{n}"]) for turn in ts]
    assert any(HOSTILE.replace("\ud800", "?") in text for text in texts)
    told = json.loads(outline.blocks["data"])
    assert (
        told["missing"] and told["rows"][0]["missing"] == 0 and told["blocks"].keys() == {"fair", "oracle", "feedback"}
    )


def test_the_page_asks_for_nothing_from_outside(outline: Outline, bench: Bench):
    text = (bench.directory / "report.html").read_text(encoding="utf-8")
    code = outline.blocks["code"]
    markup = re.sub(r"<script[^>]*>.*?</script>", "", text, flags=re.DOTALL)
    assert not re.search(r"""(?:src|href)\s*=\s*["'](?!#)|@import|url\(""", markup)
    assert not re.search(r"fetch\(|XMLHttpRequest|import\(|innerHTML|insertAdjacentHTML|document\.write|eval\(", code)
    assert "default-src 'none'" in text


def test_too_many_dialogues_lose_whole_questions(bench: Bench):
    packed = pack(bench, most=100)
    index = opened(packed.index)
    assert (packed.shown, packed.total) == (len(index["columns"]["origin"]), 324)
    assert packed.shown <= 100
    per_question = Counter(zip(index["columns"]["instance"], index["columns"]["origin"], strict=True))
    cells_of = Counter(instance for instance, _ in per_question)
    assert set(cells_of.values()) == {14, 13}, "every question shown is shown for every method and seed"
    envs = Counter(index["origins"][cell][1] for cell in index["columns"]["origin"])
    assert set(envs) == {"twohop-asym", "arith-debate"}


@given(st.dictionaries(st.tuples(st.sampled_from("ab"), st.text(max_size=3)), st.integers(1, 9)), st.integers(0, 60))
def test_chosen_questions_fit_and_are_taken_in_turn(counts: dict, most: int):
    chosen = choose(counts, most)
    assert sum(counts[question] for question in chosen) <= most
    if sum(counts.values()) <= most:
        assert chosen == set(counts)
    for env in "ab":
        order = [question for question in counts if question[0] == env]
        assert chosen & set(order) == set(order[: len(chosen & set(order))]), "the first ones of each environment"


def test_chunks_are_bounded(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("optima_train.report.dialogues.CHUNK", 3_000)
    packed = pack(bench)
    index = opened(packed.index)
    sizes = [len(opened(chunk)) for chunk in packed.chunks]
    assert len(packed.chunks) == len(index["starts"]) > 20
    assert index["starts"] == [sum(sizes[:n]) for n in range(len(sizes))]
    assert sum(sizes) == packed.shown == packed.total
    assert CHUNK > 3_000


def test_a_suite_without_logs_has_a_page_too(tmp_path: Path):
    row = {"label": "a", "block": "fair", "env": "e", "model": "m", "score": 0.5, "tokens": 3}
    (tmp_path / "summary.json").write_text(json.dumps({"name": HOSTILE, "rows": [row]}))
    text = page.write(load(tmp_path)).read_text(encoding="utf-8")
    seen = Outline(text)
    assert opened(seen.blocks["index"])["columns"]["origin"] == []
    assert "img" not in seen.tags and json.loads(seen.blocks["data"])["shown"] == 0


def test_packing_is_the_same_twice():
    assert squeeze({"text": HOSTILE}) == squeeze({"text": HOSTILE})
    assert opened(squeeze({"text": HOSTILE})) == {"text": HOSTILE.replace("\ud800", "?")}
