"""What a stage says about its trees: counts over a finished log, read one tree at a time."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optima_envs.records import of_agents

from .log import COUNTS, Trees

if TYPE_CHECKING:
    from .tree import Played, Tree


@dataclass(slots=True)
class TreeTally:
    """Counts over all trees. ``tokens`` and ``turns`` are those of whole dialogues, shared beginnings and all, so they
    compare with the dialogues of other stages; ``sampled_tokens`` is what was really sampled. The world's replies are
    neither ``nodes`` nor ``turns``."""

    trees: int = 0
    dead: int = 0
    exhausted: int = 0
    nodes: int = 0
    dialogues: int = 0
    failures: int = 0
    unrewarded: int = 0
    tokens: int = 0
    turns: int = 0
    cut: int = 0
    score: float = 0.0
    reward: float = 0.0
    error: str = ""
    stops: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def sound(self) -> int:
        """Dialogues with a score."""
        return self.dialogues - self.failures

    def add(self, tree: Tree) -> None:
        self.trees += 1
        self.exhausted += tree.exhausted
        self.nodes += sum(not node.replied for node in tree.nodes) - 1
        self.cut += sum(node.turn.finish == "length" for node in tree.nodes)
        failed = self.failures
        for played in tree.dialogues:
            self._dialogue(tree, played)
        self.dead += self.failures - failed == len(tree.dialogues)

    def _dialogue(self, tree: Tree, played: Played) -> None:
        self.dialogues += 1
        turns = tree.turns(played.leaf)
        self.turns += len(of_agents(turns))
        self.tokens += sum(turn.tokens for turn in turns)
        ending = tree.nodes[played.leaf].ending
        if played.error is not None or ending is None:
            self.failures += 1
            self.stops["error"] += 1
            self.error = f"{played.error.kind}: {played.error.message}" if played.error else "no reason on record"
            return
        self.stops[ending.outcome.stop] += 1
        self.score += ending.score
        row = tree.rewards[played.leaf]
        self.unrewarded += row.error is not None
        self.reward += row.total

    def numbers(self) -> dict[str, Any]:
        """For the log of the run. ``sampled_share`` is what sharing beginnings left to be sampled."""
        sound, rewarded = max(1, self.sound), max(1, self.sound - self.unrewarded)
        return {
            "trees": self.trees,
            "trees_failed": self.dead,
            "trees_exhausted": self.exhausted,
            "nodes": self.nodes,
            "dialogues": self.dialogues,
            "failures": self.failures,
            "unrewarded": self.unrewarded,
            "score": self.score / sound,
            "reward": self.reward / rewarded,
            "tokens": self.tokens / max(1, self.dialogues),
            "turns": self.turns / max(1, self.dialogues),
            "cut_turns": self.cut,
            **{name: self.counts[name] for name in COUNTS},
            "sampled_share": self.counts["sampled_tokens"] / max(1, self.tokens),
            "stops": dict(sorted(self.stops.items())),
        }


def count(path: Path) -> TreeTally:
    """The tally of a log. Raises ValueError naming a line that is no tree record."""
    trees, tally = Trees(path), TreeTally()
    for number in trees.numbers():
        for row in trees.rows(number):
            tally.counts.update({name: row[name] for name in COUNTS})
        tally.add(trees.tree(number, "children"))
    return tally
