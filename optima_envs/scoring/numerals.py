"""One number out of a free-text answer, exact and never in part: every digit of the text belongs to it, or there is no
number. docs/answers.md lists the rules.

Read is what follows the last ``=``: a sign, a currency, digits, a fraction or a mixed number, a scale, a unit. A bound,
a denial, an expression still to be worked out and a second number make it no number.
"""

from __future__ import annotations

import re
import unicodedata
from fractions import Fraction

from .decoration import plain

# words that multiply the number before them; the parts of one are spelt in the plural, 3 fifths
_ORDINALS = "halve third fourth fifth sixth seventh eighth ninth tenth".split()
_POWERS = {
    word: 10**power
    for power, words in {
        2: "hundred \u767e",
        3: "thousand k grand \u5343",
        4: "\u4e07 \u842c",
        5: "lakh lac",
        6: "million m mm mn mln mio mil",
        7: "crore",
        8: "\u4ebf \u5104",
        9: "billion b bn bln",
        12: "trillion t tn trn \u5146",
        15: "quadrillion",
    }.items()
    for word in words.split()
}
_FRACTIONS = {word: Fraction(1, part) for part, word in enumerate(_ORDINALS, 2)}
SCALES: dict[str, int | Fraction] = {
    **_POWERS,
    "dozen": 12,
    "doz": 12,
    "dz": 12,
    **_FRACTIONS,
    "hundredth": Fraction(1, 100),
    "thousandth": Fraction(1, 1000),
    "millionth": Fraction(1, 10**6),
}
_METRES = frozenset({"m", "mm", "t"})  # units too: scales only of money, or as capitals
_LETTERS = frozenset({"k", "m", "mm", "b", "t"})  # scales only of money, or right behind the digits
_WORD = re.compile(r"(\s?-?)((?:st|nd|rd|th)(?![a-z])|[A-Za-z]+|[\u5343\u5146\u767e\u4e07\u842c\u4ebf\u5104])")
_OPERATOR_FIRST = re.compile(r"\s*[*\u00d7\u00f7\u00b7^\u221a\u00b1+]")
_OPERATOR_LAST = re.compile(r"[*\u00d7\u00f7\u00b7^\u221a\u00b1/+]\s*\Z")
_INT = r"(?:\d{1,3}(?:,\d{3})+|\d{1,3}(?: \d{3})+|\d{1,3}(?:'\d{3})+|\d{1,3}(?:_\d{3})+|\d{1,2}(?:,\d{2})+,\d{3}|\d+)"
_POWER = r"[+-]?\d{1,3}"
_CORE = re.compile(
    r"(?:(?P<whole>\d+)(?:\s|-|\s?(?:and|&)\s))?(?<!\d)(?P<top>\d+)\s?/\s?(?P<bottom>\d+)(?![\d.,]*\d)|"
    rf"(?P<number>(?:{_INT}(?:\.\d+)?|\.\d+)(?!\d))"
    rf"(?:[eE](?P<power>{_POWER})(?!\w)|\s?[x\u00d7*\u00b7]\s?10\s?\^\s?\{{?(?P<tens>{_POWER})(?!\d)\}}?)?"
    r"(?:\s(?:and|&)\s(?:(?P<count>a|an|one|two|three|four)\s)?(?P<part>half|third|quarter|fourth|fifth)s?\b)?"
)
_COUNTS = {"two": 2, "three": 3, "four": 4}
_PARTS = {"half": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5}

