"""What an episode scored and cost, and the means of a cell; the same for every method."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from optima_agents.results.intervals import bootstrap
from optima_train.analysis.comparison import MEASURES

if TYPE_CHECKING:
    from optima_envs.records import Episode

    from .cells import Arena, Cell


@dataclass(frozen=True, slots=True)
class Measured:
    """An episode in numbers. ``tokens`` are completion tokens of all its calls; a failed one scores 0.

    ``unparsed`` counts replies in which the method looked for something it could not read; ``failed`` is the kind of
    failure (None: it did not), ``answer`` the final one (None: there is none).
    """

    instance: str
    seed: int
    sample: int
    score: float
    correct: bool
    tokens: int
    prompt_tokens: int
    cached_tokens: int
    calls: int
    turns: int
    seconds: float
    failed: str | None
    unparsed: int
    answer: str | None


def measure(episode: Episode) -> Measured:
    """The numbers of one record; what another project did not write down counts 0, calls as turns."""
    usages = [turn.usage for turn in episode.turns if turn.usage is not None]
    failed = episode.error.kind if episode.error else None
    return Measured(
        episode.key.instance,
        episode.key.seed,
        episode.key.sample,
        MEASURES["score"](episode),
        episode.correct and failed is None,
        episode.tokens,
        sum(usage.prompt_tokens for usage in usages),
        sum(usage.cached_tokens for usage in usages),
        int(episode.info.get("calls", len(episode.turns))),
        len(episode.turns),
        episode.seconds,
        failed,
        int(episode.info.get("unparsed", 0)),
        episode.outcome.answer if failed is None else None,
    )


def read_log(path: Path, arena: Arena) -> list[Measured]:
    """The episodes of a cell. Raises ValueError for one of another version of the environment, or of an instance that
    is not among those played, naming both."""
    from optima_agents import EpisodeLog

    known = {inst.id for inst in arena.instances}
    found = []
    for episode in EpisodeLog.iterate(path):
        if episode.env != arena.scenario.id:
            raise ValueError(
                f"{path} holds episodes of {episode.env}, but {arena.label} is {arena.scenario.id} now: "
                "versions must not be mixed in one table; choose another directory"
            )
        if episode.key.instance not in known:
            raise ValueError(f"{path} holds instance {episode.key.instance!r}, which {arena.label} does not play")
        found.append(measure(episode))
    return found


def by_instance(rows: Sequence[Measured], name: str) -> dict[str, float]:
    """The mean of one measure per instance, over its seeds and samples."""
    groups: dict[str, list[float]] = {}
    for row in rows:
        groups.setdefault(row.instance, []).append(float(getattr(row, name)))
    return {instance: fmean(values) for instance, values in groups.items()}


def numbers(rows: Sequence[Measured]) -> dict[str, Any]:
    """Means per episode with 95% intervals over instances; ``failures`` is a count, ``unanswered`` the share of
    episodes without a final answer, ``unparsed`` the mean number of replies that could not be read.
    """
    scores, tokens = (list(by_instance(rows, name).values()) for name in ("score", "tokens"))
    prompts = sum(row.prompt_tokens for row in rows)
    means = ("correct", "prompt_tokens", "cached_tokens", "calls", "turns", "seconds", "unparsed")
    return {
        "n": len(scores),
        "episodes": len(rows),
        "score": fmean(scores),
        "score_ci": bootstrap(scores),
        "tokens": fmean(tokens),
        "tokens_ci": bootstrap(tokens),
        **{name: fmean(float(getattr(row, name)) for row in rows) for name in means},
        "cached_share": sum(row.cached_tokens for row in rows) / prompts if prompts else 0.0,
        "failures": sum(row.failed is not None for row in rows),
        "causes": dict(sorted(Counter(row.failed for row in rows if row.failed is not None).items())),
        "unanswered": fmean(row.answer is None for row in rows),
    }


def head(cell: Cell) -> dict[str, Any]:
    """What names a cell in a table."""
    return {
        "method": cell.method.name if cell.method else cell.label,
        "label": cell.label,
        "block": cell.block,
        "env": cell.arena.label,
        "version": cell.arena.scenario.id,
        "model": cell.model,
    }
