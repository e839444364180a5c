"""SIGKILL in the stages of NAT, ETO and STE and around their commits: the same command ends at the same bytes."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import pytest
from support.runs import settings

from optima_agents import EpisodeLog
from optima_train.tiny.dialogues import dialogues

from .test_kill import attempt

pytestmark = [pytest.mark.xdist_group("kill"), pytest.mark.slow]
ALWAYS = ["isolation=inline", "device=cpu", "evaluate={instances: 2, max_tokens: 16, nll: false}"]
# method: settings, the iteration that is killed, where, and the files that must be the same
METHODS = {
    "nat": (
        ["condition={infer: correct}", "data.log={read: optima, files: ['DATA']}", "train.max_length=1024"],
        "it000",
        "collect:commit condition:commit condition:committed mix:commit train:1 train:commit evaluate:1",
        ["condition/dropped.jsonl", "mix/rows.jsonl", "mix/draws.jsonl"],
    ),
    "eto": (
        ["model=tiny", "iterations=2", "data.log={read: optima, files: ['DATA']}", "env.max_turns=4",
         "generate={instances: 3, samples: 3, max_tokens: 48, formats: null, temperature: [1]}",
         "dpo={batch_size: 2, micro_batch: 2, learning_rate: 1e-4}"],
        "it001",
        "generate:2 rank:commit pairs:commit pairs:committed train:1 train:commit",
        ["rank/rewards.jsonl", "pairs/pairs.jsonl"],
    ),
    "ste": (
        ["backend=tests-steady", "dtype=null", "plugins=[support.exploring]", "env={id: twohop-search, max_turns: 4}",
         "imagine={episodes: 2, trials: 2, instances: 2}", "iterations=2", "mix.replay=0.5", "train.max_length=1024"],
        "it001",
        "imagine:3 imagine:5 imagine:commit imagine:committed mix:commit train:1 train:commit",
        ["imagine/dropped.jsonl", "mix/rows.jsonl", "mix/draws.jsonl"],
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("outcomes") / "outcomes.jsonl"
    with EpisodeLog(path) as log:
        for item in dialogues("twohop-asym", "arrows", 8, wrong=0.5):
            log.append(item)
    return path


@pytest.mark.parametrize("method", METHODS)
def test_killed_and_resumed_it_ends_at_the_same_bytes(
    method: str, random_model: Path, outcomes: Path, tmp_path: Path
) -> None:
    chosen, iteration, kills, files = METHODS[method]
    chosen = [item.replace("DATA", str(outcomes)) for item in chosen]
    command = ["train", "quickstart", *settings(random_model), f"method={method}", *chosen, *ALWAYS, "--out"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert attempt([*command, str(whole)]) == 0
    # what comes before the iteration is the same run
    shutil.copytree(whole, killed, symlinks=True, ignore=shutil.ignore_patterns(iteration))
    for kill in kills.split():
        assert attempt([*command, str(killed)], f"{iteration}/{kill}") == -signal.SIGKILL, kill
    assert attempt([*command, str(killed)]) == 0
    for name in [*files, "train/model/model.safetensors"]:
        one, other = ((folder / iteration / name).read_bytes() for folder in (whole, killed))
        assert one == other and (one or "dropped" in name), name
    assert not list(killed.rglob("*.partial"))
