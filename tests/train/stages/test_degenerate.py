"""Degenerate groups through the whole loop: one sample, equal rewards, nothing to prefer."""

from __future__ import annotations

import json
from pathlib import Path

from support.pages import unpacked

from optima_train.config.loading import load
from optima_train.loop.experiment import Experiment
from optima_train.loop.results import LoopState
from optima_train.report.data import collect
from optima_train.report.write import write_report

# a model that knows nothing is wrong everywhere: with the task term alone all rewards are equal
EQUAL = ["reward.weights={task: 1.0, tokens: 0, readability: 0}", "evaluate.nll=false", "pairs.gap=0"]
TREES = ["tree.instances=2", "tree.rounds=2", "tree.rollouts=2", "tree.max_tokens=8", "pairs.threshold=-5"]


def finish(directory: Path, small: list[str]) -> LoopState:
    settings = [*small, *EQUAL, *TREES, "method=idpo", "iterations=2", "generate.samples=1", "isolation=inline"]
    return Experiment(load("quickstart", settings), directory).run()


def test_without_any_pair_the_model_stays_and_the_run_goes_on(tmp_path: Path, small: list[str]):
    state = finish(tmp_path / "run", small)
    assert state.finished
    assert state.policy.model == "it000/train/model", "the DPO iteration has made none"
    first, last = state.results[-2:]
    same = ("score", "tokens", "turns")
    assert [last[name] for name in same] == [first[name] for name in same]
    assert (last["trees"], last["pairs"]) == (2, 0)
    assert last["skipped"].startswith("no pairs: ")
    assert (tmp_path / "run/it001/pairs/pairs.jsonl").read_text() == ""
    assert (tmp_path / "run/model").resolve() == (tmp_path / "run/it000/train/model").resolve()
    assert finish(tmp_path / "run", small) == state
    shown(tmp_path / "run")


def shown(directory: Path) -> None:
    """The report has the trees' numbers, not their dialogues."""
    data, dialogues = collect(directory)
    assert {"trees", "sampled_share", "pairs", "skipped"} <= set(data["columns"])
    assert data["results"][1]["kept"] == 3 and "trees" not in data["results"][1]
    assert 0 < data["results"][2]["sampled_share"] <= 1
    done = json.loads((directory / "it001/grow/DONE.json").read_text())["numbers"]
    assert [iteration for iteration, _ in data["terms"]["total"]] == [0, 1]
    assert data["terms"]["total"][1][1] == round(done["reward"], 5)
    assert {origin[1] for origin in unpacked(dialogues)[0]["origins"]} == {"evaluate", "generate"}, (
        "trees are counted, not listed"
    )
    assert "sampled_share" in write_report(directory).read_text(encoding="utf-8")
