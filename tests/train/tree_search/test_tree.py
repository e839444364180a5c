"""Trees by hand: values of both kinds, candidates, the distance filter, the draw, merging."""

from __future__ import annotations

import math
from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optima_envs.records import ErrorInfo, Outcome, Turn
from optima_envs.rewards import Breakdown
from optima_train.tree_search.tree import ROOT, Ending, Played, Tree, gap

LIMITS = {"top": 10, "distance": 0.25}


def plant(*paths: str, **rewards: float) -> Tree:
    """A tree of one-word turns: ``"a b c"`` is a dialogue of three; ``rewards`` by the last word of a dialogue."""
    tree = Tree()
    names: dict[str, int] = {}
    for path in paths:
        node = tree.nodes[ROOT]
        word = ""
        for word in path.split():
            node, _ = tree.add_or_merge(node.id, Turn("AB"[len(tree.path(node.id)) % 2], word, 1), 1e-9)
            names[word] = node.id
        if node.ending is None:
            node.ending = Ending(Outcome("answered", word), 1.0, True)
        tree.dialogues.append(Played(node.id))
    tree.backpropagate({names[word]: Breakdown(total, {}) for word, total in rewards.items()}, "children")
    return tree


def named(tree: Tree, word: str):
    return next(node for node in tree.nodes if node.turn.text == word)


# root - a - b - c (0.9) and d (0.1)
#      |   + e - f (0.2)
#      + g - h - i (-0.6, twice)
PATHS = ("a b c", "a b d", "a e f", "g h i", "g h i")
REWARDS = {"c": 0.9, "d": 0.1, "f": 0.2, "i": -0.6}


def values(tree: Tree) -> dict[str, float | None]:
    return {node.turn.text or "root": node.value for node in tree.nodes}


def test_a_node_is_worth_the_mean_of_its_children() -> None:
    tree = plant(*PATHS, **REWARDS)
    b, e, g = 0.5, 0.2, -0.6
    a = (b + e) / 2
    expected = {**REWARDS, "b": b, "e": e, "a": a, "h": g, "g": g, "root": (a + g) / 2}
    assert values(tree) == pytest.approx(expected)


def test_or_the_mean_of_all_dialogues_through_it() -> None:
    tree = plant(*PATHS, **REWARDS)
    tree.backpropagate(tree.rewards, "visits")
    a, root = (0.9 + 0.1 + 0.2) / 3, (0.9 + 0.1 + 0.2 - 0.6 - 0.6) / 5
    expected = {**REWARDS, "b": 0.5, "e": 0.2, "a": a, "h": -0.6, "g": -0.6, "root": root}
    assert values(tree) == pytest.approx(expected)


@pytest.mark.parametrize("kind", ["children", "visits"])
def test_dialogues_without_a_reward_leave_no_trace(kind: str) -> None:
    tree = plant(*PATHS, **{**REWARDS, "d": 5.0})
    broken = Breakdown(0.0, {}, ErrorInfo("reward", "term x is not finite"))
    tree.backpropagate({**tree.rewards, named(tree, "d").id: broken}, kind)  # type: ignore[arg-type]
    assert named(tree, "d").value is None
    assert named(tree, "b").value == 0.9
    tree.backpropagate({}, kind)  # type: ignore[arg-type]
    assert set(values(tree).values()) == {None}
    assert tree.select(Random(0), **LIMITS) == ROOT


def test_leaves_and_parents_of_leaves_are_no_candidates() -> None:
    tree = plant(*PATHS, "x y", x=0.0, y=0.0, **REWARDS)
    assert [node.turn.text for node in tree.candidates(0.25)] == ["a", "g"]
    deeper = plant("a b c", "a d", "a e f g", c=1, d=1, g=1)
    assert [node.turn.text for node in deeper.candidates(0.25)] == ["a", "e"], "whichever child goes on counts"
    assert plant().candidates(0.25) == [] == plant("a", "b", a=1, b=1).candidates(0.25)


