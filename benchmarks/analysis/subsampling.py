"""Subsampling: from n sampled episodes of an instance, what fewer samples would have scored and cost."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import comb
from statistics import fmean

from optima_agents.results.summary import Measured
from optima_envs.scoring.metrics import Metric
from optima_envs.tasks.agreement import candidates

DRAWS = 64


@dataclass(frozen=True, slots=True)
class Prefixes:
    """One instance: ``draws`` random orders of its n samples; ``draws[d][k - 1]`` is (completion tokens of the first
    k, score of their vote)."""

    draws: tuple[tuple[tuple[int, float], ...], ...]

    def vote(self, k: int) -> float:
        """The mean score of a vote over ``k`` samples."""
        return fmean(draw[k - 1][1] for draw in self.draws)

    def within(self, budget: int) -> float:
        """The mean score of a vote over as many samples as ``budget`` tokens pay for; 0 where they pay for none."""
        return fmean(next((score for spent, score in reversed(d) if spent <= budget), 0.0) for d in self.draws)


def prefixes(samples: Sequence[Measured], metric: Metric, draws: int = DRAWS) -> Prefixes:
    """Votes over growing subsets of one instance's samples.

    Answers are grouped once, over all samples, by the rule of ``agreement.candidates``; the group with most votes wins,
    ties go to the one stated first, and its first answer counts. A sample without an answer has no vote.
    """
    distinct = list(dict.fromkeys(row.answer for row in samples if row.answer is not None))
    group_of = {distinct[place]: number for number, g in enumerate(candidates(metric, distinct)) for place in g}
    rng = random.Random(samples[0].instance)
    order = list(samples)
    found = []
    for _ in range(draws if len(order) > 1 else 1):
        rng.shuffle(order)
        found.append(_walk(order, group_of))
    return Prefixes(tuple(found))


def _walk(order: Sequence[Measured], group_of: dict[str, int]) -> tuple[tuple[int, float], ...]:
    spent = 0
    votes: Counter[int] = Counter()  # in the order of first mention, which settles ties
    score_of: dict[int, float] = {}
    steps = []
    for row in order:
        spent += row.tokens
        if row.answer is not None:
            group = group_of[row.answer]
            votes[group] += 1
            score_of.setdefault(group, row.score)
        steps.append((spent, score_of[max(votes, key=votes.__getitem__)] if votes else 0.0))
    return tuple(steps)


def coverage(scores: Sequence[float], k: int) -> float:
    """The expected best score of ``k`` samples drawn without replacement from ``scores``: pass@k of Chen et al. 2021
    (arXiv 2107.03374, Eq. 1) for scores of 0 and 1, and its analogue for others."""
    ranked, n = sorted(scores, reverse=True), len(scores)
    return sum(score * comb(n - place, k - 1) for place, score in enumerate(ranked, 1)) / comb(n, k)
