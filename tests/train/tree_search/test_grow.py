"""The stage Grow with a real model: the same trees at any concurrency and after SIGKILL, the percentile, refusals."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
from pathlib import Path

import pytest

from optima_agents import EpisodeLog
from optima_train.config.loading import load
from optima_train.run.engines import Engines, ModelRef
from optima_train.run.failpoints import VARIABLE
from optima_train.run.markers import execute
from optima_train.run.progress import Progress
from optima_train.run.stage import StageContext, StageError, Step
from optima_train.stages.generate import block
from optima_train.tree_search.grow import Grow, quantile
from optima_train.tree_search.log import Trees
from optima_train.tree_search.pairs import Pairs
from optima_train.tree_search.tree import ROOT

pytestmark = pytest.mark.xdist_group("grow")
SMALL = [
    *("method=idpo", "dtype=float64", "device=cpu", "env.max_turns=3", "pairs.threshold=-9", "pairs.gap=0"),
    *(
        "tree.instances=3",
        "tree.rounds=3",
        "tree.rollouts=2",
        "tree.max_tokens=8",
        "reward.weights={task: 1, tokens: 1}",
    ),
]
# a server with the libraries loaded forks clean children
LIBRARIES = ["optima_agents.backends.hf.backend", "optima_agents.backends.hf.decoding"]


def staged(directory: Path, model: Path | str, *overrides: str) -> tuple[dict[str, dict], list[Progress]]:
    """Grow and Pairs of iteration 1, committed; their numbers and what was reported."""
    config = load("quickstart", [f"model={model}", *SMALL, *overrides])
    engines, events, numbers = Engines(config), [], {}
    try:
        for stage in (Grow(), Pairs()):
            ref = ModelRef(str(model))
            ctx = StageContext(config, directory, Step(1, stage), ref, ref, engines, events.append)
            numbers[stage.name] = execute(ctx.step, ctx).numbers
    finally:
        engines.close()
    return numbers, events


def content(directory: Path) -> tuple[list[str], str]:
    """What a seed determines: the lines of the log in a fixed order, without what caches did, and the pairs."""
    lines = []
    for line in (directory / "it001/grow/trees.jsonl").read_text().splitlines():
        row = json.loads(line)
        del row["cached_tokens"]
        lines.append(json.dumps(row))
    return sorted(lines), (directory / "it001/pairs/pairs.jsonl").read_text()


def test_the_same_seed_gives_the_same_trees_at_any_concurrency(tmp_path: Path, random_model: Path) -> None:
    one, events = staged(tmp_path / "one", random_model, "tree.concurrency=1")
    many, _ = staged(tmp_path / "many", random_model, "tree.concurrency=32")
    other, _ = staged(tmp_path / "other", random_model, "seed=1")
    assert content(tmp_path / "one") == content(tmp_path / "many") != content(tmp_path / "other")
    for numbers in (one, many):
        del numbers["grow"]["cached_tokens"]
    assert one == many
    grow = one["grow"]
    assert (grow["trees"], grow["dialogues"], grow["failures"]) == (3, 18, 0)
    assert grow["sampled_share"] < 1 and sum(grow["stops"].values()) == 18 and grow["cut_turns"] > 0
    last = [event for event in events if event.path == "it001/grow"][-1]
    assert (last.done, last.total, last.unit, last.tokens) == (3, 3, "trees", grow["sampled_tokens"])
    assert other["grow"]["trees"] == 3


def test_prompts_are_those_of_the_speaker_in_plain_words(tmp_path: Path, random_model: Path) -> None:
    from support.growing import world

    from optima_agents import make_backend
    from optima_agents.prompts import messages

    staged(tmp_path, random_model)
    backend, scenario = make_backend(f"hf:{random_model}", device="cpu"), world(max_turns=3)
    config = load("quickstart", [f"model={random_model}", *SMALL])
    indices = block(config, 1, len(scenario.task), 3)
    trees = Trees(tmp_path / "it001/grow/trees.jsonl")
    for number in trees.numbers():
        inst, tree = scenario.task[indices[number]], trees.tree(number, "children")
        for node in tree.nodes[1:]:
            view = scenario.rules.view(inst, tree.turns(node.parent or ROOT), node.turn.agent)
            assert list(node.turn.prompt_ids or ()) == list(backend.render(messages(view)))  # type: ignore[attr-defined]


def forked(directory: Path, model: Path | str, overrides: tuple[str, ...], failpoint: str | None) -> None:
    if failpoint is not None:
        os.environ[VARIABLE] = failpoint
    staged(directory, model, *overrides)


def attempt(directory: Path, model: Path | str, overrides: tuple[str, ...], failpoint: str | None = None) -> int | None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(LIBRARIES)
    child = context.Process(target=forked, args=(directory, model, overrides, failpoint))
    child.start()
    child.join()
    return child.exitcode


@pytest.fixture(scope="module")
def brief_model(random_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The random model with a loud end of turn, so that its turns end by themselves and may be chosen."""
    from safetensors.torch import load_file, save_file

    folder = tmp_path_factory.mktemp("brief") / "model"
    shutil.copytree(random_model, folder)
    weights = load_file(folder / "model.safetensors")
    end = json.loads((folder / "config.json").read_text())["eos_token_id"]
    weights["model.embed_tokens.weight"][end] *= 40
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    return folder


