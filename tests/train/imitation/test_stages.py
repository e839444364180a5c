"""Collect, mix, train and evaluate: methods that learn from other people's trajectories, run through the command."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from support.foreign import native, save
from support.foreign_runs import AGENTINSTRUCT
from support.runs import settings

from optima_agents import EpisodeLog
from optima_train.cli.main import main
from optima_train.config.loading import ConfigError, load
from optima_train.loop.preflight import preflight
from optima_train.tiny.dialogues import dialogues


@pytest.fixture(scope="module")
def sums(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sums") / "sums.jsonl"
    with EpisodeLog(path) as log:
        for item in dialogues("arith-debate", "math", 12):
            log.append(item)
    return path


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("db") / "db.jsonl", [*AGENTINSTRUCT, {"id": "empty", "conversations": []}])


def train(model: Path, out: Path, *overrides: str, method: str = "imitate") -> int:
    chosen = [f"method={method}", "isolation=inline", "train.max_length=1024", *overrides]
    return main(["train", "quickstart", *settings(model), *chosen, "--out", str(out)])


def told(path: Path) -> dict[str, Any]:
    return json.loads((path / "DONE.json").read_text())["numbers"]


def test_imitation_from_files_to_a_model(random_model: Path, sums: Path, db: Path, tmp_path: Path) -> None:
    sources = [
        f"data.db={{read: agentinstruct, files: ['{db}'], weight: 0.25}}",
        f"data.sums={{read: optima, files: ['{sums}'], weight: 0.75, steps: [dedupe]}}",
        "data.never={read: nat, files: [/nowhere.jsonl], weight: 0}",
    ]
    more = ["mix.rows=16", "evaluate.also={sums: {env: {id: arith-debate}, instances: 3}}"]
    assert train(random_model, tmp_path / "run", *sources, *more) == 0
    collected, mixed = told(tmp_path / "run/it000/collect"), told(tmp_path / "run/it000/mix")
    assert collected["sources"]["db"] == {"episodes": 2, "dropped": {"no question": 1}}
    assert collected["sources"]["sums"]["episodes"] == 12
    (dropped,) = native(tmp_path / "run/it000/collect/dropped.jsonl")
    assert (dropped["data"], dropped["row"], dropped["reason"]) == ("db", 2, "no question")
    assert {name: source["drawn"] for name, source in mixed["sources"].items()} == {"db": 4, "sums": 12}
    assert mixed["sources"]["db"]["repeats"] == 4 - mixed["sources"]["db"]["rows"]
    rows = native(tmp_path / "run/it000/mix/rows.jsonl")
    assert len(rows) == 16 == told(tmp_path / "run/it000/train")["rows"]
    assert (tmp_path / "run/it000/train/model/model.safetensors").exists()
    table = json.loads((tmp_path / "run/results.json").read_text())
    assert all("also_sums" in row for row in table) and len(table) == 2
    assert [*(tmp_path / "run/it000/evaluate").glob("*sums*")]


def test_rows_of_earlier_rounds_come_again_in_the_share_asked_for(
    random_model: Path, sums: Path, db: Path, tmp_path: Path
) -> None:
    sources = [
        f"data.first={{read: optima, files: ['{sums}'], iterations: [0]}}",
        f"data.second={{read: agentinstruct, files: ['{db}'], iterations: [1, 2]}}",
    ]
    more = ["mix.rows=20", "mix.replay=0.1", "iterations=3"]
    assert train(random_model, tmp_path / "run", *sources, *more) == 0
    for iteration in range(3):
        draws = native(tmp_path / f"run/it{iteration:03d}/mix/draws.jsonl")
        assert Counter(row["iteration"] for row in draws) == {**dict.fromkeys(range(iteration), 2), iteration: 20}
        assert told(tmp_path / f"run/it{iteration:03d}/mix")["replayed"] == 2 * iteration
        rows = native(tmp_path / f"run/it{iteration:03d}/mix/rows.jsonl")
        of_first = {json.dumps(row) for row in native(tmp_path / "run/it000/mix/rows.jsonl")}
        again = [json.dumps(row) for row, draw in zip(rows, draws, strict=True) if draw["iteration"] == 0]
        assert set(again) <= of_first


def test_agenttuning_takes_eta_of_agent_data_exactly(random_model: Path, sums: Path, db: Path, tmp_path: Path) -> None:
    agent = f"data.agent={{read: agentinstruct, files: ['{db}']}}"
    general = f"data.general={{read: optima, files: ['{sums}'], general: true}}"
    assert train(random_model, tmp_path / "a", agent, general, "mix.rows=20", "mix.eta=0.2", method="agenttuning") == 0
    drawn = Counter(row["source"] for row in native(tmp_path / "a/it000/mix/draws.jsonl"))
    assert drawn == {"agent": 4, "general": 16}
    gone = "data.general={read: optima, files: [/nowhere.jsonl], general: true}"
    assert train(random_model, tmp_path / "b", agent, gone, "mix.rows=8", "mix.eta=1", method="agenttuning") == 0
    drawn = Counter(row["source"] for row in native(tmp_path / "b/it000/mix/draws.jsonl"))
    assert drawn == {"agent": 8}


def test_own_successes_are_mixed_with_data(random_model: Path, db: Path, tmp_path: Path) -> None:
    source = f"data.others={{read: agentinstruct, files: ['{db}']}}"
    more = ["select.per=format", "mix.own=3", "mix.rows=8", "generate.formats=[react, cot]"]
    assert train(random_model, tmp_path / "run", source, *more, method="fireact") == 0
    drawn = Counter(row["source"] for row in native(tmp_path / "run/it000/mix/draws.jsonl"))
    assert drawn == {"own": 6, "others": 2}


@pytest.mark.parametrize(
    ("method", "overrides", "message"),
    [
        ("imitate", [], "data"),
        ("agenttuning", ["data.a={read: chat, files: [a.jsonl]}"], "mix.eta"),
        ("agenttuning", ["data.a={read: chat, files: [a.jsonl]}", "mix.eta=0.2"], "no source of general data"),
        ("flan", ["data.a={read: chat, files: [a.jsonl]}"], "step chat"),
        ("debategpt", ["data.a={read: chat, files: [a.jsonl]}"], "step distil"),
        ("fireact", [], "select.per"),
        ("fireact", ["select.per=format", "data.a={read: chat, files: [a.jsonl]}"], "mix.own"),
        ("imitate", ["data.a={read: chat, files: [/nowhere.jsonl]}"], "nowhere"),
        ("imitate", ["data.a={read: chta, files: [a.jsonl]}"], "did you mean chat"),
        ("imitate", ["data.a={read: chat, files: [a.jsonl], steps: [kepp]}"], "did you mean keep"),
        ("imitate", ["data.a={read: chat, files: [a.jsonl], steps: [{keep: {min: 1}}]}"], "min"),
    ],
)
def test_what_a_method_needs_is_asked_for_before_anything_starts(
    method: str, overrides: list, message: str, tmp_path: Path
) -> None:
    overrides = [item.replace("a.jsonl", str(save(tmp_path / "a.jsonl", []))) for item in overrides]
    with pytest.raises(ConfigError, match=message):
        preflight(load("quickstart", [f"method={method}", *overrides]))


@pytest.mark.parametrize(
    ("rows", "steps", "message"),
    [
        (AGENTINSTRUCT, ["{keep: {min_score: 2.0}}"], "empty after its steps .2 no score"),
        ([{"id": "x"}], [], "empty after its steps"),
    ],
)
def test_a_source_left_empty_says_why(random_model: Path, rows, steps, message: str, tmp_path: Path, capsys) -> None:
    path = save(tmp_path / "db.jsonl", rows)
    source = f"data.db={{read: agentinstruct, files: ['{path}'], steps: [{', '.join(steps)}]}}"
    assert train(random_model, tmp_path / "run", source) == 1
    assert re.search(message, capsys.readouterr().err)


def test_all_weights_zero_leave_nothing_to_learn(random_model: Path, db: Path, tmp_path: Path, capsys) -> None:
    source = f"data.db={{read: agentinstruct, files: ['{db}'], weight: 0}}"
    assert train(random_model, tmp_path / "run", source) in (1, 2)
    assert "weight" in capsys.readouterr().err
