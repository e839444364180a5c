"""An outside package adds an environment, a reward term, a backend, a policy, a training method and a baseline, each
by one small file, and real runs use them all: found by entry points, or by naming the modules in the recipe."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

ENV = '''
from optima_envs import EnvSpec, Instance, Sheet, register

class Colours:
    """Each agent sees one of two letters; together they name a colour."""

    name, split = "colours", "test"

    def __init__(self, split=None, agents=("Alice", "Bob")):
        self.split, self.agents = split or "test", agents

    def __len__(self):
        return 6

    def __getitem__(self, index):
        first, second = self.agents[:2]
        colour = ("red", "blue", "teal")[index % 3]
        return Instance(f"{self.split}-{index}", "Which colour?", (colour,), {first: colour[:2], second: colour[2:]})

SPEC = EnvSpec("acme/colours-v0", Colours, metric="f1", sheet=Sheet("A test world."))
'''
TERM = """
from optima_envs import term

@term("politeness")
def politeness(episode):
    return sum("please" in turn.text for turn in episode.turns) / max(1, len(episode.turns))
"""
BACKEND = '''
from optima_agents import BACKENDS
from optima_agents.backends import Completion

@BACKENDS.register("parrot")
class Parrot:
    """Always says the model's name, politely on even seeds."""

    def __init__(self, model):
        self.model = model

    async def complete(self, request):
        text = ("please " if request.seed % 2 == 0 else "") + f"<A> {self.model} </A>"
        return Completion(text, len(text.split()))

    async def aclose(self):
        pass
'''
POLICY = """
from optima_agents import POLICIES, Act

@POLICIES.register("mute")
def mute(text=""):
    return Mute()

class Mute:
    async def act(self, view, *, seed):
        return Act("")
"""
METHOD = """
from optima_train import METHODS, Generate, Rank, Select

@METHODS.register("sample-only")
def sample_only(config):
    return lambda iteration: (Generate(), Rank(), Select())
"""
BASELINE = '''
from benchmarks import baseline

@baseline("second-opinion", families=["exchange"], askers=1)
async def second_opinion(session):
    """The first agent answers; each other one is told that answer and may keep it or change it."""
    first, *others = session.agents
    answer = session.answer_in(await session.ask(first, session.prompt()))
    for agent in others[: session.options["askers"]]:
        told = f"Somebody thinks it is {answer}. Keep that or change it."
        answer = session.answer_in(await session.ask(agent, session.prompt(agent, hint=told))) or answer
    return answer
'''
POINTS = """
[optima.envs]
acme/colours-v0 = acme.env:SPEC
[optima.rewards]
politeness = acme.term:politeness
[optima.backends]
parrot = acme.backend:Parrot
[optima.policies]
mute = acme.policy:mute
[optima.methods]
sample-only = acme.method:sample_only
[optima.baselines]
second-opinion = acme.baseline
"""
RECIPE = """
name: acme
method: sample-only
model: red
backend: parrot
dtype: float64
env: {id: acme/colours}
iterations: 2
generate: {instances: 6, samples: 4, formats: null}
reward: {weights: {task: 1.0, politeness: 0.5}}
select: {threshold: 0.2}
evaluate: {instances: 6, nll: false}
"""

SUITE = """
name: acme
envs: [{id: acme/colours, instances: 6}]
models: [{label: parrot, backend: "parrot:red"}]
methods: [second-opinion, {name: second-opinion, label: no opinion, options: {askers: 5}}, dialogue]
"""


@pytest.fixture(params=["entry points", "plugins"])
def outside(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """An installed outside package, its recipe beside it; returns the environment to run in."""
    site = tmp_path / "site"
    package = site / "acme"
    package.mkdir(parents=True)
    files = {"env": ENV, "term": TERM, "backend": BACKEND, "policy": POLICY, "method": METHOD, "__init__": ""}
    files["baseline"] = BASELINE
    recipe, suite = RECIPE, SUITE
    if request.param == "entry points":
        info = site / "acme-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(POINTS)
    else:
        files["env"] += "\nregister(SPEC)\n"
        recipe += "plugins: [acme.env, acme.term, acme.backend, acme.policy, acme.method]\n"
        suite += "plugins: [acme.env, acme.backend, acme.baseline]\n"
    for name, text in files.items():
        (package / f"{name}.py").write_text(text)
    (tmp_path / "acme.yaml").write_text(recipe)
    (tmp_path / "suite.yaml").write_text(suite)
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), str(ROOT)])}


def optima(env: dict[str, str], cwd: Path, *args: str) -> subprocess.CompletedProcess[str]:
    code = "import sys; from optima_train.cli.main import main; sys.exit(main())"
    return subprocess.run([sys.executable, "-c", code, *args], env=env, cwd=cwd, capture_output=True, text=True)


def test_a_run_made_of_outside_parts(outside: dict[str, str], tmp_path: Path):
    done = optima(outside, tmp_path, "train", "acme.yaml", "--out", "run")
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "run" / "results.json").read_text())
    # the parrot says red, which is right for two of the six instances
    assert (rows[0]["label"], rows[0]["n"], round(rows[0]["score"], 3)) == ("untrained", 6, 0.333)
    rewards = [json.loads(line) for line in (tmp_path / "run/it001/rank/rewards.jsonl").read_text().splitlines()]
    assert len(rewards) == 24
    assert {row["terms"]["politeness"] for row in rewards} > {0.0, 1.0}
    assert (tmp_path / "run" / "report.html").is_file()


def test_an_outside_environment_and_policy_from_the_command_line(outside: dict[str, str], tmp_path: Path):
    if "plugins" in (tmp_path / "acme.yaml").read_text():
        pytest.skip("without entry points the command line cannot know the package")
    shown = optima(outside, tmp_path, "envs", "show", "acme/colours")
    assert shown.returncode == 0, shown.stderr
    assert "A test world." in shown.stdout
    played = optima(outside, tmp_path, "rollout", "acme/colours", "--policy", "mute", "-n", "6", "--json")
    assert played.returncode == 0, played.stderr
    assert json.loads(played.stdout)["score"] == 0.0
    assert optima(outside, tmp_path, "envs", "check", "acme/colours").returncode == 0


def test_an_outside_baseline_in_a_suite(outside: dict[str, str], tmp_path: Path):
    assert len(BASELINE.strip().splitlines()) < 70
    code = (
        "import argparse, sys; from benchmarks import command; parser = argparse.ArgumentParser(); "
        "command.arguments(parser); sys.exit(command.run(parser.parse_args()))"
    )
    args = ["suite.yaml", "--out", "bench", "--no-report"]
    done = subprocess.run(
        [sys.executable, "-c", code, *args], env=outside, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    rows = {row["label"]: row for row in json.loads((tmp_path / "bench/results.json").read_text())}
    assert set(rows) == {"second-opinion", "no opinion", "dialogue"}
    row = rows["second-opinion"]
    # both agents are the parrot that says red, right for two of the six instances
    assert (row["n"], round(row["score"], 3), row["calls"], row["failures"], row["unparsed"]) == (6, 0.333, 2, 0, 0)
    assert row["options"] == {"askers": 1}
    assert {row["block"] for row in rows.values()} == {"fair"}
