"""Weights of their own: who learns from what, what stays untouched, teams saved and played again, what is refused."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.opposites import SAID
from support.runs import settings

from optima_agents import EpisodeLog, close_team, make_team, rollout
from optima_agents.team_file import on_backend, read_team
from optima_train.cli.main import main
from optima_train.config.loading import ConfigError, load
from optima_train.loop.preflight import preflight
from optima_train.run.digests import digest

OWN = "train={sharing: adapter, lora: {rank: 4, merge: false}}"


def marker(path: Path) -> dict[str, Any]:
    return json.loads((path / "DONE.json").read_text())


@pytest.fixture(scope="module")
def conventions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("opposites") / "log.jsonl"
    team = {agent: f"scripted:{word}" for agent, word in SAID.items()}
    with EpisodeLog(path) as log:
        for episode in rollout("tests/opposites", team, episodes=24):
            log.append(episode)
    return path


def learn(out: Path, log: Path, *overrides: str) -> float:
    """Imitation of the conventions by the embedded model; the final team's score."""
    chosen = [
        "method=imitate", "isolation=inline", "iterations=1", "env={id: tests/opposites}", "device=cpu",
        f"data.log={{read: optima, files: ['{log}']}}", "train.epochs=8", "train.batch_size=8", "train.micro_batch=8",
        "evaluate={instances: 8, max_tokens: 4, nll: false}", "generate.formats=null", *overrides,
    ]  # fmt: skip
    assert main(["train", "quickstart", *chosen, "--out", str(out)]) == 0
    return json.loads((out / "results.json").read_text())[-1]["score"]


def test_agents_who_must_differ_need_weights_of_their_own(conventions: Path, tmp_path: Path) -> None:
    rate = "train.learning_rate=2e-3"
    assert learn(tmp_path / "shared", conventions, rate) <= 0.6
    assert learn(tmp_path / "full", conventions, rate, "train.sharing=full") >= 0.9
    lora = ["train.learning_rate=1e-2", "train.lora={rank: 8, merge: false}"]
    assert learn(tmp_path / "lora", conventions, *lora) <= 0.6
    assert learn(tmp_path / "adapter", conventions, *lora, "train.sharing=adapter") >= 0.9
    together = [*lora, "train.sharing=adapter", "train.groups={both: [Left, Right]}"]
    assert learn(tmp_path / "both", conventions, *together) <= 0.6  # a group shares: the same as one adapter for all
    for kind in ("full", "adapter"):  # the folder is a team: what it says is what was evaluated
        for path in (tmp_path / kind / "model", tmp_path / kind / "it000/train/team.yaml"):
            team = make_team({**read_team(path), "temperature": 0, "max_tokens": 4}, tuple(SAID))
            episodes = rollout("tests/opposites", team, episodes=3)
            assert {turn.agent: turn.text for turn in episodes[0].turns} == SAID
            asyncio.run(close_team(team.values()))


def run(model: Path | str, out: Path, *overrides: str) -> Path:
    assert main(["train", "quickstart", *settings(model), "isolation=inline", *overrides, "--out", str(out)]) == 0
    return out


def test_training_one_agent_leaves_the_others_weights_and_the_base_as_they_were(
    random_model: Path, tmp_path: Path
) -> None:
    base = digest(random_model)
    out = run(random_model, tmp_path / "run", OWN, "iterations=2", "env.max_turns=4", "train.learning_rate=1e-2")
    before, after = (marker(out / f"it00{k}/train") for k in (0, 1))
    for agent in ("Alice", "Bob"):
        own = f"own-{agent}/adapter"
        assert before["model"]["seats"][agent] == {"model": str(random_model), "adapter": own}
        assert digest(out / f"it000/train/{own}") != digest(out / f"it001/train/{own}")
    assert digest(out / "it001/train/own-Alice/adapter") != digest(out / "it001/train/own-Bob/adapter")
    assert digest(random_model) == base
    rows = [json.loads(line)["agent"] for line in (out / "it001/rows/rows.jsonl").read_text().splitlines()]
    told = after["numbers"]["by_agent"]
    assert {agent: told[agent]["rows"] for agent in told} == {agent: rows.count(agent) for agent in ("Alice", "Bob")}
    assert after["numbers"]["rows"] == len(rows)
    # the same adapter, trained on Alice's rows alone: Bob's training has not touched it
    alone = run(random_model, tmp_path / "alone", OWN, "iterations=1", "env.max_turns=1", "train.learning_rate=1e-2")
    assert marker(alone / "it000/train")["numbers"]["by_agent"]["Bob"] == {"rows": 0, "skipped": "no row of theirs"}
    assert marker(alone / "it000/train")["model"]["seats"]["Bob"]["adapter"] is None


