"""Voting: answers that mean the same are one candidate, the best supported wins, ties go to the one stated first."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from optima_envs.tasks.agreement import candidates, named

from .baseline import Session


@dataclass(frozen=True, slots=True)
class Ballot:
    """The winning ``answer`` (None: nobody stated one) and the positions of those who stated it, in order."""

    answer: str | None
    backers: tuple[int, ...] = ()


async def vote(session: Session, answers: Sequence[str | None], weights: Sequence[float] | None = None) -> Ballot:
    """Count ``answers``, each once or by its weight; None (no answer stated) has no vote.

    Which answers are the same, the environment's metric tells; see ``agreement.candidates``.
    """
    metric, meta = session.scenario.metric, session.inst.meta
    known = [named(metric, meta, answer) if answer is not None else None for answer in answers]
    # a thread: comparing mathematics may wait for a worker, and other instances must go on meanwhile
    groups = await asyncio.to_thread(candidates, metric, known)
    if not groups:
        return Ballot(None)
    votes = [1.0] * len(answers) if weights is None else weights
    best = max(groups, key=lambda group: sum(votes[position] for position in group))
    return Ballot(answers[best[0]], tuple(best))
