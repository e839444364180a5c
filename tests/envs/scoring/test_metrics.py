"""Metrics against hand-made tables: what is right in another guise, and near misses worth 0 or a stated fraction."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.scored_pairs import CHOICES, NUMBERS, TEXTS

from optima_envs.scoring.metrics import METRICS, token_f1
from optima_envs.scoring.numerals import read_number

TEXT_METRICS = ("em", "f1", "token-f1", "choice", "number")


@pytest.mark.parametrize(("answer", "gold", "em", "f1", "reference"), TEXTS)
def test_text(answer: str, gold: str, em: int, f1: int | str, reference: int | str) -> None:
    assert METRICS["em"].score(answer, [gold]) == em
    assert METRICS["f1"].score(answer, [gold]) == pytest.approx(float(Fraction(f1)))
    assert METRICS["token-f1"].score(answer, [gold]) == pytest.approx(float(Fraction(reference)))


@pytest.mark.parametrize(("answer", "golds", "score"), CHOICES)
def test_choice(answer: str, golds: list[str], score: int) -> None:
    assert METRICS["choice"].score(answer, golds) == score


@pytest.mark.parametrize(("answer", "gold", "score"), NUMBERS)
def test_number(answer: str, gold: str, score: int) -> None:
    assert METRICS["number"].score(answer, [gold]) == score


@pytest.mark.parametrize(
    ("metric", "table", "full"),
    [("em", TEXTS, 2), ("f1", TEXTS, 3), ("token-f1", TEXTS, 4), ("choice", CHOICES, 2), ("number", NUMBERS, 2)],
)
def test_each_table_holds_sixty_near_misses(metric: str, table: list[tuple], full: int) -> None:
    assert sum(1 for row in table if row[full] != 1) >= 60, metric


@pytest.mark.parametrize("metric", TEXT_METRICS)
def test_aliases_count_by_their_best_and_nothing_is_worth_nothing(metric: str) -> None:
    measure = METRICS[metric]
    assert measure.name == metric
    assert measure.score("7", ["8", "7"]) == 1.0
    assert measure.score("7", []) == 0.0
    assert measure.score(None, ["7"]) == 0.0
    assert measure.correct(1.0)
    assert not measure.correct(0.99)


def test_the_papers_f1_takes_the_papers_tokens() -> None:
    letters = token_f1(tokenise=list)
    assert letters.score("abc", ["abd"]) == pytest.approx(2 / 3)
    assert letters.score("mom", ["o"]) == 1.0  # its quirk: m and = are stripped from the ends


@given(st.text(max_size=300), st.lists(st.text(max_size=40), max_size=3), st.sampled_from(TEXT_METRICS))
def test_any_text_gets_a_score_between_0_and_1(answer: str, golds: list[str], metric: str) -> None:
    assert 0.0 <= METRICS[metric].score(answer, golds) <= 1.0


@given(
    st.integers(-(10**9), 10**9), st.sampled_from(["{:,}", "${:,}", "{}", "{}.00", "x = {:,}", "{:,} eggs", "\\${:,}"])
)
def test_a_number_is_read_back_from_every_way_to_write_it(number: int, form: str) -> None:
    assert read_number(form.format(number)) == number


@pytest.mark.parametrize("metric", TEXT_METRICS)
def test_five_megabytes_are_scored_at_once(metric: str) -> None:
    for huge in ("9," * 2_500_000, "<A>" * 1_600_000, "\u0301" * 2_500_000, "{" * 5_000_000):
        assert METRICS[metric].score(huge, ["18"]) in (0.0, pytest.approx(0.0, abs=0.1))
