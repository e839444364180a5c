"""Methods of agents with different parts: CMAT's actor and checker, Lumos' planner and grounder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.runs import settings

from optima_agents import rollout
from optima_agents.scripted.experts import expert
from optima_envs import scenario
from optima_train.cli.main import main
from optima_train.config.loading import ConfigError, load
from optima_train.methods import plan
from optima_train.run.digests import digest

SHOWN = "data.shown={expert: {instances: 4}}"
OWN = "train={sharing: adapter, lora: {rank: 4, merge: false}, learning_rate: 1e-2}"
PLAN = "env={id: arith-plan, max_turns: 8}"


def train(model: Path, out: Path, *overrides: str) -> Path:
    chosen = ["isolation=inline", "train.max_length=1024", "evaluate.nll=false", *overrides]
    assert main(["train", "quickstart", *settings(model), *chosen, "--out", str(out)]) == 0
    return out


@pytest.mark.parametrize("formulation", ["iterative", "onetime"])
def test_lumos_gives_planner_and_grounder_adapters_of_their_own(
    formulation: str, random_model: Path, tmp_path: Path
) -> None:
    env = f"env={{id: arith-plan, max_turns: 8, args: {{formulation: {formulation}}}}}"
    out = train(random_model, tmp_path / "run", "method=lumos", env, SHOWN, OWN)
    told = json.loads((out / "it000/train/DONE.json").read_text())["numbers"]["by_agent"]
    assert {agent: numbers["rows"] for agent, numbers in told.items()} == {"Alice": 4, "Bob": 4}
    folders = [out / f"it000/train/own-{agent}/adapter" for agent in told]
    assert digest(folders[0]) != digest(folders[1]) and (out / "model/team.yaml").is_file()
    turns = [json.loads(line)["turns"] for line in (out / "it000/mix/rows.jsonl").read_text().splitlines()]
    assert all(len(row) == 1 for row in turns) is (formulation == "onetime")


@pytest.mark.parametrize("formulation", ["iterative", "onetime"])
def test_the_scripted_pair_is_right_in_both_formulations(formulation: str) -> None:
    scene = scenario("arith-plan", formulation=formulation)
    episodes = rollout(scene, expert(scene), episodes=20)
    assert all(episode.correct for episode in episodes)
    assert all(len(episode.spoken) == 2 for episode in episodes) is (formulation == "onetime")


def test_lumos_without_weights_of_their_own_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"train\.sharing: lumos trains planner and grounder apart"):
        plan(load("quickstart", ["method=lumos", PLAN, SHOWN]))


def stages(*overrides: str) -> list[list[str]]:
    """Of iterations 0, 1 and 2."""
    steps = plan(load("quickstart", ["method=cmat", "iterations=3", *overrides]))
    return [[step.stage.name for step in steps if step.iteration == iteration] for iteration in range(3)]


def test_cmat_takes_supervised_and_preference_rounds_in_turn() -> None:
    imitated = ["collect", "mix", "train", "evaluate"]
    own = ["generate", "rank", "select", "rows", "train", "evaluate"]
    preferred = ["generate", "rank", "pairs", "train", "evaluate"]
    assert stages(SHOWN) == [imitated, preferred, own]
    assert stages() == [own, preferred, own]
    assert stages("train.prompt_tokens=4") == [own, own, own]
    with pytest.raises(ConfigError, match=r"contrast\.experts: none is no source"):
        stages("contrast.experts=none")


def test_cmat_plays_with_a_checker_and_trains_under_a_soft_prompt(random_model: Path, tmp_path: Path) -> None:
    env = "env={id: twohop-search, max_turns: 8, args: {checker: true, attempts: 2, memory: 3}}"
    out = train(random_model, tmp_path / "run", "method=cmat", env, SHOWN, "train.prompt_tokens=4", "iterations=2")
    rows = [json.loads(line) for line in (out / "it000/mix/rows.jsonl").read_text().splitlines()]
    assert {row["agent"] for row in rows} == {"Alice", "Bob"}
    assert (out / "it001/train/adapter/adapter_model.safetensors").is_file()
