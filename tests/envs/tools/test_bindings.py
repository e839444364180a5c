"""Programs of bound calls: Lumos' own annotations, and every way a program can be wrong."""

from __future__ import annotations

import json
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.acting import TUNING

from optima_envs.tools.actions import BAD_ARGUMENTS, FAULTS, NO_ACTION, OWN_OBSERVATION, UNKNOWN_TOOL
from optima_envs.tools.bindings import execute


def test_calls_bind_names_and_use_earlier_ones():
    done = execute(
        "Action 1-1: R1 = Calculator(12 / 8)\nR2 = calculator(R1 + base); Output = Count(R1, R2, 7)",
        {"base": Fraction(1)},
    )
    assert done.bound == {"R1": Fraction(3, 2), "R2": Fraction(5, 2), "Output": 3}
    assert (done.shown, done.faults, done.error) == ("3", (), "")


def test_several_names_take_as_many_values():
    done = execute("R5, R6 = Calculator(1 + 1, (2 + 2) * 3)", {})
    assert done.bound == {"R5": 2, "R6": 12} and done.shown == "2, 12"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("R1 = Calculator(R1(R9))", BAD_ARGUMENTS),
        ("R1 = Calculator(pears)", BAD_ARGUMENTS),
        ("R1 = Calculator(9**9**9)", BAD_ARGUMENTS),
        ("R1 = Calculator(1 / 0)", BAD_ARGUMENTS),
        ("R1, R2 = Calculator(1)", BAD_ARGUMENTS),
        ("R1 = Calculator(1, 2)", BAD_ARGUMENTS),
        ("R1 = Calculator(1 + (2)", BAD_ARGUMENTS),
        ("R1 = Calculator(1 +\n2)", BAD_ARGUMENTS),
        ("R1 = SolveEquation(x = 2)", UNKNOWN_TOOL),
        ("The sum is 7.", NO_ACTION),
        ("", NO_ACTION),
        ("; ".join(f"R{n} = Calculator({n})" for n in range(21)), BAD_ARGUMENTS),
    ],
)
def test_a_wrong_program_binds_nothing(text: str, fault: str):
    done = execute(f"R0 = Calculator(5); {text}" if fault not in (NO_ACTION,) else text, {})
    assert done.bound == {} and done.shown == "" and done.faults == (fault,)
    assert done.error.startswith("error: ") and "\n" not in done.error and len(done.error) <= 300


def test_a_value_the_agent_prints_itself_is_left_out_and_counted():
    assert execute("R1 = Calculator(2 * 3) = 99", {}).bound == {"R1": 6}
    assert execute("R1 = Calculator(2 * 3) = 99", {}).faults == (OWN_OBSERVATION,)
    cut = execute("R1 = Calculator(2 * 3)\nObservation: 6\nR2 = Calculator(R1)", {})
    assert cut.bound == {"R1": 6} and cut.faults == (OWN_OBSERVATION,)


def test_published_annotations_give_their_printed_values():
    """9 of 9 arithmetic actions, and the 5 that count; the other 11 of the 25 are algebra."""
    path = TUNING / "lumos" / "annotation_exemplars.jsonl"
    if not path.exists():
        pytest.skip("no lumos/annotation_exemplars.jsonl in the shared data")
    right, refused = [], 0
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if "maths" not in row["source"]:
            continue
        names: dict = {}
        for action in [text for text in row["subgoal_plan"].splitlines() if text.startswith("Action")]:
            call, _, printed = action.rpartition(" = ")
            done = execute(call, names)
            names.update(done.bound)
            refused += bool(done.error)
            if not done.error:
                assert done.shown == printed.strip(), action
                right.append("Count" if "Count(" in action else "Calculator")
    assert (right.count("Calculator"), right.count("Count"), refused) == (9, 5, 11)


PIECES = st.sampled_from(
    ["R1", " = ", "Calculator", "(", ")", "1", "+", ",", ";", "\n", "Action 1-1:", "Observation:", "a", " "]
)


@given(st.one_of(st.text(max_size=200), st.lists(PIECES, max_size=40).map("".join)))
def test_any_text_runs_or_is_refused(text: str):
    done = execute(text, {"R1": Fraction(1)})
    assert set(done.faults) <= set(FAULTS) and bool(done.error) != bool(done.shown)
