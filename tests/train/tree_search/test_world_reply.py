"""Trees of dialogues in which the world replies: a reply is a node of its own, and only equal actions are merged."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.acting import record, sql
from support.growing import Writer, grow, picture, rendered, world

import optima_envs
from optima_envs.games.tool_use import ToolUse
from optima_envs.records import ENVIRONMENT, Turn
from optima_envs.rewards import Breakdown
from optima_envs.scenario import Scenario
from optima_train.config.settings import PairsConfig
from optima_train.tree_search.log import TreeLog, Trees
from optima_train.tree_search.pairs import OWN, pairs_of
from optima_train.tree_search.search import Round
from optima_train.tree_search.tally import count
from optima_train.tree_search.tree import ROOT, Ending, Tree


def change(number: int) -> str:
    return "UPDATE `harbour log` SET Crates = # WHERE Boat = 'Heron'".replace("#", str(number))


def setting(number: int) -> str:
    return sql(change(number))


ROWS = [record("UPDATE", [change(number)]) for number in (8, 9)]
TEXTS = [setting(8), setting(9), sql("SELECT COUNT(*) FROM `harbour log`"), "Let me think.", "Final Answer: done"]


def tables(**settings) -> Scenario:
    return optima_envs.scenario("dbbench-sql", data=ROWS, max_turns=4, **settings)


def siblings(tree: Tree) -> list[list[str]]:
    return [[tree.nodes[child].turn.text for child in node.children] for node in tree.nodes]


def test_a_reply_is_the_only_child_of_its_action_and_agents_speak_behind_it() -> None:
    scenario = tables()
    (tree,) = grow(scenario, Writer(TEXTS), rounds=6)
    replies = [node for node in tree.nodes if node.replied]
    assert len(replies) > 5
    for node in replies:
        parent = tree.nodes[node.parent or ROOT]
        assert parent.children == [node.id] and parent.turn.agent == "Alice" and not node.expanded
        assert (node.turn.ids, node.turn.tokens) == (None, 0)
        assert node.turn == scenario.rules.respond(scenario.task[0], tree.turns(parent.id))  # type: ignore[attr-defined]
    for node in tree.nodes[1:]:
        history = tree.turns(node.parent or ROOT)
        if not node.replied:
            (speaker,) = scenario.rules.speakers(scenario.task[0], history)
            assert node.turn.prompt_ids == rendered(scenario.rules.view(scenario.task[0], history, speaker))
        if node.children and tree.nodes[node.children[0]].replied:
            assert node.ending is None
        else:
            over = scenario.rules.outcome(scenario.task[0], tree.turns(node.id))
            assert (over is None) == (node.ending is None)


def test_actions_that_ask_for_something_else_are_never_merged_however_alike() -> None:
    (tree,) = grow(tables(), Writer([setting(8), setting(9)]), rounds=4, rollouts=6, merge_distance=0.5)
    first = siblings(tree)[ROOT]
    assert sorted(first) == [setting(8), setting(9)]
    scores = {tree.turns(leaf.id)[-1 if not leaf.replied else -2].text: end.score for leaf, end in tree.leaves()}
    assert scores == {setting(8): 1.0, setting(9): 0.0}
    # and the same call in other words is merged, as words alone would be
    (tree,) = grow(tables(), Writer([setting(8), f"So: {setting(8)}"]), rounds=1, rollouts=6, merge_distance=0.5)
    assert len(siblings(tree)[ROOT]) == 1

    class Wordy(ToolUse):
        effect: Any = None  # off: as in a game that does not tell what a turn does

    scene = tables()
    wordy = Scenario(scene.id, Wordy(world="sql", max_turns=4), scene.task, scene.metric)
    (tree,) = grow(wordy, Writer([setting(8), setting(9)]), rounds=4, rollouts=6, merge_distance=0.5)
    assert len(siblings(tree)[ROOT]) == 1


@pytest.mark.parametrize("env", ["twohop-search", "arith-plan"])
def test_a_tree_is_the_same_at_any_concurrency(env: str) -> None:
    texts = ["search[of]", "search[is]", "lookup[is]", "Final Answer: teal", "Subgoal 1: Add 2 and 3.", "stop planning"]
    texts += ["R1 = Calculator(2 + 3)", "R1 = Calculator(2 + 4)"]
    grown = [
        [picture(tree) for tree in grow(world(env, max_turns=6), Writer(texts), trees=3, rounds=5, concurrency=c)]
        for c in (1, 64)
    ]
    assert grown[0] == grown[1] and ENVIRONMENT in grown[0][0]


def test_rounds_begin_at_agents_turns_and_go_on_behind_the_reply() -> None:
    made: list[Round] = []
    (tree,) = grow(tables(), Writer(TEXTS), rounds=8, expand_distance=0.01, done=lambda _, tree, one: made.append(one))
    begun = {one.expanded for one in made} - {ROOT}
    assert begun and not any(tree.nodes[node].replied for node in begun)
    assert not any(node.replied for node in tree.candidates(0.0))
    sampled = [node for node in tree.nodes[1:] if not node.replied]
    assert len(sampled) + sum(one.merged_turns for one in made) == sum(
        len([turn for turn in tree.turns(played.leaf) if turn.agent != ENVIRONMENT])
        - len([node for node in tree.path(one.expanded) if not node.replied])
        for one in made
        for played in one.dialogues
    )


def test_a_log_gives_the_tree_back_and_replies_are_in_no_count(tmp_path: Path) -> None:
    path = tmp_path / "trees.jsonl"
    with TreeLog(path) as log:
        (tree,) = grow(tables(), Writer(TEXTS), rounds=5, done=lambda number, tree, one: log.add(number, tree, one))
    assert picture(Trees(path).tree(0, "children")) == picture(tree)
    tally = count(path)
    replies = sum(node.replied for node in tree.nodes)
    assert replies and tally.nodes == len(tree.nodes) - 1 - replies
    turns = [turn for played in tree.dialogues for turn in tree.turns(played.leaf)]
    assert tally.turns == sum(turn.agent != ENVIRONMENT for turn in turns) < len(turns)
    assert json.loads(path.read_text().splitlines()[0])["nodes"]


class Failing(ToolUse):
    def respond(self, inst, turns):
        raise OSError("the table is gone")


class Unsure(ToolUse):
    def effect(self, inst, turns, turn):
        raise KeyError("which?")


@pytest.mark.parametrize(("rules", "why"), [(Failing, "the table is gone"), (Unsure, "which?")])
def test_a_world_that_fails_ends_its_dialogues_with_the_reason(rules: type[ToolUse], why: str) -> None:
    scene = tables()
    broken = Scenario(scene.id, rules(world="sql", max_turns=4), scene.task, scene.metric)
    (tree,) = grow(broken, Writer(TEXTS), rounds=2)
    errors = [played.error for played in tree.dialogues]
    assert any(error is not None and error.kind == "env" and why in error.message for error in errors)
    assert all(error is not None for error in errors) or rules is Unsure
    assert picture(tree) == picture(grow(broken, Writer(TEXTS), rounds=2)[0])


def grown(texts: Sequence[str], rewards: Sequence[float], *, replied: bool) -> Tree:
    """One fork with a reply behind each turn, or without."""
    tree = Tree()
    leaves = {}
    for text, reward in zip(texts, rewards, strict=True):
        ids = tuple(map(ord, text))
        node = tree.add(ROOT, Turn("Alice", text, len(ids), (1, 2), ids))
        if replied:
            node = tree.add(node.id, Turn(ENVIRONMENT, "seen"))
        node.ending = Ending(optima_envs.Outcome("answered", "x"), reward)
        leaves[node.id] = Breakdown(reward, {})
    tree.backpropagate(leaves, "children")
    return tree


def test_a_turn_that_speaks_for_the_world_is_never_the_better_one() -> None:
    own, plain = "search[a]\nObservation: b", "search[b]"
    config = PairsConfig(threshold=0.0, gap=0.1, top_share=1.0)
    for texts, replied, made, dropped in (
        ([own, plain], True, 0, 1),
        ([plain, own], True, 1, 0),
        ([own, plain], False, 1, 0),  # off: in a game without a world it is a word like any other
    ):
        reasons: Counter[str] = Counter()
        found = pairs_of(grown(texts, [1.0, 0.2], replied=replied), config, reasons)
        assert (len(found), reasons[OWN]) == (made, dropped)
        assert all(pair.depth == 0 and not pair.chosen.replied for pair in found)


def test_depth_counts_what_agents_said() -> None:
    tree = grown(["search[a]"], [0.5], replied=True)
    reply = tree.after(1)
    for text, reward in (("Final Answer: a", 1.0), ("Final Answer: b", 0.0)):
        node = tree.add(reply.id, replace(tree.nodes[1].turn, text=text))
        node.ending = Ending(optima_envs.Outcome("answered", "a"), reward)
    tree.nodes[reply.id].ending = None
    tree.backpropagate({3: Breakdown(1.0, {}), 4: Breakdown(0.0, {})}, "children")
    (pair,) = pairs_of(tree, PairsConfig(threshold=0.0, gap=0.1, top_share=1.0), Counter())
    assert pair.depth == 1
