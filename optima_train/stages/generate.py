"""Generate: N dialogues per training instance; in iteration 0 each under a format hint drawn from the pool."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from ..run.stage import StageKind, StageResult, derive
from .playing import Cast, play

if TYPE_CHECKING:
    from optima_agents.prompts import Messages
    from optima_agents.rollout import Job
    from optima_envs.records import View

    from ..config.settings import TrainConfig
    from ..run.stage import StageContext
    from .playing import Team


class Generate:
    """Writes ``episodes.jsonl``, complete with sampled token ids. An interrupted attempt is resumed."""

    name = "generate"
    reads = ("generate",)
    kind: StageKind = "inference"
    resumes = True

    def run(self, ctx: StageContext) -> StageResult:
        config, scenario = ctx.config.generate, ctx.scenario("train")
        pool = formats(ctx.config, ctx.iteration, getattr(scenario.rules, "family", ""))
        jobs = training_jobs(ctx.config, ctx.iteration, len(scenario.task), ctx.seed("generate"), pool)
        tally = play(ctx, self.cast(ctx), jobs, part="")
        return StageResult(
            {
                "instances": len({job.index for job in jobs}),
                "dialogues": tally.dialogues,
                "failures": tally.failures,
                **tally.per_dialogue(),
                "sampled_tokens": tally.tokens,
                "cut_turns": tally.cut,
                "stops": dict(tally.stops),
                "temperature": config.temperature_in(ctx.iteration),
                "formats": len(pool),
            }
        )

    def cast(self, ctx: StageContext, part: str = "") -> Cast:
        """The team under the iteration's formats."""
        scenario = ctx.scenario("train")
        pool = formats(ctx.config, ctx.iteration, getattr(scenario.rules, "family", ""))
        ctx.engines.keep_only(ctx.policy)
        team = partial(ctx.engines.team, ctx.policy, scenario.rules.agents)
        temperature = ctx.config.generate.temperature_in(ctx.iteration)
        seat = training_policy(team, ctx.config, temperature, pool, told(ctx))
        return Cast(scenario, seat, ctx.config.generate)


def formats(config: TrainConfig, iteration: int, family: str) -> dict[str, str]:
    """The format pool of an iteration for a family of games: empty after the first one."""
    from optima_agents.formats import format_pool

    names = config.generate.formats
    return format_pool(None if names == "all" else names, family) if iteration == 0 and names is not None else {}


def training_jobs(config: TrainConfig, number: int, size: int, seed: int, pool: dict[str, str]) -> list[Job]:
    """The dialogues on the ``number``-th block of a task of ``size`` instances, each under a format of ``pool``."""
    from optima_agents import Job

    return [
        Job(index, sample, seed, format_info(pool, draw_format(pool, seed, index, sample)) if pool else {})
        for index in block(config, number, size, config.generate.instances)
        for sample in range(config.generate.samples)
    ]


def training_policy(
    team: Callable[..., Team], config: TrainConfig, temperature: float, pool: dict[str, str], plainly: str = ""
) -> Callable[[Job], Team]:
    """Who plays a job: ``team(sampling, hint=, prompt=)``, hinted as the job says, or by ``plainly`` where the job says
    nothing."""
    from optima_agents import Sampling

    sampling = Sampling(temperature, config.generate.top_p, config.generate.max_tokens)

    def seat(job: Job) -> Team:
        return team(sampling, hint=pool.get(job.info.get("format", "")) or plainly, prompt=hinted_prompt)

    return seat


def told(ctx: StageContext) -> str:
    """The sentence under which a team that has learned conditions samples; empty before it has."""
    condition = ctx.config.condition
    return condition.told() if condition is not None and ctx.iteration else ""


def block(config: TrainConfig, iteration: int, size: int, count: int) -> list[int]:
    """``count`` instances for an iteration: iterations take block after block from a seeded place, wrapping round.

    Within one iteration no instance comes twice, so a small task gives fewer than asked. Trees leave room for the
    larger blocks of ``generate``, so that what one iteration trained on does not come again in the next.
    """
    count = min(count, size)
    apart = max(count, min(config.generate.instances, size))
    start = random.Random(derive(config.seed, "instances")).randrange(size) + iteration * apart
    return [(start + k) % size for k in range(count)]


def draw_format(pool: dict[str, str], seed: int, index: int, sample: int) -> str:
    """The format of one dialogue, the same for all its agents (paper section 2.2: uniform over the pool)."""
    return random.Random(derive(seed, "format", index, sample)).choice(sorted(pool))


def format_info(pool: dict[str, str], name: str) -> dict[str, str]:
    """The ``info`` of a dialogue's record about its format; empty for a plain prompt."""
    return {"format": name} if pool[name] else {}


def hinted_prompt(view: View, hint: str | None) -> Messages:
    """The prompt with its hint; a critic or checker gets none (the reference diversifies the solver's prompt alone)."""
    from optima_agents.prompts import CHECKING, messages

    return messages(view, None if view.role in CHECKING else hint)
