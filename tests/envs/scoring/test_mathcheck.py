"""Math equivalence: right in many guises, wrong by a little, hostile text, and why an answer could not be judged."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optima_envs.scoring.maths.mathcheck import MAX_CHARS, METRIC, canonical, equivalent, refusal
from optima_envs.scoring.maths.mathpool import Pool, shared

pytest.importorskip("math_verify")

SAME = [
    ("\\frac{1}{2}", "\\frac12"),
    ("\\dfrac{1}{2}", "\\frac{1}{2}"),
    ("1/2", "\\frac{1}{2}"),
    ("0.5", "\\frac12"),
    ("$\\frac{9}{7}$", "\\dfrac{9}{7}"),
    ("\\boxed{17}", "17"),
    ("<A>17</A>", "17"),
    ("17.", "17"),
    ("x=9", "9"),
    ("9", "x=9"),
    ("15000", "\\$15,\\!000"),
    ("15,000", "\\$15,\\!000"),
    ("\\$ 10", "10"),
    ("44", "44\\%"),
    ("44\\%", "44"),
    ("39", "39^\\circ"),
    ("68/3", "\\frac{68}{3}\\text{ pounds}"),
    ("90", "90\\text{ square\nunits}"),
    ("440", "440\\text{ cm}^2"),
    ("9", "9\\text{ a.m.}"),
    ("2112", "2112_6"),
    ("-221_3", "-221_3"),
    ("1, -2", "-2, 1"),
    ("4,6,14,15", "15,14,6,4"),
    ("\\{1-\\sqrt{5},-2,1+\\sqrt{5}\\}", "\\{1\\pm\\sqrt{5},-2\\}"),
    ("[-2,7]", "x \\in [-2,7]"),
    ("\\frac{7}{5}+\\frac{1}{5}i", "\\frac{7}{5} + \\frac{1}{5} i."),
    ("Evelyn", "\\text{Evelyn}"),
    ("\\text{evelyn}", "\\text{Evelyn}"),
    ("2\\sqrt{2}", "\\sqrt{8}"),
    ("(x+5)^2", "x^2 + 10x + 25"),
    ("\\left(\\frac{20}{3},0\\right)", "(20/3, 0)"),
    ("(-\\infty,0]\\cup[4,\\infty)", "(-\\infty, 0] \\cup [4, \\infty)"),
    ("\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}", "\\begin{pmatrix} 1 & 2 \\\\ 3 & 4 \\end{pmatrix}"),
    ("\u22125", "-5"),
]

DIFFERENT = [
    ("\\frac{1}{3}", "\\frac12"),
    ("\\frac{2}{1}", "\\frac12"),
    ("-\\frac12", "\\frac12"),
    ("0.51", "\\frac12"),
    ("0.333", "\\frac13"),
    ("5/18", "\\frac{5}{81}"),
    ("16", "17"),
    ("170", "17"),
    ("1.7", "17"),
    ("-17", "17"),
    ("17i", "17"),
    ("17x", "17"),
    ("17^2", "17"),
    ("\\sqrt{17}", "17"),
    ("17\\pi", "17"),
    ("169", "169\\pi"),
    ("169\\pi^2", "169\\pi"),
    ("y=9", "x=9"),
    ("x=-9", "9"),
    ("x\\neq 9", "x=9"),
    ("x>9", "x=9"),
    ("x>3", "x<3"),
    ("x\\ge 3", "x>3"),
    ("1500", "\\$15,\\!000"),
    ("15,00", "\\$15,\\!000"),
    ("45", "44\\%"),
    ("4.4", "44\\%"),
    ("40", "39^\\circ"),
    ("68/3", "\\frac{67}{3}\\text{ pounds}"),
    ("2112_5", "2112_6"),
    ("2113", "2112_6"),
    ("221_3", "-221_3"),
    ("-2", "-2, 1"),
    ("1", "-2, 1"),
    ("2, -1", "-2, 1"),
    ("-2, 1, 3", "-2, 1"),
    ("4,6,14", "4,6,14,15"),
    ("(2,1)", "(1,2)"),
    ("(1,1)", "(1,2)"),
    ("(1,2,3)", "(1,2)"),
    ("[1,2]", "(1,2)"),
    ("[1,2)", "(1,2]"),
    ("(1,3)", "(1,2)"),
    ("(-\\infty,0)\\cup[4,\\infty)", "(-\\infty,0]\\cup[4,\\infty)"),
    ("(-\\infty,0]", "(-\\infty,0]\\cup[4,\\infty)"),
    ("(-\\infty,\\infty)", "(-\\infty,2)\\cup(2,\\infty)"),
    ("5+12i", "5-12i"),
    ("-5-12i", "5-12i"),
    ("12-5i", "5-12i"),
    ("5", "5-12i"),
    ("x^2+10x+24", "(x+5)^2"),
    ("(x-5)^2", "(x+5)^2"),
    ("x+5", "(x+5)^2"),
    ("7z^{96}(4z-1)", "7z^{96}(4z+1)"),
    ("7z^{95}(4z+1)", "7z^{96}(4z+1)"),
    ("\\text{Monday}", "\\text{Sunday}"),
    ("Eve", "\\text{Evelyn}"),
    ("\\text{no}", "\\text{yes}"),
    ("B", "A"),
    ("\\begin{pmatrix}1&2\\\\3&5\\end{pmatrix}", "\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}"),
    ("\\begin{pmatrix}1&3\\\\2&4\\end{pmatrix}", "\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}"),
    ("\\sqrt{3}", "\\sqrt{2}"),
    ("\\sqrt[3]{2}", "\\sqrt{2}"),
    ("2\\sqrt{53}+53", "\\frac{2\\sqrt{53}+53}{53}"),
    ("\\infty", "0"),
    ("", "0"),
    ("\\emptyset", "0"),
    ("I do not know", "0"),
    ("6", "six"),
]

REFUSED = [
    "9^{9^{9^{9}}}",
    "9^9^9^9",
    "9**9**9",
    "e^{e^{e^{79}}}",
    "(1234567890)!",
    "((((9999!)!)!)!)",
    "x^{99999}",
    "1" * 6_000,
    "1" * 80,
    "{" * 2_000 + "1" + "}" * 2_000,
    "(" * 25 + "1" + ")" * 25,
    "__import__('os').system('touch pwned')",
    "().__class__.__bases__[0]",
    "lambda: 0",
    "\\input{/etc/passwd}",
    "x\x00y",
]

KILLED = ["10^{10^{10}}", "9999^{9999^{2}}", "\\binom{9999999}{4999999}"]


@pytest.mark.parametrize(("answer", "gold"), SAME)
def test_same(answer: str, gold: str) -> None:
    assert METRIC.score(answer, [gold]) == 1.0


@pytest.mark.parametrize(("answer", "gold"), DIFFERENT)
def test_different(answer: str, gold: str) -> None:
    assert METRIC.score(answer, [gold]) == 0.0


def test_the_table_of_near_misses_is_long_enough() -> None:
    assert len(DIFFERENT) >= 60


@pytest.mark.parametrize("hostile", REFUSED)
def test_hostile_text_is_refused_before_any_parser_sees_it(hostile: str) -> None:
    assert refusal(canonical(hostile)[: 4 * MAX_CHARS])
    before = shared().stats["calls"]
    assert METRIC.score(hostile, ["5"]) == 0.0
    assert shared().stats["calls"] == before


@pytest.mark.parametrize("gold", ["x^3+x^2+x^1+1", "e^{x^{2}}", "\\frac{1}{1+\\frac{1}{1+\\frac12}}", "2^{10}", "5!"])
def test_ordinary_answers_are_not_refused(gold: str) -> None:
    assert refusal(gold) is None


@pytest.mark.slow
def test_what_runs_for_ever_is_killed_while_others_go_on(tmp_path: Path) -> None:
    pool = Pool(2)
    replies: dict[str, dict] = {}

    def ask(answer: str) -> None:
        replies[answer] = pool.ask(answer, "5", 0.5)

    threads = [threading.Thread(target=ask, args=(answer,)) for answer in KILLED]
    for thread in threads:
        thread.start()
    ordinary = [pool.ask(f"\\frac{{{n}}}{{2}}", f"{n}/2", 3.0) for n in range(1, 12)]
    for thread in threads:
        thread.join()
    assert all(reply == {"equal": True} for reply in ordinary)
    assert set(replies) == set(KILLED)
    assert all("error" in reply for reply in replies.values())
    assert pool.stats["killed"] == len(KILLED)
    assert pool.ask("0.5", "\\frac12", 3.0) == {"equal": True}
    pool.close()


def test_usable_from_asyncio_and_threads_at_once() -> None:
    async def all_at_once() -> list[float]:
        jobs = [asyncio.to_thread(METRIC.score, f"\\sqrt{{{n * n}}}", [str(n)]) for n in range(2, 14)]
        return await asyncio.gather(*jobs)

    assert asyncio.run(all_at_once()) == [1.0] * 12


@pytest.mark.slow
def test_five_thousand_calls_leak_neither_files_nor_processes() -> None:
    pool = Pool(1)
    descriptors = Path("/proc/self/fd")
    if not descriptors.is_dir():
        pytest.skip("counting open files needs /proc")
    assert pool.ask("1/2", "0.5", 3.0) == {"equal": True}
    before = len(list(descriptors.iterdir()))
    for n in range(5_000):
        assert pool.ask(f"{n % 50}.0", str(n % 50), 3.0) == {"equal": True}
    assert len(list(descriptors.iterdir())) == before
    assert pool.stats == {"calls": 5_001, "killed": 0, "started": 3}  # replaced every 2,000 calls
    pool.close()
    assert len(list(descriptors.iterdir())) == before - 2


def test_a_forked_child_gets_a_pool_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = shared()
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert shared() is not mine


@given(st.text(max_size=200))
def test_refusal_and_canonical_are_total(text: str) -> None:
    refusal(text)
    assert canonical(canonical(text)) == canonical(text) or "$" in text or "\\" in text or "<" in text


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("9^{9^{9^{9}}}", "exponents"),
        ("1" * 80, "digits"),
        ("x" * 3_000, "longer"),
        ("(" * 30 + "1" + ")" * 30, "deep"),
    ],
)
def test_a_score_of_nothing_has_its_reason(answer: str, reason: str) -> None:
    assert METRIC.score(answer, ["5"]) == 0.0
    assert reason in (METRIC.reason(answer, ["5"]) or "")


def test_what_was_judged_has_no_reason() -> None:
    assert METRIC.reason("4", ["5"]) is METRIC.reason("5", ["5"]) is METRIC.reason(None, ["5"]) is None


@pytest.mark.parametrize(
    "answer", ["5}", "{5", "5}{5", "5} + {5", "5}$ $\\boxed{7", "\\boxed{5}}", "5$ and $6", "5 7", "5\\text{ x} 7"]
)
def test_no_part_of_an_answer_is_read(answer: str) -> None:
    assert METRIC.score(answer, ["5"]) == METRIC.score(answer, ["7"]) == 0.0


@pytest.mark.parametrize("piece", ["\\frac", "sqrt(", "1,", "\\text{a}", "0.1", "^(", "1 ", "x_1", "\\pm", "and "])
def test_a_hundred_kilobytes_are_refused_at_once(piece: str) -> None:
    huge = piece * (100_000 // len(piece))
    assert METRIC.score(huge, ["5"]) == 0.0
    canonical(huge[:5_000])


def test_no_golds_and_no_answer_are_worth_nothing() -> None:
    assert METRIC.score(None, ["5"]) == METRIC.score("5", []) == 0.0
    assert equivalent("", "") == (False, "empty")
