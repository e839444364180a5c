"""Two teams on the same instances: paired differences with bootstrap intervals.

Instances differ far more than teams do, so each instance is compared with itself and the differences are resampled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from optima_agents.results.intervals import bootstrap, resampled

if TYPE_CHECKING:
    from optima_envs.records import Episode

MEASURES: Mapping[str, Callable[[Episode], float]] = {
    "score": lambda episode: 0.0 if episode.error else episode.score,
    "tokens": lambda episode: episode.tokens,
    "turns": lambda episode: len(episode.spoken),
}


@dataclass(frozen=True, slots=True)
class Difference:
    """B minus A in one measure: means over the common instances, 95% interval, and the two-sided bootstrap p-value."""

    measure: str
    a: float
    b: float
    difference: float
    interval: tuple[float, float]
    p: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """``n`` instances are in both logs; ``only_a`` and ``only_b`` count those that could not be compared."""

    n: int
    only_a: int
    only_b: int
    differences: tuple[Difference, ...]


def compare(a: Iterable[Episode], b: Iterable[Episode], *, seed: int = 0) -> Comparison:
    """Compare two sets of episodes; several samples of an instance are averaged first, a failed dialogue scores 0.

    Raises ValueError when they are not of one environment or have no instance in common.
    """
    first, second = by_instance(a), by_instance(b)
    common = sorted(first.keys() & second.keys())
    envs = {episode.env for side in (first, second) for episodes in side.values() for episode in episodes}
    if len(envs) > 1:
        raise ValueError(f"the dialogues are of different environments: {', '.join(sorted(envs))}")
    if not common:
        raise ValueError(f"no common instance: {len(first)} and {len(second)} different ones")
    found = []
    for name, measure in MEASURES.items():
        left, right = ([fmean(map(measure, side[key])) for key in common] for side in (first, second))
        found.append(difference(name, left, right, seed))
    return Comparison(len(common), len(first) - len(common), len(second) - len(common), tuple(found))


def by_instance(episodes: Iterable[Episode]) -> dict[str, list[Episode]]:
    """Episodes by the id of their instance."""
    found: dict[str, list[Episode]] = {}
    for episode in episodes:
        found.setdefault(episode.key.instance, []).append(episode)
    return found


def difference(name: str, a: list[float], b: list[float], seed: int) -> Difference:
    """The paired difference of two lists of values, one pair per instance."""
    gaps = [right - left for left, right in zip(a, b, strict=True)]
    means = resampled(gaps, seed)
    # one added to both: a p-value of 0 is more than a finite number of resamples can say
    tail = min(int((means <= 0).sum()), int((means >= 0).sum()))
    p = min(1.0, 2 * (tail + 1) / (len(means) + 1))
    low, high = bootstrap(gaps, seed=seed)
    return Difference(name, fmean(a), fmean(b), fmean(gaps), (low, high), p)
