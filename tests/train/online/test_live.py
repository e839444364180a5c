"""The live loop: every round is sampled from the weights as the last update left them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import support.letters  # noqa: F401 - registers a reward term

from optima_agents import EpisodeLog
from optima_train.config.loading import load
from optima_train.loop.experiment import Experiment
from optima_train.run.files import read_json, read_lines
from optima_train.run.layout import RunDirectory

SMALL = """method=grpo-live iterations=2 env.max_turns=3 generate.instances=3 generate.samples=3 generate.max_tokens=8
    evaluate.instances=2 evaluate.max_tokens=8 evaluate.nll=false reward.weights.readability=0 device=cpu
    reward.weights.letters=1 processes=inline grpo.micro_batch=4 grpo.updates=2 grpo.rounds=3
    grpo.learning_rate=3e-2""".split()


def run(directory: Path, model: Path, *overrides: str) -> RunDirectory:
    Experiment(load("twohop-grpo", [f"model={model}", *SMALL, *overrides]), directory).run()
    return RunDirectory(directory)


@pytest.mark.parametrize("more", [(), ("train.lora={rank: 2, alpha: 4}", "grpo.beta=0.01", "grpo.reference=previous")])
def test_rounds_play_the_weights_as_they_are(random_model: Path, tmp_path: Path, more: tuple[str, ...]):
    done = run(tmp_path / "run", random_model, *more)
    stage = done.of_iteration(1, "train")
    learned = read_json(stage.marker)["numbers"]
    assert (learned["rounds"], learned["steps"]) == (3, 6)
    assert learned["largest_log_ratio"] <= 1e-3, "what was computed with older weights is forgotten"
    assert learned["compared_tokens"] == learned["trained_tokens"] > 0
    assert learned["failures"] == 0
    rounds = list(read_lines(stage.rounds))
    assert [row["step"] for row in rounds] == [0, 2, 4]
    assert sum(row["rows"] for row in rounds) == learned["rows"]
    logs = sorted(stage.path.glob("round*/episodes.jsonl"))
    assert len(logs) == 3
    played = [{(e.key.instance, e.key.seed) for e in EpisodeLog.iterate(log)} for log in logs]
    before = [
        {(e.key.instance, e.key.seed) for e in EpisodeLog.iterate(log)}
        for log in done.of_iteration(0, "train").path.glob("round*/episodes.jsonl")
    ]
    keys = [key for group in (*before, *played) for key in group]
    assert len(keys) == len(set(keys)) == 18, "no instance comes twice in six rounds of three"
    assert json.loads(done.results.read_text())[-1]["label"] == "final"


def test_formats_widen_the_search_in_the_first_iteration_alone(random_model: Path, tmp_path: Path):
    done = run(
        tmp_path / "run", random_model, "generate.formats=[plain, arrows]", "generate.samples=6", "grpo.rounds=1"
    )
    hinted = []
    for iteration in (0, 1):
        log = next(done.of_iteration(iteration, "train").path.glob("round*/episodes.jsonl"))
        hinted.append(sum(bool(e.info.get("format")) for e in EpisodeLog.iterate(log)))
    assert hinted[0] > 0 == hinted[1]


def test_a_learning_rate_of_zero_leaves_the_same_bytes(random_model: Path, tmp_path: Path):
    done = run(tmp_path / "run", random_model, "grpo.learning_rate=0")
    one, two = (done.of_iteration(k, "train").model / "model.safetensors" for k in (0, 1))
    assert one.read_bytes() == two.read_bytes()
