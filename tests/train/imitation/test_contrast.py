"""Whole dialogues against each other (ETO): which are compared, what of them is learned, the rounds of the method."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.runs import settings

from optima_agents import EpisodeLog
from optima_envs import Episode, EpisodeKey, Turn
from optima_envs.records import ENVIRONMENT
from optima_train.cli.main import main
from optima_train.config.loading import ConfigError, load
from optima_train.config.settings import ContrastConfig
from optima_train.imitation.contrast import Worth, contrasted, pairs_of
from optima_train.loop.preflight import preflight
from optima_train.run.records import ContrastRow, read_records
from optima_train.tiny.dialogues import dialogues
from optima_train.trajectories import episode
from optima_train.trajectories.rows import Tokeniser

EXPERT = "data.shown={expert: {styles: [plain], instances: 6}}"


def explored(*values: float) -> list[Worth]:
    (item,) = dialogues("twohop-asym", "arrows", 1)
    return [Worth(replace(item, key=EpisodeKey(item.instance.id, n)), value) for n, value in enumerate(values)]


def numbers_of(pairs: list[tuple[Worth, Worth]]) -> list[tuple[int, int]]:
    return [(better.episode.key.sample, worse.episode.key.sample) for better, worse in pairs]


@pytest.mark.parametrize(
    ("values", "changes", "found", "ties"),
    [
        ((0.2, 1.0, 0.5), {}, [(1, 0)], 0),
        ((0.2, 1.0, 0.5), {"per": "all"}, [(1, 0), (1, 2)], 0),
        ((1.0, 0.75), {}, [(0, 1)], 0),
        ((1.0, 1.0), {}, [], 1),
        ((1.0, 0.75), {"min_gap": 0.3}, [], 1),
        ((1.0,), {}, [], 0),
        ((), {}, [], 0),
    ],
)
def test_the_best_explored_dialogue_stands_against_the_worse_ones(
    values: tuple[float, ...], changes: dict[str, Any], found: list[tuple[int, int]], ties: int
) -> None:
    dropped = Counter[str]()
    pairs = contrasted(explored(*values), None, ContrastConfig(**changes), dropped)
    assert numbers_of(pairs) == found
    assert dropped["no better one"] == ties


@pytest.mark.parametrize(
    ("expert", "values", "found"),
    [(1.0, (0.5, 1.0), [(99, 0)]), (0.75, (1.0,), [(0, 99)]), (1.0, (1.0,), [])],
)
def test_an_expert_stands_on_the_side_its_score_says(
    expert: float, values: tuple[float, ...], found: list[tuple[int, int]]
) -> None:
    (item,) = dialogues("twohop-asym", "notes", 1)
    shown = replace(item, key=EpisodeKey(item.instance.id, 99), score=expert)
    config = ContrastConfig(experts="shown", by="score")
    assert numbers_of(contrasted(explored(*values), shown, config, Counter())) == found
    dropped = Counter[str]()
    assert contrasted(explored(0.0), None, config, dropped) == []
    assert dropped == {"no dialogue of the expert": 1}


def played(texts: list[str], sample: int) -> Episode:
    (item,) = dialogues("twohop-asym", "arrows", 1)
    turns = tuple(Turn(("Alice", "Bob")[k % 2], text, len(text.split())) for k, text in enumerate(texts))
    return replace(item, key=EpisodeKey(item.instance.id, sample), turns=turns)


def test_each_agent_learns_its_own_words_and_reads_its_partners(random_model: Path) -> None:
    tokeniser = Tokeniser(str(random_model))
    good, bad = played(["one", "two", "three", "four"], 0), played(["one", "six", "seven", "eight"], 1)
    rows = list(pairs_of(Worth(good, 1.0), Worth(bad, 0.0), 3, ContrastConfig(), tokeniser, Counter()))
    assert [row.agent for row in rows] == ["Alice", "Bob"]
    for row, (chosen, rejected) in zip(rows, [("one\nthree", "one\nseven"), ("two\nfour", "six\neight")], strict=True):
        assert (row.chosen, row.rejected) == (chosen, rejected)
        for ids, mask, text in (
            (row.chosen_ids, row.chosen_mask, chosen),
            (row.rejected_ids, row.rejected_mask, rejected),
        ):
            own = [token for token, mine in zip(ids or (), mask or (), strict=True) if mine]
            turns = [[*tokeniser.chat.encode(turn), tokeniser.chat.end_of_turn] for turn in text.split("\n")]
            assert own == [token for turn in turns for token in turn]
        assert row.prompt_ids
    # Bob heard the same first turn in both, so it is part of the prompt
    assert len(rows[1].prompt_ids or ()) > len(rows[0].prompt_ids or ())


def test_the_worse_dialogue_is_cut_and_unfinished_ones_are_dropped(random_model: Path) -> None:
    tokeniser, config = Tokeniser(str(random_model)), ContrastConfig(extra_turns=1)
    good, bad = played(["one", "two"], 0), played(["six", "seven", "eight", "nine", "ten"], 1)
    rows = list(pairs_of(Worth(good, 1.0), Worth(bad, 0.0), 0, config, tokeniser, Counter()))
    assert [row.rejected for row in rows] == ["six\neight", "seven"]
    replied = [Turn("assistant", "Action: search[x]", 1), Turn(ENVIRONMENT, "1. x", 1)]
    open_ended = episode("chat", "a", "Where?", replied)
    done = episode("chat", "a", "Where?", [*replied, Turn("assistant", "Final Answer: x", 1)])
    dropped = Counter[str]()
    assert list(pairs_of(Worth(done, 1.0), Worth(open_ended, 0.0), 0, config, tokeniser, dropped)) == []
    assert dropped == {"unfinished": 1}
    same = played(["one", "two"], 2)
    assert list(pairs_of(Worth(good, 1.0), Worth(same, 0.0), 0, config, tokeniser, dropped)) == []
    assert dropped["nothing of its own differs"] == 2


def train(model: Path, out: Path, *overrides: str) -> int:
    chosen = ["method=eto", "isolation=inline", "train.max_length=1024", "reward.weights.readability=0", *overrides]
    return main(["train", "quickstart", *settings(model), *chosen, "--out", str(out)])


def told(path: Path) -> dict[str, Any]:
    return json.loads((path / "DONE.json").read_text())["numbers"]


def test_imitation_and_then_rounds_against_the_expert(random_model: Path, tmp_path: Path) -> None:
    task = load("quickstart").env.scenario("train").task
    (tmp_path / "ids.txt").write_text("\n".join(task[n].id for n in range(6)))
    more = ["contrast={experts: shown, by: score}", "iterations=3", "dpo.schedule=[{beta: 0.1}, {beta: 0.5}]"]
    # what is explored is among what the expert showed
    same = [f"env.train.ids={tmp_path}/ids.txt", "generate.formats=null"]
    assert train(random_model, tmp_path / "run", EXPERT, *more, *same) == 0
    assert (tmp_path / "run/it000/mix/rows.jsonl").exists()
    experts = {e.instance.id: e for e in EpisodeLog.iterate(tmp_path / "run/it000/collect/episodes.jsonl")}
    for iteration in (1, 2):
        folder = tmp_path / f"run/it{iteration:03d}"
        rows = list(read_records(folder / "pairs/pairs.jsonl", ContrastRow))
        assert told(folder / "pairs")["pairs"] == len(rows) == told(folder / "train")["pairs"] > 0
        assert all(row.chosen_value == 1.0 > row.rejected_value for row in rows)
        for row in rows:
            assert row.chosen == "\n".join(t.text for t in experts[row.instance].turns if t.agent == row.agent)
        assert not (folder / "mix").exists()


def test_self_play_without_experts_gives_a_reason_where_nothing_is_better(random_model: Path, tmp_path: Path) -> None:
    """A model that knows nothing always fails alike, so there is no pair and its weights stay."""
    plain = ["iterations=2", "reward.weights={task: 1, tokens: 0}", "select.threshold=-1"]
    assert train(random_model, tmp_path / "run", *plain) == 0
    numbers = told(tmp_path / "run/it001/pairs")
    assert numbers["pairs"] == 0
    assert "no better one" in numbers["reason"]
    assert "no pairs" in told(tmp_path / "run/it001/train")["skipped"]


@pytest.mark.parametrize(
    ("overrides", "why"),
    [
        (["contrast.experts=nobody"], "contrast.experts: nobody is no source in data"),
        ([EXPERT, "contrast.experts=shown"], "contrast.by: an expert's dialogues have no reward"),
    ],
)
def test_experts_that_cannot_be_compared_are_refused(overrides: list[str], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        preflight(load("quickstart", ["method=eto", *overrides]))
