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
from typing import Any, Protocol, cast, runtime_checkable

from .records import Episode, ErrorInfo, Turn
from .registry import Registry
from .text import printable

Group = Sequence[Episode]
RULE = "weights are >= 0, the term carries the sign"


@runtime_checkable
class Term(Protocol):
    """One number for every episode of a group, in order; more is better."""

    async def __call__(self, group: Group) -> Sequence[float]: ...


TERMS: Registry[Term] = Registry("reward term", "optima.rewards")
"""Reward terms by name; see ``term``."""


def term(name: str) -> Callable[[Callable[[Any], Any]], Lifted]:
    """Register a function, plain or async, as a term. With an argument named ``group`` it gets all episodes of an
    instance and returns a number for each; with any other name it gets one episode and returns one number.

    >>> @term("short-turns")
    ... def short_turns(episode):
    ...     return -max(turn.tokens for turn in episode.turns)
    """

    def register(function: Callable[[Any], Any]) -> Lifted:
        TERMS.register(name, lifted := lift(function))
        return lifted

    return register


@dataclass(frozen=True, slots=True)
class Lifted:
    """A function as a term; ``grouped``: it takes all episodes of an instance at once."""

    function: Callable[[Any], Any]
    grouped: bool

    async def __call__(self, group: Group) -> list[float]:
        if self.grouped:
            return list(await _value(self.function(group)))
        return [await _value(self.function(episode)) for episode in group]


def lift(function: Callable[[Any], Any]) -> Lifted:
    """The function as a term, unregistered; see ``term``."""
    return Lifted(function, next(iter(inspect.signature(function).parameters), "") == "group")


async def _value(result: Any) -> Any:
    return await result if inspect.isawaitable(result) else result


def finite(value: object) -> float:
    """``value`` as a float. Raises ValueError for what is no finite number: None, text, NaN, 10**400."""
    try:
        number = math.nan if isinstance(value, (str, bytes)) else float(cast("float", value))
    except OverflowError:
        raise ValueError("is too large for a float") from None
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        odd = isinstance(value, (int, float))
        raise ValueError("is not finite" if odd else f"gave {type(value).__name__} {value!r:.60}, which is no number")
    return number


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
    """Minus the share of turns that are empty, cut off, or speak for another agent or the world, in [-1, 0]."""
    speakers, spoken = {turn.agent for turn in episode.turns}, episode.spoken
    return -sum(ill_formed(turn, speakers) for turn in spoken) / len(spoken) if spoken else 0.0


def ill_formed(turn: Turn, speakers: Set[str]) -> bool:
    """Whether a turn is empty, cut off, or speaks for another of ``speakers``."""
    others = speakers - {turn.agent}
    return (
        turn.finish != "stop"
        or not turn.text.strip()
        or any(re.search(rf"^\s*{re.escape(name)}\s*:", turn.text, re.MULTILINE) for name in others)
    )


def budget_share(budget: int) -> Lifted:
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
    Raises TypeError for weights that are no mapping, ValueError for a bad weight, UnknownName for a term nobody
    registered.
    """

    def __init__(self, weights: Mapping[str, float], terms: Mapping[str, Term] | None = None) -> None:
        if not isinstance(weights, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance] - callers without a checker
            raise TypeError(f"reward must map term names to weights, such as {{'task': 1.0}}, got {weights!r:.80}")
        for name, weight in weights.items():
            try:
                finite(weight)
            except ValueError as err:
                raise ValueError(f"reward weight of {name!r} {err}; {RULE}") from None
            if weight < 0:
                raise ValueError(f"reward weight of {name!r} is {weight}; {RULE}")
        own = terms or {}
        self.weights = dict(weights)
        self.terms = {name: own[name] if name in own else TERMS[name] for name in weights}

    async def __call__(self, group: Group) -> list[Breakdown]:
        """One breakdown for each episode, in order. Failed episodes neither get a reward nor count as siblings.

        An episode for which a term's function raises, or gives no finite number, comes back with an error that names
        the term. Raises ValueError when a term miscounts, and what a term that is no function raises.
        """
        sound = [episode for episode in group if episode.error is None]
        columns = {name: await _column(name, measure, sound) for name, measure in self.terms.items()} if sound else {}
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

    def _total(self, row: dict[str, object]) -> Breakdown:
        values: dict[str, float] = {}
        broken: list[str] = []
        for name, value in row.items():
            try:
                if isinstance(value, Exception):
                    raise ValueError(f"raised {type(value).__name__}: {value}")
                values[name] = finite(value)
            except ValueError as err:
                broken.append(printable(f"{name} {err}", lines=False)[:500])
        if broken:
            return Breakdown(0.0, values, ErrorInfo("reward", f"term {'; term '.join(broken)}"))
        return Breakdown(sum(weight * values[name] for name, weight in self.weights.items()), values)


async def _column(name: str, measure: Term, sound: Sequence[Episode]) -> Sequence[object]:
    """A term's value of each episode, or the exception its function raised there."""
    values: list[object] = []
    if isinstance(measure, Lifted):
        groups = [sound] if measure.grouped else [[episode] for episode in sound]
        for part in groups:
            try:
                values += await measure(part)
            except Exception as err:  # a function somebody wrote for a reward, and an episode nobody foresaw
                values += [err] * len(part)
    else:
        try:
            values += await measure(sound)
        except Exception as err:
            err.add_note(f"in the reward term {name!r}")
            raise
    if len(values) != len(sound):
        raise ValueError(f"reward term {name!r} gave {len(values)} values for {len(sound)} episodes")
    return values
