"""Voting: answers that mean the same are one candidate, the best supported wins, ties go to the one stated first."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from optima_envs.scoring.metrics import Metric
from optima_envs.tasks.choices import LETTERS, golds

from .baseline import Session

ALIKE = 0.9  # two answers are one candidate when the metric rates one against the other above this (OPTIMA's code)


@dataclass(frozen=True, slots=True)
class Ballot:
    """The winning ``answer`` (None: nobody stated one) and the positions of those who stated it, in order."""

    answer: str | None
    backers: tuple[int, ...] = ()


async def vote(session: Session, answers: Sequence[str | None], weights: Sequence[float] | None = None) -> Ballot:
    """Count ``answers``, each once or by its weight; None (no answer stated) has no vote.

    Two answers are the same when equal after ``parsing.normalise`` or alike for the environment's metric (F1 above 0.9,
    the same number, equivalent mathematics, the same option, ...). An answer joins the first candidate it is the same
    as.
    """
    metric = session.scenario.metric
    options = session.inst.meta.get("options", ()) if metric.name == "choice" else ()
    named = [option(metric, options, answer) if answer is not None else None for answer in answers]
    # a thread: comparing mathematics may wait for a worker, and other instances must go on meanwhile
    groups = await asyncio.to_thread(candidates, metric, named)
    if not groups:
        return Ballot(None)
    votes = [1.0] * len(answers) if weights is None else weights
    best = max(groups, key=lambda group: sum(votes[position] for position in group))
    return Ballot(answers[best[0]], tuple(best))


def candidates(metric: Metric, answers: Sequence[str | None]) -> list[list[int]]:
    """Positions of equal answers, in the order in which the candidates were first stated."""
    groups: list[list[int]] = []
    for position, answer in enumerate(answers):
        if answer is None:
            continue
        for group in groups:
            if alike(metric, answers[group[0]] or "", answer):
                group.append(position)
                break
        else:
            groups.append([position])
    return groups


def option(metric: Metric, options: Sequence[str], answer: str) -> str:
    """The letter of the option an answer names by its letter, its text or both; without such an option, the answer."""
    places = range(min(len(options), len(LETTERS)))
    return next((LETTERS[i] for i in places if metric.score(answer, golds(options, i)[0]) == 1.0), answer)


def alike(metric: Metric, first: str, second: str) -> bool:
    """Whether two stated answers are one candidate."""
    return Session.same(first, second) or max(metric.score(first, [second]), metric.score(second, [first])) > ALIKE
