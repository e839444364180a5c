"""SIGKILL in tree growth, in a preference step and around commits: the same command finishes with the same result."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path

import pytest

from .test_kill import attempt, content

pytestmark = [pytest.mark.xdist_group("kill"), pytest.mark.slow]
# the embedded model, for its turns end, and only whole turns are preferred
SMALL = """method=idpo iterations=2 env.max_turns=4 generate.instances=2 generate.samples=2 generate.max_tokens=24
    select.threshold=-5 select.top_share=1 train.epochs=1 train.batch_size=4 train.micro_batch=4 evaluate.instances=2
    evaluate.max_tokens=16 tree.instances=3 tree.rounds=2 tree.rollouts=2 tree.max_tokens=64 pairs.threshold=-5
    pairs.gap=0 dpo.batch_size=2 dpo.micro_batch=2 dpo.learning_rate=1e-4 device=cpu isolation=inline
    evaluate.nll=false""".split()
KILLS = [f"it001/{kill}" for kill in "grow:2 grow:commit pairs:commit train:1 train:commit train:committed".split()]


def outcome(directory: Path) -> dict:
    """All that must not depend on how often a run was killed; numbers of a log in any order of its lines."""
    trees = sorted((directory / "it001/grow/trees.jsonl").read_text().splitlines(), key=place)
    losses = json.loads((directory / "it001/train/DONE.json").read_text())["numbers"]
    return {
        **content(directory),
        "trees": [without_costs(json.loads(line)) for line in trees],
        "pairs": (directory / "it001/pairs/pairs.jsonl").read_text(),
        "weights": (directory / "it001/train/model/model.safetensors").read_bytes(),
        "training": {name: value for name, value in losses.items() if "seconds" not in name},
    }


def place(line: str) -> tuple[int, int]:
    row = json.loads(line)
    return row["tree"], row["round"]


def without_costs(row: dict) -> dict:
    """Time and what an engine still had cached depend on when it was started."""
    return {name: value for name, value in row.items() if name not in ("seconds", "cached_tokens")}


def test_kills_in_trees_pairs_and_preference_training(tmp_path: Path):
    command = ["train", "quickstart", *SMALL, "--out"]
    assert attempt([*command, str(tmp_path / "whole")]) == 0
    # iteration 0 has no tree: the killed run goes on from there
    shutil.copytree(tmp_path / "whole", tmp_path / "killed", symlinks=True, ignore=shutil.ignore_patterns("it001"))
    for kill in KILLS:
        assert attempt([*command, str(tmp_path / "killed")], kill) == -signal.SIGKILL, kill
    assert attempt([*command, str(tmp_path / "killed")]) == 0
    expected = outcome(tmp_path / "whole")
    assert outcome(tmp_path / "killed") == expected
    assert expected["pairs"], "the comparison must not be of nothing"
    assert not list((tmp_path / "killed").rglob("*.partial"))
