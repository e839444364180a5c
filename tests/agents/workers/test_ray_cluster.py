"""Two workers of a real local Ray cluster: killed, they lose nothing; a run over them is the run of one process."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest
from support.crews import dialogues

from optima_agents import EpisodeLog, Job, rollout
from optima_agents.backends.base import EngineDead
from optima_agents.workers.dialogues import afar
from optima_agents.workers.opening import open_workers
from optima_envs import scenario

pytestmark = pytest.mark.xdist_group("ray")
LOCAL = "ray:local?workers=2"


@pytest.fixture(scope="module")
def ray():
    found = pytest.importorskip("ray", reason="the extra ray is not installed: pip install 'optima-marl[ray]'")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))  # the workers import what tests import
        yield found


def test_a_killed_worker_loses_and_doubles_nothing(ray, tmp_path):
    async def run():
        pool, killed = open_workers(LOCAL), 0
        with EpisodeLog(tmp_path / "log.jsonl") as log:
            async with pool.crew(dialogues(latency=0.02)) as crew:
                jobs = [Job(index) for index in range(400)]
                async with aclosing(afar(scenario("twohop-asym"), crew, log=log).stream(jobs)) as stream:
                    async for _ in stream:
                        if killed == 0 and len(crew.finished) == 2:
                            killed = pool.source.members[0].pid  # type: ignore[attr-defined]
                            os.kill(killed, signal.SIGKILL)
        await pool.aclose()
        return crew

    crew = asyncio.run(run())
    assert crew.lost == 1
    found = EpisodeLog.read(tmp_path / "log.jsonl")
    alone = rollout("twohop-asym", "fake", episodes=400)
    assert sorted(map(bare, found)) == sorted(map(bare, alone))


def bare(episode):
    return json.dumps(replace(episode, seconds=0.0).to_json())


def test_no_cluster_is_said_with_its_address(ray):
    with pytest.raises(EngineDead, match=r"no Ray cluster at 127\.0\.0\.1:1"):
        rollout("twohop-asym", "fake", episodes=1, workers="ray:127.0.0.1:1")


def optima(*args: str, cwd: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-m", "optima_train", *args], cwd=cwd, env=environment, text=True, capture_output=True
    )
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.slow
def test_a_run_over_workers_is_the_run_of_one_process(ray, tmp_path):
    """Dialogues and trees in the log, rewards with readability, weights of an iteration by their path."""
    small = [
        "method=isft-dpo", "iterations=2", "dtype=float64", "device=cpu", "env.max_turns=3", "generate.instances=3",
        "generate.samples=2", "generate.max_tokens=8", "tree.instances=2", "tree.rounds=2", "tree.rollouts=2",
        "tree.max_tokens=8", "evaluate.instances=3", "evaluate.max_tokens=8", "select.threshold=-9",
        "select.top_share=1", "train.epochs=1", "pairs.threshold=-9", "pairs.gap=0", "pairs.top_share=1",
    ]  # fmt: skip
    optima("train", "quickstart", *small, "--out", "one", cwd=tmp_path)
    optima("train", "quickstart", *small, "--out", "far", f"rollout.workers={LOCAL}", cwd=tmp_path)
    one, far = tmp_path / "one", tmp_path / "far"
    logs = sorted(path.relative_to(one) for path in one.rglob("episodes.jsonl"))
    assert len(logs) >= 4
    for log in logs:
        assert texts(EpisodeLog.read(one / log)) == texts(EpisodeLog.read(far / log)), log
    (trees,) = [path.relative_to(one) for path in one.rglob("trees.jsonl")]
    assert rows(one / trees) == rows(far / trees)


def texts(episodes):
    return sorted((str(e.key), [turn.text for turn in e.turns], e.score) for e in episodes)


def rows(path: Path):
    found = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return sorted((row["tree"], row["round"], [node["turn"]["text"] for node in row["nodes"]]) for row in found)
