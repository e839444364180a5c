"""One number out of a free-text answer: thousands commas, signs, currency, units, fractions. Exact, bounded, no
eval."""

from __future__ import annotations

import re
from fractions import Fraction

_DIGITS = re.compile(r"(?<![\w.])(\d+(?:,\d+)*(?:\.\d+)?|\.\d+)(?:[eE]([+-]?\d{1,3})(?!\w))?")
_GROUPED = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|[\d.]+")
_CURRENCY = re.compile(r"\\?[$€£¥₹]|\b(?:USD|US|EUR|GBP|Rs\.?)\s?(?=[\\$€£¥₹\d-])")
_LATEX_SPACE = re.compile(r"\\[,!;: ]|(?<=\d)[\u00a0\u2009\u202f](?=\d{3})|~")
_TEXT = re.compile(r"\\(?:text|mathrm|mbox|textbf)\s*\{([^{}]*)\}")
# an expression still to be worked out is not a number
_EXPRESSION = re.compile(r"\\[a-zA-Z]|[√±^π]|[\d.]\s?[*×÷·+]\s?[\d.(]|\d[²³¹⁰⁴-⁹]|\d[eE][+-]?\d{4}")
_SIGN = re.compile(r"(?:(?<![\w)%.])-|(?:^|[=:(])\s*-\s+|\b(?:minus|negative)\s+)$", re.IGNORECASE)
_SCALES = {"hundred": 10**2, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_SCALE = re.compile(rf"\s*({'|'.join(_SCALES)})\b", re.IGNORECASE)


def read_number(text: str) -> Fraction | None:
    """The single number ``text`` names; None when there is none, or more than one (after the last ``=``, if any).

    ``1,450,000``, ``$-3.50``, ``−10``, ``18 eggs``, ``18.00``, ``40%`` (the unit is ignored), ``1/2``, ``2e3`` and
    ``3 million`` are read; ``1,45``, ``3-5``, ``2^5``, ``12:30`` and ``H2O`` are not.
    """
    clean = text.replace("\u2212", "-").replace("{,}", ",").replace("\\%", "%")
    clean = _CURRENCY.sub("", _TEXT.sub(r" \1 ", _LATEX_SPACE.sub("", clean)))
    clean = clean.rsplit("=", 1)[-1].strip()
    if _EXPRESSION.search(clean):
        return None
    found = list(_DIGITS.finditer(clean))
    if len(found) == 2 and clean[found[0].end() : found[1].start()].strip() == "/":
        top, bottom = (_value(match) for match in found)
        number = None if top is None or not bottom else top / bottom
    else:
        number = _value(found[0]) if len(found) == 1 else None
    if number is None:
        return None
    scale = _SCALE.match(clean, found[-1].end())
    if scale:
        number *= _SCALES[scale[1].lower()]
    return -number if _SIGN.search(clean[: found[0].start()]) else number


def _value(match: re.Match[str]) -> Fraction | None:
    if not _GROUPED.fullmatch(match[1]):
        return None
    return Fraction(match[1].replace(",", "")) * Fraction(10) ** int(match[2] or 0)
