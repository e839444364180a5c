"""Grow: a tree of dialogues on each training instance of an iteration (paper section 2.4); plain prompts.

The reference code's token term divides by a high percentile of fresh dialogues' lengths instead of the longest
sibling (its train/dpo.py and reward/deploy_reward.py): Q = floor(percentile of the tokens of ``reward.probe``
dialogues) + 1, and the term is -tokens / Q, not bounded below.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from optima_agents.guard import together

from ..run.failpoints import failpoint
from ..run.progress import ProgressReporter
from ..run.stage import StageError, StageKind, StageResult
from ..stages.generate import block
from ..stages.playing import play
from ..stages.rank import build_reward
from .log import TreeLog, Trees
from .search import Round, TreeSearch
from .tally import count
from .tree import Tree

if TYPE_CHECKING:
    from optima_envs.rewards import Term
    from optima_envs.scenario import Scenario

    from ..run.stage import StageContext
    from ..stages.playing import Team


class Grow:
    """Writes ``trees.jsonl``, complete with sampled token ids. An interrupted attempt is resumed.

    Raises StageError for an environment whose agents speak at once, and when every dialogue failed.
    """

    name = "grow"
    kind: StageKind = "inference"
    resumes = True

    def run(self, ctx: StageContext) -> StageResult:
        from optima_agents import Sampling

        config, scenario = ctx.config.tree, ctx.scenario("train")
        indices = block(ctx.config, ctx.iteration, len(scenario.task), config.instances)
        require_single_speaker(scenario, indices[0])
        ctx.engines.keep_only(ctx.policy, ctx.initial)
        sampling = Sampling(config.temperature, config.top_p, config.max_tokens)
        team = ctx.engines.team(ctx.policy, scenario.rules.agents, sampling)
        normaliser = None
        if ctx.config.reward.normaliser == "percentile" and ctx.config.reward.weights.get("tokens"):
            normaliser = probe(ctx, scenario, indices, team)
        grow_all(ctx, scenario, indices, team, normaliser)
        tally = count(ctx.files.trees)
        if not tally.sound:
            raise StageError(
                f"{ctx.step.path}: all {tally.dialogues} dialogues failed; the last one with {tally.error}"
            )
        return StageResult({**tally.numbers(), "temperature": config.temperature, "normaliser": normaliser})


def require_single_speaker(scenario: Scenario, index: int) -> None:
    """Raises StageError when agents speak at once: siblings must be answers of one agent to one history."""
    try:
        speakers = scenario.rules.speakers(scenario.task[index], ())
    except Exception:  # a broken instance fails in its tree, with its reason
        return
    if len(speakers) != 1:
        raise StageError(
            f"trees need one speaker at a time, but in {scenario.id} {' and '.join(speakers)} speak at once; "
            "use order=alternating, or method=isft"
        )


def grow_all(ctx: StageContext, scenario: Scenario, indices: list[int], team: Team, normaliser: int | None) -> None:
    """Grow what the log lacks, many trees side by side, appending each round as it is finished."""
    from optima_agents.policy import seats

    config = ctx.config.tree
    terms = {} if normaliser is None else {"tokens": tokens_over(normaliser)}
    reward = build_reward(ctx, **terms)
    rounds = 0
    with TreeLog(ctx.files.trees) as log:
        grown = Trees(log.path)
        waiting = [k for k in range(len(indices)) if grown.rounds(k) < config.rounds]
        progress = ProgressReporter(
            ctx.report, ctx.step.path, len(indices), "trees", before=len(indices) - len(waiting)
        )

        async def run() -> None:
            search = TreeSearch(scenario, seats(team, scenario.rules.agents), reward, config, ctx.seed("grow"))
            numbers = iter(waiting)

            async def worker() -> None:
                for number in numbers:
                    tree = grown.tree(number, config.values) if grown.rounds(number) else Tree()

                    def done(made: Round, number: int = number, tree: Tree = tree) -> None:
                        nonlocal rounds
                        log.add(number, tree, made)
                        rounds += 1
                        progress.count(made.sampled_tokens, units=0)
                        failpoint(ctx.step.path, rounds)

                    await search.grow(tree, indices[number], done)
                    progress.count(0)

            await together((worker() for _ in range(min(config.concurrency, len(waiting)))), hurry=True)

        ctx.engines.wait(run())


def tokens_over(quantile: int) -> Term:
    """The term ``tokens`` with the normaliser Q."""
    from optima_envs.rewards import lift

    return lift(lambda episode: -episode.tokens / quantile)


def quantile(lengths: Sequence[int], percent: float) -> int:
    """Q of these token counts (linear interpolation, as numpy's default)."""
    import numpy as np

    return math.floor(np.percentile(lengths, percent)) + 1


def probe(ctx: StageContext, scenario: Scenario, indices: Sequence[int], team: Team) -> int:
    """Q of this iteration's team, from fresh dialogues on ``indices``, sampled as the trees are.

    They are kept in ``episodes.jsonl``, so a resumed stage finds the same Q. Raises StageError when all of them fail.
    """
    from optima_agents import EpisodeLog, Job

    seed, config = ctx.seed("probe"), ctx.config.reward
    jobs = [Job(indices[k % len(indices)], k // len(indices), seed) for k in range(config.probe)]
    play(ctx, scenario, jobs, lambda job: team, ctx.config.tree)
    sound = [e.tokens for e in EpisodeLog.iterate(ctx.files.episodes) if e.error is None]
    return quantile(sound, config.percentile)
