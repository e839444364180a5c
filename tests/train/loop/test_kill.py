"""SIGKILL at every stage boundary and in the middle of the work: the same command finishes with the same result set."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from optima_train.run.failpoints import VARIABLE

pytestmark = pytest.mark.xdist_group("kill")  # one worker, so that what its tests share is made once
STAGES = ["untrained/evaluate"] + [f"it000/{s}" for s in ("generate", "rank", "select", "rows", "train", "evaluate")]
MIDDLE = {"untrained/evaluate": "2", "it000/generate": "3", "it000/train": "1", "it000/evaluate": "1"}
# a server with the libraries loaded forks clean children: each resumes in a second instead of twenty
LIBRARIES = [
    "optima_agents.backends.hf.backend",
    "optima_agents.backends.hf.decoding",
    "trl.trainer.sft_trainer",
    "trl.trainer.dpo_trainer",
]


def forked(arguments: list[str], failpoint: str | None) -> None:
    from optima_train.cli.main import main

    if failpoint is not None:
        os.environ[VARIABLE] = failpoint
    sys.exit(main(arguments))


def attempt(arguments: list[str], failpoint: str | None = None) -> int | None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(LIBRARIES)
    child = context.Process(target=forked, args=(arguments, failpoint))
    child.start()
    child.join()
    return child.exitcode


def content(directory: Path) -> dict:
    """All that must not depend on how often a run was killed."""
    logs = {}
    for log in sorted(directory.rglob("episodes.jsonl")):
        rows = [json.loads(line) for line in log.read_text().splitlines()]
        keys = Counter(tuple(row["key"].values()) for row in rows)
        assert set(keys.values()) == {1}, f"{log} holds a dialogue twice"
        texts = {tuple(row["key"].values()): [turn["ids"] for turn in row["turns"]] for row in rows}
        logs[str(log.relative_to(directory))] = texts
    results = json.loads((directory / "results.json").read_text())
    table = [{name: value for name, value in row.items() if name not in ("seconds", "nll")} for row in results]
    chosen = (directory / "it000/select/selected.jsonl").read_text()
    metrics = [json.loads(line)["stage"] for line in (directory / "metrics.jsonl").read_text().splitlines()]
    return {
        "logs": logs,
        "table": table,
        "selected": json.loads(f"[{','.join(chosen.splitlines())}]"),
        "metrics": metrics,
    }


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, random_model: Path) -> tuple[list[str], dict]:
    """The arguments of a run, and what it leaves when nobody kills it."""
    from support.runs import settings

    directory = tmp_path_factory.mktemp("runs") / "whole"
    arguments = ["train", "quickstart", *settings(random_model), "dtype=float64"]
    assert attempt([*arguments, "isolation=inline", "--out", str(directory)]) == 0
    return arguments, content(directory)


@pytest.mark.slow
def test_kills_at_every_boundary_of_one_run(tmp_path: Path, whole: tuple[list[str], dict]) -> None:
    arguments, expected = whole
    command = [*arguments, "isolation=inline", "--out", str(tmp_path / "run")]
    for stage in STAGES:
        for point in ("start", MIDDLE.get(stage), "commit", "committed"):
            if point is not None:
                assert attempt(command, f"{stage}:{point}") == -signal.SIGKILL, (stage, point)
    assert attempt(command) == 0
    assert content(tmp_path / "run") == expected
    assert not list((tmp_path / "run").rglob("*.partial"))


@pytest.mark.slow
def test_a_killed_child_is_reported_and_a_killed_parent_takes_its_child_along(
    tmp_path: Path, whole: tuple[list[str], dict]
) -> None:
    arguments, expected = whole
    directory = tmp_path / "run"
    command = [sys.executable, "-m", "optima_train", *arguments, "--out", str(directory)]
    killed = subprocess.run(
        command, env={**os.environ, VARIABLE: "it000/generate:3"}, capture_output=True, text=True, check=False
    )
    assert killed.returncode == 1
    assert "the worker ended with signal SIGKILL (out of memory?)" in killed.stderr
    assert len((directory / "it000/generate/episodes.jsonl").read_text().splitlines()) >= 3
    with subprocess.Popen([*command, "isolation=per-kind"], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert any("it000/select done" in line for line in parent.stdout)
        parent.kill()
    assert attempt([*arguments, "isolation=inline", "--out", str(directory)]) == 0
    assert content(directory) == expected
