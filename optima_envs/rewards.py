"""Reward terms: what a group of dialogues on one instance is worth, term by term.

R(tau) = R_task(tau) - lambda_token * tokens(tau) / max_k tokens(tau_k) + lambda_loss / R_loss(tau)    (paper, Eq. 1)

Every term carries its own sign and weights are positive: ``{"task": 1, "tokens": 0.6, "readability": 1}`` is the
formula with lambda_token 0.6 and lambda_loss 1, because ``tokens`` is the *negative* share. Terms see the whole group,
since the longest sibling is the measure. ``readability`` needs a model and lives in ``optima_train``.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from .records import Episode, ErrorInfo, Turn
from .registry import Registry

Group = Sequence[Episode]


@runtime_checkable
class Term(Protocol):
    """One number for every episode of a group, in order; more is better."""

    async def __call__(self, group: Group) -> Sequence[float]: ...


TERMS: Registry[Term] = Registry("reward term", "optima.rewards")


def term(name: str) -> Callable[[Callable[[Any], Any]], Term]:
    """Register a function, plain or async, as a term. With an argument named ``group`` it gets all episodes of an
    instance and returns a number for each; with any other name it gets one episode and returns one number.

    >>> @term("short-turns")
    ... def short_turns(episode):
    ...     return -max(turn.tokens for turn in episode.turns)
    """

    def register(function: Callable[[Any], Any]) -> Term:
        TERMS.register(name, lifted := lift(function))
        return lifted

    return register


def lift(function: Callable[[Any], Any]) -> Term:
    """The function as a term, unregistered; see ``term``."""
    grouped = next(iter(inspect.signature(function).parameters), "") == "group"

    async def lifted(group: Group) -> list[float]:
        if grouped:
            return list(await _value(function(group)))
        return [await _value(function(episode)) for episode in group]

    return lifted


async def _value(result: Any) -> Any:
    return await result if inspect.isawaitable(result) else result


@term("task")
def task(episode: Episode) -> float:
    """R_task: the metric's score, in [0, 1]."""
    return episode.score


@term("tokens")
def tokens(group: Group) -> list[float]:
    """-R_token: minus the tokens over those of the group's longest dialogue, in [-1, 0]; 0 when all are empty."""
    longest = max((episode.tokens for episode in group), default=0)
    return [-episode.tokens / longest if longest else 0.0 for episode in group]


@term("format")
def format_term(episode: Episode) -> float:
    """Minus the share of turns that are empty, cut off, or speak for another agent, in [-1, 0]."""
    agents = {turn.agent for turn in episode.turns}
    return -sum(ill_formed(turn, agents) for turn in episode.turns) / len(episode.turns) if episode.turns else 0.0


def ill_formed(turn: Turn, agents: Set[str]) -> bool:
    """Whether a turn is empty, cut off, or speaks for another of ``agents``."""
    others = agents - {turn.agent}
    return (
        turn.finish != "stop"
        or not turn.text.strip()
        or any(re.search(rf"^\s*{re.escape(name)}\s*:", turn.text, re.MULTILINE) for name in others)
    )


def budget_share(budget: int) -> Term:
    """``tokens`` where there are no siblings: minus the tokens over ``budget``, at least -1."""
    return lift(lambda episode: -min(1.0, episode.tokens / budget))


@dataclass(frozen=True, slots=True)
class Breakdown:
    """``total`` is the weighted sum, ``terms`` the terms before weighting. With ``error`` the episode could not be
    rewarded: ``total`` is 0 and must not be ranked."""

    total: float
    terms: Mapping[str, float]
    error: ErrorInfo | None = None


class Reward:
    """A weighted sum of terms over a group.

    ``weights``: term name to a finite number >= 0. ``terms``: terms by name that replace or add to the registered ones.
    Raises ValueError for a bad weight, UnknownName for a term nobody registered.
    """

    def __init__(self, weights: Mapping[str, float], terms: Mapping[str, Term] | None = None) -> None:
        for name, weight in weights.items():
            if not math.isfinite(weight) or weight < 0:
                raise ValueError(f"reward weight of {name!r} is {weight}; weights are >= 0, the term carries the sign")
        own = terms or {}
        self.weights = dict(weights)
        self.terms = {name: own[name] if name in own else TERMS[name] for name in weights}

    async def __call__(self, group: Group) -> list[Breakdown]:
        """One breakdown for each episode, in order. Failed episodes neither get a reward nor count as siblings; an
        episode with a term that is not finite comes back with an error. Raises ValueError when a term miscounts."""
        sound = [episode for episode in group if episode.error is None]
        columns: dict[str, list[float]] = {}
        for name, measure in self.terms.items():
            columns[name] = [float(value) for value in await measure(sound)] if sound else []
            if len(columns[name]) != len(sound):
                raise ValueError(f"reward term {name!r} gave {len(columns[name])} values for {len(sound)} episodes")
        rows = iter([{name: column[i] for name, column in columns.items()} for i in range(len(sound))])
        return [self._total(next(rows)) if e.error is None else Breakdown(0.0, {}, e.error) for e in group]

    def now(self, group: Group) -> list[Breakdown]:
        """The same without an event loop, for terms that wait for nothing; RuntimeError for one that waits."""
        work = self(group)
        try:
            work.send(None)
        except StopIteration as done:
            return done.value
        work.close()
        raise RuntimeError(f"a term of {', '.join(self.terms)} waits for a model or server: await the reward instead")

    def _total(self, row: dict[str, float]) -> Breakdown:
        broken = [name for name, value in row.items() if not math.isfinite(value)]
        if broken:
            finite = {name: value for name, value in row.items() if name not in broken}
            return Breakdown(0.0, finite, ErrorInfo("reward", f"term {', '.join(broken)} is not finite"))
        return Breakdown(sum(weight * row[name] for name, weight in self.weights.items()), row)
