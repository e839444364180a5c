"""Pairs by hand: both kinds, every filter, the share; and that both turns always follow exactly the same tokens."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.growing import Writer, grow, rendered, world

from optima_envs.records import Finish, Outcome, Turn
from optima_envs.rewards import Breakdown
from optima_train.config.loading import load
from optima_train.config.settings import PairsConfig
from optima_train.run.engines import Engines, ModelRef
from optima_train.run.markers import execute
from optima_train.run.progress import silent
from optima_train.run.stage import StageContext, Step
from optima_train.tree_search.log import TreeLog, Trees
from optima_train.tree_search.pairs import BELOW, CLOSE, CUT, NO_IDS, NO_VALUE, OUTSIDE, PROMPTS, Pairs, pairs_of
from optima_train.tree_search.tree import ROOT, Ending, Played, Tree


def leaf(tree: Tree, parent: int, text: str, reward: float | None, *, finish: Finish = "stop", **ids) -> int:
    """A child of ``parent`` in which a dialogue ends, worth ``reward``; ids default to valid ones."""
    turn = Turn("A", text, 1, **{"prompt_ids": (parent, 7), "ids": (ord(text[0]),), **ids}, finish=finish)
    node = tree.add(parent, turn)
    if reward is not None:
        node.ending = Ending(Outcome("answered"))
        tree.backpropagate({**tree.rewards, node.id: Breakdown(reward, {})}, "children")
    tree.dialogues.append(Played(node.id))
    return node.id


def chosen(tree: Tree, **config) -> tuple[list[tuple[str, str]], dict[str, int]]:
    """The texts of the pairs, best first, and what was dropped."""
    dropped: Counter[str] = Counter()
    found = pairs_of(tree, PairsConfig(**config), dropped)
    return [(p.chosen.turn.text, p.rejected.turn.text) for p in found], dict(+dropped)


@pytest.fixture
def fan() -> Tree:
    """Four answers to one history, worth 1, 0.75, 0.5 and 0."""
    tree = Tree()
    for text, reward in (("half", 0.5), ("full", 1.0), ("none", 0.0), ("most", 0.75)):
        leaf(tree, ROOT, text, reward)
    return tree


def test_all_siblings_are_paired_and_filtered(fan: Tree) -> None:
    pairs, dropped = chosen(fan, threshold=0.5, gap=0.25, top_share=1.0)
    assert pairs == [("full", "none"), ("full", "half"), ("most", "none")]
    # (most, half) and (full, most) are no further apart than the gap; (half, none) is not over the threshold
    assert dropped == {BELOW: 1, CLOSE: 2}


def test_or_only_the_extremes_of_each_node(fan: Tree) -> None:
    first = fan.nodes[1]
    first.ending = None
    del fan.rewards[first.id]
    leaf(fan, first.id, "x", 0.9)
    leaf(fan, first.id, "y", 0.1)
    pairs, dropped = chosen(fan, kind="siblings-extreme", threshold=0.4, gap=0.2, top_share=1.0)
    assert pairs == [("full", "none"), ("x", "y")] and dropped == {}
    assert len(chosen(fan, kind="all", threshold=-1, gap=0, top_share=1.0)[0]) == 7


@pytest.mark.parametrize(("share", "kept"), [(1.0, 6), (0.5, 3), (0.49, 2), (0.01, 1), (1 / 3, 2)])
def test_the_top_share_is_taken_by_chosen_value_and_is_never_empty(fan: Tree, share: float, kept: int) -> None:
    pairs, dropped = chosen(fan, threshold=-1, gap=0, top_share=share)
    order = [("full", "none"), ("full", "half"), ("full", "most"), ("most", "none"), ("most", "half"), ("half", "none")]
    assert pairs == order[:kept]
    assert dropped == ({OUTSIDE: 6 - kept} if kept < 6 else {})


def test_one_pair_is_kept_whatever_the_share() -> None:
    tree = Tree()
    leaf(tree, ROOT, "good", 1.0)
    leaf(tree, ROOT, "bad", 0.0)
    assert chosen(tree, top_share=0.5) == ([("good", "bad")], {})


def test_a_cut_turn_may_be_rejected_but_not_chosen() -> None:
    tree = Tree()
    leaf(tree, ROOT, "cut and good", 1.0, finish="length")
    leaf(tree, ROOT, "fine", 0.9)
    leaf(tree, ROOT, "cut and bad", 0.0, finish="length")
    assert chosen(tree, top_share=1.0, gap=0.05) == ([("fine", "cut and bad")], {CUT: 2})
    assert chosen(tree, kind="siblings-extreme") == ([], {CUT: 1})


def test_turns_without_ids_value_or_the_same_prompt_are_counted() -> None:
    tree = Tree()
    leaf(tree, ROOT, "good", 1.0)
    leaf(tree, ROOT, "untold", 0.0, ids=None)
    leaf(tree, ROOT, "unprompted", 0.0, prompt_ids=None)
    leaf(tree, ROOT, "elsewhere", 0.0, prompt_ids=(0, 8))
    leaf(tree, ROOT, "failed", None)
    pairs, dropped = chosen(tree, threshold=-1, gap=-1, top_share=1.0)
    assert pairs == []
    assert dropped == {NO_VALUE: 4, NO_IDS: 5, PROMPTS: 1}
    assert sum(dropped.values()) == 10, "five siblings are ten pairs"


@pytest.mark.parametrize("kind", ["all", "siblings-extreme"])
def test_trees_without_anything_to_prefer_give_nothing(kind: str, fan: Tree) -> None:
    alone = Tree()
    leaf(alone, ROOT, "only", 1.0)
    equal, failed = Tree(), Tree()
    for text in ("one", "two", "three"):
        leaf(equal, ROOT, text, 0.7)
        leaf(failed, ROOT, text, None)
    assert chosen(Tree(), kind=kind) == chosen(alone, kind=kind) == ([], {})
    assert chosen(equal, kind=kind) == ([], {CLOSE: 3 if kind == "all" else 1})
    assert chosen(failed, kind=kind) == ([], {NO_VALUE: 3 if kind == "all" else 1})


TEXTS = st.lists(st.text(max_size=12), min_size=2, max_size=8)


@settings(max_examples=40, deadline=None)
@given(texts=TEXTS, seed=st.integers(0, 99), env=st.sampled_from(["twohop-asym", "arith-debate"]), data=st.data())
def test_pairs_follow_exactly_the_same_tokens(tmp_path_factory, texts, seed: int, env: str, data) -> None:
    scenario = world(env, max_turns=data.draw(st.integers(1, 5)))
    path: Path = tmp_path_factory.mktemp("trees") / "trees.jsonl"
    values = data.draw(st.sampled_from(["children", "visits"]))
    kind = data.draw(st.sampled_from(["all", "siblings-extreme"]))
    with_answers = [*texts, f"<A> {scenario.task[0].answers[0]} </A>"]
    with TreeLog(path) as log:
        grow(scenario, Writer(with_answers), rounds=3, seed=seed, values=values, done=log.add)
    read = Trees(path).tree(0, values)
    pairs = pairs_of(read, PairsConfig(kind=kind, threshold=-9, gap=0, top_share=1.0), Counter())
    for pair in pairs:
        history = read.turns(pair.chosen.parent or ROOT)
        view = scenario.rules.view(scenario.task[0], history, pair.chosen.turn.agent)
        assert pair.chosen.turn.prompt_ids == pair.rejected.turn.prompt_ids == rendered(view)
        assert pair.chosen.parent == pair.rejected.parent and pair.depth == len(history)
        for node in (pair.chosen, pair.rejected):
            assert node.turn.ids == (*(ord(letter) for letter in node.turn.text), 0)
        assert pair.chosen.worth > pair.rejected.worth


def staged(directory: Path, *overrides: str) -> tuple[dict, list[dict]]:
    """The numbers and the rows of the stage over ``directory/it001/grow``."""
    config = load("quickstart", ["method=idpo", *overrides])
    ctx = StageContext(config, directory, Step(1, Pairs()), ModelRef("x"), ModelRef("x"), Engines(config), silent)
    (directory / "it001/grow").mkdir(parents=True, exist_ok=True)
    numbers = execute(ctx.step, ctx).numbers
    return dict(numbers), [json.loads(line) for line in (ctx.out / "pairs.jsonl").read_text().splitlines()]


def test_the_stage_writes_rows_and_counts_every_filter(tmp_path: Path) -> None:
    (tmp_path / "it001/grow").mkdir(parents=True)
    scenario = world(max_turns=4)
    texts = [
        "Tell me more",
        "\ud800 odd",
        "so <A> plum </A>",
        *(f"<A> {scenario.task[k].answers[0]} </A>" for k in (0, 1)),
    ]
    with TreeLog(tmp_path / "it001/grow/trees.jsonl") as log:
        trees = grow(scenario, Writer(texts), trees=2, rounds=4, done=log.add)
    numbers, rows = staged(tmp_path, "pairs.threshold=-0.2", "pairs.gap=0.1")
    children = [sum(tree.nodes[c].value is not None for c in node.children) for tree in trees for node in tree.nodes]
    assert numbers["siblings"] == sum(n * (n - 1) // 2 for n in children)
    assert numbers["pairs"] == len(rows) == numbers["siblings"] - sum(numbers["dropped_by_reason"].values()) > 2
    assert numbers["by_agent"] == dict(Counter(row["agent"] for row in rows))
    assert numbers["gap"] == pytest.approx(sum(r["chosen_value"] - r["rejected_value"] for r in rows) / len(rows))
    assert numbers["chosen_tokens"] == sum(len(row["chosen_ids"]) for row in rows) / len(rows)
    assert {row["instance"] for row in rows} <= {scenario.task[k].id for k in (0, 1)}
    assert all("\ud800" not in row["chosen"] + row["rejected"] for row in rows)


def test_no_pairs_are_a_valid_empty_result_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "it001/grow").mkdir(parents=True)
    with TreeLog(tmp_path / "it001/grow/trees.jsonl") as log:
        grow(world(max_turns=4), Writer(["a", "bb", "ccc"]), trees=2, rounds=2, done=log.add)
    numbers, rows = staged(tmp_path, "pairs.threshold=5", "pairs.gap=0")
    assert rows == [] and numbers["pairs"] == 0 and numbers["trees_without_pairs"] == 2
    assert numbers["reason"] == f"{numbers['siblings']} below the threshold"
