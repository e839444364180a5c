"""Advantages: policy rows of an iteration's dialogues or trees."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from optima_envs.records import EpisodeKey

from ..run.files import read_json, write_json
from ..run.progress import ProgressReporter
from ..run.records import PolicyRow, RankedRow, read_records, write_records
from ..run.stage import StageKind, StageResult, Step
from ..stages.groups import GroupedLog
from ..stages.rows import tokenizer
from ..tree_search.log import Trees
from .credit.dialogues import credit, credited
from .credit.estimators import on_trees
from .credit.policy_rows import RowTally, policy_rows
from .credit.trees import TreeCredit

if TYPE_CHECKING:
    from ..run.stage import Stage, StageContext


class Advantages:
    """Reads the dialogues and their rewards, or the trees; writes the policy rows, and what the estimator remembers.

    Groups without spread give no row; all that is left out is counted.
    """

    name = "advantages"
    kind: StageKind = "inference"
    resumes = False

    def run(self, ctx: StageContext) -> StageResult:
        config, scenario = ctx.config, ctx.scenario("train")
        memory = remembered(ctx, self)
        if on_trees(config.grpo.estimator):
            trees = TreeCredit(Trees(ctx.input("grow").trees), scenario, config, ctx.iteration)
            found, dialogues = trees.estimate(memory), trees.dialogues()
        else:
            log = GroupedLog(ctx.input("generate").episodes)
            ranked = read_records(ctx.input("rank").rewards, RankedRow)
            rewards = {EpisodeKey(row.instance, row.sample, row.seed): row.reward for row in ranked}
            found = credit(log, rewards, config.grpo, memory)
            dialogues = credited(log, found)
        tally = RowTally()
        progress = ProgressReporter(ctx.report, ctx.step.path, max(1, found.groups), "groups")

        def rows() -> Iterator[PolicyRow]:
            (render, _), limit = tokenizer(ctx), config.train.max_length
            for episode, advantages in dialogues:
                made = policy_rows(episode, scenario.rules, render, limit, advantages, tally.dropped)
                tally.count(made)
                yield from made
            progress.count(units=max(1, found.groups))

        write_records(ctx.files.policy_rows, rows())
        write_json(ctx.files.memory, dict(found.memory))
        return StageResult({**found.numbers(), **tally.numbers()})


def remembered(ctx: StageContext, stage: Stage) -> dict[str, float]:
    """What the estimator kept in ``stage`` of the iteration before; nothing in the first one."""
    path = ctx.run.stage(Step(ctx.iteration - 1, stage).path).memory
    return read_json(path) if path.is_file() else {}