_MONEY = "$\u20ac\u00a3\u00a5\u20b9\u20a9\u20bd\u20ba\u20ab\u0e3f\u20a6\u20b1\u20aa\u20b4\u20b8\u20a1\u20b2\u20b5\u00a2"
_CODE = "USD|EUR|GBP|JPY|CNY|RMB|INR|HKD|AUD|CAD|NZD|SGD|CHF|KRW|MXN|BRL|ZAR|SEK|NOK|DKK|PLN|Rs\\.?|RM"
_CURRENCY = rf"(?:(?<![A-Za-z])(?:[A-Z]{{1,3}})?[{_MONEY}]{{1,2}}|(?<![A-Za-z])(?:{_CODE}))\s?"
_LEFT = re.compile(
    rf"(?:(?P<minus>[-+])(?P<spaced>\s*)|\b(?P<word>(?i:minus|negative))\s+)?(?P<money>{_CURRENCY})?"
    rf"(?P<open>[(\[]\s?)?(?P<inner>[-+]\s?)?(?P<inner_money>{_CURRENCY})?\Z"
)
# a minus sign with a blank after it is one where a number is due, and a dash after any other word
_DUE = re.compile(
    r"(?:\A|[=:(,;]|\b(?:is|was|be|are|were|equals?|of|by|to|at|becomes?|gives?|and|about))\s*\Z", re.IGNORECASE
)
_MORE = "more|less|fewer|greater|larger|smaller|higher|lower|bigger"
_BOUND = re.compile(
    rf"\b(?:at (?:least|most)|(?:{_MORE}|other|rather|different) than|up to|over|under|above|below|beyond|between|"
    r"exceed(?:s|ing)?)\s+(?:or equal to\s+)?\Z",
    re.IGNORECASE,
)
_DENIED = re.compile(r"\b(?:not|never|neither|nor|cannot|except|excluding|unlike)\b|n't\b", re.IGNORECASE)
_DENIES = re.compile(
    r"\b(?:wrong|incorrect|at (?:least|most))\b|\b(?:is|are|was|were)(?: not\b|n't\b| false\b| impossible\b)|"
    rf"\b(?:or|and) (?:{_MORE}|above|below|over|under|up|beyond|older|younger)\b",
    re.IGNORECASE,
)
_RELATION = re.compile(
    r"[<>\u2264\u2265\u2260\u226e\u226f\u2a7d\u2a7e\u00b1]|!=|=/=|"
    r"\\(?:n?leq?|n?geq?|neq?|[lg]t|ll|gg|[lg]eqslant|pm)(?![a-zA-Z])"
)
_ARROW = re.compile(  # leads to the number as an equality sign does
    r"[-=]+>|(?<=\s)-{2,3}(?=\s)|[\u2192\u21d2\u2248\u2245]|~=|\\(?:to|[rR]ightarrow|implies|approx)(?![a-zA-Z])"
)
_LISTED = re.compile(r"[,;]\s*[A-Za-z]|\b(?:and|or)\b")
_RUPEES = re.compile(r"\bRs\.?\s?(?=[\d.])")
_TIED = re.compile(r"(?<=\d)~(?=\d{3})")
_DEGREES = re.compile(r"\s?(?:\^\s?(?:\\circ|\{\s?\\circ\s?\})|\\degrees?(?![a-zA-Z]))")
# an exponent that belongs to a unit: ft^2, m^{-1}, (cm)^3, cm2
_OF_UNIT = re.compile(
    r"(?:(?<=[A-Za-z]{2})|(?<=[\s\d/*.][msghlLdNJWVAKCF])|(?<=[A-Za-z]\))|(?<=\u00b0))\s?\^\s?\{?-?\d{1,2}\}?(?!\d)|"
    r"(?<=[\s\d/](?:cm|mm|km|dm|ft|in|yd|mi))\s?[23](?![\w.])|(?<=[\s\d/][ms])[23](?![\w.])"
)
_UNKNOWNS = frozenset("x y z n i e j pi xy abc ab sqrt".split())
_PER = re.compile(r"\s?/\s?[xyzn](?![A-Za-z])")
_GLUE = re.compile(r"[\w^*/\\\u221a\u00d7\u00f7\u00b7)\]}!.-]\Z")
_FOREIGN = re.compile(r"[\u2e80-\u9fff\uac00-\ud7af]\Z")  # scripts without blanks between words


