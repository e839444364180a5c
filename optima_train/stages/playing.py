"""Dialogues of one stage: jobs in, an episode log out, progress on the way; what is logged is not played again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from ..run.engines import Engines
from ..run.failpoints import failpoint
from ..run.handing import handed, received
from ..run.progress import ProgressReporter, silent
from ..run.stage import Stage, StageContext, StageError

if TYPE_CHECKING:
    from optima_agents.policy import Policy
    from optima_agents.rollout import Job, Rollouts
    from optima_agents.workers.dialogues import Dialogues
    from optima_agents.workers.worker import Setup, Site, Workload
    from optima_envs.scenario import Scenario

    from ..config.settings import SamplingConfig, TrainConfig

Team: TypeAlias = "Policy | Mapping[str, Policy]"


@dataclass(slots=True)
class Tally:
    """Counts over a log; ``cut`` turns are those that hit the token limit."""

    dialogues: int = 0
    failures: int = 0
    tokens: int = 0
    turns: int = 0
    cut: int = 0
    stops: Counter[str] = field(default_factory=Counter)
    error: str = ""

    def per_dialogue(self) -> dict[str, float]:
        return {"tokens": self.tokens / self.dialogues, "turns": self.turns / self.dialogues}


@dataclass(frozen=True, slots=True)
class Cast:
    """Who plays what and how: an engine is opened when ``policy`` is first asked."""

    scenario: Scenario
    policy: Callable[[Job], Team]
    sampling: SamplingConfig

    def rollouts(self, **options: Any) -> Rollouts:
        """Rollouts of this process; ``options`` concern the log."""
        from optima_agents import Rollouts

        limits = {"concurrency": self.sampling.concurrency, "episode_timeout": self.sampling.episode_timeout}
        return Rollouts(self.scenario, self.policy, **limits, **options)


class Casts(Stage, Protocol):
    """A stage whose dialogues workers may play; made without arguments."""

    def cast(self, ctx: StageContext, part: str) -> Cast:
        """The same call here and in every worker. ``part`` says which dialogues of the stage."""
        ...


def play(
    ctx: StageContext, cast: Cast, jobs: Sequence[Job], path: Path | None = None, *, part: str | None = None
) -> Tally:
    """Play ``jobs``, appending to ``path`` (default: ``ctx.files.episodes``), and count what the log then holds.

    With ``part``, ``cast`` is that of the stage, and its workers, where the run has any, play in this process's place.
    Raises StageError when every dialogue failed (then the engine or the environment is broken, not the team), or
    when the log does not hold the planned dialogues.
    """
    from optima_agents import EpisodeLog

    path = path or ctx.files.episodes
    with EpisodeLog(path) as log:
        progress = ProgressReporter(ctx.report, ctx.step.path, len(jobs), "dialogues", before=len(log.keys()))
        pool = None if part is None else ctx.engines.workers()

        async def run() -> None:
            if pool is None or part is None:
                await follow(cast.rollouts(log=log))
                return
            from optima_agents.workers.dialogues import afar

            async with pool.crew(setup(ctx, partial(cast_there, part=part))) as crew:
                await follow(afar(cast.scenario, crew, log=log))

        async def follow(rollouts: Rollouts) -> None:
            played = 0
            async with aclosing(rollouts.stream(jobs)) as stream:  # type: ignore[type-var]
                async for episode in stream:
                    progress.count(episode.tokens)
                    failpoint(ctx.step.path, played := played + 1)

        ctx.engines.wait(run())
    tally = count(path)
    if tally.dialogues != len(jobs):
        raise StageError(f"{path} holds {tally.dialogues} dialogues, {len(jobs)} were planned; delete it to start over")
    if tally.failures == tally.dialogues:
        raise StageError(f"{ctx.step.path}: all {len(jobs)} dialogues failed; the last one with {tally.error}")
    return tally


def setup(ctx: StageContext, opened: Callable[[StageContext], Workload]) -> Setup:
    """What a worker opens for this stage: ``opened`` of the stage's context there, with engines that outlive it."""
    from optima_agents.workers.worker import Setup

    folders = (*ctx.policy.folders(), *ctx.initial.folders())
    return Setup(partial(_there, handed(ctx, ctx.step.stage), opened), tuple(dict.fromkeys(folders)))


def _there(job: Mapping[str, Any], opened: Callable[[StageContext], Workload], site: Site) -> Workload:
    def engines(config: TrainConfig) -> Engines:
        alike = f"engines {config.backend} {config.device} {config.dtype} {config.engine.model_dump_json()}"
        return site.shelf.setdefault(alike, Engines(config))

    return opened(received(job, silent, engines, site.place)[0])


def cast_there(ctx: StageContext, part: str) -> Dialogues:
    """The dialogues of a stage, in a worker."""
    from optima_agents import Job
    from optima_agents.workers.dialogues import Dialogues

    stage: Casts = ctx.step.stage  # type: ignore[assignment] - only such a stage is handed to workers
    cast = stage.cast(ctx, part)
    cast.policy(Job(0))  # the engine is opened now, not while dialogues wait
    return Dialogues(cast.rollouts())


def count(path: Path) -> Tally:
    """The tally of a finished log."""
    from optima_agents import EpisodeLog

    tally = Tally()
    for episode in EpisodeLog.iterate(path):
        tally.dialogues += 1
        tally.tokens += episode.tokens
        tally.turns += len(episode.spoken)
        tally.cut += sum(turn.finish == "length" for turn in episode.turns)
        tally.stops[episode.outcome.stop] += 1
        if episode.error is not None:
            tally.failures += 1
            tally.error = f"{episode.error.kind}: {episode.error.message}"
    return tally
