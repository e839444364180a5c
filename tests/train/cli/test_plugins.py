"""An environment, a backend and a method of one's own in a folder that is not on the path, used by every verb."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
OWN = '''
from optima_agents import BACKENDS
from optima_agents.backends import Completion
from optima_envs import EnvSpec, Instance, register, term
from optima_train import METHODS, Generate, Rank, Select


class Coin:
    """Heads, always."""

    name, split = "coin", "test"

    def __init__(self, split=None, agents=("Alice", "Bob")):
        self.split, self.agents = split or "test", agents

    def __len__(self):
        return 4

    def __getitem__(self, index):
        private = {agent: f"It is heads ({index})." for agent in self.agents}
        return Instance(f"{self.split}-{index}", f"Toss {index}?", ("heads",), private)


register(EnvSpec("mine/coin-v0", Coin))


@BACKENDS.register("oracle")
class Oracle:
    """Says heads, by every turn as long as its seed says."""

    def __init__(self, model):
        self.model = model

    async def complete(self, request):
        return Completion("<A> heads </A>", 3 + request.seed % 5)

    async def aclose(self):
        pass


@term("cheer")
def cheer(episode):
    return 1.0


@METHODS.register("toss")
def toss(config):
    return lambda iteration: (Generate(), Rank(), Select())
'''
RECIPE = """
name: coin
method: toss
model: none
backend: oracle
env: {id: mine/coin}
iterations: 1
generate: {instances: 4, samples: 2, formats: null}
reward: {weights: {task: 1.0, cheer: 0.5}}
evaluate: {instances: 4, nll: false}
plugins: [coins]
"""
SUITE = """
name: coins
plugins: [coins]
envs: [{id: mine/coin, instances: 2}]
models: [{label: oracle, backend: "oracle:x"}]
methods: [dialogue]
"""


@pytest.fixture
def optima(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """The command in ``work``; the plugin and what names it are in ``mine``."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "work").mkdir()
    for name, text in (("coins.py", OWN), ("coin.yaml", RECIPE), ("suite.yaml", SUITE)):
        (tmp_path / "mine" / name).write_text(text)

    def call(*args: object, cwd: str = "work") -> subprocess.CompletedProcess[str]:
        code = "import sys; sys.path.pop(0); from optima_train.cli.main import main; sys.exit(main())"
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", code, *map(str, args)]
        return subprocess.run(command, env=environment, cwd=tmp_path / cwd, capture_output=True, text=True, timeout=300)

    return call


def test_a_recipe_brings_the_plugin_beside_it(optima, tmp_path: Path) -> None:
    plan = optima("train", "../mine/coin.yaml", "--dry-run")
    assert plan.returncode == 0, plan.stderr
    assert "it000/select" in plan.stdout
    done = optima("train", "../mine/coin.yaml", "--out", "run")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "work/run/results.json").read_text())[0]["score"] == 1.0
    # from another folder, which knows neither recipe nor plugin
    (tmp_path / "work/run/it000/select/DONE.json").unlink()
    resumed = optima("resume", tmp_path / "work/run", cwd=".")
    assert resumed.returncode == 0, resumed.stderr
    assert (tmp_path / "work/run/it000/select/DONE.json").is_file()


def test_every_verb_takes_a_plugin_of_the_current_folder(optima) -> None:
    show = optima("envs", "show", "mine/coin", "--plugin", "coins", cwd="mine")
    assert show.returncode == 0 and "Toss 0?" in show.stdout, show.stderr
    score = optima("eval", "mine/coin", "--policy", "oracle:x", "-n", "2", "--json", "--plugin", "coins", cwd="mine")
    assert json.loads(score.stdout)["score"] == 1.0, score.stderr
    over = ["backend=oracle", "method=toss", "env.id=mine/coin", "generate.formats=null", "reward.weights={cheer: 1}"]
    plan = optima("train", "quickstart", *over, "--plugin", "coins", "--dry-run", cwd="mine")
    assert plan.returncode == 0 and "- coins\n" in plan.stdout, plan.stderr
    without = optima("envs", "show", "mine/coin", cwd="mine")
    assert without.returncode == 2 and "unknown environment 'mine/coin-v0'" in without.stderr


def test_a_suite_brings_the_plugin_beside_it(optima) -> None:
    done = optima("bench", "../mine/suite.yaml", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "dialogue/coin/oracle/seed0" in done.stdout
