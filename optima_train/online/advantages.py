"""Advantages: policy rows of an iteration's dialogues or trees."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optima_envs.records import EpisodeKey

from ..run.files import read_json, read_lines, write_json, write_lines
from ..run.progress import Ticker
from ..run.stage import Room, StageResult, Step
from ..stages.groups import GroupedLog
from ..stages.playing import EPISODES
from ..stages.rows import renderer
from ..tree_search.log import TREES, Trees
from .credit import Advantages as Gains
from .credit import Credit, credit, spread_of
from .estimators import on_trees
from .policy_rows import PolicyRow, policy_rows
from .tree_credit import TreeCredit

if TYPE_CHECKING:
    from optima_envs.records import Episode

    from ..run.stage import StageContext

ROWS, MEMORY = "rows.jsonl", "memory.json"


class Advantages:
    """Reads the dialogues and their rewards, or the trees; writes ``rows.jsonl``, and what the estimator remembers.

    Groups without spread give no row; all that is left out is counted.
    """

    name = "advantages"
    room: Room = "inference"
    keeps = False

    def run(self, ctx: StageContext) -> StageResult:
        config, scenario = ctx.config, ctx.scenario("train")
        memory = remembered(ctx, Step(ctx.iteration - 1, self).path)
        if on_trees(config.grpo.estimator):
            trees = TreeCredit(Trees(ctx.input("grow") / TREES), scenario, config)
            found, dialogues = trees.estimate(memory), trees.dialogues()
        else:
            log = GroupedLog(ctx.input("generate") / EPISODES)
            found = credit(log, ranked(ctx.input("rank") / "rewards.jsonl"), config.grpo, memory)
            dialogues = credited(log, found)
        tally = RowTally()
        ticker = Ticker(ctx.report, ctx.step.path, found.groups, "groups")

        def rows() -> Iterator[dict[str, Any]]:
            render, limit = renderer(ctx), config.train.max_length
            for episode, gains in dialogues:
                made = policy_rows(episode, scenario.rules, render, limit, gains, tally.dropped)
                tally.count(episode, made)
                yield from map(asdict, made)
            ticker.count(units=found.groups)

        write_lines(ctx.out / ROWS, rows())
        write_json(ctx.out / MEMORY, dict(found.memory))
        return StageResult({**numbers(found), **tally.numbers()})


def remembered(ctx: StageContext, before: str) -> dict[str, float]:
    """What the estimator kept in the step ``before``; nothing in the first iteration."""
    path = ctx.run_dir / before / MEMORY
    return read_json(path) if path.is_file() else {}


def ranked(path: Path) -> dict[EpisodeKey, float | None]:
    """The reward of each dialogue, None for one that failed."""
    return {EpisodeKey(row["instance"], row["sample"], row["seed"]): row["reward"] for row in read_lines(path)}


def credited(log: GroupedLog, found: Credit) -> Iterator[tuple[Episode, Gains]]:
    """Every dialogue of a log that has a reward, with the advantages of its turns."""
    for group in log:
        yield from ((e, found.advantages[e.key]) for e in group.episodes if e.key in found.advantages)


def numbers(found: Credit) -> dict[str, Any]:
    """For the log of the run."""
    told = {"groups": found.groups, "groups_without_spread": found.without_spread}
    failed = {reason: count for reason, count in found.failed.items() if count}
    return {**told, "failed": sum(failed.values()), "failed_by_reason": failed, "baselines": dict(found.memory)}


class RowTally:
    """Counts over the rows made; ``dropped`` turns by reason."""

    def __init__(self) -> None:
        self.dropped: Counter[str] = Counter()
        self._counts: Counter[str] = Counter()
        self._gains: list[float] = []
        self._longest = 0

    def count(self, episode: Episode, rows: Iterable[PolicyRow]) -> None:
        self._counts["dialogues"] += 1
        for row in rows:
            self._counts["rows"] += 1
            self._counts["turns"] += len(row.turns)
            self._counts["tokens"] += len(row.input_ids)
            self._counts["trained_tokens"] += sum(row.lengths)
            self._counts["rows_without_logprobs"] += row.logprobs is None
            self._longest = max(self._longest, len(row.input_ids))
            self._gains += row.advantages

    def numbers(self) -> dict[str, Any]:
        names = ("dialogues", "rows", "turns", "tokens", "trained_tokens", "rows_without_logprobs")
        return {
            **{name: self._counts[name] for name in names},
            "longest_row": self._longest,
            "mean_absolute_advantage": spread_of(self._gains),
            "dropped_turns": dict(self.dropped),
        }
