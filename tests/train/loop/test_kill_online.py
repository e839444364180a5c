"""SIGKILL around and inside every stage of online learning: the same command ends with the same weights."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
from pathlib import Path

import pytest

from .test_kill import attempt

pytestmark = [pytest.mark.xdist_group("kill"), pytest.mark.slow]
# the embedded model: its dialogues differ in length, so that groups have spread
SMALL = """iterations=2 env.max_turns=4 generate.instances=3 generate.samples=3 generate.max_tokens=40
    evaluate.instances=2 evaluate.max_tokens=16 evaluate.nll=false reward.weights.readability=0 device=cpu
    dtype=float64 processes=inline grpo.micro_batch=4 grpo.updates=2 grpo.learning_rate=1e-4""".split()
STAGES = ("generate", "rank", "advantages", "train", "evaluate")
MIDDLE = {"generate": "4", "train": "1", "evaluate": "1"}


def weights(directory: Path) -> dict[str, str]:
    """Hashes of all weights and moments, and of the rows they were learned from."""
    files = [*directory.rglob("*.safetensors"), *directory.rglob("policy_rows.jsonl"), *directory.rglob("memory.json")]
    return {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(files)
        if not path.is_symlink() and path.relative_to(directory).parts[0] != "model"
    }


def table(directory: Path) -> list[dict]:
    rows = json.loads((directory / "results.json").read_text())
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("online") / "whole"
    assert attempt(["train", "twohop-grpo", *SMALL, "--out", str(directory)]) == 0
    return directory


def test_kills_in_every_stage_of_an_iteration(tmp_path: Path, whole: Path):
    killed = tmp_path / "killed"
    shutil.copytree(whole, killed, symlinks=True, ignore=shutil.ignore_patterns("it001"))
    command = ["train", "twohop-grpo", *SMALL, "--out", str(killed)]
    for stage in STAGES:
        for point in ("start", MIDDLE.get(stage), "commit", "committed"):
            if point is not None:
                assert attempt(command, f"it001/{stage}:{point}") == -signal.SIGKILL, (stage, point)
    assert attempt(command) == 0
    assert weights(killed) == weights(whole)
    assert len([name for name in weights(whole) if name.endswith("model.safetensors")]) == 2
    assert table(killed) == table(whole)
    assert not list(killed.rglob("*.partial"))


def test_a_killed_iteration_of_the_live_loop_starts_afresh(tmp_path: Path):
    live = [*SMALL, "method=grpo-live", "iterations=1", "grpo.rounds=2"]
    directory = tmp_path / "run"
    command = ["train", "twohop-grpo", *live, "--out", str(directory)]
    for kill in ("it000/train:1", "it000/train/round001:4", "it000/train:commit"):
        assert attempt(command, kill) == -signal.SIGKILL, kill
    assert attempt(command) == 0
    rounds = [json.loads(line) for line in (directory / "it000/train/rounds.jsonl").read_text().splitlines()]
    assert [row["round"] for row in rounds] == [0, 1]
    assert {row["dialogues"] for row in rounds} == {9}