@pytest.mark.slow
def test_a_kill_in_growth_leaves_the_same_trees_and_pairs(tmp_path: Path, brief_model: Path) -> None:
    options = ("tree.max_tokens=12", "tree.concurrency=4")
    assert attempt(tmp_path / "whole", brief_model, options) == 0
    assert attempt(tmp_path / "killed", brief_model, options, "it001/grow:5") == -signal.SIGKILL
    log = tmp_path / "killed/it001/grow/trees.jsonl"
    assert len(log.read_bytes().splitlines()) == 5
    log.write_bytes(log.read_bytes()[:-9])  # and the last line torn, as by a kill of the machine
    assert attempt(tmp_path / "killed", brief_model, options) == 0
    assert content(tmp_path / "killed") == content(tmp_path / "whole")
    assert content(tmp_path / "whole")[1], "there are pairs to compare"


def test_the_percentile_is_found_once_and_divides_the_tokens(tmp_path: Path, random_model: Path) -> None:
    options = ("reward.normaliser=percentile", "reward.probe=5", "reward.percentile=60")
    numbers, _ = staged(tmp_path, random_model, *options)
    lengths = [episode.tokens for episode in EpisodeLog.read(tmp_path / "it001/grow/episodes.jsonl")]
    divisor = numbers["grow"]["normaliser"]
    assert len(lengths) == 5 and divisor == quantile(lengths, 60)
    before = (tmp_path / "it001/grow/episodes.jsonl").read_bytes()
    (tmp_path / "it001/grow/DONE.json").unlink()
    again, _ = staged(tmp_path, random_model, *options)
    assert (tmp_path / "it001/grow/episodes.jsonl").read_bytes() == before
    assert again["grow"]["normaliser"] == divisor
    tree = Trees(tmp_path / "it001/grow/trees.jsonl").tree(0, "children")
    for leaf, row in tree.rewards.items():
        tokens = sum(turn.tokens for turn in tree.turns(leaf))
        assert row.terms["tokens"] == pytest.approx(-tokens / divisor)


def test_the_quantile_is_the_floor_of_the_percentile_plus_one() -> None:
    assert quantile([10, 20, 30, 40], 50) == 26
    assert quantile([10, 20, 30, 40], 85) == 36  # 35.5
    assert quantile([0, 0], 85) == 1, "never zero"


def test_agents_who_speak_at_once_and_dialogues_that_all_fail_end_the_stage(tmp_path: Path, random_model: Path) -> None:
    with pytest.raises(StageError, match=r"one speaker at a time.*use order=alternating"):
        staged(tmp_path / "a", random_model, "env.args={order: simultaneous}")
    with pytest.raises(
        StageError, match="it001/grow: all 12 dialogues failed; the last one with timeout: no end after"
    ):
        staged(tmp_path / "b", random_model, "tree.episode_timeout=1e-9")


def test_blocks_of_trees_leave_room_for_those_of_dialogues() -> None:
    config = load("quickstart", ["generate.instances=40", "tree.instances=6"])
    first, second = block(config, 0, 1000, 40), block(config, 1, 1000, 6)
    assert len(set(first)) == 40 and len(set(second)) == 6 and not set(first) & set(second)
    assert block(config, 3, 4, 6) == block(config, 0, 4, 6), "a small task gives what it has"
