"""The metric ``math``: mathematical equivalence of LaTeX answers, safe on hostile text.

In this order: equal text after light clean-up is equal without further ado; text over a cap is refused in
microseconds; the rest goes to math-verify in a killable child process (mathpool.py). A refused, failed or killed
comparison is worth 0.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction

from .metrics import Measure
from .parsing import unwrap

LIMIT = 3.0  # seconds of processor time for one comparison
MAX_CHARS = 600  # the longest gold of MATH has 159
MAX_DEPTH = 20  # nested braces, brackets and parentheses
MAX_POWERS = 2  # exponents within exponents
MAX_DIGITS = 60  # in a row
MAX_POWER = 10_000  # exponents and factorials written as numbers

_SPACING = re.compile(r"\\[,!;: ]|\\(?:left|right|displaystyle|q?quad)(?![a-zA-Z])|\s+")
_LARGE = re.compile(rf"\d{{{MAX_DIGITS + 1}}}")
_POWER = re.compile(r"(?:\^|\*\*)[\s{(+-]*(\d+)")
_FACTORIAL = re.compile(r"(\d+)[\s)}]*!")
_NESTING = re.compile(r"((?:\^|\*\*)\s*)?([{(\[])|([})\]])")
_CHAIN = re.compile(r"(?:\^|\*\*)\s*\w+\s*(?:\^|\*\*)")
_CODE = re.compile(r"__|\x00|\blambda\b|\bimport\b|\\(?:def|input|write|loop|csname)(?![a-zA-Z])")
_BASED = re.compile(r"(-?[0-9A-F]+)_\{?(\d+)\}?")
_PLAIN = re.compile(r"(-?)(?:(\d+)|\\frac(?:\{(\d+)\}|(\d))(?:\{(\d+)\}|(\d))|(\d+)/(\d+))")


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
    """The form in which equal text is equal: no wrapping, spacing or trailing full stop, one way to write fractions."""
    bare = _SPACING.sub("", unwrap(text)).rstrip(".").replace("\\dfrac", "\\frac").replace("\\tfrac", "\\frac")
    return bare.replace("\u2212", "-")


def equivalent(answer: str, gold: str, limit: float = LIMIT) -> tuple[bool, str | None]:
    """Whether both mean the same, and why that could not be found out (None when it was).

    Blocks for at most ``limit`` seconds of processor time, plus the wait for a free child: in asyncio code, call it
    in a thread. Raises MathError when math-verify is not installed.
    """
    left, right = canonical(answer[: 4 * MAX_CHARS]), canonical(gold)
    if not left or not right:
        return False, "empty"
    if left == right:
        return True, None
    if reason := refusal(left) or refusal(right):
        return False, reason
    if _BASED.fullmatch(left) and _BASED.fullmatch(right):  # math-verify drops the base
        return False, None
    if (plain := (_plain(left), _plain(right))) and None not in plain:  # most answers: no need of a parser
        return plain[0] == plain[1], None
    from .mathpool import shared

    reply = shared().ask(_clean(answer), _clean(gold), limit)
    return reply.get("equal", False), reply.get("error")


def _plain(text: str) -> Fraction | None:
    match = _PLAIN.fullmatch(text)
    if match is None:
        return None
    top, bottom = match[2] or match[3] or match[4] or match[7], match[5] or match[6] or match[8] or "1"
    return Fraction(int(match[1] + top), int(bottom)) if int(bottom) else None


def _clean(text: str) -> str:
    # unlike canonical(), keeps the spaces, which part words and numbers
    return unwrap(text).rstrip(". ").replace("\u2212", "-")


def rate(answer: str, golds: Sequence[str]) -> float:
    """1.0 when ``answer`` is equivalent to a gold, else 0.0."""
    return float(any(equivalent(answer, gold)[0] for gold in golds))


METRIC = Measure("math", rate)
