"""Another project's episodes beside ours: checked row by row, judged by our metric, never taken on trust."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.small_suites import play

from optima_agents import rollout
from optima_agents.scripted import Scripted


@pytest.fixture
def lines(tmp_path: Path) -> list[dict]:
    """Six held-out episodes of a project whose own judge likes everything."""
    team = Scripted(["<A> red </A>"])
    episodes = rollout("twohop-asym", team, episodes=6, split="test")
    return [{**episode.to_json(), "score": 1.0, "correct": True} for episode in episodes]


def bench(tmp_path: Path, text: str) -> dict:
    (tmp_path / "theirs.jsonl").write_text(text)
    theirs = {"label": "theirs", "env": "twohop-asym", "file": str(tmp_path / "theirs.jsonl")}
    return play(tmp_path / "out", episodes=[theirs], reference="small-right")


def text(lines: list[dict]) -> str:
    return "".join(json.dumps(line) + "\n" for line in lines)


def test_it_is_a_row_like_any_other(tmp_path: Path, lines: list[dict]):
    again = [{**line, "key": {**line["key"], "seed": 3}} for line in lines]
    summary = bench(tmp_path, text(lines + again))
    (row,) = [row for row in summary["rows"] if row["label"] == "theirs"]
    assert (row["model"], row["seeds"], row["n"], row["calls"]) == ("outside", [0, 3], 6, 2)
    assert row["score"] == 0  # judged by our metric: nothing is called red
    assert "theirs" in {test["b"] for test in summary["paired"]}
    log = tmp_path / "out/cells/theirs/twohop-asym/outside/seed3/episodes.jsonl"
    assert len(log.read_text().splitlines()) == 6
    assert bench(tmp_path, text(lines + again))["rows"] == summary["rows"]


def test_every_fault_is_named_with_its_line(tmp_path: Path, lines: list[dict]):
    other = {**lines[1], "env": "optima/twohop-asym-v9"}
    strange = {**lines[1], "key": {**lines[1]["key"], "instance": "twohop-none"}}
    golds = {**lines[1], "instance": {**lines[1]["instance"], "answers": ["anything"]}}
    infinite = json.dumps(lines[1]).replace('"seconds": ', '"seconds": 1e999, "was": ')
    for bad, named in (
        (text([lines[0], other]), "line 2: this is optima/twohop-asym-v9, but twohop-asym is optima/twohop-asym-v0"),
        (text([lines[0], strange]), "line 2: instance 'twohop-none' is not among the 6"),
        (text([lines[0], golds]), "line 2: instance .* has another question or other answers"),
        (text([lines[0], lines[0]]), "line 2: episode .* comes twice"),
        (text(lines[:1]) + infinite, "line 2: malformed episode: seconds: .*finite"),
        (text(lines[:4]), "2 instances are missing for seed 0"),
        (text(lines)[:-20], "line 6: not JSON: .*; the file is cut off there"),
        (text([lines[0], {}]), "line 2: episode schema .None. is not 1"),
        (text(lines[:1]) + "[1]\n", "line 2"),
        ("", "holds no episodes"),
    ):
        with pytest.raises(ValueError, match=named):
            bench(tmp_path, bad)
    assert not (tmp_path / "out").exists()


def test_an_absent_file_is_named(tmp_path: Path):
    theirs = {"label": "theirs", "env": "twohop-asym", "file": str(tmp_path / "absent.jsonl")}
    with pytest.raises(OSError, match=r"absent\.jsonl"):
        play(tmp_path / "out", episodes=[theirs])
