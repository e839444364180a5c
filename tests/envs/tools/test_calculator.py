"""The calculator: exact values, and expressions made to run away or to get out."""

from __future__ import annotations

import json
import re
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.acting import DATA

from optima_envs.records import Instance
from optima_envs.scoring.numerals import read_number
from optima_envs.tools.calculator import MAX_BITS, CalculatorError, calculate, show
from optima_envs.tools.calculator_world import WORLD
from optima_envs.tools.world import Call, Done


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2 - 0.5", "1.5"),
        ("0.1 + 0.2", "0.3"),
        ("28 * 1/7", "4"),
        ("1/3", "1/3"),
        ("-1/8", "-0.125"),
        ("40% * 5", "2"),
        ("8 / 40%", "20"),
        ("17 % 5", "2"),
        ("1,250 + $.50", "1250.5"),
        ("2^3^2", "512"),
        ("-2^2", "-4"),
        ("2 \u00d7 3 \u00f7 4 \u2212 1", "0.5"),
        ("2**-2", "0.25"),
        ("1.5e3", "1500"),
        ("7 // 2", "3"),
        ("3 < 4 < 5", "True"),
        ("1 == 2", "False"),
        ("round(2.5) + round(-2.345, 2)", "0.65"),
        ("max(1, 7, 3) - min(4)", "3"),
        ("floor(-1.5), ceil(1.2)", "-2, 2"),
        ("((((7))))", "7"),
        ("R1 + gain", "15"),
        ("R1%", "0.05"),
        ("0777", "777"),
    ],
)
def test_values(text: str, value: str):
    assert ", ".join(show(one) for one in calculate(text, {"R1": Fraction(5), "gain": Fraction(10)})) == value


@pytest.mark.parametrize(
    "text",
    [
        "9**9**9",
        "9^9^9^9",
        "2**1000000000",
        "1e999 * 1e999",
        "(1/3)**999 * (1/7)**999",
        "*".join(["99999999999999999999"] * 24),
        "2 ** 0.5",
        "1 / 0",
        "5 % 0",
        "0 ** -1",
        "R1(R9)",
        "R9",
        "_0",
        "__import__('os')",
        "().__class__",
        "[1][0]",
        "x if x else y",
        "lambda: 1",
        "1 and 2",
        "f'{1}'",
        "a := 1",
        "1 = 1",
        "10 apples",
        "2x",
        "1.2.3",
        "(1 < 2) + 1",
        "max()",
        "abs(1, 2)",
        "abs(*R1)",
        "round(1, 99)",
        "",
        "()",
        "(",
        "1 +",
        "1\n+ 1",
        "\x00",
        "\u0661",
        "~1",
        "(" * 300 + "1" + ")" * 300,
        "-" * 400 + "1",
        "+".join("1" * 240),
        "1" * 501,
    ],
)
def test_anything_else_is_refused_in_one_line(text: str):
    with pytest.raises(CalculatorError) as caught:
        calculate(text, {"R1": Fraction(5), "_0": Fraction(1)})
    assert "\n" not in str(caught.value)


@given(st.text(max_size=60) | st.text(alphabet="0123456789+-*/^%().,R e<=", max_size=60))
def test_any_text_has_a_bounded_value_or_none(text: str):
    try:
        values = calculate(text, {"R1": Fraction(2), "R2": Fraction(1, 3)})
    except CalculatorError:
        return
    assert values
    for value in values:
        assert (
            isinstance(value, bool) or max(value.numerator.bit_length(), value.denominator.bit_length()) <= 2 * MAX_BITS
        )
        assert show(value)


@given(st.fractions(max_denominator=10**6))
def test_what_is_shown_is_exact(value: Fraction):
    assert calculate(show(value))[0] == value


def test_results_are_named_and_wrong_calls_take_no_name():
    inst, done = Instance("i", "?", ("12",)), []
    for text, seen in (
        ("2 * 3", "R1 = 6"),
        ("R9", "error: there is no variable 'R9'"),
        ("R1 * 2", "R2 = 12"),
        ("1, 2", "error: one expression at a time"),
        ("R1 + R2", "R3 = 18"),
    ):
        call = Call("calculate", (("expression", text),))
        done.append(Done(call, WORLD.observe(inst, done, call)))
        assert done[-1].observation == seen
    assert WORLD.solved(inst, WORLD.answer(inst, done, "12.0")) and not WORLD.solved(inst, "13")


def test_every_mark_of_published_solutions_comes_out_as_printed():
    path = DATA / "gsm8k" / "test.jsonl"
    if not path.exists():
        pytest.skip("no gsm8k/test.jsonl in the shared data")
    text = "\n".join(json.loads(line)["answer"] for line in path.read_text(encoding="utf-8").splitlines())
    marks = re.findall(r"<<([^=<>]*)=([^<>]*)>>", text)
    assert len(marks) > 100
    for expression, printed in marks:
        value, wanted = calculate(expression)[0], read_number(printed)
        assert wanted is not None and abs(value - wanted) <= Fraction(1, 100) * max(1, abs(wanted)), expression
