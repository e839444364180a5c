"""Collect: the trajectories of all sources, read and taken through their steps, in one log; every drop has a reason."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..config.data_settings import shares
from ..run.progress import ProgressReporter
from ..run.stage import StageError, StageKind, StageResult

if TYPE_CHECKING:
    from collections.abc import Iterable

    from optima_agents.store import EpisodeLog, LineLog
    from optima_envs.records import Episode

    from ..config.data_settings import SourceConfig
    from ..run.stage import StageContext
    from ..trajectories.transcript import Dropped

SOURCE = "data"
"""The key in an episode's ``info`` that names its source."""


class Collect:
    """Writes ``episodes.jsonl`` and ``dropped.jsonl``. A source of weight 0 is never opened."""

    name = "collect"
    kind: StageKind = "inference"
    resumes = False

    def run(self, ctx: StageContext) -> StageResult:
        from optima_agents.store import EpisodeLog, LineLog

        config = ctx.config
        active = shares(config.data, config.mix, ctx.iteration)
        if not active and not config.mix.own:
            raise StageError(f"{ctx.step.path}: no source has a weight in iteration {ctx.iteration}; see data and mix")
        progress = ProgressReporter(ctx.report, ctx.step.path, len(active), "sources")
        told: dict[str, Any] = {}
        with EpisodeLog(ctx.files.episodes) as log, LineLog(ctx.files.dropped) as dropped:
            for name in active:
                kept, reasons = _collected(ctx, name, config.data[name], log, dropped)
                if not kept:
                    why = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common(5))
                    raise StageError(f"{ctx.step.path}: data.{name} is empty after its steps ({why or 'no rows'})")
                told[name] = {"episodes": kept, "dropped": dict(reasons)}
                progress.count()
        return StageResult(
            {
                "episodes": sum(source["episodes"] for source in told.values()),
                "dropped": sum(sum(source["dropped"].values()) for source in told.values()),
                "sources": told,
            }
        )


def _collected(
    ctx: StageContext, name: str, source: SourceConfig, log: EpisodeLog, dropped: LineLog
) -> tuple[int, Counter[str]]:
    """How many episodes of a source were kept, and why the others were not."""
    from ..trajectories.pipeline import make_steps, run_steps
    from ..trajectories.registry import read
    from ..trajectories.transcript import Dropped
    from .expert_play import played

    kept = 0
    reasons: Counter[str] = Counter()
    try:
        if source.expert is not None:
            stream: Iterable[Episode | Dropped] = played(ctx, source.expert)
        else:
            stream = read(source.read, source.files, **source.options)
        for item in run_steps(make_steps(source.steps), stream):
            if not isinstance(item, Dropped) and item.error is not None:
                item = Dropped("", kept, item.instance.id, f"failed: {item.error.kind}")
            if not isinstance(item, Dropped):
                logged = log.append(replace(item, info={**item.info, SOURCE: name}))
                if logged.error is None:
                    kept += 1
                    continue
                item = Dropped("", kept, item.instance.id, "holds what JSON cannot")
            reasons[item.reason] += 1
            dropped.write({SOURCE: name, **item.to_json()})
    except (ValueError, TypeError, KeyError, OSError, ImportError) as err:
        raise StageError(f"{ctx.step.path}: data.{name}: {' '.join(str(err).split())}") from err
    return kept, reasons
