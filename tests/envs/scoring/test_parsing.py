"""Answers out of hostile text: one rule, linear time, nothing forged."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optima_envs.scoring.answer_format import MAX_ANSWER, MAX_SCAN
from optima_envs.scoring.decoration import bare, plain
from optima_envs.scoring.parsing import extract, normalise
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
        ("<A >Paris</A>", "Paris"),
        ("< a >Paris</ A >", "Paris"),
        ("<A>Paris<\\A>", "Paris"),
        ("\\<A>Paris\\</A>", "Paris"),
        ("&lt;A&gt;Paris&lt;/A&gt;", "Paris"),
        ("<A>Paris<A>", None),  # never closed: it may have been cut
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
        ("\\boxed{1} and \\boxed{2}", "1, 2"),
        ("\\boxed{2} and \\boxed{}", "2"),
        ("\\boxed{\\boxed{5}}", "5"),
        ("{ \\boxed{5}", "5"),
        ("\\boxed{5 {", None),
        ("$\\boxed{1}$, $\\boxed{2}$, and $\\boxed{5}$", "1, 2, 5"),
        ("The points are $\\boxed{(0,4)}$ and $\\boxed{(3,1)}$.", "(0,4), (3,1)"),
        ("$x=\\boxed{1}$ or $x=\\boxed{2}$", "1, 2"),
        ("\\boxed{1}\\text{ and }\\boxed{2}", "1, 2"),
        ("\\[\\boxed{1}\\]\n\\[\\boxed{2}\\]", "1, 2"),
        ("\\boxed{5}, that is \\boxed{5}", "5"),
        ("\\boxed{5} or \\boxed{5}", "5"),
        ("\\boxed{2}. Wait, it is \\boxed{3}", "3"),
        ("\\boxed{2}; after a check: \\boxed{3}", "3"),
        ("\\boxed{2} is wrong, \\boxed{3} right", "3"),
        ("\\boxed{x = \\boxed{5}}", "5"),
        ("\\boxed{1}, \\boxed{\\boxed{2}}", "1, 2"),
        ("so $\\boxed 7$", "7"),
        ("so $\\boxed7$.", "7"),
        ("so \\boxed 42.", "42"),
        ("so \\boxed -3,", "-3"),
        ("$\\boxed \\frac{1}{2}$", "\\frac{1}{2}"),
        ("\\boxed x", "x"),
        ("\\fbox{\\boxed{7}}", "7"),
        ("\\framebox{7}", "7"),
        ("\\bbox[border:1px solid]{7}", "7"),
        ("\\boxed{7}, as asked in a \\boxed format", "7"),
        ("put it into \\boxed.", None),
        ("\\boxedx", None),
        ("\\boxed 5", "5"),
        ("\\fbox{5}", "5"),
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
    if answer is not None:
        assert 0 < len(answer) <= MAX_ANSWER and answer == answer.strip()
        assert answer in visible(said) or all(part in visible(said) for part in answer.split(", "))


@given(text)
def test_thinking_never_answers(said: str) -> None:
    quiet = said.replace("<think>", "").replace("</think>", "")
    assert extract(f"<think>{quiet}<A>inside</A>", "tag") is None


@given(text, st.sampled_from(["Paris", "-5", "\\frac{1}{2}", "a < b"]))
def test_a_stated_answer_is_found_after_any_text_that_is_not_thinking(before: str, gold: str) -> None:
    calm = before.replace("<think", "<thing").replace("</think", "</thing")
    assert extract(f"{calm} <A>{gold}</A>", "tag") == gold


@pytest.mark.parametrize(
    "piece",
    [
        "<A>",
        "</A>",
        "<A>x",
        "&lt;A",
        "\\boxed 7 ",
        "\\boxed{7} and ",
        "\\boxed x{",
        "\\fbox",
        "\\boxed{",
        "{",
        "}",
        "<think>",
        "</think>",
        "\\",
        "<",
        "\u0301",
    ],
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
        ("**C**", "C"),
        ("\\text{A}", "A"),
        ("\\boxed{\\text{C}}", "C"),
        ("__Paris__", "Paris"),
        ("`Paris`.", "Paris"),
        ("<b>Paris</b>", "Paris"),
        ("\u20135", "-5"),
        ("\uff0d5", "-5"),
        ("Paris\u200b", "Paris"),
        ("\u00abParis\u00bb", "Paris"),
        ("\uff21", "A"),
        ("\u24b8", "c"),
        ("10\u2075", "10^5"),
        ("H\u2082O", "H2O"),
        ("O_{2}", "O2"),
        ("\u00bd", "1/2"),
        ("(A)", "A"),
        ("A)", "a."),
        ("[b]", "B"),
        ("The answer is C", "C"),
        ("Final answer: **(C)**", "c"),
        ("Yes!", "yes"),
        ("No", "no"),
        ("CO2", "co2"),
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
        ("10\u2075", "105"),
        ("x\u00b2", "x2"),
        ("1\u00bd", "11/2"),
        ("1010\u2082", "10102"),
        ("Bb", "bb"),
        ("AaBb", "aabb"),
        ("x + Y", "X + y"),
        ("2^n", "2^N"),
        ("A", "B"),
        ("C) red", "C) blue"),
        ("5!", "5"),
        ("~A", "A"),
    ],
)
def test_disagreement(left: str, right: str) -> None:
    assert normalise(left) != normalise(right)


@given(text)
def test_normalise_is_total_and_keeps_something(answer: str) -> None:
    assert normalise(answer).strip() == normalise(answer)
    assert bare(f"<A>{answer.replace('<', '')}</A>") == bare(answer.replace("<", "")) or not bare(answer)


@given(text)
def test_normalise_settles(answer: str) -> None:
    once = normalise(answer)
    assert normalise(once) == normalise(normalise(once))


@pytest.mark.parametrize(
    "piece", ["\\text{", "**", "$", "\u2075", "<b>", "`", "\\,", " ", "~", '"', "(", "so ", "answer is "]
)
def test_a_hundred_kilobytes_are_undecorated_at_once(piece: str) -> None:
    huge = piece * (100_000 // len(piece))
    for text in (huge, f"{huge}x", f"x{huge}x", f"x{huge}"):
        assert len(bare(text)) <= len(text) + 4
        plain(text)
        normalise(text)


@given(st.text(st.characters(categories=["L", "N"]), min_size=2, max_size=12))
def test_one_word_is_compared_as_it_is_among_others(word: str):
    """The short way through ``normalise`` and the long one come to the same."""
    assert normalise(word) == normalise(f"{word}.") == normalise(f"**{word}**")