def test_a_seat_that_learns_nothing_keeps_its_weights_in_the_new_folder(random_model: Path, tmp_path: Path) -> None:
    from optima_train.run.engines import Engines, ModelRef
    from optima_train.run.progress import silent
    from optima_train.run.records import write_records
    from optima_train.run.stage import Seat, StageContext, Step
    from optima_train.training.sft import Sft
    from optima_train.training.sharing import kept

    out = run(random_model, tmp_path / "run", OWN, "train.learning_rate=1e-2")
    policy = ModelRef(str(random_model), str(out / "it000/train/own-Bob/adapter"))
    config = load("quickstart", [*settings(random_model), OWN])
    ctx = StageContext(
        config, out, Step(1, Sft()), policy, ModelRef(str(random_model)), Engines(config), silent, Seat("Bob", ("Bob",))
    )
    ctx.out.mkdir(parents=True)
    assert kept(ctx) == ModelRef(str(random_model), "own-Bob/adapter")
    assert digest(out / "it001/train/own-Bob/adapter") == digest(out / "it000/train/own-Bob/adapter")
    write_records(ctx.files.rows, [])


@pytest.mark.parametrize(
    "method",
    [
        ["method=idpo", "pairs={threshold: -9, gap: 0, top_share: 1}", "dpo={batch_size: 4}"],
        ["method=grpo", "train={sharing: full, lora: null}", "generate.temperature=[1]", "generate.formats=null"],
        ["method=eto", "contrast.by=reward", "dpo={batch_size: 4}"],
    ],
    ids=["idpo", "grpo", "eto"],
)
def test_every_way_of_training_gives_each_agent_its_own(method: list[str], tmp_path: Path) -> None:
    tree = "tree={instances: 4, rollouts: 2, rounds: 2, max_tokens: 96}"
    size = [tree, "generate.instances=6", "generate.samples=4", "generate.max_tokens=96", "generate.formats=null"]
    out = run("tiny", tmp_path / "run", OWN, "iterations=2", "env.max_turns=4", *size, *method)
    told = marker(out / "it001/train")
    trained = {agent for agent, numbers in told["numbers"]["by_agent"].items() if "skipped" not in numbers}
    assert trained == {"Alice", "Bob"}
    for agent in trained:
        kind = "model" if "method=grpo" in method else "adapter"
        assert (out / f"it001/train/own-{agent}/{kind}").is_dir()
    assert (out / "model/team.yaml").is_file()
    team = yaml.safe_load((out / "model/team.yaml").read_text())
    assert set(team["agents"]) == {"Alice", "Bob"}