def test_a_candidate_near_an_expanded_node_is_left_out() -> None:
    tree = plant("abcdefgh b c", "abcdefgX e f", "abcdeXXX h i", "ABCDEFGH k l", c=1, f=1, i=1, l=1)
    assert len(tree.candidates(0.25)) == 4
    tree.finish(named(tree, "abcdefgh").id, [])
    left = [node.turn.text for node in tree.candidates(0.25)]
    assert left == ["abcdeXXX", "ABCDEFGH"], "distances 0, 1/8, 3/8, 1"
    assert [n.turn.text for n in tree.candidates(0.375)] == left, "as near as the limit is not nearer"
    assert [n.turn.text for n in tree.candidates(0.38)] == ["ABCDEFGH"]
    tree.finish(named(tree, "ABCDEFGH").id, [])
    tree.finish(named(tree, "abcdeXXX").id, [])
    assert tree.select(Random(0), **LIMITS) == ROOT, "the root again when nothing is left"


def test_the_root_is_expanded_once_while_there_are_candidates() -> None:
    tree = plant(*PATHS, **REWARDS)
    assert {tree.select(Random(seed), **LIMITS) for seed in range(20)} == {named(tree, "a").id, named(tree, "g").id}


def test_the_draw_is_a_softmax_over_the_best() -> None:
    tree = plant("aaaa b c", "dddd e f", "gggg h i", c=1.0, f=0.0, i=-0.5)
    drawn = Counter(tree.nodes[tree.select(Random(s), top=2, distance=0.25)].turn.text for s in range(4000))
    assert set(drawn) == {"aaaa", "dddd"}
    assert drawn["aaaa"] / 4000 == pytest.approx(math.e / (math.e + 1), abs=0.02)
    huge = plant("aaaa b c", "dddd e f", c=1e6, f=-1e6)
    assert huge.select(Random(0), **LIMITS) == 1, "no overflow"


def test_a_turn_is_merged_into_its_nearest_sibling() -> None:
    tree = Tree()
    first, merged = tree.add_or_merge(ROOT, Turn("A", "0123456789" * 2), 0.1)
    assert not merged
    second, merged = tree.add_or_merge(ROOT, Turn("A", "012345678X" * 2), 0.1)
    assert not merged, "2 of 20 letters are not under 0.1"
    assert second.id == 2
    assert tree.add_or_merge(ROOT, Turn("A", "0123456789012345678X"), 0.1) == (first, True)
    assert tree.add_or_merge(ROOT, Turn("A", "012345678X012345678XX"), 0.1) == (second, True)
    assert tree.add_or_merge(first.id, Turn("B", "0123456789" * 2), 0.1)[1] is False, "a child is no sibling"
    assert tree.nodes[ROOT].children == [1, 2]
    assert [turn.agent for turn in tree.turns(3)] == ["A", "B"]


@given(st.text(), st.text(), st.floats(0.01, 1))
def test_the_distance_is_symmetric_bounded_and_zero_for_equals_alone(one: str, two: str, limit: float) -> None:
    assert gap(one, two, 1.0) == gap(two, one, 1.0)
    assert 0 <= gap(one, two, 1.0) <= 1
    assert (gap(one, two, 1.0) == 0) == (one == two)
    assert (gap(one, two, limit) < limit) == (gap(one, two, 1.0) < limit), "the cut-off changes no decision"


@given(st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=4), min_size=1, max_size=12), st.data())
def test_values_lie_between_the_rewards_below(dialogues: list[list[str]], data: st.DataObject) -> None:
    ended = [" ".join([*said, "."]) for said in dialogues]
    tree = plant(*ended)
    rewards = {leaf.id: data.draw(st.floats(-3, 3)) for leaf, _ in tree.leaves()}
    for kind in ("children", "visits"):
        tree.backpropagate({leaf: Breakdown(total, {}) for leaf, total in rewards.items()}, kind)
        for node in tree.nodes:
            below = [rewards[d.leaf] for d in tree.dialogues if node.id in {0, *(n.id for n in tree.path(d.leaf))}]
            assert node.value is not None
            assert min(below) - 1e-9 <= node.value <= max(below) + 1e-9
