"""Influence of pairs (DITS): groups tried out, measured where nothing is trained, kept by what they did, resumed."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.runs import settings

from optima_envs.rewards import Reward
from optima_train.cli.main import main
from optima_train.config.loading import ConfigError, load
from optima_train.loop.preflight import preflight
from optima_train.run.digests import digest
from optima_train.stages.generate import block
from optima_train.stages.groups import Group
from optima_train.tiny.dialogues import dialogues
from optima_train.tree_search.influence import difference, spread, validation_block
from optima_train.tree_search.tryout import grouped

INFLUENCE = (
    "pairs={threshold: -9, gap: 0, top_share: 1, influence: {group: 3, validation: 4, learning_rate: 3e-2, epochs: 2}}"
)
RUN = [
    *settings("tiny"), "method=idpo", "iterations=2", "isolation=inline", "env.max_turns=4", "generate.formats=null",
    "generate.instances=4", "generate.max_tokens=64", "tree={instances: 3, rollouts: 2, rounds: 2, max_tokens: 64}",
    "dpo={batch_size: 4}", INFLUENCE,
]  # fmt: skip


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def told(path: Path) -> dict[str, Any]:
    return json.loads((path / "DONE.json").read_text())["numbers"]


def train(out: Path, *overrides: str) -> int:
    return main(["train", "quickstart", *RUN, *overrides, "--out", str(out)])


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("influence") / "run"
    assert train(out) == 0
    return out


def test_half_of_the_pairs_is_kept_by_influence_and_value(whole: Path) -> None:
    pairs, kept = rows(whole / "it001/pairs/pairs.jsonl"), rows(whole / "it001/influence/pairs.jsonl")
    groups, numbers = rows(whole / "it001/influence/groups.jsonl"), told(whole / "it001/influence")
    assert len(pairs) == numbers["pairs"] > 4
    assert len(kept) == numbers["kept"] == round(len(pairs) / 2) == told(whole / "it001/train")["pairs"]
    assert sorted(row for group in groups for row in group["rows"]) == list(range(len(pairs)))
    scaled = spread([group["influence"] for group in groups])
    score = {r: scaled[g["group"]] + pairs[r]["chosen_value"] for g in groups for r in g["rows"]}
    best = sorted(sorted(score, key=lambda r: (-score[r], r))[: len(kept)])
    whole_turns = {"chosen_mask": None, "rejected_mask": None}
    assert [{**pairs[row], **whole_turns} for row in best] == kept
    assert len({group["influence"] for group in groups}) > 1, "the adapters do something"
    assert not [*(whole / "it001/influence").glob("tried-*")]


def test_trying_changes_no_weights_and_every_group_starts_from_the_same(whole: Path, tmp_path: Path) -> None:
    adapters = sorted((whole / "it001/tryout").glob("own-*/adapter"))
    assert len(adapters) == told(whole / "it001/tryout")["groups"] > 1
    assert len({digest(folder) for folder in adapters}) == len(adapters)
    # the second group alone, first in its file, gives the same adapter: nothing of the first is left in the model
    from optima_train.run.engines import Engines, ModelRef
    from optima_train.run.markers import execute
    from optima_train.run.progress import silent
    from optima_train.run.records import ContrastRow, read_records, write_records
    from optima_train.run.stage import StageContext, Step
    from optima_train.tree_search.tryout import Tryout

    (tmp_path / "it001/pairs").mkdir(parents=True)
    pairs = list(read_records(whole / "it001/pairs/pairs.jsonl", ContrastRow))
    write_records(tmp_path / "it001/pairs/pairs.jsonl", pairs[3:6])
    config = load("quickstart", RUN)
    policy = ModelRef(str(whole / "it000/train/model"))
    ctx = StageContext(config, tmp_path, Step(1, Tryout()), policy, ModelRef("tiny"), Engines(config), silent)
    execute(ctx.step, ctx)
    assert digest(ctx.out / "own-000/adapter") == digest(whole / "it001/tryout/own-001/adapter")


def test_validation_instances_are_never_trained_on() -> None:
    config = load("quickstart", RUN)
    held = set(validation_block(config, 40))
    trained = {i for number in range(config.iterations) for i in block(config, number, 40, 4)}
    trained |= {i for number in range(config.iterations) for i in block(config, number, 40, config.tree.instances)}
    assert len(held) == 4 and not held & trained
    with pytest.raises(ValueError, match="2 iterations train on 8 of 11 instances"):
        validation_block(config, 11)


@pytest.mark.parametrize("stage", ["it001/tryout", "it001/influence"])
def test_killed_between_two_groups_it_ends_at_the_same_bytes(
    stage: str, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = f"optima_train.tree_search.{stage.split('/')[1]}"

    def stop(path: str, count: object) -> None:
        if path == stage:
            raise KeyboardInterrupt

    monkeypatch.setattr(f"{module}.failpoint", stop)
    assert train(tmp_path / "cut") == 130
    monkeypatch.undo()
    assert train(tmp_path / "cut") == 0
    for name in ("tryout/groups.jsonl", "influence/pairs.jsonl", "influence/groups.jsonl", "train/model"):
        assert digest(tmp_path / "cut/it001" / name) == digest(whole / "it001" / name)


def test_influence_is_the_mean_difference_in_reward() -> None:
    (item,) = dialogues("twohop-asym", "arrows", 1)
    short, long = replace(item, score=1.0), replace(item, turns=item.turns * 2, score=0.0)

    def of(episode: Any) -> dict[str, Group]:
        return {"a": Group("a", (episode,)), "b": Group("b", (short,))}

    reward = Reward({"task": 1.0, "tokens": 0.5})
    found = asyncio.run(difference(reward, of(long), of(short)))
    assert found == pytest.approx((1.0 - 0.25 + 0.5) / 2)  # half the tokens, and right, on one of two instances
    assert spread([1.0, 3.0, 2.0]) == [0.0, 1.0, 0.5] and spread([2.0, 2.0]) == [0.0, 0.0]
    assert grouped([1, 2, 3, 4, 5], 2) == [[1, 2], [3, 4], [5]]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["method=isft"], "isft has no pairs to choose among"),
        (["pairs.influence.validation=100000000"], "leaves no 100000000"),
        (["train={sharing: full}"], "set train.sharing to shared"),
        (["pairs.influence.lora={merge: true}"], "never merged"),
    ],
)
def test_what_cannot_be_measured_is_refused(overrides: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        preflight(load("quickstart", [*RUN, *overrides]))
