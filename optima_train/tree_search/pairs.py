"""Pairs: two turns said after the same history, one of which led to better dialogues (paper Alg. 5, spec 5.2).

Paper: all pairs of siblings; reference code: the best and the worst child of each node. The higher value must be over
``threshold`` and the difference over ``gap``; of what is left each tree gives the top share by the chosen value.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

from optima_envs.tools.grammar import without_observation

from ..run.progress import ProgressReporter
from ..run.records import PreferenceRow, write_records
from ..run.stage import StageKind, StageResult
from .log import Trees
from .tree import ROOT

if TYPE_CHECKING:
    from ..config.settings import PairsConfig
    from ..run.stage import StageContext
    from .tree import Node, Tree

NO_VALUE, NO_IDS, PROMPTS = "a turn without value", "no sampled token ids", "different prompts"
CUT, OWN = "the better turn was cut", "the better turn speaks for the world"
BELOW, CLOSE, OUTSIDE = "below the threshold", "below the gap", "outside the top share"
REASONS = (NO_VALUE, NO_IDS, PROMPTS, CUT, OWN, BELOW, CLOSE, OUTSIDE)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two children of one node; ``depth`` turns were said before them."""

    depth: int
    chosen: Node
    rejected: Node

    @property
    def gap(self) -> float:
        return self.chosen.worth - self.rejected.worth


def pairs_of(tree: Tree, config: PairsConfig, dropped: Counter[str]) -> list[Pair]:
    """The pairs a tree gives, best chosen value first; what is left out is counted in ``dropped`` by reason.

    A turn cut at the token limit may be rejected but not chosen: it would teach not to end; where the world replies, so
    may one that invents its reply. Equal values go by the
    larger gap, then by node number.
    """
    kept = []
    world = any(node.replied for node in tree.nodes)
    for pair in _siblings(tree, config, dropped):
        reason = _flaw(pair, config, world)
        if reason is None:
            kept.append(pair)
        else:
            dropped[reason] += 1
    kept.sort(key=lambda p: (-p.chosen.worth, -p.gap, p.chosen.id, p.rejected.id))
    count = min(len(kept), max(1, int(len(kept) * config.top_share + 1e-9)))  # 0.29 * 100 is 28.999...
    dropped[OUTSIDE] += len(kept) - count
    return kept[:count]


def _siblings(tree: Tree, config: PairsConfig, dropped: Counter[str]) -> Iterator[Pair]:
    """Pairs of valued siblings, the better one chosen."""
    for parent in tree.nodes:
        children = [tree.nodes[child] for child in parent.children]
        valued = sorted((c for c in children if c.value is not None), key=lambda c: (-c.worth, c.id))
        depth = sum(not node.replied for node in tree.path(parent.id))
        if config.kind == "all":
            dropped[NO_VALUE] += _twos(len(children)) - _twos(len(valued))
            yield from (Pair(depth, *two) for two in combinations(valued, 2))
        elif len(valued) >= 2:
            yield Pair(depth, valued[0], valued[-1])
        else:
            dropped[NO_VALUE] += len(children) >= 2


def _twos(count: int) -> int:
    return count * (count - 1) // 2


def _flaw(pair: Pair, config: PairsConfig, world: bool) -> str | None:
    """Why a pair is no training data, if so: the first reason that holds."""
    better, worse = pair.chosen.turn, pair.rejected.turn
    if not all(turn.ids and turn.prompt_ids for turn in (better, worse)):
        return NO_IDS
    if better.prompt_ids != worse.prompt_ids:
        return PROMPTS
    if better.finish != "stop":
        return CUT
    if world and without_observation(better.text) != better.text:
        return OWN
    if not pair.chosen.worth > config.threshold:
        return BELOW
    return None if pair.gap > config.gap else CLOSE


class Pairs:
    """Reads ``grow/trees.jsonl``; writes ``pairs.jsonl``. No pairs at all are a valid, empty result with a reason."""

    name = "pairs"
    kind: StageKind = "inference"
    resumes = False

    def run(self, ctx: StageContext) -> StageResult:
        trees = Trees(ctx.input("grow").trees)
        numbers = trees.numbers()
        dropped: Counter[str] = Counter()
        made: list[tuple[str, float, float, int, int]] = []
        empty = 0

        def rows() -> Iterator[PreferenceRow]:
            nonlocal empty
            progress = ProgressReporter(ctx.report, ctx.step.path, len(numbers), "trees")
            for number in numbers:
                tree = trees.tree(number, ctx.config.tree.values)
                pairs = pairs_of(tree, ctx.config.pairs, dropped)
                empty += not pairs
                for pair in pairs:
                    row = _row(number, trees.instance(number), pair)
                    sizes = len(row.chosen_ids or ()), len(row.rejected_ids or ())
                    made.append((row.agent, pair.chosen.worth, pair.rejected.worth, *sizes))
                    yield row
                progress.count()

        write_records(ctx.files.pairs, rows())
        return StageResult(_numbers(len(numbers), empty, made, dropped))


def _row(number: int, instance: str, pair: Pair) -> PreferenceRow:
    chosen, rejected = pair.chosen.turn, pair.rejected.turn
    return PreferenceRow(
        instance=instance,
        tree=number,
        node=pair.chosen.parent or ROOT,
        agent=chosen.agent,
        depth=pair.depth,
        prompt_ids=chosen.prompt_ids,
        chosen_ids=chosen.ids,
        rejected_ids=rejected.ids,
        chosen=chosen.text,
        rejected=rejected.text,
        chosen_value=pair.chosen.worth,
        rejected_value=pair.rejected.worth,
    )


def _numbers(
    trees: int, empty: int, made: Sequence[tuple[str, float, float, int, int]], dropped: Counter[str]
) -> dict[str, Any]:
    by_reason = {reason: dropped[reason] for reason in REASONS}
    numbers: dict[str, Any] = {
        "trees": trees,
        "trees_without_pairs": empty,
        "siblings": len(made) + sum(by_reason.values()),
        "pairs": len(made),
        "dropped_by_reason": by_reason,
    }
    if not made:
        why = ", ".join(f"{count} {reason}" for reason, count in by_reason.items() if count)
        return {**numbers, "reason": why or "no two siblings in any tree"}
    agents, chosen, rejected, chosen_tokens, rejected_tokens = zip(*made, strict=True)
    columns = {
        "chosen_value": chosen,
        "rejected_value": rejected,
        "chosen_tokens": chosen_tokens,
        "rejected_tokens": rejected_tokens,
    }
    means = {name: sum(column) / len(made) for name, column in columns.items()}
    gap = means["chosen_value"] - means["rejected_value"]
    return {**numbers, **means, "gap": gap, "by_agent": dict(sorted(Counter(agents).items()))}
