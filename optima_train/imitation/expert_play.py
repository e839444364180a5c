"""Dialogues of scripted experts on the run's own training instances, as a source of trajectories."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

from ..trajectories.rows import HINT

if TYPE_CHECKING:
    from optima_envs.records import Episode

    from ..config.data_settings import ExpertConfig
    from ..run.stage import StageContext


def played(ctx: StageContext, config: ExpertConfig) -> list[Episode]:
    """One dialogue of each instance in each style, by instance and then by style. Raises ValueError."""
    from optima_agents import Job, Rollouts
    from optima_agents.scripted.experts import expert, hint_of

    scenario = ctx.scenario("train")
    seats = [expert(scenario, style) for style in config.styles]
    jobs = [
        Job(index, sample, ctx.config.seed, {"format": style, HINT: hint} if (hint := hint_of(style)) else {})
        for index in range(min(config.instances, len(scenario.task)))
        for sample, style in enumerate(config.styles)
    ]

    async def play() -> list[Episode]:
        # one at a time, so that they come in the order of the jobs; there is nothing to wait for
        rollouts = Rollouts(scenario, lambda job: seats[job.sample](job), concurrency=1)
        async with aclosing(rollouts.stream(jobs)) as stream:  # type: ignore[type-var]
            return [episode async for episode in stream]

    return ctx.engines.wait(play())
