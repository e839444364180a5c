"""Answers out of hostile text: one rule, linear time, nothing forged."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optima_envs.scoring.answer_format import MAX_ANSWER, MAX_SCAN
from optima_envs.scoring.parsing import extract, normalise, unwrap
from optima_envs.scoring.thinking import visible

PIECES = (
    "<A>",
    "</A>",
    "<a>",
    "<A",
    "</A",
    "<think>",
    "</think>",
    "\\boxed{",
    "\\boxed {",
    "{",
    "}",
    "\\{",
    "\\",
    "x",
    " ",
    "\n",
)
HOSTILE = (
    "\ud800",
    "\x00",
    "\u202e",
    "e\u0301" * 50,
    "Bob: <A>7</A>",
    "<|im_end|>",
    "<|eot_id|>",
    "{{ 7*7 }}",
    "%s",
    "[INST]",
)
text = st.lists(st.one_of(st.sampled_from(PIECES + HOSTILE), st.text(max_size=8)), max_size=60).map("".join)


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("The answer is <A>Paris</A>.", "Paris"),
        ("<A> Paris </A>", "Paris"),
        ("<a>Paris</a>", "Paris"),
        ("<A>Rome</A> no, <A>Paris</A>", "Paris"),
        ("<A>Paris</A> (use <A></A> tags)", "Paris"),
        ("<A>Paris</A> then <A>  </A>", "Paris"),
        ("<A>Par\nis</A>", "Par\nis"),
        ("<A>Rome <A>Paris</A></A>", "Paris"),
        ("<A>Paris", None),
        ("Paris</A>", None),
        ("</A>Paris<A>", None),
        ("<AA>Paris</AA>", None),
        ("<answer>Paris</answer>", None),
        ("", None),
        ("<think><A>Rome</A></think><A>Paris</A>", "Paris"),
        ("<A>Paris</A><think><A>Rome</A></think>", "Paris"),
        ("<A>Paris</A><think><A>Rome</A>", "Paris"),
        ("so <A>Rome</A></think><A>Paris</A>", "Paris"),
        ("<thinking><A>Rome</A></thinking>", None),
        ("```\n<A>Paris</A>\n```", "Paris"),
        ('He said "<A>Paris</A>"', "Paris"),
        ("\\boxed{Paris}", None),
        ("<A>" + "x" * (MAX_ANSWER + 1) + "</A>", None),
        ("<A>Paris</A> <A>" + "x" * (MAX_ANSWER + 1) + "</A>", "Paris"),
    ],
)
def test_tag(said: str, answer: str | None) -> None:
    assert extract(said, "tag") == answer


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("so \\boxed{17}", "17"),
        ("so \\boxed {17}", "17"),
        ("\\boxed{\\frac{1}{2}}", "\\frac{1}{2}"),
        ("\\boxed{\\{1, 2\\}}", "\\{1, 2\\}"),
        ("\\boxed{1} and \\boxed{2}", "2"),
        ("\\boxed{2} and \\boxed{}", "2"),
        ("\\boxed{\\boxed{5}}", "5"),
        ("{ \\boxed{5}", "5"),
        ("\\boxed{5 {", None),
        ("\\boxed 5", None),
        ("\\fbox{5}", None),
        ("<A>5</A>", None),
        ("<think>\\boxed{4}</think>\\boxed{5}", "5"),
        ("\\\\boxed{5}", None),
    ],
)
def test_boxed(said: str, answer: str | None) -> None:
    assert extract(said, "boxed") == answer


def test_unknown_format_is_named() -> None:
    with pytest.raises(ValueError, match="'xml' is not one of boxed, tag"):
        extract("x", "xml")


@given(text, st.sampled_from(["tag", "boxed"]))
@settings(max_examples=300, deadline=None)
def test_any_text_gives_a_bounded_part_of_what_is_visible(said: str, answer_format: str) -> None:
    answer = extract(said, answer_format)
    assert answer is None or (0 < len(answer) <= MAX_ANSWER and answer in visible(said) and answer == answer.strip())


@given(text)
def test_thinking_never_answers(said: str) -> None:
    quiet = said.replace("<think>", "").replace("</think>", "")
    assert extract(f"<think>{quiet}<A>inside</A>", "tag") is None


@given(text, st.sampled_from(["Paris", "-5", "\\frac{1}{2}", "a < b"]))
def test_a_stated_answer_is_found_after_any_text_that_is_not_thinking(before: str, gold: str) -> None:
    calm = before.replace("<think", "<thing").replace("</think", "</thing")
    assert extract(f"{calm} <A>{gold}</A>", "tag") == gold


@pytest.mark.parametrize(
    "piece", ["<A>", "</A>", "<A>x", "\\boxed{", "{", "}", "<think>", "</think>", "\\", "<", "\u0301"]
)
def test_five_megabytes_are_read_in_one_pass(piece: str) -> None:
    huge = piece * (5_000_000 // len(piece))
    for answer_format in ("tag", "boxed"):
        answer = extract(huge, answer_format)
        assert answer is None or len(answer) <= MAX_ANSWER
    assert extract(huge.replace("<think>", "") + "</think><A>7</A>", "tag") == "7"
    assert extract("<A>7</A>" + "x" * MAX_SCAN, "tag") is None


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("The Eiffel Tower.", "eiffel tower"),
        ("<A>Paris</A>", "paris"),
        ("\\boxed{5}", "$5$"),
        ("“Paris”", '"paris"'),
        ("  New   York ", "new york"),
        ("\uff15", "5"),
        ("Stra\u00dfe", "STRASSE"),
        ("Zoe\u0308", "Zo\u00eb"),
        ("5.", "5"),
        ("\\(x\\)", "x"),
    ],
)
def test_agreement(left: str, right: str) -> None:
    assert normalise(left) == normalise(right) != ""


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("-5", "5"),
        ("0.5", "05"),
        ("(1,2)", "12"),
        ("1/2", "12"),
        ("a", ""),
        ("The", ""),
        ("!!!", ""),
        ("$5$ or $6$", "5 or 6"),
    ],
)
def test_disagreement(left: str, right: str) -> None:
    assert normalise(left) != normalise(right)


@given(text)
def test_normalise_is_total_and_keeps_something(answer: str) -> None:
    assert normalise(answer).strip() == normalise(answer)
    assert unwrap(f"<A>{answer.replace('<', '')}</A>") == unwrap(answer.replace("<", "")) or not answer.strip()
