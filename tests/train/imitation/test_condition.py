"""Outcome classes (NAT): which dialogue is of which, how many are kept, and under which sentence each is learned."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from support.foreign import native, sample, save
from support.foreign_runs import NAT
from support.runs import settings

from optima_agents import EpisodeLog
from optima_agents.prompts import messages
from optima_envs import Episode
from optima_train.cli.main import main
from optima_train.config.data_settings import ConditionConfig
from optima_train.config.loading import ConfigError, load
from optima_train.imitation.condition import Ordered, choose
from optima_train.loop.preflight import preflight
from optima_train.tiny.dialogues import dialogues
from optima_train.trajectories import read
from optima_train.trajectories.rows import HINT, Tokeniser

BAD, GOOD = "Give an incorrect answer in this talk.", "Give a correct answer in this talk."


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("outcomes") / "outcomes.jsonl"
    with EpisodeLog(path) as log:
        for item in dialogues("twohop-asym", "arrows", 24, wrong=0.5):
            log.append(item)
    return path


def train(model: Path, out: Path, *overrides: str) -> int:
    chosen = ["method=nat", "isolation=inline", "train.max_length=1024", *overrides]
    return main(["train", "quickstart", *settings(model), *chosen, "--out", str(out)])


def told(path: Path) -> dict[str, Any]:
    return json.loads((path / "DONE.json").read_text())["numbers"]


def test_cuts_divide_outcomes() -> None:
    config = ConditionConfig(cuts=(0.0, 0.4, 1.0), names=("none", "poor", "fair", "full"), texts=("a", "b", "c", "d"))
    found = [config.class_of(value) for value in (-0.5, 0.0, 0.39, 0.4, 0.99, 1.0, 1.7)]
    assert found == ["none", "poor", "poor", "fair", "fair", "full", "full"]
    assert config.told("fair") == "c"


def test_a_ratio_keeps_so_many_for_each_of_the_best_class() -> None:
    config = ConditionConfig(ratio={"incorrect": 2.0}, infer="correct")
    classes: list[str | None] = [*["incorrect"] * 20, None, *["correct"] * 4]
    kept = choose(classes, config, seed=1)
    assert Counter(classes[place] for place in kept) == {"incorrect": 8, "correct": 4}
    assert kept == choose(classes, config, seed=1)
    assert kept != choose(classes, config, seed=2)
    assert len(choose(classes, ConditionConfig(infer="correct"), seed=1)) == 24
    assert choose(["incorrect"], config, seed=1) == set()  # none of the best class, so none of the others


def test_what_is_kept_does_not_depend_on_which_dialogue_ended_first(outcomes: Path, tmp_path: Path) -> None:
    lines = outcomes.read_text().splitlines(keepends=True)
    turned = tmp_path / "turned.jsonl"
    head = [line for line in lines if '"instance"' not in line]
    turned.write_text("".join([*head, *reversed([line for line in lines if line not in head])]))
    first, second = ([item.key for item in Ordered(path)] for path in (outcomes, turned))
    assert first == second
    assert len(first) == 24
    assert [item.key for item in EpisodeLog.iterate(turned)] != [item.key for item in EpisodeLog.iterate(outcomes)]


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ("{cuts: [1.0, 0.5]}", "cuts must rise"),
        ("{cuts: [0.5, 1.0]}", "2 cuts make 3 classes, but there are 2 names and 2 texts"),
        ("{names: [same, same]}", "the same name"),
        ("{texts: [a, ' ']}", "a sentence is empty"),
        ("{infer: right}", "no class 'right'; there are incorrect, correct"),
        ("{ratio: {wrong: 1.0}}", "no class 'wrong'"),
        ("{ratio: {correct: 1.0}}", "correct is the best class"),
        ("{}", "condition.infer: name the class under whose sentence the team plays"),
    ],
)
def test_classes_that_cannot_be_are_refused(settings: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        preflight(load("quickstart", ["method=nat", f"condition={settings}"]))


@pytest.mark.parametrize(
    ("overrides", "why"),
    [
        (["method=nat"], "nat needs classes"),
        (["method=isft", "condition={infer: correct}"], "isft learns under no sentence of an outcome"),
        (["method=nat", "condition={infer: correct, by: reward}", "data.x={expert: {}}"], "condition.by"),
    ],
)
def test_methods_and_classes_go_together(overrides: list[str], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        preflight(load("quickstart", overrides))


def test_every_row_has_its_sentence_in_the_prompt_and_none_in_what_is_learned(
    random_model: Path, outcomes: Path, tmp_path: Path
) -> None:
    nat = save(tmp_path / "nat.jsonl", NAT)
    questions = save(tmp_path / "questions.jsonl", [{"id": row["id"], "question": "Is it so?"} for row in NAT])
    sources = [
        f"data.own={{read: optima, files: ['{outcomes}']}}",
        f"data.theirs={{read: nat, files: ['{nat}'], options: {{questions: '{questions}'}}}}",
    ]
    assert train(random_model, tmp_path / "run", *sources, "condition={infer: correct}", "iterations=1") == 0
    kept = list(EpisodeLog.iterate(tmp_path / "run/it000/condition/episodes.jsonl"))
    numbers = told(tmp_path / "run/it000/condition")
    assert numbers["classes"] == dict(Counter(item.info["condition"] for item in kept))
    assert set(numbers["classes"].values()) != {0}
    tokeniser = Tokeniser(str(random_model))
    for item in kept:
        sentence = GOOD if item.score >= 1 else BAD
        assert item.info[HINT] == sentence
        marks = tokeniser.chat.encode(f" {sentence}")[3:]  # "Give" may join with what stands before
        for row in tokeniser.rows(item):
            first = row.completion_mask.index(1)
            assert holds(row.input_ids[:first], marks)
            assert not holds([i for i, m in zip(row.input_ids, row.completion_mask, strict=True) if m], marks)
    mixed = told(tmp_path / "run/it000/mix")
    assert set(mixed["sources"]) == {"own", "theirs"}
    assert mixed["rows"] == sum(len(tokeniser.rows(item)) for item in kept)


def holds(ids: Any, marks: list[int]) -> bool:
    ids = list(ids)
    return any(ids[place : place + len(marks)] == marks for place in range(len(ids) - len(marks) + 1))


@pytest.mark.parametrize(("infer", "sentence"), [("correct", GOOD), ("incorrect", BAD)])
def test_the_team_plays_under_the_sentence_of_its_class(
    random_model: Path, outcomes: Path, tmp_path: Path, infer: str, sentence: str
) -> None:
    source = f"data.own={{read: optima, files: ['{outcomes}']}}"
    assert train(random_model, tmp_path / "run", source, f"condition={{infer: {infer}}}", "iterations=1") == 0
    tokeniser = Tokeniser(str(random_model))
    rules = load("quickstart").env.scenario("test").rules
    for stage in ("untrained", "it000"):
        for item in EpisodeLog.iterate(tmp_path / f"run/{stage}/evaluate/episodes.jsonl"):
            view = rules.view(item.instance, (), item.turns[0].agent)
            assert list(item.turns[0].prompt_ids or ()) == tokeniser.chat.render(messages(view, sentence))


def test_its_model_is_asked_for_under_a_sentence_elsewhere_too(
    random_model: Path, outcomes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = f"data.own={{read: optima, files: ['{outcomes}']}}"
    assert train(random_model, tmp_path / "run", source, "condition={infer: correct}", "iterations=1") == 0
    asked = ["eval", "twohop-asym", "-n", "2", "--max-tokens", "8", "--policy", f"hf:{tmp_path}/run/model"]
    assert main(asked) == 2
    assert f"--hint '{GOOD}'" in capsys.readouterr().err
    team = tmp_path / "team.yaml"
    team.write_text(f"policy: hf:{tmp_path}/run/model\n")
    assert main([*asked[:-2], "--team", str(team)]) == 2
    out = tmp_path / "out.jsonl"
    assert main([*asked, "--hint", BAD, "--out", str(out)]) == 0
    tokeniser, rules = Tokeniser(str(random_model)), load("quickstart").env.scenario("test").rules
    item = next(iter(EpisodeLog.iterate(out)))
    view = rules.view(item.instance, (), item.turns[0].agent)
    assert list(item.turns[0].prompt_ids or ()) == tokeniser.chat.render(messages(view, BAD))
    # a model of any other origin is asked for as it is
    assert main([*asked[:-1], f"hf:{random_model}"]) == 0


def test_a_suite_plays_its_model_under_the_sentence(random_model: Path, outcomes: Path, tmp_path: Path) -> None:
    source = f"data.own={{read: optima, files: ['{outcomes}']}}"
    run = tmp_path / "run"
    assert train(random_model, run, source, "condition={infer: correct}", "iterations=1", "dtype=float32") == 0
    suite = tmp_path / "suite.yaml"
    suite.write_text(
        "name: told\ninstances: 4\nsampling: {temperature: 0, max_tokens: 8}\n"
        "envs: [{id: twohop-asym, max_turns: 3}]\n"
        f"models: [{{label: run, run: '{run}'}}, {{label: folder, backend: 'hf:{run}/model'}},\n"
        f"  {{label: other, backend: 'hf:{random_model}'}}]\n"
        "methods: [{name: dialogue, models: [run, folder, other]}]\n"
    )
    assert main(["bench", str(suite), "--out", str(tmp_path / "out"), "--no-report"]) == 0
    said = {
        label: [
            turn.text
            for e in EpisodeLog.read(tmp_path / f"out/cells/dialogue/twohop-asym/{label}/seed0/episodes.jsonl")
            for turn in e.turns
        ]
        for label in ("run", "folder")
    }  # fmt: skip
    own = [turn.text for e in EpisodeLog.read(run / "it000/evaluate/episodes.jsonl") for turn in e.turns]
    assert said["run"] == said["folder"] == own
    assert [told_by(label, run, random_model) for label in ("run", "folder", "other")] == [GOOD, GOOD, None]


def told_by(label: str, run: Path, other: Path) -> str | None:
    from benchmarks.suite.models import told
    from benchmarks.suite.settings import ModelChoice

    ways: dict[str, dict[str, Any]] = {
        "run": {"run": str(run)},
        "folder": {"backend": f"hf:{run}/model"},
        "other": {"backend": f"hf:{other}"},
    }
    return told(ModelChoice(label=label, **ways[label]))


def test_a_runs_own_dialogues_are_divided_by_their_reward(random_model: Path, tmp_path: Path) -> None:
    own = ["condition={by: reward, cuts: [-10], infer: correct, ratio: {incorrect: 1.0}}", "iterations=2"]
    assert train(random_model, tmp_path / "run", *own, "reward.weights.readability=0") == 0
    for iteration in range(2):
        folder = tmp_path / f"run/it{iteration:03d}"
        numbers = told(folder / "condition")
        dropped = native(folder / "condition/dropped.jsonl")
        assert numbers["episodes"] + numbers["dropped"] == told(folder / "generate")["dialogues"]
        assert len(dropped) == numbers["dropped"]
        assert numbers["classes"]["incorrect"] <= numbers["classes"]["correct"]
        assert told(folder / "mix")["sources"]["own"]["drawn"] == told(folder / "train")["rows"]
    # only a team that has learned the sentence samples under it
    tokeniser, rules = Tokeniser(str(random_model)), load("quickstart").env.scenario("train").rules
    item = next(iter(EpisodeLog.iterate(tmp_path / "run/it001/generate/episodes.jsonl")))
    view = rules.view(item.instance, (), item.turns[0].agent)
    assert list(item.turns[0].prompt_ids or ()) == tokeniser.chat.render(messages(view, GOOD))


def test_dialogues_nobody_scored_are_dropped_and_counted(random_model: Path, tmp_path: Path, outcomes: Path) -> None:
    chat = save(tmp_path / "chat.jsonl", [{"messages": [{"role": "user", "content": "Hi"},
                                                        {"role": "assistant", "content": "Hello"}]}])  # fmt: skip
    sources = [f"data.own={{read: optima, files: ['{outcomes}']}}", f"data.chat={{read: chat, files: ['{chat}']}}"]
    more = ["condition={infer: correct}", "iterations=1"]
    assert train(random_model, tmp_path / "run", *sources, *more) != 0  # the source chat gives no row
    assert told(tmp_path / "run/it000/condition")["reasons"] == {"nobody says how it ended": 1}


def test_the_real_data_of_nat() -> None:
    questions = str(sample("nat/strategyqa_questions.jsonl"))
    config, found = ConditionConfig(infer="correct"), Counter[str]()
    for kind in ("positive", "negative"):
        files = [sample(f"nat/strategyqa_gpt-3.5_{kind}.json")]
        for finished in (False, True):
            for item in read("nat", files, questions=questions, finished=finished):
                if isinstance(item, Episode):
                    found[f"{kind} {config.class_of(item.score)} {finished}"] += 1
    assert found == {
        "positive correct False": 30,
        "positive correct True": 30,
        "negative incorrect False": 25,
        "negative incorrect True": 23,
    }


def test_a_dialogue_that_ends_wrong_states_a_value_of_the_same_kind() -> None:
    told = {item.score for item in dialogues("twohop-asym", "arrows", 40, wrong=1.0)}
    assert told == {0.0}
    with pytest.raises(ValueError, match="no dialogues that end wrong"):
        list(dialogues("arith-debate", "math", 1, wrong=1.0))
