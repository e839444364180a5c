"""Metrics against hand-made tables: what is right in another guise, and near misses worth 0 or a stated fraction."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optima_envs.scoring.metrics import METRICS, token_f1
from optima_envs.scoring.numerals import read_number

TEXT_METRICS = ("em", "f1", "token-f1", "choice", "number")

# answer, gold, EM, SQuAD F1 (fractions by hand: 2 x shared / all words), token F1 of the reference code
TEXTS = [
    ("Paris", "Paris", 1, 1, 1),
    ("paris.", "Paris", 1, 1, "2/3"),
    ("The Paris", "Paris", 1, 1, "2/3"),
    ("  Paris\n", "Paris", 1, 1, 1),
    ("Paris", "London", 0, 0, 0),
    ("Pariss", "Paris", 0, 0, 0),
    ("Pari", "Paris", 0, 0, 0),
    ("Paris, France", "Paris", 0, "2/3", "1/2"),
    ("Paris France", "Paris, France", 1, 1, "4/5"),
    ("not Paris", "Paris", 0, "2/3", "2/3"),
    ("Paris or London", "Paris", 0, "1/2", "1/2"),
    ("Paris Paris", "Paris", 0, "2/3", "2/3"),
    ("in Paris", "Paris", 0, "2/3", "2/3"),
    ("", "Paris", 0, 0, 0),
    (".", "Paris", 0, 0, 0),
    ("the", "Paris", 0, 0, 0),
    ("yes", "yes", 1, 1, 1),
    ("Yes.", "yes", 1, 1, "2/3"),
    ("yes", "no", 0, 0, 0),
    ("no", "yes", 0, 0, 0),
    ("yes it is", "yes", 0, 0, "1/2"),
    ("yes", "yes sir", 0, 0, "2/3"),
    ("no", "no man's land", 0, 0, "1/3"),
    ("yes and no", "yes", 0, 0, "1/2"),
    ("noanswer", "yes", 0, 0, 0),
    ("!!!", "!!!", 1, 1, 1),
    ("!!", "!!!", 0, 0, "4/5"),
    ("???", "!!!", 0, 0, 0),
    ("", "!!!", 0, 0, 0),
    ("The", "The", 1, 1, 1),
    ("A", "The", 0, 0, 0),
    ("The The", "the the", 1, 1, 1),
    ('"Read It and Weep" (2006)', "Read It and Weep", 0, "8/9", "8/13"),
    ("Jonny Craig", 'Jonny" Craig', 1, 1, "4/5"),
    ("Craig Jonny", "Jonny Craig", 0, 1, 1),
    ("Cold War (1947-91)", "the Cold War (1947–91)", 1, 1, "14/15"),
    ("6960", "6,960", 1, 1, 0),
    ("6,961", "6,960", 0, 0, "2/3"),
    ("6.960", "6,960", 1, 1, "2/3"),
    ("Hank Williams Jr", "Hank Williams, Jr.", 1, 1, "3/4"),
    ("Hank Williams", "Hank Williams, Jr.", 0, "4/5", "4/7"),
    ("Hank Williams Sr.", "Hank Williams, Jr.", 0, "2/3", "2/3"),
    ("Sleep, My Love", "Sleep, My Love", 1, 1, 1),
    ("Sleep", "Sleep, My Love", 0, "1/2", "2/5"),
    ("My Love", "Sleep, My Love", 0, "4/5", "1/3"),
    ("Heinz in the Moon", "Heinz In The Moon", 1, 1, 1),
    ("Heinz Moon", "Heinz In The Moon", 0, "4/5", "2/3"),
    ("March 1, 2012", "1 March 2012", 0, 1, "4/7"),
    ("1 March 2013", "1 March 2012", 0, "2/3", "2/3"),
    ("March 2012", "1 March 2012", 0, "4/5", "2/5"),
    ("2012", "1 March 2012", 0, "1/2", "1/2"),
    ("954", "953", 0, 0, 0),
    ("953 AD", "953", 0, "2/3", "2/3"),
    ("The Bronx", "Bronx", 1, 1, "2/3"),
    ("Zoe", "Zoë", 0, 0, 0),
    ("Gesellschaft mit beschrankter Haftung", "Gesellschaft mit beschränkter Haftung", 0, "3/4", "3/4"),
    ("728,000 ft", "728,000 ft²", 0, "1/2", "4/5"),
    ("three", "3", 0, 0, 0),
    ("John Smith", "John Adams", 0, "1/2", "1/2"),
    ("John", "John Adams", 0, "2/3", "2/3"),
    ("a b c d", "a b c e", 0, "2/3", "3/4"),
    ("United States of America", "United States", 0, "2/3", "2/3"),
    ("U.S.", "US", 1, 1, 0),
    ("U S", "US", 0, 0, 0),
    ("New York City", "New York", 0, "4/5", "4/5"),
    ("York New", "New York", 0, 1, 1),
    ("it's", "its", 1, 1, 0),
    ("co-founder", "cofounder", 1, 1, 0),
    ("co founder", "co-founder", 0, 0, "4/5"),
    ("Miami", "miam", 0, 0, 0),
    ("m = 5", "5", 0, "2/3", 1),
    ("roma", "rom", 0, 0, 0),
    ("one two three", "one two four", 0, "2/3", "2/3"),
    ("one", "one two three four", 0, "2/5", "2/5"),
    ("one one one", "one", 0, "1/2", "1/2"),
    ("one two", "two three", 0, "1/2", "1/2"),
    ("President Lincoln", "Abraham Lincoln", 0, "1/2", "1/2"),
    ("Lincoln, Abraham", "Abraham Lincoln", 0, 1, "2/5"),
    ("River Thames", "the Thames", 0, "2/3", "1/2"),
    ("born in 1953", "1953", 0, "1/2", "1/2"),
    ("1953-54", "1953", 0, 0, "1/2"),
    ("Byzantine Empire", "Byzantine", 0, "2/3", "2/3"),
    ("Byzantium", "Byzantine", 0, 0, 0),
    ("I do not know", "York", 0, 0, 0),
    ("Yorkish", "York", 0, 0, 0),
    ("York, England", "York", 0, "2/3", "1/2"),
    ("the city of York", "York", 0, "1/2", "2/5"),
    ("Louis X", "Louis IX", 0, "1/2", "1/2"),
    ("king Louis IX of France", "Louis IX", 0, "4/7", "4/7"),
    ("\ud800", "Paris", 0, 0, 0),
    ("Pa\x00ris", "Paris", 0, 0, 0),
    ("P\u0430ris", "Paris", 0, 0, 0),  # a Cyrillic letter
]

# answer, golds, score
CHOICES = [
    ("C", ["C", "red"], 1),
    ("c", ["C", "red"], 1),
    (" C. ", ["C", "red"], 1),
    ("(C)", ["C", "red"], 1),
    ("[c]", ["C", "red"], 1),
    ("C)", ["C", "red"], 1),
    ("C:", ["C", "red"], 1),
    ("Option C", ["C", "red"], 1),
    ("choice (C)", ["C", "red"], 1),
    ("The answer is C.", ["C", "red"], 1),
    ("the correct option is: c", ["C", "red"], 1),
    ("C) red", ["C", "red"], 1),
    ("(C) Red.", ["C", "red"], 1),
    ("C. red", ["C", "red"], 1),
    ("red", ["C", "red"], 1),
    ("RED.", ["C", "red"], 1),
    ("the answer is red", ["C", "red"], 1),
    ("D) B", ["D", "D) B"], 1),
    ("D", ["D", "D) B"], 1),
    ("3", ["3", "water"], 1),
    ("B. F. Skinner", ["D", "B. F. Skinner"], 1),
    ("1,000 m", ["A", "1,000 m"], 1),
    ("A", ["C", "red"], 0),
    ("B", ["C", "red"], 0),
    ("D", ["C", "red"], 0),
    ("CC", ["C", "red"], 0),
    ("C D", ["C", "red"], 0),
    ("C and D", ["C", "red"], 0),
    ("C or D", ["C", "red"], 0),
    ("C, D", ["C", "red"], 0),
    ("A) C", ["C", "red"], 0),
    ("not C", ["C", "red"], 0),
    ("C) blue", ["C", "red"], 0),
    ("(C) blue", ["C", "red"], 0),
    ("A) red", ["C", "red"], 0),
    ("C red", ["C", "red"], 0),
    ("reds", ["C", "red"], 0),
    ("re", ["C", "red"], 0),
    ("dark red", ["C", "red"], 0),
    ("red or blue", ["C", "red"], 0),
    ("blue", ["C", "red"], 0),
    ("", ["C", "red"], 0),
    (".", ["C", "red"], 0),
    ("()", ["C", "red"], 0),
    ("Option", ["C", "red"], 0),
    ("the answer is", ["C", "red"], 0),
    ("the answer is D", ["C", "red"], 0),
    ("C because of red", ["C", "red"], 0),
    ("C\nD", ["C", "red"], 0),
    ("carbon", ["C", "red"], 0),
    ("Cat", ["C", "red"], 0),
    ("\u0421", ["C", "red"], 0),  # a Cyrillic letter
    ("$C + D$", ["C", "red"], 0),
    ("B", ["D", "D) B"], 0),
    ("b.", ["D", "D) B"], 0),
    ("B) B", ["D", "D) B"], 0),
    ("B. F. Skinner", ["B", "Freud"], 0),
    ("B. F. Skinner", ["B", "B) bb BB"], 0),
    ("bb BB", ["C", "C) Bb BB"], 0),
    ("4", ["3", "water"], 0),
    ("33", ["3", "water"], 0),
    ("3) fire", ["3", "water"], 0),
    ("3.5", ["3", "water"], 0),
    ("1,00 m", ["A", "1,000 m"], 0),
    ("1000 m", ["A", "1,000 m"], 0),
    ("A, B", ["A", "both"], 0),
    ("None of the above", ["D", "All of the above"], 0),
    ("All of the above", ["D", "None of the above"], 0),
    ("above", ["D", "All of the above"], 0),
    ("True, False", ["C", "False, True"], 0),
    ("True", ["C", "True, False"], 0),
    ("~A", ["A", "A"], 0),
    ("A and B", ["A", "B and C"], 0),
    ("E", ["A", "x"], 0),
    ("a)", ["B", "B) A"], 0),
    ("O2", ["B", "O_{2}"], 0),
    ("I", ["D", "ii"], 0),
    ("ii)", ["D", "i"], 0),
    ("Earth", ["B", "Earth's"], 0),
    ("planetary days become shorter", ["C", "Planetary days will become shorter."], 0),
    ("C: the days", ["C", "Planetary days will become shorter."], 0),
    ("x", [], 0),
]

# answer, gold, score
NUMBERS = [
    ("18", "18", 1),
    ("18.", "18", 1),
    ("$18", "18", 1),
    ("\\$18", "18", 1),
    ("18 dollars", "18", 1),
    ("\\text{18 eggs}", "18", 1),
    ("18.00", "18", 1),
    ("x = 18", "18", 1),
    ("9 + 9 = 18", "18", 1),
    ("2125", "2,125", 1),
    ("2,125", "2125", 1),
    ("$2,125.00", "2,125", 1),
    ("15{,}000", "15000", 1),
    ("\\$15,\\!000", "15,000", 1),
    ("1,450,000", "1450000", 1),
    ("-10", "-10", 1),
    ("\u221210", "-10", 1),
    ("minus 10", "-10", 1),
    ("-$3.50", "-3.5", 1),
    ("$-3", "-3", 1),
    ("40%", "40", 1),
    ("1/2", "0.5", 1),
    ("3 million", "3000000", 1),
    ("\uff11\uff18", "18", 1),
    ("-18", "18", 0),
    ("10", "-10", 0),
    ("17", "18", 0),
    ("19", "18", 0),
    ("180", "18", 0),
    ("1.8", "18", 0),
    ("18.5", "18", 0),
    ("18.01", "18", 0),
    ("118", "18", 0),
    ("81", "18", 0),
    ("1 8", "18", 0),
    ("1,8", "18", 0),
    ("18,", "19", 0),
    ("2,12", "212", 0),
    ("21,25", "2125", 0),
    ("2,1255", "21255", 0),
    (",125", "0", 0),
    ("2.125", "2125", 0),
    ("2125000", "2125", 0),
    ("", "18", 0),
    ("eighteen", "18", 0),
    ("$", "18", 0),
    ("18 or 19", "18", 0),
    ("17-18", "18", 0),
    ("between 17 and 18", "18", 0),
    ("18 eggs, 2 cups", "18", 0),
    ("18/1/1", "18", 0),
    ("36/2/1", "18", 0),
    ("18/0", "18", 0),
    ("9*2", "18", 0),
    ("9 + 9", "18", 0),
    ("20 - 2", "18", 0),
    ("\\frac{36}{2}", "18", 0),
    ("\\sqrt{324}", "18", 0),
    ("18^2", "18", 0),
    ("2^1", "2", 0),
    ("18²", "18", 0),
    ("18\u00b11", "18", 0),
    ("18\\pi", "18", 0),
    ("18 = 9 + 10", "18", 0),
    ("18 = x", "18", 0),
    ("18 = 19", "18", 0),
    ("12:30", "12", 0),
    ("H2O", "2", 0),
    ("x18", "18", 0),
    ("v1.18", "18", 0),
    ("1e999999999", "1", 0),
    ("1e18", "18", 0),
    ("3 thousand", "3", 0),
    ("0x12", "18", 0),
    ("0", "18", 0),
    ("NaN", "18", 0),
    ("inf", "18", 0),
    ("18 18", "18", 0),
    ("__import__('os')", "18", 0),
    ("9" * 1_900, "18", 0),
    ("9" * 5_000, "18", 0),
    ("1/3", "0.333", 0),
    ("50%", "0.5", 0),
    ("0.5", "50", 0),
    ("$18 each for 2", "36", 0),
    ("Day 1: 18", "18", 0),
]


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
