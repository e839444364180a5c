"""Tables in every form: values as readers see them, labels that wrap, numbers that are always there."""

from __future__ import annotations

import csv
import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from optima_envs.adapters.render import printable
from optima_train.analysis.metrics import METRICS, metric, of_stages
from optima_train.loop.results import DATA_NUMBERS
from optima_train.report.tables import Table, escaped, say


def printed(table: Table, width: int = 80) -> list[str]:
    text = io.StringIO()
    table.print(Console(file=text, width=width))
    return [line.rstrip() for line in text.getvalue().splitlines()]


def cells(line: str) -> list[str]:
    """The cells of a markdown row as a reader sees them."""
    parts = re.split(r"(?<!\\)(?:\\\\)*\|", line.strip())[1:-1]
    return [re.sub(r"\\(.)", r"\1", part.strip()) for part in parts]


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("score", None, "-"), ("n", 12345, "12345"), ("score", 0.12345, "0.123"), ("diff", -0.5, "-0.500"),
        ("tokens", 3.14159, "3.1"), ("tokens", 1234.5, "1234.5"), ("cached_share", 0.125, "12.5%"),
        ("pareto", True, "yes"), ("pareto", False, ""), ("p", 0.0, "<0.0001"), ("p_holm", 0.03125, "0.0312"),
        ("score", 0.0, "0.000"), ("failures", 0, "0"), ("never-heard-of", 0.123456, "0.123"), ("score", "odd", "odd"),
    ],
)  # fmt: skip
def test_values_as_readers_see_them(name: str, value: object, text: str):
    assert metric(name).show(value) == text


def test_a_value_is_shown_with_its_interval_and_a_list_of_seeds_by_its_length():
    row = {"label": "a", "score": 0.5, "score_ci": [0.4, 0.61239], "seeds": [0, 1, 2], "diff": 0.1, "ci": [0, 0.2]}
    table = Table(("label", "score", "seeds", "diff"), [row, {"label": "b"}])
    assert printed(table) == [
        "team       score [95%] seeds         difference [95%]",
        "a    0.500 [0.40, 0.61]     3 +0.100 [+0.000, +0.200]",
        "b                     -     -                       -",
    ] or [line.split() for line in printed(table)[1:]] == [
        "a 0.500 [0.40, 0.61] 3 +0.100 [+0.000, +0.200]".split(), "b - - -".split(),
    ]  # fmt: skip
    assert "| a | 0.500 [0.400, 0.612] | 3 | +0.100 [+0.000, +0.200] |" in table.markdown()


def test_columns_without_a_value_are_left_out_where_that_is_asked_for():
    rows = [{"label": "a", "score": 0.5, "nll": None}, {"label": "b", "score": 1}]
    assert Table(("label", "score", "nll"), rows, sparse=True).shown == ["label", "score"]
    assert Table(("label", "score", "nll"), rows).shown == ["label", "score", "nll"]


@given(st.text(max_size=300), st.integers(1, 300), st.floats(0, 1), st.integers(0, 10**12))
def test_no_number_is_ever_cut_and_no_label_lost(label: str, width: int, score: float, tokens: int):
    row = {"label": label, "score": score, "tokens": tokens, "tokens_ci": [0, tokens], "failures": 12345}
    body = printed(Table(("label", "score", "tokens", "failures"), [row]), width)[1:]
    assert re.search(rf"{score:.3f} +{tokens}\.0 \[0\.0, {tokens}\.0\] +12345$", body[0])
    left = "".join(line for line in body)
    for word in printable(label).split():
        assert all(letter in left for letter in word)


def test_a_table_is_no_wider_than_it_has_to_be():
    rows = [{"label": "a label of some words " * 5, "score": 0.5, "tokens": 3}]
    assert max(map(len, printed(Table(("label", "score", "tokens"), rows), 60))) <= 60
    assert len(printed(Table(("label", "score", "tokens"), rows), 200)) == 2


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_text_stays_in_its_cell_of_markdown(first: str, second: str):
    lines = Table(("label", "reason"), [{"label": first, "reason": second}]).markdown().split("\n")
    assert len(lines) == 4 and lines[-1] == ""
    assert len(cells(lines[2])) == 2
    assert not re.search(r"(?<!\\)[<>`*_\[]", lines[2].replace("\\\\", ""))


def test_a_text_where_a_number_should_be_is_no_markup_either():
    assert "<b>" not in Table(("score",), [{"score": "<b>x</b>"}]).markdown().replace("\\<", "")
    assert escaped("a|b`*_<>[]\\\n\x1b") == r"a\|b\`\*\_\<\>\[\]\\ " + "\ufffd"


@given(st.lists(st.fixed_dictionaries({"label": st.text(), "score": st.floats(allow_nan=False, allow_infinity=False)})))
def test_any_csv_reads_back(rows: list[dict]):
    found = csv.DictReader(io.StringIO(Table(("label", "score"), rows).csv(), newline=""))
    assert [(row["label"], float(row["score"])) for row in found] == [(row["label"], row["score"]) for row in rows]


def test_csv_has_two_columns_for_an_interval():
    rows = [{"score": 0.123456789, "score_ci": [0.1, 0.2], "diff": 1.0, "ci": [0.5, 1.5]}, {"score": 1.0}]
    found = list(csv.DictReader(io.StringIO(Table(("score", "diff"), rows).csv())))
    assert found[0] == {"score": "0.123456789", "score_low": "0.1", "score_high": "0.2", "diff": "1.0",
                        "ci_low": "0.5", "ci_high": "1.5"}  # fmt: skip
    assert found[1]["score_low"] == ""


def test_a_line_is_said_as_it_is():
    text = io.StringIO()
    say(Console(file=text, width=20), "[/b] [red]x[/] \x1b[31m\x07 and\na second line that is long")
    assert text.getvalue() == "[/b] [red]x[/] \ufffd[31m\ufffd and a second line that is long\n"


def test_every_metric_is_described_once_and_the_numbers_of_stages_are_those_of_the_loop():
    assert all(name == item.name and item.title for name, item in METRICS.items())
    assert of_stages() == DATA_NUMBERS == {
        "select": ("kept", "dropped"), "grow": ("trees", "sampled_share"), "pairs": ("pairs",), "train": ("skipped",),
    }  # fmt: skip
    for name in ("score", "tokens", "nll", "guesses", "kept", "failures", "p", "unparsed", "unanswered"):
        assert METRICS[name].hint
