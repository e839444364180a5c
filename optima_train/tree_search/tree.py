"""Tree: dialogues of one instance that share their beginnings; a node is a turn, the root the task itself. What the
world replies to a turn is that node's only child; it is no choice of anybody's, so it is never merged or expanded.

Paper section 2.4, Alg. 4 and App. H.1. All of it is pure: no model, no chance but the generator that is passed in.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from random import Random
from statistics import fmean
from typing import TYPE_CHECKING, Literal

from optima_envs.records import ENVIRONMENT, Turn

if TYPE_CHECKING:
    from optima_envs.records import ErrorInfo, Outcome
    from optima_envs.rewards import Breakdown

ROOT = 0
Values = Literal["children", "visits"]


@dataclass(frozen=True, slots=True)
class Ending:
    """How the dialogue that ends in a node ended; with ``error`` it could not be judged."""

    outcome: Outcome
    score: float = 0.0
    correct: bool = False
    error: ErrorInfo | None = None


@dataclass(frozen=True, slots=True)
class Played:
    """One dialogue: the node of its last turn, and why it failed (None: it ended by the rules)."""

    leaf: int
    error: ErrorInfo | None = None


@dataclass(slots=True)
class Node:
    """A turn after those of its ancestors; the root's, an empty one, was never said. Children have larger ids.

    ``value`` is None until a rewarded dialogue went through the node.
    """

    id: int
    parent: int | None
    turn: Turn
    ending: Ending | None = None
    children: list[int] = field(default_factory=list)
    value: float | None = None
    expanded: bool = False

    @property
    def replied(self) -> bool:
        """Whether the turn is the world's."""
        return self.turn.agent == ENVIRONMENT

    @property
    def worth(self) -> float:
        """The value, as a number that can be sorted by."""
        return float("-inf") if self.value is None else self.value


class Tree:
    """``nodes`` by id, ``dialogues`` in the order they were played, ``rewards`` by leaf, finished ``rounds``.

    ``exhausted``: the last round began at the root again, for want of candidates, and brought no new node.
    """

    def __init__(self) -> None:
        self.nodes = [Node(ROOT, None, Turn("", ""))]
        self.dialogues: list[Played] = []
        self.rewards: dict[int, Breakdown] = {}
        self.rounds = 0
        self.exhausted = False
        self._size = 0

    def path(self, id: int) -> list[Node]:  # noqa: A002 - a node's own name for it
        """The nodes from below the root down to ``id``."""
        nodes = []
        while (parent := self.nodes[id].parent) is not None:
            nodes.append(self.nodes[id])
            id = parent  # noqa: A001
        return nodes[::-1]

    def turns(self, id: int) -> tuple[Turn, ...]:  # noqa: A002
        """The dialogue down to ``id``."""
        return tuple(node.turn for node in self.path(id))

    def leaves(self) -> list[tuple[Node, Ending]]:
        """Nodes in which a dialogue ended and was judged."""
        return [(node, node.ending) for node in self.nodes if node.ending is not None and node.ending.error is None]

    def add(self, parent: int, turn: Turn) -> Node:
        """A new node below ``parent``."""
        node = Node(len(self.nodes), parent, turn)
        self.nodes.append(node)
        self.nodes[parent].children.append(node.id)
        return node

    def after(self, id: int) -> Node:  # noqa: A002
        """The node behind which agents speak next: ``id``, or the world's reply to it."""
        node = self.nodes[id]
        child = self.nodes[node.children[0]] if node.children else node
        return child if child.replied else node

    def add_or_merge(
        self, parent: int, turn: Turn, distance: float, alike: Callable[[Turn], bool] = lambda other: True
    ) -> tuple[Node, bool]:
        """The node ``turn`` belongs to, and whether it was merged: into the sibling nearest to it by edit distance
        over the longer length, if nearer than ``distance``. Siblings that are not ``alike`` are left out."""
        siblings = [child for child in self.nodes[parent].children if alike(self.nodes[child].turn)]
        gaps = [(gap(turn.text, self.nodes[child].turn.text, distance), child) for child in siblings]
        nearest, child = min(gaps, default=(1.0, ROOT))
        return (self.nodes[child], True) if nearest < distance else (self.add(parent, turn), False)

    def candidates(self, distance: float) -> list[Node]:
        """Nodes that may be expanded next: neither leaves nor parents of leaves alone, with a value, and no nearer
        than ``distance`` to a node expanded before (so never one of those)."""
        before = [node.turn.text for node in self.nodes[1:] if node.expanded and not node.replied]
        return [
            node
            for node in self.nodes[1:]
            if node.value is not None
            and not node.replied
            and any(self.after(child).children for child in self.after(node.id).children)
            and all(gap(node.turn.text, text, distance) >= distance for text in before)
        ]

    def select(self, rng: Random, *, top: int, distance: float) -> int:
        """The node to expand: a draw by softmax over the values of the ``top`` best candidates; without candidates,
        as at the start, the root."""
        best = sorted(self.candidates(distance), key=lambda node: (-node.worth, node.id))[:top]
        if not best:
            return ROOT
        return rng.choices(best, [math.exp(node.worth - best[0].worth) for node in best])[0].id

    def backpropagate(self, rewards: Mapping[int, Breakdown], values: Values) -> None:
        """Back-propagate the leaves' rewards: a node's value is the mean of its children (paper), or of all dialogues
        through it (reference code). A leaf without a finite reward leaves no trace."""
        self.rewards = dict(rewards)
        known = {leaf: row.total for leaf, row in rewards.items() if row.error is None}
        if values == "children":
            for node in reversed(self.nodes):
                below = [v for child in node.children if (v := self.nodes[child].value) is not None]
                node.value = fmean(below) if below else known.get(node.id)
            return
        through: dict[int, list[float]] = {}
        for played in self.dialogues:
            if played.leaf in known:
                for node in (self.nodes[ROOT], *self.path(played.leaf)):
                    through.setdefault(node.id, []).append(known[played.leaf])
        for node in self.nodes:
            node.value = fmean(through[node.id]) if node.id in through else None

    def finish(self, expanded: int, dialogues: Iterable[Played]) -> None:
        """Note the end of a round."""
        self.nodes[expanded].expanded = True
        self.dialogues += dialogues
        self.exhausted = self.rounds > 0 and expanded == ROOT and len(self.nodes) == self._size
        self.rounds, self._size = self.rounds + 1, len(self.nodes)


def gap(one: str, two: str, limit: float) -> float:
    """Edit distance over the longer length, in [0, 1]; anything above ``limit`` may come out as 1."""
    from rapidfuzz.distance import Levenshtein  # with the training extra: trees can be read without it

    return Levenshtein.normalized_distance(one, two, score_cutoff=limit)
