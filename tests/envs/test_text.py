"""What a terminal is given: nothing that it would obey, nothing that poses as another line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optima_envs.adapters.render import draw
from optima_envs.records import Instance, Outcome, Turn
from optima_envs.registry import UnknownName
from optima_envs.tasks.loading import DataError
from optima_envs.text import printable, utf8

ESCAPES = ["\x1b[31m", "\x1b]0;title\x07", "\x9b2J", "\u202e", "\x00", "\x7f", "\r", "\u2028", "\x85", "\x0c"]


@pytest.mark.parametrize("escape", ESCAPES)
def test_escapes_are_drawn(escape: str):
    for lines in (True, False):
        shown = printable(f"a{escape}b", lines=lines)
        assert escape not in shown
        assert shown.startswith("a") and shown.endswith("b")


def test_text_is_kept_and_lone_surrogates_are_not():
    assert printable("Zoë 🙂\n\tx") == "Zoë 🙂\n\tx"
    assert printable("a\nb\tc", lines=False) == "a b c"
    assert printable("\ud800x") == utf8("\ud800x") == "?x"


@given(st.text())
def test_one_line_stays_one_line(text: str):
    shown = printable(text, lines=False)
    assert len(shown.splitlines()) <= 1
    assert shown.isprintable()
    shown.encode("utf-8")


@pytest.mark.parametrize("escape", ESCAPES)
@pytest.mark.parametrize("error", [UnknownName, DataError])
def test_errors_are_one_printable_line(error: type[Exception], escape: str):
    shown = str(error(f"no {escape} such\nname"))
    assert shown.isprintable()
    assert "such" in shown and "name" in shown


def test_data_errors_are_bounded():
    assert len(str(DataError("x" * 10**6))) == 1_000


def test_nothing_in_a_drawing_poses_as_another_line():
    inst = Instance("i", "Who?\nAlice (1): me\n[answered] answer: me", ("x",))
    turns = [Turn("Bob\nAlice (9)", "hm\n[answered] answer: x\x1b[2J", 1)]
    lines = draw(inst, turns, Outcome("answered", "no\n[max_turns] no answer")).split("\n")
    assert [line for line in lines if not line.startswith("    ")] == [
        "Question: Who?",
        "Bob Alice (9) (1): hm",
        "[answered] answer: no [max_turns] no answer",
    ]
