"""Evaluate: greedy dialogues on held-out instances with plain prompts; score, tokens, and how sure we are."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from functools import cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..run.stage import StageKind, StageResult, derive
from .generate import hinted_prompt
from .groups import GroupedLog
from .playing import Cast, play
from .readability import Readability

if TYPE_CHECKING:
    from optima_envs.records import Episode
    from optima_envs.scenario import Scenario

    from ..run.stage import StageContext
    from .playing import Team

AT_ONCE = 512


class Evaluate:
    """Writes ``episodes.jsonl``; a failed dialogue scores 0 and is counted. An interrupted attempt is resumed."""

    name = "evaluate"
    reads = ("evaluate", "reward.readability_cap", "reward.condition")
    kind: StageKind = "inference"
    resumes = True

    def run(self, ctx: StageContext) -> StageResult:
        config = ctx.config.evaluate
        numbers = self._on(ctx, "", config.instances, ctx.files.episodes)
        if config.nll:
            numbers["nll"] = self._nll(ctx, ctx.scenario("test"))
        if config.also:
            numbers["also"] = {
                name: self._on(ctx, name, also.instances, ctx.files.also(name)) for name, also in config.also.items()
            }
            numbers |= {f"also_{name}": found["score"] for name, found in numbers["also"].items()}
        return StageResult(numbers)

    def cast(self, ctx: StageContext, part: str = "") -> Cast:
        """The team, greedy, on the run's own environment, or on that of ``evaluate.also`` called ``part``."""
        from optima_agents import Sampling

        config = ctx.config.evaluate
        scenario = config.also[part].env.scenario("test") if part else ctx.scenario("test")
        sampling = Sampling(0.0, config.top_p, config.max_tokens, logprobs=False)
        condition = ctx.config.condition
        hint = None if condition is None else condition.told()
        ctx.engines.keep_only(ctx.policy)

        @cache
        def team() -> Team:
            return ctx.engines.team(ctx.policy, scenario.rules.agents, sampling, hint=hint, prompt=hinted_prompt)

        return Cast(scenario, lambda job: team(), config)

    def _on(self, ctx: StageContext, part: str, instances: int, path: Path) -> dict[str, Any]:
        """The team on the first ``instances`` of an environment, its dialogues in ``path``."""
        from optima_agents import EpisodeLog, Job, summarise

        cast = self.cast(ctx, part)
        scenario = cast.scenario
        # every model of a run meets the same instances in the same order
        jobs = [Job(index, 0, ctx.config.seed) for index in range(min(instances, len(scenario.task)))]
        if ctx.config.rollout.workers is None and jobs:
            cast.policy(jobs[0])  # the engine is opened before the clock starts
        started = time.monotonic()
        play(ctx, cast, jobs, path, part=part)
        seconds = time.monotonic() - started
        found = summarise(EpisodeLog.iterate(path), seed=derive(ctx.config.seed, "bootstrap"))
        numbers: dict[str, Any] = {
            "n": found.n,
            "score": found.score,
            "score_ci": list(found.score_ci),
            "correct": found.correct,
            "tokens": found.tokens,
            "turns": found.turns,
            "seconds": round(seconds, 3),
            "failures": found.failures,
            "cut_turns": found.cut_turns,
            "stops": dict(found.stops),
        }
        if (guesses := unsupported(EpisodeLog.iterate(path), scenario)) is not None:
            numbers["guesses"] = guesses
        return numbers

    @staticmethod
    def _nll(ctx: StageContext, scenario: Scenario) -> float:
        """Mean R_loss of the dialogues (nats per token, worst turn of each), measured as the reward measures it."""
        reward = ctx.config.reward
        base = ctx.engines.backend(ctx.initial)
        term = Readability(base, scenario.rules, cap=reward.readability_cap, condition=reward.condition)
        losses: list[float] = []
        episodes = (episode for group in GroupedLog(ctx.files.episodes) for episode in group.episodes)
        while chunk := list(islice(episodes, AT_ONCE)):
            losses += [loss for loss in ctx.engines.wait(losses_of(term, chunk)) if loss is not None]
        return sum(losses) / len(losses) if losses else 0.0


async def losses_of(term: Readability, episodes: list[Episode]) -> list[float | None]:
    """R_loss of several dialogues side by side."""
    return await asyncio.gather(*(term.loss(episode) for episode in episodes))


def unsupported(episodes: Iterable[Episode], scenario: Scenario) -> float | None:
    """The share of final answers that were not supported when first stated; None where nobody can tell."""
    known = [
        supported
        for episode in episodes
        if episode.outcome.answer is not None
        and (supported := scenario.supported(episode.instance, episode.turns)) is not None
    ]
    return known.count(False) / len(known) if known else None