def test_a_run_resumed_between_two_seats_ends_at_the_same_bytes(
    random_model: Path, tmp_path: Path, monkeypatch
) -> None:
    whole = run(random_model, tmp_path / "whole", OWN, "train.learning_rate=1e-2")
    import optima_train.training.sharing as sharing

    divided, seen = sharing.divided, []

    def killed(ctx, stage):
        seen.append(ctx.seat.name)
        if len(seen) == 2:
            raise KeyboardInterrupt
        return divided(ctx, stage)

    monkeypatch.setattr(sharing, "divided", killed)
    arguments = ["train", "quickstart", *settings(random_model), "isolation=inline", OWN, "train.learning_rate=1e-2"]
    assert main([*arguments, "--out", str(tmp_path / "cut")]) == 130
    monkeypatch.undo()
    assert main([*arguments, "--out", str(tmp_path / "cut")]) == 0
    for agent in ("Alice", "Bob"):
        own = f"it000/train/own-{agent}/adapter"
        assert digest(whole / own) == digest(tmp_path / "cut" / own)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["train.sharing=adapter"], r"lora: \{merge: false\}"),
        (["train={sharing: full, lora: {merge: false}}"], "lora.merge to true"),
        (["train.groups={a: [Alice]}"], "set sharing to adapter or full"),
        ([OWN, "train.groups={a: [Alice], b: [Alice]}"], "Alice stands there twice"),
        ([OWN, "train.groups={a: [Carol]}"], "none of the agents Alice, Bob"),
        ([OWN, "train.groups={Bob: [Alice]}"], "Bob is an agent outside the group"),
        ([OWN, "train.groups={a: []}"], "groups"),
        (
            ["method=grpo-live", OWN, "generate={temperature: [1], formats: null}", "reward.weights={tokens: 1}"],
            "use method=grpo",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_starts(overrides, message, small) -> None:
    with pytest.raises(ConfigError, match=message):
        preflight(load("quickstart", [*small, *overrides]))


def test_speakers_that_nobody_learns_from_are_named(conventions: Path, random_model: Path, tmp_path: Path, capsys):
    data = f"data.log={{read: optima, files: ['{conventions}']}}"
    arguments = ["train", "quickstart", *settings(random_model), "isolation=inline", "method=imitate", OWN, data]
    assert main([*arguments, "train.groups={Alice: [Alice, Left]}", "--out", str(tmp_path / "run")]) == 1
    assert "nobody learns what Right said" in capsys.readouterr().err


def test_a_saved_team_moves_to_another_backend(tmp_path: Path) -> None:
    (tmp_path / "it002/train/own-Bob/adapter").mkdir(parents=True)
    file = tmp_path / "it002/train/team.yaml"
    file.write_text("policy: hf:tiny\nsharing: adapter\nagents:\n  Bob: {adapter: own-Bob/adapter}\n  Alice: {}\n")
    team = read_team(file.parent)
    assert team["agents"]["Bob"]["adapter"] == str(file.parent / "own-Bob/adapter")
    assert on_backend(team, "vllm")["policy"] == "vllm:tiny"
    served = on_backend(team, "openai:http://x#tiny")
    assert (served["policy"], served["agents"]["Bob"]["adapter"]) == ("openai:http://x#tiny", "Bob-it002")
    own = on_backend({"agents": {"Bob": {"adapter": str(tmp_path)}, "Alice": {"adapter": str(tmp_path)}}}, "openai")
    assert own["agents"]["Bob"] == own["agents"]["Alice"] == {"adapter": f"{tmp_path.parent.name}-{tmp_path.name}"}
    for folder in ("a/v1.5/x", "b/v1.5/x"):
        (tmp_path / folder).mkdir(parents=True)
    two = {"Bob": {"adapter": str(tmp_path / "a/v1.5/x")}, "Alice": {"adapter": str(tmp_path / "b/v1.5/x")}}
    with pytest.raises(ValueError, match="are both v1%2E5-x to a server"):
        on_backend({"agents": two}, "openai")
    full = {"policy": "hf:tiny", "sharing": "full", "agents": {"Bob": {"policy": "hf:/m"}}}
    assert on_backend(full, "vllm")["agents"]["Bob"]["policy"] == "vllm:/m"
    with pytest.raises(ValueError, match="give the backend alone: vllm"):
        on_backend(full, "vllm:other")
    (tmp_path / "list.yaml").write_text("- 1\n")
    with pytest.raises(ValueError, match=r"list\.yaml holds no team"):
        read_team(tmp_path / "list.yaml")


def test_a_suite_plays_each_agent_with_its_own_weights(random_model: Path, tmp_path: Path) -> None:
    out = run(random_model, tmp_path / "run", OWN, "train.learning_rate=0.1", "env.max_turns=4")
    suite = tmp_path / "suite.yaml"
    suite.write_text(
        "name: own\n"
        f"models: [{{label: own, run: '{out}'}}]\n"
        "methods: [{name: dialogue, models: [own]}]\nseeds: [0]\ninstances: 4\n"
        "envs: [{id: twohop-asym, max_turns: 4}]\nsampling: {temperature: 0, max_tokens: 8}\n"
    )
    assert main(["bench", str(suite), "--out", str(tmp_path / "suite")]) == 0
    (log,) = (tmp_path / "suite").rglob("episodes.jsonl")
    team = make_team({**read_team(out / "model"), "temperature": 0, "max_tokens": 8}, ("Alice", "Bob"))
    base = make_team({"policy": f"hf:{random_model}", "temperature": 0, "max_tokens": 8}, ("Alice", "Bob"))
    said = [
        [turn.text for episode in rollout("twohop-asym", who, episodes=4, max_turns=4) for turn in episode.turns]
        for who in (team, base)
    ]
    assert [turn.text for episode in EpisodeLog.read(log) for turn in episode.turns] == said[0] != said[1]
