"""Dialogues of one stage: jobs in, an episode log out, progress on the way; what is logged is not played again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from ..run.failpoints import failpoint
from ..run.progress import ProgressReporter
from ..run.stage import StageError

if TYPE_CHECKING:
    from optima_agents.policy import Policy
    from optima_agents.rollout import Job
    from optima_envs.scenario import Scenario

    from ..config.settings import SamplingConfig
    from ..run.stage import StageContext

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


def play(
    ctx: StageContext,
    scenario: Scenario,
    jobs: Sequence[Job],
    policy: Callable[[Job], Team],
    sampling: SamplingConfig,
    path: Path | None = None,
) -> Tally:
    """Play ``jobs``, appending to ``path`` (default: ``ctx.files.episodes``), and count what the log then holds.

    Raises StageError when every dialogue failed (then the engine or the environment is broken, not the team), or
    when the log does not hold the planned dialogues.
    """
    from optima_agents import EpisodeLog, Rollouts

    path = path or ctx.files.episodes
    with EpisodeLog(path) as log:
        rollouts = Rollouts(
            scenario, policy, concurrency=sampling.concurrency, episode_timeout=sampling.episode_timeout, log=log
        )
        progress = ProgressReporter(ctx.report, ctx.step.path, len(jobs), "dialogues", before=len(log.keys()))

        async def run() -> None:
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
