"""The metric ``math``: mathematical equivalence of LaTeX answers, safe on hostile text.

In this order: text over a cap is refused in microseconds; the rest is spelt one way (latex.py) and taken apart
(statements.py); equal text and plain fractions need no parser; what remains goes to math-verify in a killable
child process (mathpool.py). A refused, failed or killed comparison is worth 0, and ``why`` tells the reason.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache

from ..metrics import Measure
from .latex import spell
from .mathpool import shared
from .statements import compare, read

LIMIT = 3.0  # seconds of processor time for one comparison
MAX_CHARS = 600  # the longest gold of MATH has 159
MAX_DEPTH = 20  # nested braces, brackets and parentheses
MAX_POWERS = 2  # exponents within exponents
MAX_DIGITS = 60  # in a row
MAX_POWER = 10_000  # exponents and factorials written as numbers

_LARGE = re.compile(rf"\d{{{MAX_DIGITS + 1}}}")
_POWER = re.compile(r"(?:\^|\*\*)[\s{(+-]*(\d+)")
_FACTORIAL = re.compile(r"(\d+)[\s)}]*!")
_NESTING = re.compile(r"((?:\^|\*\*)\s*)?([{(\[])|([})\]])")
_CHAIN = re.compile(r"(?:\^|\*\*)\s*(?:\{\w+\}|\w+)\s*(?:\^|\*\*)")
_CODE = re.compile(r"__|\x00|\blambda\b|\bimport\b|\\(?:def|input|write|loop|csname)(?![a-zA-Z])")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_PLAIN = re.compile(r"(-?)(?:(\d+)|\\frac\{(\d+)\}\{(\d+)\}|(\d+)/(\d+))")
# two numbers in a row, an index of digits, words, a dollar sign: nothing a parser may guess about
_APART = re.compile(r"\d \d|\d ?_|\\text|\$")


def refusal(text: str) -> str | None:
    """Why ``text`` is not handed to a parser; None when it may be. Linear time."""
    if len(text) > MAX_CHARS:
        return f"longer than {MAX_CHARS} characters"
    opened: list[bool] = []  # for each open bracket, whether it holds an exponent
    for match in _NESTING.finditer(text):
        if match[2]:
            opened.append(match[1] is not None)
            if len(opened) > MAX_DEPTH or sum(opened) > MAX_POWERS:
                return f"nested more than {MAX_DEPTH} deep, or more than {MAX_POWERS} exponents deep"
        elif opened:
            opened.pop()
    if _LARGE.search(text):
        return f"a number of more than {MAX_DIGITS} digits"
    if any(int(number) > MAX_POWER for pattern in (_POWER, _FACTORIAL) for number in pattern.findall(text)):
        return f"a power or factorial above {MAX_POWER}"
    if _CHAIN.search(text) or text.count("!") > 3:
        return "a tower of powers or factorials"
    if _CODE.search(text):
        return "shaped like code"
    return None


def canonical(text: str) -> str:
    """The form in which equal text is equal: spelt one way, without blanks or a full stop at the end."""
    return spell(text).replace(" ", "").rstrip(".")


def equivalent(answer: str, gold: str, limit: float = LIMIT) -> tuple[bool, str | None]:
    """Whether both mean the same, and why that could not be found out (None when it was).

    Blocks for at most ``limit`` seconds of processor time for each pair of values, plus the wait for a free child: in
    asyncio code, call it in a thread. Raises MathError when math-verify is not installed, or when children keep being
    killed from outside.
    """
    if max(len(answer), len(gold)) > 4 * MAX_CHARS:  # decoration included
        return False, f"longer than {4 * MAX_CHARS} characters"
    left, right = canonical(answer), canonical(gold)
    if not left or not right:
        return False, "empty"
    if left == right:
        return True, None
    if reason := refusal(left) or refusal(right):
        return False, reason
    reasons: list[str] = []

    def same(one: str, other: str) -> bool:
        verdict, reason = _same_value(one, other, limit)
        if reason:
            reasons.append(reason)
        return verdict

    verdict = compare(read(answer), read(gold), same)
    return verdict, None if verdict or not reasons else reasons[0]


def _same_value(answer: str, gold: str, limit: float) -> tuple[bool, str | None]:
    if answer.replace(" ", "") == gold.replace(" ", ""):
        return True, None
    for text in (answer, gold):
        if reason := refusal(text):  # again: fullwidth brackets, say, are brackets only now
            return False, reason
        if _APART.search(text) or not _balanced(text):
            return False, None
    numbers = _number(answer), _number(gold)  # most answers: no need of a parser
    if None not in numbers:
        return numbers[0] == numbers[1], None
    reply = shared().ask(answer, gold, limit)
    return reply.get("equal", False), reply.get("error")


def _balanced(text: str) -> bool:
    """Whether braces match; one too many would close the box a parser is handed the text in."""
    depth = 0
    for match in _BRACE.finditer(text):
        depth += {"{": 1, "}": -1}.get(match[0], 0)
        if depth < 0:
            return False
    return not depth


def _number(text: str) -> Fraction | None:
    match = _PLAIN.fullmatch(text.replace(" ", ""))
    if match is None:
        return None
    top, bottom = match[2] or match[3] or match[5], match[4] or match[6] or "1"
    return Fraction(int(match[1] + top), int(bottom)) if int(bottom) else None


def rate(answer: str, golds: Sequence[str]) -> float:
    """1.0 when ``answer`` is equivalent to a gold, else 0.0."""
    return _judged(answer, tuple(golds))[0]


def why(answer: str, golds: Sequence[str]) -> str | None:
    """Why no comparison could tell; None when all could, or one found the answer right."""
    return _judged(answer, tuple(golds))[1]


@lru_cache(maxsize=256)  # the reason is asked for right after the score
def _judged(answer: str, golds: tuple[str, ...]) -> tuple[float, str | None]:
    reasons: list[str] = []
    for gold in golds:
        right, reason = equivalent(answer, gold)
        if right:
            return 1.0, None
        if reason:
            reasons.append(reason)
    return 0.0, reasons[0] if reasons else None


METRIC = Measure("math", rate, why=why, extra="math")
