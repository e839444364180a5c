"""Credit from trees: the advantage of every turn of a tree, and its dialogues as rows are made from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from optima_envs.records import Episode, EpisodeKey, ErrorInfo

from ...stages.generate import block
from .agent_terms import AgentReward
from .dialogues import Advantages, Credit, options_of
from .estimators import ADVANTAGES, RewardedTurn

if TYPE_CHECKING:
    from optima_envs.scenario import Scenario

    from ...config.settings import TrainConfig
    from ...tree_search.log import Trees
    from ...tree_search.tree import Tree


class TreeCredit:
    """The trees of a log, with the advantage of each of their turns. A tree's name is its instance and its number."""

    def __init__(self, trees: Trees, scenario: Scenario, config: TrainConfig, iteration: int) -> None:
        self._trees, self._scenario, self._config = trees, scenario, config
        self._block = block(config, iteration, len(scenario.task), config.tree.instances)
        self._own = AgentReward(config.grpo.agent_weights)
        self._gains: dict[tuple[int, int], float | None] = {}

    def estimate(self, memory: Mapping[str, float]) -> Credit:
        """Compute every advantage; the result's ``advantages`` are left empty, ``dialogues`` gives them."""
        found, config = Credit(), self._config.grpo
        turns: list[RewardedTurn] = []
        places: list[tuple[int, int]] = []
        for number in self._trees.numbers():
            tree = self._trees.tree(number, self._config.tree.values)
            found.failed["no reward"] += sum(played.leaf not in tree.rewards for played in tree.dialogues)
            values, samples = self._values(number, tree, found), self._samples(number, tree)
            for node in tree.nodes[1:]:
                value = values.get(node.id)
                if value is None:
                    continue
                agent = node.turn.agent
                said = sum(before.turn.agent == agent for before in tree.path(node.id)[:-1])
                name = f"{self._trees.instance(number)}/{number}"
                parent = node.parent or 0
                turns.append(RewardedTurn(name, 0, agent, said, value, node.id, parent, samples[node.id]))
                places.append((number, node.id))
        estimate = ADVANTAGES[config.estimator](turns, options_of(config), memory)
        self._gains = dict(zip(places, estimate.advantages, strict=True))
        found.memory = dict(estimate.memory)
        found.groups, found.without_spread = estimate.groups, estimate.without_spread
        return found

    def dialogues(self) -> Iterator[tuple[Episode, Advantages]]:
        """Every dialogue of every tree, with the advantages of those of its turns that no earlier one has."""
        for number in self._trees.numbers():
            tree = self._trees.tree(number, self._config.tree.values)
            told: set[int] = set()
            for leaf, episode in self._episodes(number, tree).items():
                fresh = {place: node.id for place, node in enumerate(tree.path(leaf)) if node.id not in told}
                told.update(fresh.values())
                yield episode, {place: self._gains.get((number, node)) for place, node in fresh.items()}

    def _episodes(self, number: int, tree: Tree) -> dict[int, Episode]:
        """The tree's dialogues that ended and were judged, by leaf."""
        leaves = tree.leaves()
        if not leaves:
            return {}
        inst = self._scenario.task[self._block[number]]  # a tree is named by its place in the block
        return {
            leaf.id: Episode(
                EpisodeKey(inst.id, leaf.id, number),
                self._scenario.id,
                inst,
                tree.turns(leaf.id),
                end.outcome,
                end.score,
                end.correct,
            )
            for leaf, end in leaves
        }

    def _values(self, number: int, tree: Tree, found: Credit) -> dict[int, float | None]:
        """What each node is worth to the agent that speaks in it."""
        if not self._config.grpo.agent_weights:
            return {node.id: node.value for node in tree.nodes}
        kind, team = self._config.tree.values, tree.rewards
        sound = {leaf: e for leaf, e in self._episodes(number, tree).items() if team[leaf].error is None}
        extra = dict(zip(sound, self._own(list(sound.values())), strict=True))
        for more in extra.values():
            if isinstance(more, ErrorInfo):
                found.failed[more.message] += 1
        values: dict[int, float | None] = {}
        for agent in {node.turn.agent for node in tree.nodes[1:]}:
            totals = {
                leaf: replace(team[leaf], total=team[leaf].total + more.get(agent, 0.0))
                for leaf, more in extra.items()
                if not isinstance(more, ErrorInfo)
            }
            tree.backpropagate(totals, kind)
            values |= {node.id: node.value for node in tree.nodes if node.turn.agent == agent}
        return values

    def _samples(self, number: int, tree: Tree) -> Counter[int]:
        """How often each node was sampled: merged siblings are one node, and a round samples below where it began."""
        count: Counter[int] = Counter()
        for row in self._trees.rows(number):
            start = row["expanded"]
            for one in row["dialogues"]:
                above = {node.id for node in tree.path(start)}
                count.update(node.id for node in tree.path(one["leaf"]) if node.id not in above)
        return count
