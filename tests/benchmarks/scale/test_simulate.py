"""The simulation of many workers keeps its books: every dialogue is played once, whoever fails, and nothing is free."""

from __future__ import annotations

import json
import random
import sys

import pytest

from benchmarks.scale import simulate
from benchmarks.scale.simulate import Machine, sample, shapes
from optima_agents import EpisodeLog, rollout

JOBS = [(turns, 40 * turns) for turns in (2, 3, 5, 8)] * 50
NEVER = 1e12


def test_without_failures_a_worker_takes_what_its_dialogues_take():
    machine = Machine(concurrency=1, load=10.0, mtbf=NEVER, driver=1e9)
    out = sample(JOBS, 1, machine, random.Random(0))
    assert out.seconds == pytest.approx(10 + sum(map(machine.seconds, JOBS)))
    assert (out.lost, out.failures) == (0, 0)


@pytest.mark.parametrize("workers", [1, 7, 300])
@pytest.mark.parametrize("mtbf", [NEVER, 0.05, 0.01])
def test_every_dialogue_is_played_once_whoever_fails(workers, mtbf):
    machine = Machine(concurrency=4, rate=200, load=5, back=5, mtbf=mtbf)
    out = sample(JOBS, workers, machine, random.Random(1))
    assert out.played == pytest.approx(sum(map(machine.seconds, JOBS)))
    assert (out.lost > 0) == (out.failures > 0 and out.lost > 0)
    assert out.seconds >= 5 + out.played / (workers * 4)
    if mtbf == NEVER:
        assert out.failures == 0


def test_failures_cost_time_and_work_and_workers_save_time_until_the_driver_is_full():
    machine = Machine(concurrency=4, rate=200, load=5, back=5, driver=50.0)
    calm = [sample(JOBS, n, Machine(**{**vars(machine), "mtbf": NEVER}), random.Random(2)) for n in (1, 4, 1000)]
    stormy = sample(JOBS, 4, Machine(**{**vars(machine), "mtbf": 0.01}), random.Random(2))
    assert calm[0].seconds > calm[1].seconds > calm[2].seconds > len(JOBS) / 50
    assert stormy.seconds > calm[1].seconds and stormy.lost > 0


def test_a_recipe_from_a_real_log(tmp_path, monkeypatch, capsys):
    with EpisodeLog(tmp_path / "log.jsonl") as log:
        rollout("twohop-asym", "fake", episodes=6, log=log)
    found = shapes(tmp_path / "log.jsonl", 250)
    assert sum(tokens for _, tokens in found) / len(found) == pytest.approx(250, rel=0.02)
    command = ["simulate", "--log", str(tmp_path / "log.jsonl"), "--recipe", "quickstart", "--workers", "1", "8"]
    monkeypatch.setattr(
        sys, "argv", [*command, "--json", str(tmp_path / "out.json"), "--plot", str(tmp_path / "a.png")]
    )
    assert simulate.main() == 0
    one, eight = json.loads((tmp_path / "out.json").read_text())["quickstart"]
    assert one["hours"] > eight["hours"] > 0
    assert eight["gpu_hours"] >= one["gpu_hours"] * 0.9
    assert (tmp_path / "a.png").stat().st_size > 5_000
    assert "lost" in capsys.readouterr().out
    (tmp_path / "empty.jsonl").write_text("")
    with pytest.raises(ValueError, match="no dialogue"):
        shapes(tmp_path / "empty.jsonl", 250)
