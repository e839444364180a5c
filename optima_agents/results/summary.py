"""One summary of episodes for all: whoever tells a score, tokens or failures tells these.

A failed episode scores 0. Scores, tokens and turns are means over instances of the means over an instance's episodes;
intervals are bootstrapped over instances, in the order of their ids. So the same episodes give the same numbers
whichever ended first. Only numbers are kept of them, so that logs of any length can be summed up.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import fsum
from statistics import fmean
from typing import Any, NamedTuple

from optima_envs.records import Episode

from .intervals import bootstrap


@dataclass(frozen=True, slots=True)
class Measured:
    """An episode in numbers. ``tokens`` are completion tokens of all its turns; a failed one scores 0.

    ``calls`` are completions asked for (as many as turns where nobody counted), ``unparsed`` replies in which something
    was looked for and not found, ``cut`` turns that hit the token limit. ``failed`` is the kind of failure (None: it
    did not) and ``message`` its reason; ``answer`` is the final one (None: there is none).
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
    message: str = ""
    stop: str = ""
    cut: int = 0


class Means(NamedTuple):
    """Of one instance, over its episodes."""

    score: float
    tokens: float
    turns: float


@dataclass(frozen=True, slots=True)
class Summary:
    """``n`` instances and ``episodes`` of them; ``score_ci`` and ``tokens_ci`` are 95% intervals.

    Means per episode are ``correct`` (a share), ``turns``, ``calls``, ``prompt_tokens``, ``cached_tokens``,
    ``seconds``, ``unparsed`` and ``unanswered`` (the share without a final answer); ``cached_share`` is that of all
    prompt tokens (None: no prompts are known). ``causes`` counts ``failures`` by kind, ``reasons`` holds the first
    message of each, by the episodes' keys; ``cut_turns`` hit the token limit.
    """

    n: int
    episodes: int
    score: float
    score_ci: tuple[float, float]
    tokens: float
    tokens_ci: tuple[float, float]
    correct: float
    turns: float
    calls: float
    prompt_tokens: float
    cached_tokens: float
    cached_share: float | None
    seconds: float
    unparsed: float
    unanswered: float
    failures: int
    causes: Mapping[str, int]
    reasons: Mapping[str, str]
    stops: Mapping[str, int]
    cut_turns: int
    by_instance: Mapping[str, Means] = field(repr=False)

    def failed(self) -> str:
        """``2 of 10 failed: 1 backend (HTTP 500), 1 timeout (...)``; empty when none did."""
        if not self.failures:
            return ""
        parts = [f"{count} {cause} ({self.reasons[cause]})" for cause, count in self.causes.items()]
        return f"{self.failures} of {self.episodes} failed: {'; '.join(parts)}"


def measure(episode: Episode) -> Measured:
    """The numbers of one record; what its writer did not note counts 0."""
    usages = [turn.usage for turn in episode.turns if turn.usage is not None]
    error = episode.error
    return Measured(
        episode.key.instance,
        episode.key.seed,
        episode.key.sample,
        0.0 if error else episode.score,
        episode.correct and error is None,
        episode.tokens,
        sum(usage.prompt_tokens for usage in usages),
        sum(usage.cached_tokens for usage in usages),
        _count(episode.info, "calls", len(episode.spoken)),
        len(episode.spoken),
        episode.seconds,
        error.kind if error else None,
        _count(episode.info, "unparsed", 0),
        None if error else episode.outcome.answer,
        error.message if error else "",
        episode.outcome.stop,
        sum(turn.finish == "length" for turn in episode.turns),
    )


def _count(info: Mapping[str, Any], name: str, otherwise: int) -> int:
    value = info.get(name)
    return value if type(value) is int and value >= 0 else otherwise


def summarise(episodes: Iterable[Episode], *, seed: int = 0) -> Summary:
    """Sum up episodes, read once; ``seed`` is the bootstrap's. Raises ValueError when there are none."""
    return sum_up(map(measure, episodes), seed=seed)


def sum_up(rows: Iterable[Measured], *, seed: int = 0) -> Summary:
    """As ``summarise``, of episodes measured before."""
    counts: Counter[str] = Counter()
    causes: Counter[str] = Counter()
    stops: Counter[str] = Counter()
    first: dict[str, tuple[tuple[str, int, int], str]] = {}
    seconds = array("d")

    def counted() -> Iterable[Measured]:
        for row in rows:
            seconds.append(row.seconds)
            stops[row.stop] += 1
            for name in ("correct", "calls", "turns", "prompt_tokens", "cached_tokens", "unparsed", "cut"):
                counts[name] += getattr(row, name)
            counts["unanswered"] += row.answer is None
            if row.failed is not None:
                causes[row.failed] += 1
                reason = (row.instance, row.sample, row.seed), row.message
                first[row.failed] = min(first.get(row.failed, reason), reason)
            yield row

    found = by_instance(counted())
    total = len(seconds)
    if not total:
        raise ValueError("there are no episodes to sum up")
    scores, tokens = ([getattr(means, name) for means in found.values()] for name in ("score", "tokens"))
    prompts = counts["prompt_tokens"]
    return Summary(
        n=len(found),
        episodes=total,
        score=fmean(scores),
        score_ci=interval(scores, seed),
        tokens=fmean(tokens),
        tokens_ci=interval(tokens, seed),
        correct=counts["correct"] / total,
        turns=counts["turns"] / total,
        calls=counts["calls"] / total,
        prompt_tokens=prompts / total,
        cached_tokens=counts["cached_tokens"] / total,
        cached_share=counts["cached_tokens"] / prompts if prompts else None,
        seconds=fsum(seconds) / total,
        unparsed=counts["unparsed"] / total,
        unanswered=counts["unanswered"] / total,
        failures=sum(causes.values()),
        causes=dict(sorted(causes.items())),
        reasons={cause: first[cause][1] for cause in sorted(first)},
        stops=dict(sorted(stops.items())),
        cut_turns=counts["cut"],
        by_instance=found,
    )


def by_instance(rows: Iterable[Measured]) -> dict[str, Means]:
    """The means of every instance over its episodes, in the order of the ids."""
    found: dict[str, list[tuple[float, int, int]]] = {}
    for row in rows:
        found.setdefault(row.instance, []).append((row.score, row.tokens, row.turns))
    return {instance: Means(*map(fmean, zip(*found[instance], strict=True))) for instance in sorted(found)}


def interval(values: Sequence[float], seed: int) -> tuple[float, float]:
    """The 95% interval of a mean."""
    low, high = bootstrap(values, seed=seed)
    return low, high
