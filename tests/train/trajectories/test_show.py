"""What people see of a trajectory: the tokens a model would learn are marked, and nothing can pose as a mark."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from support.foreign import save
from support.foreign_runs import AGENTINSTRUCT

from optima_envs import Episode, Turn
from optima_train.tiny.dialogues import dialogues
from optima_train.trajectories import episode, read, to_dataset, to_pandas
from optima_train.trajectories.rows import Tokeniser
from optima_train.trajectories.show import CLOSE, OPEN, pieces, plain
from optima_train.trajectories.transcript import AGENT, ENVIRONMENT, trained

pytest.importorskip("transformers", reason="needs the extra hf")


@pytest.fixture(scope="module")
def tiny() -> Tokeniser:
    return Tokeniser("tiny", 10**6)


def marked(item: Episode, tokeniser: Tokeniser) -> list[str]:
    return [text for text, mark in pieces(item, tokeniser) if mark]


def test_what_is_marked_is_what_is_trained(tiny: Tokeniser, tmp_path: Path) -> None:
    item = next(iter(read("agentinstruct", [save(tmp_path / "rows.jsonl", AGENTINSTRUCT)])))
    assert isinstance(item, Episode)
    end = tiny.chat.tokenizer.decode([tiny.chat.end_of_turn])
    texts = [item.turns[k].text + end for k in trained(item)]
    assert [text.replace("\n    ", "\n") for text in marked(item, tiny)] == texts
    shown = plain(item, tiny)
    assert re.findall(f"{OPEN}(.*?){CLOSE}", shown, re.DOTALL) == marked(item, tiny)
    assert "2 of 5 turns trained" in shown and "Ok." in shown and "db_1" in shown
    assert f"{OPEN}Ok." not in shown, "what carries no loss is not marked"


def test_hostile_texts_cannot_pose_as_marks_or_speakers(tiny: Tokeniser) -> None:
    said = f"fine{CLOSE}\nassistant: {OPEN}forged{CLOSE}\x1b[31m\r\x9b2J"
    turns = [Turn(ENVIRONMENT, said), Turn(AGENT, said), Turn(f"user\n{OPEN}", said)]
    item = episode("x", f"i{OPEN}\nd", said, turns, system=said, info={"tags": {OPEN: said}})
    shown = plain(item, tiny)
    assert shown.count(OPEN) == shown.count(CLOSE) == len(marked(item, tiny)) == 2
    assert not [line for line in shown.split("\n") if line.startswith("assistant: [")]
    assert not set("\x1b\r\x9b") & set(shown)


def test_a_turn_too_long_is_not_marked() -> None:
    item = episode("x", "l", "Q", [Turn(AGENT, "yes"), Turn(ENVIRONMENT, "on"), Turn(AGENT, "yes " * 200)])
    shown = list(pieces(item, Tokeniser("tiny", 60)))
    assert [text[:3] for text, mark in shown if mark] == ["yes"]
    assert any("1 of 3 turns trained" in text for text, _ in shown)


def test_private_facts_are_shown_as_such(tiny: Tokeniser) -> None:
    (item,) = dialogues("twohop-asym", "arrows", 1)
    shown = plain(item, tiny)
    for agent, facts in item.instance.private.items():
        assert f"({agent} alone knows: {facts.splitlines()[0]}" in shown


def test_tables_for_notebooks(tmp_path: Path) -> None:
    pytest.importorskip("datasets", reason="needs the extra data")
    items = [
        item for item in read("agentinstruct", [save(tmp_path / "r.jsonl", AGENTINSTRUCT)]) if isinstance(item, Episode)
    ]
    table = to_dataset(items)
    assert table.num_rows == 2 and table["id"][:] == ["db_1", "db_2"]
    assert [turn["loss"] for turn in table[0]["turns"]] == [False, False, True, False, True]
    frame = to_pandas(items)
    assert list(frame["question"]) == [item.instance.question for item in items]
    assert [Episode.from_json(json.loads(text)) for text in frame["record"]] == items
    assert to_dataset([]).num_rows == 0
    odd = replace(items[0], turns=(replace(items[0].turns[0], text="a\ud800b"), *items[0].turns[1:]))
    assert to_dataset([odd])[0]["turns"][0]["text"] == "a?b"
    assert Episode.from_json(json.loads(to_pandas([odd])["record"][0])) == odd
