"""What replay is for (STE): a tool learned first is forgotten when another one is learned, unless a share of its rows
comes again. Three seeds: ``pytest tests/train/imitation/test_replay.py -m "slow or not slow"``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import support.errands  # noqa: F401 - registers the environment
from support.runs import settings

from optima_agents import EpisodeLog, rollout
from optima_agents.scripted import oracle
from optima_envs import scenario
from optima_train.cli.main import main


def taught(folder: Path, split: str) -> str:
    path = folder / f"{split}.jsonl"
    scene = scenario("tests/errands", split=split)
    with EpisodeLog(path) as log:
        for episode in rollout(scene, oracle(scene.task), episodes=len(scene.task)):
            log.append(episode)
    return str(path)


def learn(model: Path, folder: Path, replay: float, seed: int) -> tuple[float, float]:
    """The old tool's score after it was learned, and after the new one was."""
    old, new = taught(folder, "old"), taught(folder, "new")
    chosen = [
        "method=imitate", "isolation=inline", "iterations=2", f"seed={seed}", f"mix={{rows: 960, replay: {replay}}}",
        f"data.old={{read: optima, files: ['{old}'], iterations: [0]}}",
        f"data.new={{read: optima, files: ['{new}'], iterations: [1]}}",
        "env={id: tests/errands, train: {split: old}, test: {split: old}}", "generate.formats=null",
        "train={learning_rate: 6e-3, epochs: 8, batch_size: 16, micro_batch: 16}",
        "evaluate={instances: 8, max_tokens: 8, nll: false}",
    ]  # fmt: skip
    assert main(["train", "quickstart", *settings(model), *chosen, "--out", str(folder / "run")]) == 0
    rows = json.loads((folder / "run/results.json").read_text())
    return rows[1]["score"], rows[2]["score"]


@pytest.mark.parametrize("seed", [0, *(pytest.param(k, marks=pytest.mark.slow) for k in (1, 2))])
def test_replay_keeps_the_old_tool_and_without_it_is_forgotten(random_model: Path, tmp_path: Path, seed: int) -> None:
    for replay in (0.1, 0.0):
        folder = tmp_path / str(replay)
        folder.mkdir()
        first, then = learn(random_model, folder, replay, seed)
        assert first == 1.0
        assert then >= 0.95 if replay else then <= 0.10
