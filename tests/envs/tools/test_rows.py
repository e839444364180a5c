"""The metric rows: lists in any order, numbers as numbers, and none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optima_envs.tools.rows import METRIC, values


@pytest.mark.parametrize(
    ("answer", "gold"),
    [
        ('["Tern", "Wren"]', '["Wren", "Tern"]'),
        ("Wren", '["Wren"]'),
        ("the wren.", '["Wren"]'),
        ("['Wren', \"it's\"]", '["it\'s", "Wren"]'),
        ("[('Wren',), ('Tern',)]", '["Tern", "Wren"]'),
        ('[["Wren"], ["Tern"]]', '["Tern", "Wren"]'),
        ("[Wren, Tern]", '["Tern", "Wren"]'),
        ("12", '["12.0"]'),
        ("[12]", '["12.0"]'),
        ("1,250", '["1250"]'),
        ("12.333333", '["12.33"]'),
        ("23%", '["23"]'),
        ("-3", '["\u22123"]'),
        ("[1.01, 1.00]", "[1.01, 1.02]"),
        ("none", '["none"]'),
        ("[]", '["none"]'),
        ("[null]", '["None"]'),
        ('["a, b"]', '["a, b"]'),
        ("S\u00f8r", '["s\u00f8r"]'),
    ],
)
def test_right(answer: str, gold: str):
    assert METRIC.score(answer, [gold]) == 1.0


@pytest.mark.parametrize(
    ("answer", "gold"),
    [
        ("Wren", '["Wren", "Tern"]'),
        ('["Wren", "Wren"]', '["Wren", "Tern"]'),
        ('["Wren", "Tern", "Gull"]', '["Wren", "Tern"]'),
        ("12.5", '["12"]'),
        ("12 boats", '["12"]'),
        ("-12", '["12"]'),
        ("none", '["0.0"]'),
        ("0", '["none"]'),
        ("[]", '["Wren"]'),
        ("1,25", '["125"]'),
        ("I do not know", '["none"]'),
    ],
)
def test_wrong(answer: str, gold: str):
    assert METRIC.score(answer, [gold]) == 0.0


def test_no_answer_is_worth_nothing_even_where_nothing_is_right():
    assert METRIC.score(None, ['["none"]']) == 0.0


@given(st.text(max_size=100) | st.text(alphabet="[](),'\"\\ a1.", max_size=60))
def test_any_answer_is_right_against_itself_and_never_raises(text: str):
    assert METRIC.score(f"[{text}]", ['["never"]']) in (0.0, 1.0)
    assert values(text)


@given(st.lists(st.text(max_size=20) | st.integers() | st.none(), max_size=6))
def test_a_list_written_as_json_is_read_whole(items: list):
    import json

    written = json.dumps([item if item is None else str(item) for item in items])
    if len(written) < 2_000:
        assert METRIC.score(written, [written]) == 1.0
