"""Condition: dialogues by their outcome, each class under a sentence of its own (NAT, arXiv 2402.11651).

Unlike a format hint, the sentence stays in the training prompts; played under the best class's, the team does what the
good dialogues did, and the bad ones have taught it what those are not.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from optima_envs.records import EpisodeKey

from ..config.data_settings import ConditionConfig
from ..run.progress import ProgressReporter
from ..run.records import RankedRow, read_records
from ..run.stage import StageError, StageKind, StageResult
from ..stages.groups import GroupedLog
from ..trajectories.rows import HINT
from ..trajectories.transcript import Dropped
from .collect import SOURCE
from .mix import OWN

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from optima_envs.records import Episode

    from ..run.stage import StageContext

CLASS = "condition"
"""The key in an episode's ``info`` with the name of its outcome's class."""
FAILED, UNSCORED = "failed", "nobody says how it ended"


class Condition:
    """Reads the log of ``collect``, or that of ``generate`` and its rewards; writes ``episodes.jsonl``, each with its
    class and the sentence it is learned under, and ``dropped.jsonl``."""

    name = "condition"
    kind: StageKind = "inference"
    resumes = False

    def __init__(self, source: str) -> None:
        self.source = source

    def run(self, ctx: StageContext) -> StageResult:
        from optima_agents.store import EpisodeLog, LineLog

        config = ctx.config.condition
        if config is None:
            raise StageError(f"{ctx.step.path}: there are no classes; set condition")
        log = Ordered(ctx.input(self.source).episodes)
        classes: list[str | None] = []
        reasons: Counter[str] = Counter()
        values = _values(ctx, config)
        progress = ProgressReporter(ctx.report, ctx.step.path, 2, "passes")
        for item in log:
            value = values(item)
            classes.append(None if isinstance(value, str) else config.class_of(value))
        progress.count()
        chosen = choose(classes, config, ctx.seed("condition"))
        with EpisodeLog(ctx.files.episodes) as kept, LineLog(ctx.files.dropped) as dropped:
            for number, (item, name) in enumerate(zip(log, classes, strict=True)):
                if number in chosen and name is not None:
                    told = {CLASS: name, HINT: config.told(name), SOURCE: item.info.get(SOURCE, OWN)}
                    kept.append(replace(item, info={**item.info, **told}))
                    continue
                value = values(item)
                reason = value if isinstance(value, str) else f"more than condition.ratio.{name} allows"
                reasons[reason] += 1
                dropped.write(Dropped("", number, item.instance.id, reason).to_json())
        progress.count()
        if not chosen:
            why = ", ".join(f"{count} {reason}" for reason, count in reasons.items())
            raise StageError(f"{ctx.step.path}: no dialogue is left ({why or 'there was none'})")
        found = Counter(name for number, name in enumerate(classes) if number in chosen)
        return StageResult(
            {
                "episodes": len(chosen),
                "dropped": reasons.total(),
                "classes": {name: found[name] for name in config.names},
                "reasons": dict(reasons),
            }
        )


class Ordered:
    """A log's dialogues by instance and sample, whichever ended first: what is drawn of them depends on no clock."""

    def __init__(self, path: Path) -> None:
        self._groups = GroupedLog(path)

    def __iter__(self) -> Iterator[Episode]:
        return (episode for group in self._groups for episode in group.episodes)


def choose(classes: list[str | None], config: ConditionConfig, seed: int) -> set[int]:
    """The places of the dialogues that are kept: of a class with a ratio so many for each of the best class, drawn by
    ``seed``; of the others all. None is a dialogue without a class."""
    best = classes.count(config.names[-1])
    chosen: set[int] = set()
    for name in config.names:
        places = [place for place, found in enumerate(classes) if found == name]
        most = int(config.ratio[name] * best + 1e-9) if name in config.ratio else len(places)
        if most < len(places):
            places = random.Random(f"{seed}/{name}").sample(places, most)
        chosen.update(places)
    return chosen


def _values(ctx: StageContext, config: ConditionConfig) -> Callable[[Episode], float | str]:
    """A dialogue's outcome as a number, or the reason why it has none."""
    if config.by == "score":
        return lambda item: FAILED if item.error else UNSCORED if item.info.get("unscored") else item.score
    ranked = read_records(ctx.input("rank").rewards, RankedRow)
    rewards = {EpisodeKey(row.instance, row.sample, row.seed): row.reward for row in ranked}

    def reward(item: Episode) -> float | str:
        found = rewards.get(item.key)
        return FAILED if found is None else found

    return reward
