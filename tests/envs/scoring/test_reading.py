"""What must hold for any answer: decoration changes no verdict, and no digit vanishes."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from optima_envs.scoring.characters import fold
from optima_envs.scoring.decoration import bare, plain
from optima_envs.scoring.maths.mathcheck import equivalent
from optima_envs.scoring.metrics import METRICS
from optima_envs.scoring.numerals import read_number
from optima_envs.scoring.parsing import normalise

AROUND = [
    "**@**",
    "*@*",
    "__@__",
    "_@_",
    "***@***",
    "`@`",
    "```\n@\n```",
    "~~@~~",
    '"@"',
    "'@'",
    "\u201c@\u201d",
    "\u00ab@\u00bb",
    "\u300c@\u300d",
    "$@$",
    "$$@$$",
    "\\(@\\)",
    "\\[@\\]",
    "\\text{@}",
    "\\textbf{@}",
    "\\mathrm{@}",
    "\\boxed{@}",
    "\\fbox{@}",
    "\\underline{@}",
    "\\color{red}{@}",
    "\\color{red} @",
    "\\textcolor{red}{@}",
    "\\displaystyle @",
    "{\\bf @}",
    "{@}",
    "<A>@</A>",
    "<b>@</b>",
    "<strong>@</strong>",
    "<answer>@</answer>",
]
WORDED = ["The answer is @", "Answer: @", "The final answer is @", "So the answer is @", "**Answer:** @"]


OUTSIDE = ["@", " @ ", "\n@\n", "@.", "\u200b@\ufeff", "\\quad @\\,", "@\\\\", "@~", "#### @"]


def family(form: str) -> str:
    """Nobody puts the same kind of marks around an answer twice."""
    if form.startswith(("$", "\\(", "\\[")):
        return "$"
    return "quotes" if form[0] in "\"'\u201c\u00ab\u300c" else form if form[0] == "\\" else form[0]


around = st.tuples(
    st.lists(st.sampled_from(AROUND), min_size=1, max_size=3, unique_by=family), st.sampled_from(OUTSIDE)
).map(lambda forms: [*forms[0], forms[1]])
worded = st.sampled_from(["@", *WORDED])


def dressed(answer: str, forms: list[str]) -> str:
    for form in forms:
        answer = form.replace("@", answer)
    return answer


ANSWERS = {
    "choice": [("C", ["C", "red"]), ("c) red", ["C", "red"]), ("red", ["C", "red"]), ("B", ["C", "red"])],
    "number": [("18", ["18"]), ("-3.50", ["-3.5"]), ("1,250", ["1250"]), ("3/4", ["0.75"]), ("17", ["18"])],
    "em": [("Paris", ["Paris"]), ("New York", ["New York"]), ("Rome", ["Paris"]), ("yes", ["yes"])],
    "f1": [("Paris", ["Paris"]), ("in Paris", ["Paris"]), ("Rome", ["Paris"])],
}


@pytest.mark.parametrize("metric", ANSWERS)
@given(data=st.data(), forms=around, wording=worded)
@settings(deadline=None)
def test_decoration_changes_no_verdict(metric: str, data: st.DataObject, forms: list[str], wording: str) -> None:
    answer, golds = data.draw(st.sampled_from(ANSWERS[metric]))
    said = dressed(answer, forms)
    if metric in ("choice", "number") and "{@}" not in forms:  # the others take words for what they are
        said = wording.replace("@", said)
    assert METRICS[metric].score(said, golds) == METRICS[metric].score(answer, golds), said


MATHS = [
    ("41", "41"),
    ("-5", "-5"),
    ("3.5", "\\frac72"),
    ("(1,2)", "(1,2)"),
    ("2x+1", "1+2x"),
    ("40", "41"),
    ("x=9", "9"),
]


@given(st.sampled_from(MATHS), around, st.sampled_from(["@", *WORDED[:4]]))
@settings(deadline=None, max_examples=60)
def test_decoration_changes_no_mathematics(pair: tuple[str, str], forms: list[str], wording: str) -> None:
    pytest.importorskip("math_verify")
    answer, gold = pair
    said = wording.replace("@", dressed(answer, [form for form in forms if form != "{@}"]))  # may be a set
    assert equivalent(said, gold)[0] == equivalent(answer, gold)[0], said


@given(st.sampled_from(["Paris", "C", "-5", "1/2", "Zo\u00eb"]), around)
def test_decoration_keeps_no_answers_apart(answer: str, forms: list[str]) -> None:
    assert normalise(dressed(answer, forms)) == normalise(answer)


# no digit of it is 0 or 1, which may add nothing (5.0, 5/1)
junk = st.text("23456789 ,.'_-:/x%$\u20ac()^\u00bd", min_size=1, max_size=6).filter(
    lambda text: any(char.isdigit() for char in text)
)


@given(st.integers(2, 10**6), junk, st.booleans())
@settings(max_examples=400)
def test_no_digit_of_a_number_vanishes(number: int, more: str, before: bool) -> None:
    text = f"{more}{number}" if before else f"{number}{more}"
    assert read_number(text) != number, text


@given(st.integers(2, 10**6), st.text("23456789 ,.;:()$\\{}\u00b2\u00bd", min_size=1, max_size=5), st.booleans())
@example(2, "$\u00b2", False)  # there are no square dollars
@settings(deadline=None, max_examples=150)
def test_no_digit_of_a_value_vanishes(number: int, more: str, before: bool) -> None:
    pytest.importorskip("math_verify")
    if any(char in "23456789\u00b2\u00bd" for char in more):
        text = f"{more}{number}" if before else f"{number}{more}"
        assert not equivalent(text, str(number))[0], text


@given(st.text(max_size=200))
def test_folding_and_undecorating_are_total_and_keep_letters_and_digits(text: str) -> None:
    for reader in (fold, bare, plain):
        read = reader(text)
        assert not text.strip() or not any(char.isalnum() for char in fold(text)) or read.strip()
    folded = fold(text)
    assert fold(folded) == folded or not text.isascii()


@given(st.integers(-(10**9), 10**9))
def test_a_number_is_read_in_any_digits_and_with_any_dash(number: int) -> None:
    for zero in ("\u0660", "\u0966", "\uff10", "\U0001d7ce"):
        text = "".join(chr(ord(zero) + int(char)) if char.isdigit() else char for char in str(number))
        for dash in "-\u2212\u2013\u2014\u2012\u2010\u2011\ufe63\uff0d":
            assert read_number(text.replace("-", dash)) == number == Fraction(number)
