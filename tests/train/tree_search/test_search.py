"""Growing one tree: roles and views at every depth, seeds, order, failures, time limits."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from support.growing import Writer, grow, picture, rendered, world

from optima_agents.backends.base import BackendError, EngineDead
from optima_agents.policy import Act
from optima_agents.scripted import Oracle
from optima_envs import AsymmetricQA
from optima_envs.records import Turn
from optima_train.tree_search.log import TreeLog, Trees
from optima_train.tree_search.search import Round
from optima_train.tree_search.tree import ROOT

TEXTS = (
    "I know little, tell me more.",
    "Let us look at every fact in turn",
    "it may be <A> plum </A>",
    "so <A> teal </A> then",
    "",
    "What do your facts say?",
)


@pytest.mark.parametrize("env", ["twohop-asym", "arith-debate"])
def test_every_turn_is_said_by_whose_turn_it_is_in_its_own_view(env: str) -> None:
    scenario = world(env, max_turns=6)
    writer = Writer(TEXTS)
    (tree,) = grow(scenario, writer, rounds=6)
    expanded = [node for node in tree.nodes if node.expanded]
    assert any(len(tree.path(node.id)) % 2 for node in expanded), "some rounds begin at the second agent's turn"
    for node in tree.nodes[1:]:
        history = tree.turns(node.parent or ROOT)
        (speaker,) = scenario.rules.speakers(scenario.task[0], history)
        assert node.turn.agent == speaker
        view = scenario.rules.view(scenario.task[0], history, speaker)
        assert node.turn.prompt_ids == rendered(view)
        assert (scenario.rules.outcome(scenario.task[0], tree.turns(node.id)) is None) == (node.ending is None)
        assert node.ending is None or not node.children
    roles = {view.agent: view.role for view in writer.views}
    assert roles == {name: scenario.rules.view(scenario.task[0], (), name).role for name in scenario.rules.agents}


def test_a_tree_is_the_same_at_any_concurrency_and_another_seed_gives_another() -> None:
    scenario = world(max_turns=5)
    grown = [
        [picture(tree) for tree in grow(scenario, Writer(TEXTS), trees=4, rounds=5, concurrency=c, seed=seed)]
        for c, seed in ((1, 3), (2, 3), (64, 3), (64, 4))
    ]
    assert grown[0] == grown[1] == grown[2]
    assert grown[3] != grown[0]
    assert len(set(grown[0])) == 4


def test_a_round_samples_only_below_its_node_and_counts_what_it_merged() -> None:
    made: list[Round] = []
    writer = Writer(TEXTS)
    (tree,) = grow(world(max_turns=5), writer, rounds=6, done=lambda _, tree, one: made.append(one))
    assert [r.number for r in made] == list(range(6))
    assert made[0].expanded == ROOT and any(r.expanded for r in made[1:])
    assert len(tree.dialogues) == 18 and all(len(r.dialogues) == 3 for r in made)
    assert len(tree.nodes) - 1 + sum(r.merged_turns for r in made) == len(writer.views)
    kept = sum(node.turn.tokens for node in tree.nodes)
    assert sum(r.sampled_tokens for r in made) == kept + sum(r.merged_tokens for r in made)
    assert sum(r.cached_tokens for r in made) == 7 * len(writer.views)
    for made_round in made:
        for played in made_round.dialogues:
            assert made_round.expanded in {ROOT, *(node.id for node in tree.path(played.leaf))}


def test_siblings_are_never_near_each_other_and_merged_dialogues_go_on_from_the_kept_turn() -> None:
    (tree,) = grow(world(max_turns=4), Writer([*TEXTS, "I know little, tell me more!"]), rounds=8)
    for node in tree.nodes:
        texts = [tree.nodes[child].turn.text for child in node.children]
        assert len(set(texts)) == len(texts)
        assert len({"I know little, tell me more.", "I know little, tell me more!"} & set(texts)) < 2


def test_an_oracle_gives_one_path_and_full_scores() -> None:
    scenario = world()
    (tree,) = grow(scenario, Oracle(scenario.task[0].answers[0]), rounds=4)
    assert [len(node.children) for node in tree.nodes] == [1] * (len(tree.nodes) - 1) + [0]
    assert len(tree.leaves()) == 1
    # the root's second round finds nothing new, so the other two are not played
    assert tree.exhausted and len(tree.dialogues) == 6
    (spent,) = grow(scenario, Oracle(scenario.task[0].answers[0]), rounds=4, exhausted="again")
    assert len(spent.dialogues) == 12 and len(spent.nodes) == len(tree.nodes)
    assert tree.leaves()[0][1].correct
    assert tree.nodes[ROOT].value == pytest.approx(1 - 0.6)


class Half:
    name = "half"

    def score(self, answer, golds) -> float:
        return 0.5

    def correct(self, score: float) -> bool:
        return False


class Flaky(Writer):
    """Fails where ``fails`` says so."""

    def __init__(self, fails) -> None:
        super().__init__(TEXTS)
        self.fails = fails

    async def act(self, view, *, seed):
        act = await super().act(view, seed=seed)
        self.fails(view, seed)
        return act


def test_failed_dialogues_are_data_with_a_reason() -> None:
    def fails(view, seed) -> None:
        if view.turn == 1 and seed % 2:
            raise BackendError("no luck")

    (tree,) = grow(world(max_turns=4), Flaky(fails), rounds=6)
    errors = Counter(played.error.message for played in tree.dialogues if played.error)
    assert errors == {"BackendError: no luck": errors.total()} and 0 < errors.total() < 18
    for played in tree.dialogues:
        assert (played.error is None) == (tree.nodes[played.leaf].ending is not None)
        assert played.error is None or not set(tree.rewards) & {played.leaf}
    assert tree.nodes[ROOT].value is not None


def test_when_all_fail_the_tree_has_no_values_and_grows_to_its_end() -> None:
    def fails(view, seed) -> None:
        raise ValueError("never")

    (tree,) = grow(world(), Flaky(fails), rounds=4, exhausted="again")
    assert len(tree.dialogues) == 12 and all(d.error and d.error.kind == "policy" for d in tree.dialogues)
    assert len(tree.nodes) == 1 and tree.nodes[ROOT].value is None


def test_a_broken_instance_and_a_broken_metric_fail_their_dialogues_alone() -> None:
    scenario = world(max_turns=3)

    class Torn:
        name, split = "torn", "train"

        def __len__(self) -> int:
            return 2

        def __getitem__(self, index: int):
            if index:
                raise OSError("row 1 is torn")
            return scenario.task[0]

    class Judge:
        name = "none"

        def score(self, answer, golds) -> float:
            raise RuntimeError("no judge")

        def correct(self, score: float) -> bool:
            return False

    whole, torn = grow(replace(scenario, task=Torn()), Writer(TEXTS), trees=2, rounds=2)
    assert not any(d.error for d in whole.dialogues)
    assert {str(d.error.message) for d in torn.dialogues if d.error} == {"OSError: row 1 is torn"}
    (tree,) = grow(replace(scenario, metric=Judge()), Writer(TEXTS), rounds=2)
    assert {d.error.message for d in tree.dialogues if d.error} == {"RuntimeError: no judge"}
    assert len(tree.dialogues) == 6 and not tree.rewards


def test_what_json_cannot_hold_fails_its_dialogue_alone(tmp_path) -> None:
    class Odd(Writer):
        """Ids and logprobs of numpy; in one seed of three, ids or a token count that are no whole numbers."""

        async def act(self, view, *, seed):
            act = await super().act(view, seed=seed)
            if view.turn == 1 and seed % 3 == 0:
                return replace(act, ids=(Fraction(1, 2),)) if seed % 2 else replace(act, tokens="many")
            logprobs: Any = tuple(np.array(act.logprobs, np.float32))
            return replace(act, ids=tuple(np.array(act.ids)), logprobs=logprobs)

    class Odder(AsymmetricQA):
        def outcome(self, inst, turns):
            end = super().outcome(inst, turns)
            return end and replace(end, answer=Fraction(1, 2))

    scenario = world(max_turns=3)
    with TreeLog(tmp_path / "trees.jsonl") as log:
        (tree,) = grow(scenario, Odd(TEXTS), rounds=8, done=log.add)
        strange = replace(scenario, rules=Odder(max_turns=3), metric=Half())
        (unjudged,) = grow(strange, Writer(TEXTS), rounds=2, done=lambda _, *rest: log.add(1, *rest))
    assert 0 < sum(d.error is not None for d in tree.dialogues) < 24
    assert {d.error.kind for d in tree.dialogues if d.error} == {"policy"}
    assert len(unjudged.dialogues) == 6 and not unjudged.rewards
    assert {"plain JSON" in d.error.message for d in unjudged.dialogues if d.error} == {True}
    read = Trees(log.path)
    assert picture(read.tree(0, "children")) == picture(tree)
    assert [str(d) for d in read.tree(1, "children").dialogues] == [str(d) for d in unjudged.dialogues]


def test_a_dead_engine_ends_everything_at_once() -> None:
    def fails(view, seed) -> None:
        if view.turn == 1:
            raise EngineDead("gone")

    with pytest.raises(EngineDead, match="gone"):
        grow(world(), Flaky(fails), trees=5, rounds=3)


def test_a_dialogue_that_never_ends_is_given_up() -> None:
    class Endless:
        async def act(self, view, *, seed):
            if view.turn:
                await asyncio.Event().wait()
            return Act("well", 1, (1,), (2,), (-0.5,))

    (tree,) = grow(world(), Endless(), rounds=1, episode_timeout=0.02)
    assert {(d.error.kind, d.error.message) for d in tree.dialogues if d.error} == {("timeout", "no end after 0.02 s")}


def test_agents_who_speak_at_once_fail_with_the_reason() -> None:
    (tree,) = grow(world(order="simultaneous"), Writer(TEXTS), rounds=1)
    assert {d.error.message for d in tree.dialogues if d.error} == {
        "2 agents speak at once, but a node of a tree is one turn"
    }


def test_a_term_that_is_no_number_costs_its_dialogues_their_value() -> None:
    from optima_envs.rewards import TERMS, lift

    def odd(episode):
        return float("nan") if any(isinstance(t, Turn) and "plum" in t.text for t in episode.turns) else 0.0

    if "odd-plum" not in TERMS:
        TERMS.register("odd-plum", lift(odd))
    (tree,) = grow(world(max_turns=3), Writer(TEXTS), rounds=4, weights={"odd-plum": 1.0})
    broken = [leaf for leaf, row in tree.rewards.items() if row.error is not None]
    assert broken and len(broken) < len(tree.rewards)
    assert all(tree.nodes[leaf].value is None for leaf in broken)
