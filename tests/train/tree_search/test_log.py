"""The log of trees: what is written is read, cut anywhere, resumed at any round; foreign lines are named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.growing import Writer, grow, picture, world

from optima_envs.records import ErrorInfo, Outcome, Turn
from optima_envs.rewards import Breakdown
from optima_train.tree_search.log import TreeLog, Trees
from optima_train.tree_search.search import Round
from optima_train.tree_search.tree import Ending, Played, Tree

TEXTS = ("Tell me more, my friend", "perhaps <A> plum </A>", "or <A> teal </A>", "", "\ud800 \x00 \u202e }{")


def go_on(path: Path, *, rounds: int, trees: int = 2) -> list[Tree]:
    """What the stage does: trees as far as the log has them are grown to ``rounds``, and every round is logged."""
    with TreeLog(path) as log:
        known = Trees(path)
        grown = [known.tree(number, "children") for number in range(trees)]
        return grow(world(max_turns=4), Writer(TEXTS), trees=grown, rounds=rounds, seed=5, done=log.add)


def test_a_tree_is_all_its_lines_and_each_prompt_is_told_once(tmp_path: Path) -> None:
    grown = go_on(tmp_path / "trees.jsonl", rounds=6)
    trees = Trees(tmp_path / "trees.jsonl")
    assert trees.numbers() == [0, 1] and trees.rounds(0) == 6 and trees.rounds(7) == 0
    for number, tree in enumerate(grown):
        assert picture(trees.tree(number, "children")) == picture(tree)
        assert trees.instance(number) == world().task[number].id
        rows = list(trees.rows(number))
        added = sum(len(node["turn"]["prompt"]["add"]) for row in rows for node in row["nodes"])
        whole = sum(len(node.turn.prompt_ids or ()) for node in tree.nodes)
        assert added < whole / 2
        assert {name for row in rows for name in row} == {
            *("tree", "instance", "round", "expanded", "nodes", "dialogues", "rewards"),
            *("sampled_tokens", "merged_turns", "merged_tokens", "prompt_tokens", "cached_tokens"),
        }


def test_a_log_cut_at_any_byte_is_gone_on_from_to_the_same_bytes(tmp_path: Path) -> None:
    path = tmp_path / "trees.jsonl"
    go_on(path, rounds=4)
    whole = path.read_bytes()
    ends = [i + 1 for i, byte in enumerate(whole) if byte == 10]
    assert len(ends) == 8
    for cut in [0, 1, *ends, *(end - 1 for end in ends), *range(0, len(whole), len(whole) // 11)]:
        path.write_bytes(whole[:cut])
        go_on(path, rounds=4)
        assert sorted(path.read_bytes().splitlines()) == sorted(whole.splitlines())


texts = st.text(max_size=6)
ids = st.lists(st.integers(0, 9), max_size=5).map(tuple)
turns = st.builds(
    Turn,
    st.sampled_from(["Alice", "Bob"]),
    texts,
    st.integers(0, 9),
    st.none() | ids,
    st.none() | ids,
    st.none() | st.lists(st.sampled_from([-0.5, -0.25, 0.0]), max_size=3).map(tuple),
    st.sampled_from(["stop", "length"]),
)
errors = st.none() | st.builds(ErrorInfo, st.sampled_from(["backend", "env"]), texts)
numbers = st.floats(-2, 2).map(lambda x: round(x, 3))
endings = st.builds(Ending, st.builds(Outcome, st.just("answered"), st.none() | texts), numbers, st.booleans(), errors)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(data=st.data())
def test_any_tree_survives_the_log(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "any.jsonl"
    path.unlink(missing_ok=True)
    tree = Tree()
    with TreeLog(path) as log:
        for number in range(data.draw(st.integers(1, 3))):
            made = Round("i", number, data.draw(st.integers(0, len(tree.nodes) - 1)), len(tree.nodes))
            for turn in data.draw(st.lists(turns, max_size=5)):
                open_nodes = [node.id for node in tree.nodes if node.ending is None]
                node = tree.add(data.draw(st.sampled_from(open_nodes)), turn)
                if node.id != len(open_nodes):
                    node.ending = data.draw(st.none() | endings)
            made.dialogues = [Played(len(tree.nodes) - 1, data.draw(errors))]
            tree.finish(made.expanded, made.dialogues)
            broken = data.draw(errors)
            tree.backpropagate(
                {leaf.id: Breakdown(data.draw(numbers), {"t": 1.0}, broken) for leaf, _ in tree.leaves()}, "visits"
            )
            log.add(3, tree, made)
    again = Trees(path).tree(3, "visits")
    assert picture(again) == picture(tree)
    assert [node.turn for node in again.nodes] == [node.turn for node in tree.nodes]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda row: "not json", "line 2: no tree record"),
        (lambda row: [1], "line 2: no tree record"),
        (lambda row: {**row, "tree": "x"}, "line 2: no tree record: tree is a number"),
        (lambda row: {**row, "round": 3}, "line 2: round 3 where 1 is due"),
        (lambda row: {**row, "nodes": None}, "tree 0, round 1: no tree record: TypeError"),
        (
            lambda row: {**row, "nodes": [{**row["nodes"][0], "parent": 99}]},
            "round 1: no tree record: ValueError: node",
        ),
        (
            lambda row: {**row, "nodes": [{**row["nodes"][0], "parent": -1}]},
            "round 1: no tree record: ValueError: node",
        ),
        (lambda row: {**row, "expanded": -1}, "round 1: no tree record: ValueError: node -1 of"),
        (lambda row: {**row, "rewards": {"999": None}}, "round 1: no tree record: ValueError: node 999 of"),
        (lambda row: {**row, "dialogues": [{"leaf": 1}]}, "round 1: no tree record: KeyError: 'error'"),
    ],
)
def test_a_foreign_line_is_named(tmp_path: Path, damage, message: str) -> None:
    path = tmp_path / "trees.jsonl"
    go_on(path, rounds=2, trees=1)
    first, second = path.read_text().splitlines()
    path.write_text(f"{first}\n{json.dumps(damage(json.loads(second)))}\n")
    with pytest.raises(ValueError, match=message) as caught:
        Trees(path).tree(0, "children")
    assert "trees.jsonl" in str(caught.value)
