"""Rank: the reward of every dialogue, within the group of its instance (paper Eq. 1)."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

from ..run.progress import ProgressReporter
from ..run.records import RankedRow, write_records
from ..run.stage import StageKind, StageResult
from .groups import Group, GroupedLog
from .readability import Readability

if TYPE_CHECKING:
    from optima_envs.rewards import Reward, Term

    from ..run.stage import StageContext

GROUPS_AT_ONCE = 64


class Rank:
    """Writes ``rewards.jsonl``: per dialogue its key, reward (null when it failed), terms, and why it failed."""

    name = "rank"
    reads = ("reward",)
    kind: StageKind = "inference"
    resumes = False

    def run(self, ctx: StageContext) -> StageResult:
        log = GroupedLog(ctx.input("generate").episodes)
        reward = build_reward(ctx)
        sums: defaultdict[str, float] = defaultdict(float)
        counts = {"groups": len(log), "dialogues": 0, "failed": 0, "equal_groups": 0}

        def rows() -> Iterator[RankedRow]:
            progress = ProgressReporter(ctx.report, ctx.step.path, len(log), "groups")
            groups = iter(log)
            while chunk := list(islice(groups, GROUPS_AT_ONCE)):
                for ranked in ctx.engines.wait(rank_all(reward, chunk)):
                    totals = {row.reward for row in ranked}
                    counts["equal_groups"] += len(ranked) > 1 and len(totals) == 1
                    for row in ranked:
                        counts["dialogues"] += 1
                        counts["failed"] += row.reward is None
                        if row.reward is not None:
                            for name, value in {**row.terms, "reward": row.reward}.items():
                                sums[name] += value
                    yield from ranked
                    progress.count()

        write_records(ctx.files.rewards, rows())
        ranked = max(1, counts["dialogues"] - counts["failed"])
        return StageResult({**counts, **{name: value / ranked for name, value in sums.items()}})


def build_reward(ctx: StageContext, **terms: Term) -> Reward:
    """The configured reward; terms of weight 0 are left out, and with them the model they may need.

    ``terms`` take the place of the registered ones of their names.
    """
    from optima_envs.rewards import Reward

    config = ctx.config.reward
    weights = {name: weight for name, weight in config.weights.items() if weight != 0}
    own: dict[str, Term] = {name: term for name, term in terms.items() if name in weights}
    if "readability" in weights:
        backend = ctx.engines.backend(ctx.initial)
        rules = ctx.scenario("train").rules
        own["readability"] = Readability(backend, rules, cap=config.readability_cap, condition=config.condition)
    return Reward(weights, terms=own)


async def rank_all(reward: Reward, groups: list[Group]) -> list[list[RankedRow]]:
    """Rows of several groups, ranked side by side so that the base model sees large batches."""
    return await asyncio.gather(*(rank_group(reward, group) for group in groups))


async def rank_group(reward: Reward, group: Group) -> list[RankedRow]:
    """One row per dialogue; a failed one, or one with a term that is no finite number, has no reward but a reason."""
    rows = []
    for episode, breakdown in zip(group.episodes, await reward(group.episodes), strict=True):
        error = breakdown.error
        rows.append(
            RankedRow(
                instance=group.instance,
                sample=episode.key.sample,
                seed=episode.key.seed,
                reward=breakdown.total if error is None else None,
                terms=breakdown.terms,
                failed=None if error is None else f"{error.kind}: {error.message}",
            )
        )
    return rows
