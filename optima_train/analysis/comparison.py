"""Two teams on the same instances: paired differences with bootstrap intervals.

Instances differ far more than teams do, so each instance is compared with itself and the differences are resampled.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from optima_agents.results.intervals import bootstrap, resampled
from optima_agents.results.summary import Means, by_instance, measure
from optima_agents.store import asked

if TYPE_CHECKING:
    from optima_envs.records import Episode

MEASURES = Means._fields


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

    Raises ValueError when they are not of one environment, have no instance in common, or under one id another
    question or other golds.
    """
    known = _Known()
    first, second = (by_instance(map(measure, known.checked(side))) for side in (a, b))
    common = sorted(first.keys() & second.keys())
    if not common:
        raise ValueError(f"no common instance: {len(first)} and {len(second)} different ones")
    found = []
    for name in MEASURES:
        left, right = ([getattr(side[key], name) for key in common] for side in (first, second))
        found.append(difference(name, left, right, seed))
    return Comparison(len(common), len(first) - len(common), len(second) - len(common), tuple(found))


class _Known:
    """The environment and the questions met so far, on either side."""

    def __init__(self) -> None:
        self.env = ""
        self.asked: dict[str, int] = {}

    def checked(self, episodes: Iterable[Episode]) -> Iterator[Episode]:
        for episode in episodes:
            inst, env = episode.instance, self.env or episode.env
            if env != episode.env:
                raise ValueError(
                    f"the dialogues are of different environments: {', '.join(sorted((env, episode.env)))}"
                )
            self.env = env
            now = asked(inst.question, inst.answers)
            if now and self.asked.setdefault(episode.key.instance, now) != now:
                raise ValueError(
                    f"instance {episode.key.instance!r} has different questions or golds in them: "
                    "the data were changed between the two, so they cannot be compared"
                )
            yield episode


def difference(name: str, a: list[float], b: list[float], seed: int) -> Difference:
    """The paired difference of two lists of values, one pair per instance."""
    gaps = [right - left for left, right in zip(a, b, strict=True)]
    means = resampled(gaps, seed)
    # one added to both: a p-value of 0 is more than a finite number of resamples can say
    tail = min(int((means <= 0).sum()), int((means >= 0).sum()))
    p = min(1.0, 2 * (tail + 1) / (len(means) + 1))
    low, high = bootstrap(gaps, seed=seed)
    return Difference(name, fmean(a), fmean(b), fmean(gaps), (low, high), p)
