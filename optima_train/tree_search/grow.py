"""Grow: a tree of dialogues on each training instance of an iteration (paper section 2.4); plain prompts.

The reference code's token term divides by a high percentile of fresh dialogues' lengths instead of the longest
sibling (its train/dpo.py and reward/deploy_reward.py): Q = floor(percentile of the tokens of ``reward.probe``
dialogues) + 1, and the term is -tokens / Q, not bounded below.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from optima_agents.guard import together

from ..run.failpoints import failpoint
from ..run.progress import ProgressReporter
from ..run.stage import StageError, StageKind, StageResult
from ..stages.generate import block
from ..stages.playing import Cast, play, setup
from ..stages.rank import build_reward
from .log import Row, TreeLog, Trees, grown, round_row
from .search import TreeSearch
from .tally import count

if TYPE_CHECKING:
    from optima_agents.workers.pool import Crew
    from optima_envs.rewards import Term
    from optima_envs.scenario import Scenario

    from ..run.stage import StageContext
    from ..stages.playing import Team

AHEAD = 2048  # trees that are leased or about to be, at most: the driver holds the lines of each


class Grow:
    """Writes ``trees.jsonl``, complete with sampled token ids. An interrupted attempt is resumed.

    Raises StageError for an environment whose agents speak at once, and when every dialogue failed.
    """

    name = "grow"
    kind: StageKind = "inference"
    resumes = True

    def run(self, ctx: StageContext) -> StageResult:
        config, scenario = ctx.config.tree, ctx.scenario("train")
        indices = block(ctx.config, ctx.iteration, len(scenario.task), config.instances)
        require_single_speaker(scenario, indices[0])
        cast, normaliser = self.cast(ctx), None
        if ctx.config.reward.normaliser == "percentile" and ctx.config.reward.weights.get("tokens"):
            normaliser = probe(ctx, cast, indices)
        grow_all(ctx, cast, indices, normaliser)
        tally = count(ctx.files.trees)
        if not tally.sound:
            raise StageError(
                f"{ctx.step.path}: all {tally.dialogues} dialogues failed; the last one with {tally.error}"
            )
        return StageResult({**tally.numbers(), "temperature": config.temperature, "normaliser": normaliser})

    def cast(self, ctx: StageContext, part: str = "") -> Cast:
        """The team with plain prompts."""
        from optima_agents import Sampling

        config, scenario = ctx.config.tree, ctx.scenario("train")
        ctx.engines.keep_only(ctx.policy, ctx.initial)
        sampling = Sampling(config.temperature, config.top_p, config.max_tokens)

        @cache
        def team() -> Team:
            return ctx.engines.team(ctx.policy, scenario.rules.agents, sampling)

        return Cast(scenario, lambda job: team(), config)


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


def grow_all(ctx: StageContext, cast: Cast, indices: list[int], normaliser: int | None) -> None:
    """Grow what the log lacks, many trees side by side, appending each round as it is finished."""
    config = ctx.config.tree
    with TreeLog(ctx.files.trees) as log:
        trees = Trees(log.path)
        waiting = [k for k in range(len(indices)) if trees.rounds(k) < config.rounds]
        progress = ProgressReporter(
            ctx.report, ctx.step.path, len(indices), "trees", before=len(indices) - len(waiting)
        )
        rounds = 0

        def written(row: dict[str, Any]) -> None:
            nonlocal rounds
            log.write(row)
            rounds += 1
            progress.count(row["sampled_tokens"], units=0)
            failpoint(ctx.step.path, rounds)

        async def grow(number: int, begun: list[dict[str, Any]], crew: Crew | None, here: Grown | None) -> None:
            """One tree from where it was left: in this process, or by a worker, and then by another if that is lost."""

            def hear(row: dict[str, Any]) -> None:
                begun.append(row)
                written(row)

            if crew is not None:
                await crew.run(number, lambda: (number, indices[number], tuple(begun)), hear)
            elif here is not None:
                await here.run((number, indices[number], tuple(begun)), written)
            progress.count(0)

        async def run() -> None:
            if (pool := ctx.engines.workers()) is None:
                await side_by_side(config.concurrency, None, Grown(ctx, cast, normaliser))
                return
            async with pool.crew(setup(ctx, partial(grown_there, normaliser=normaliser))) as crew:
                await side_by_side(AHEAD, crew, None)

        async def side_by_side(limit: int, crew: Crew | None, here: Grown | None) -> None:
            numbers = iter(waiting)

            async def one_after_another() -> None:
                for number in numbers:
                    await grow(number, [*trees.rows(number)], crew, here)

            await together((one_after_another() for _ in range(min(limit, len(waiting)))), hurry=True)

        ctx.engines.wait(run())


class Grown:
    """The workload of trees: a unit is (number of the tree, its index in the task, the lines it has already), and tells
    each new line."""

    def __init__(self, ctx: StageContext, cast: Cast, normaliser: int | None) -> None:
        from optima_agents import Job
        from optima_agents.policy import seats

        self._config = ctx.config.tree
        terms = {} if normaliser is None else {"tokens": tokens_over(normaliser)}
        team = seats(cast.policy(Job(0)), cast.scenario.rules.agents)
        self._search = TreeSearch(cast.scenario, team, build_reward(ctx, **terms), self._config, ctx.seed("grow"))

    @property
    def concurrency(self) -> int:
        return self._config.concurrency

    async def run(self, unit: tuple[int, int, Sequence[Row]], tell: Callable[[dict[str, Any]], None]) -> None:
        """Play the rounds that a tree still lacks."""
        number, index, rows = unit
        tree = grown(rows, self._config.values, f"tree {number}")
        await self._search.grow(tree, index, lambda made: tell(round_row(number, tree, made)))

    async def aclose(self) -> None:
        """The engines are those of the process."""


def grown_there(ctx: StageContext, normaliser: int | None) -> Grown:
    """The trees of the stage, in a worker."""
    return Grown(ctx, Grow().cast(ctx), normaliser)


def tokens_over(quantile: int) -> Term:
    """The term ``tokens`` with the normaliser Q."""
    from optima_envs.rewards import lift

    return lift(lambda episode: -episode.tokens / quantile)


def quantile(lengths: Sequence[int], percent: float) -> int:
    """Q of these token counts (linear interpolation, as numpy's default)."""
    import numpy as np

    return math.floor(np.percentile(lengths, percent)) + 1


def probe(ctx: StageContext, cast: Cast, indices: Sequence[int]) -> int:
    """Q of this iteration's team, from fresh dialogues on ``indices``, sampled as the trees are.

    They are kept in ``episodes.jsonl``, so a resumed stage finds the same Q. Raises StageError when all of them fail.
    """
    from optima_agents import EpisodeLog, Job

    seed, config = ctx.seed("probe"), ctx.config.reward
    jobs = [Job(indices[k % len(indices)], k // len(indices), seed) for k in range(config.probe)]
    play(ctx, cast, jobs, part="")
    sound = [e.tokens for e in EpisodeLog.iterate(ctx.files.episodes) if e.error is None]
    return quantile(sound, config.percentile)