def read_number(text: str) -> Fraction | None:
    """The single number ``text`` names; None when there is none, more than one, or one that is not understood in whole.

    ``1,450,000``, ``-$3.50``, ``(-10)``, ``18 eggs``, ``18 ft^2``, ``40%`` (units are ignored), ``1/2``, ``3 1/2``,
    ``2e3``, ``3k`` and ``3 hundred thousand`` are read; ``1,45``, ``3-5``, ``2^5``, ``12:30``, ``H2O``, ``at least 5``
    and ``not 5`` are not. Linear in the text's length.
    """
    clean = _DEGREES.sub("\u00b0", plain(text).replace("{,}", ",").replace("\n", " "))
    clean = _ARROW.sub("=", _RUPEES.sub("\u20b9", _TIED.sub(" ", clean)))
    if _RELATION.search(clean):
        return None
    *before, clean = clean.split("=")
    if any(_LISTED.search(part) for part in before[1:]):
        return None
    core = _CORE.search(clean)
    if core is None or "\\" in clean or "\u03c0" in clean:
        return None
    sign, money, good = _left(clean[: core.start()])
    value = _value(core)
    if value is None or not good:
        return None
    factor, rest = _scaled(clean[core.end() :], money, core)
    return sign * value * factor if _harmless(rest, "." in core[0]) else None


def _value(core: re.Match[str]) -> Fraction | None:
    if core["bottom"]:
        top, bottom = int(core["top"]), int(core["bottom"])
        if not bottom or (core["whole"] and top >= bottom):
            return None
        return int(core["whole"] or 0) + Fraction(top, bottom)
    value = Fraction(re.sub(r"[, '_]", "", core["number"]))
    if core["part"]:
        return value + Fraction(_COUNTS.get(core["count"] or "a", 1), _PARTS[core["part"]])
    return value * Fraction(10) ** int(core["power"] or core["tens"] or 0)


def _left(left: str) -> tuple[int, bool, bool]:
    """(sign, whether it is money, whether a number may stand here) by what stands before the digits."""
    found = _LEFT.search(left[-60:])
    assert found is not None  # noqa: S101 - all of it is optional
    outer = left[: len(left) - len(found[0])]
    sign, money = 1, bool(found["money"] or found["inner_money"])
    mark = found["minus"]
    if mark and found["spaced"] and not _DUE.search(outer):
        # a dash between words, or an operator
        if mark == "+" or re.search(r"(?<![^\W_])[b-zA-HJ-Z]\s*\Z", outer):
            return sign, money, False
    elif mark == "-" or found["word"]:
        sign = -1
    if found["inner"] and found["inner"][0] == "-":
        sign = -sign
        if mark and not (found["open"] or found["money"]):
            return sign, money, False
    if _GLUE.search(outer) and not _FOREIGN.search(outer):
        return sign, money, False
    clause = re.split(r"[.,;:!?]", outer)[-1]
    good = not (_OPERATOR_LAST.search(outer) or _BOUND.search(outer) or _DENIED.search(clause))
    return sign, money, good


def _scaled(right: str, money: bool, core: re.Match[str]) -> tuple[int | Fraction, str]:
    """(what the words behind the digits multiply them by, the rest of the text)."""
    factor: int | Fraction = 1
    while word := _WORD.match(right):
        name = word[2].casefold()
        scale = SCALES.get(name) or SCALES.get(name.removesuffix("s"))
        glued = not word[1]
        if scale is None or (name in _LETTERS and not (glued or money or word[2] == "k")):
            break
        if (name in _METRES and not (money or word[2].isupper())) or (name == "grand" and not money):
            break
        if isinstance(scale, Fraction) and (core["bottom"] or not (name.endswith("s") or core[0] == "1")):
            break  # 18 fifth graders
        factor, right = factor * scale, right[word.end() :]
    return factor, right


def _harmless(rest: str, decimal: bool) -> bool:
    """Whether what follows a number leaves it as it is."""
    rest = _OF_UNIT.sub("", f" {rest}")[1:]
    word = _WORD.match(rest)
    name = word[2].casefold() if word else ""
    if name == "pi" or (word and not word[1] and (name in _UNKNOWNS or name.startswith("x"))) or _PER.match(rest):
        return False
    if any(char.isdigit() for char in rest) or _OPERATOR_FIRST.match(rest) or _DENIES.search(rest):
        return False
    return not (decimal and rest.startswith("..")) and not unicodedata.combining(rest[:1] or " ")
