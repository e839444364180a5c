"""Reported and invented answers of every kind, right and wrong ones: their verdicts hold."""

from __future__ import annotations

from fractions import Fraction

import pytest
from support.scored_cases import Case, cases

from optima_envs.scoring.metrics import METRICS
from optima_envs.scoring.numerals import read_number

SCORED = [(metric, kind, rows) for metric in ("choice", "number", "math") for kind, rows in cases(metric).items()]
TEXTS = [(*kind.split(": ", 1), rows) for kind, rows in cases("text").items()]


@pytest.mark.parametrize(("metric", "kind", "rows"), SCORED, ids=[f"{metric}: {kind}" for metric, kind, _ in SCORED])
def test_verdicts(metric: str, kind: str, rows: list[Case]) -> None:
    if metric == "math":
        pytest.importorskip("math_verify")
    wrong = [row for row in rows if METRICS[metric].score(row.answer, row.golds) != float(row.verdict == "+")]
    assert not wrong, kind


@pytest.mark.parametrize(("metric", "kind", "rows"), TEXTS, ids=[f"{metric}: {kind}" for metric, kind, _ in TEXTS])
def test_texts(metric: str, kind: str, rows: list[Case]) -> None:
    for row in rows:
        assert METRICS[metric].score(row.answer, row.golds) == pytest.approx(float(row.verdict), abs=1e-4), row


@pytest.mark.parametrize("kind", cases("numerals"))
def test_numbers_are_read_whole_or_not_at_all(kind: str) -> None:
    read = [(row, read_number(row.answer)) for row in cases("numerals")[kind]]
    assert not [
        (row, value) for row, value in read if value != (None if row.verdict == "none" else Fraction(row.verdict))
    ]


def test_the_tables_hold_enough_of_either_verdict() -> None:
    for metric in ("choice", "number", "math"):
        verdicts = [row.verdict for rows in cases(metric).values() for row in rows]
        assert min(verdicts.count("+"), verdicts.count("-")) >= 20 and set(verdicts) == {"+", "-"}
