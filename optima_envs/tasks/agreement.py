"""Agreement: which stated answers are one, for votes over them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..scoring.metrics import Metric
from ..scoring.parsing import normalise
from .choices import LETTERS, golds

ALIKE = 0.9  # two answers are one candidate when the metric rates one against the other above this (OPTIMA's code)


def candidates(metric: Metric, answers: Sequence[str | None]) -> list[list[int]]:
    """Positions of equal answers, in the order in which the candidates were first stated; None is no answer.

    Two answers are the same when equal after ``parsing.normalise`` or alike for the metric (F1 above 0.9, the same
    number, equivalent mathematics, the same option, ...). An answer joins the first candidate it is the same as.
    """
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


def named(metric: Metric, meta: Mapping[str, Any], answer: str) -> str:
    """With options to choose from, the letter of the one an answer names by its letter, its text or both; else the
    answer."""
    options = meta.get("options", ()) if metric.name == "choice" else ()
    places = range(min(len(options), len(LETTERS)))
    return next((LETTERS[i] for i in places if metric.score(answer, golds(options, i)[0]) == 1.0), answer)


def alike(metric: Metric, first: str, second: str) -> bool:
    """Whether two stated answers are one candidate."""
    same = normalise(first) == normalise(second)
    return same or max(metric.score(first, [second]), metric.score(second, [first])) > ALIKE
