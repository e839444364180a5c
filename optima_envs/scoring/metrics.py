"""Metrics: what an answer is worth against the accepted golds, in [0, 1]. Aliases: the best gold counts.

``em`` and ``f1`` are the SQuAD v1.1 definitions (Rajpurkar et al. 2016) with HotpotQA's rule for yes/no (Yang et al.
2018, official script); ``token-f1`` is the variant of the Optima paper's code; ``choice`` and ``number`` read
multiple-choice and numeric answers; ``math`` lives in mathcheck.py. Other packages add metrics through the entry-point
group ``optima.metrics``.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

from ..registry import Registry
from .answer_format import MAX_ANSWER
from .choice import choice_match
from .decoration import bare, plain
from .numerals import read_number


@runtime_checkable
class Metric(Protocol):
    """Scores one final answer (None: nobody gave one) against the golds.

    A metric may also have ``instant = True`` (``score`` never waits, so an event loop may call it without a thread) and
    ``reason(answer, golds)``: why a score of 0 says nothing about the answer, None when it does.
    """

    name: str

    def score(self, answer: str | None, golds: Sequence[str]) -> float:
        """In [0, 1]; never raises on model text."""
        ...

    def correct(self, score: float) -> bool:
        """Whether a score counts as a right answer (this, never ``reward > 0``)."""
        ...


class Measure:
    """A metric made of one function ``(answer, golds) -> [0, 1]``; no answer is worth 0, a score of 1 is correct.

    ``instant`` promises that the function takes microseconds and waits for nothing. ``why(answer, golds)`` gives the
    reason of a score of 0 that says nothing about the answer. ``extra``: what must be installed for it.
    """

    def __init__(
        self,
        name: str,
        rate: Callable[[str, Sequence[str]], float],
        *,
        instant: bool = False,
        why: Callable[[str, Sequence[str]], str | None] | None = None,
        extra: str | None = None,
    ) -> None:
        self.name = name
        self.rate = rate
        self.instant = instant
        self.why = why
        self.extra = extra

    def __repr__(self) -> str:
        return f"<metric {self.name}>"

    def score(self, answer: str | None, golds: Sequence[str]) -> float:
        return 0.0 if answer is None else self.rate(bare(answer[:MAX_ANSWER]), golds)

    def reason(self, answer: str | None, golds: Sequence[str]) -> str | None:
        """Why ``score`` could not tell and gave 0; None when it could."""
        return None if answer is None or self.why is None else self.why(bare(answer[:MAX_ANSWER]), golds)

    def correct(self, score: float) -> bool:
        return score >= 1.0


class Unjudged:
    """The metric of questions whose answer nobody knows: everything is worth 0, and nothing correct."""

    name, instant = "unjudged", True

    def score(self, answer: str | None, golds: Sequence[str]) -> float:
        return 0.0

    def correct(self, score: float) -> bool:
        return False


def best(compare: Callable[[str, str], float]) -> Callable[[str, Sequence[str]], float]:
    """Lift a comparison of two texts to several golds: the maximum, 0.0 without golds."""

    def rate(answer: str, golds: Sequence[str]) -> float:
        return max((compare(answer, gold) for gold in golds), default=0.0)

    rate.__doc__ = compare.__doc__
    return rate


METRICS: Registry[Metric] = Registry("metric", "optima.metrics")
"""Judges of final answers by name; ``METRICS.register("mine", metric)`` adds one."""

_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLES = re.compile(r"\b(a|an|the)\b")
_CLOSED = frozenset({"yes", "no", "noanswer"})


def squad_normalise(text: str) -> str:
    """Lower case, ASCII punctuation and English articles removed, white space collapsed.

    Where nothing would remain (the band ``!!!``, the answer ``The``) the lower-cased text itself is kept; the
    official script compares empty strings there, which makes every such pair equal.
    """
    lower = plain(text).lower()
    kept = " ".join(_ARTICLES.sub(" ", lower.translate(_PUNCTUATION)).split())
    return kept or " ".join(lower.split())


def exact_match(answer: str, gold: str) -> float:
    """1.0 when both are equal after ``squad_normalise``, and not empty."""
    left = squad_normalise(answer)
    return float(left != "" and left == squad_normalise(gold))


def squad_f1(answer: str, gold: str) -> float:
    """Harmonic mean of precision and recall over the multiset of normalised words.

    A yes/no on one side only is 0, however many words are shared (HotpotQA's official script).
    """
    left, right = squad_normalise(answer), squad_normalise(gold)
    if left != right and (left in _CLOSED or right in _CLOSED):
        return 0.0
    return overlap_f1(left.split(), right.split())


def overlap_f1(left: Sequence[str], right: Sequence[str]) -> float:
    """F1 of two multisets; 0.0 when either is empty."""
    spare: dict[str, int] = {}  # three times as fast as the intersection of two Counters
    for word in right:
        spare[word] = spare.get(word, 0) + 1
    common = 0
    for word in left:
        if spare.get(word):
            spare[word] -= 1
            common += 1
    return 2 * common / (len(left) + len(right)) if common else 0.0


_PIECES = re.compile(r"\w+|[^\w\s]")


def token_f1(tokenise: Callable[[str], Sequence[str]] = _PIECES.findall) -> Measure:
    """The F1 of the Optima code (reward.py): lower case, the characters ``m``, ``=`` and space stripped from both ends,
    then multiset F1 over tokens, with punctuation and articles left in. The code uses the Llama-3 tokenizer; without
    one, words and single punctuation marks stand in, so pass ``tokenise=tokenizer.tokenize`` to compare with the
    paper."""

    def compare(answer: str, gold: str) -> float:
        left, right = (list(tokenise(text.lower().strip("m= "))) for text in (answer, bare(gold)))
        return overlap_f1(left, right)

    compare.__doc__ = token_f1.__doc__
    return Measure("token-f1", best(compare), instant=True)


def number_match(answer: str, gold: str) -> float:
    """1.0 when both name the same single number (see ``read_number``)."""
    left, right = read_number(answer), read_number(gold)
    return float(left is not None and left == right)


METRICS.register("em", Measure("em", best(exact_match), instant=True))
METRICS.register("f1", Measure("f1", best(squad_f1), instant=True))
METRICS.register("token-f1", token_f1())
METRICS.register("choice", Measure("choice", choice_match, instant=True))
METRICS.register("number", Measure("number", best(number_match), instant=True))
METRICS.register("rows", "optima_envs.tools.rows:METRIC")
METRICS.register("math", "optima_envs.scoring.maths.mathcheck:METRIC")
