"""How sure a reply says it is: a number from 1 to 100 after the word confidence."""

from __future__ import annotations

import re

from .thinking import visible

NEUTRAL = 50.0
"""The weight of a reply that states no usable confidence."""
_CONFIDENCE = re.compile(
    # "Confidence (0-10): 8" and "Confidence: 8/10" state 80 of 100
    r"confidence(?:[^\d\n<\\]{0,20}[01] ?(?:-|\u2013|to|and) ?(?P<top>100|20|10|5|1)(?![\d.]))?"
    r"[^\d\n<\\]{0,40}?(?P<sure>-?\d{1,6}(?:\.\d{1,6})?)(?![\d,.]*\d)"
    r"(?: ?(?:/|out of) ?(?P<of>[1-9]\d{0,3})(?![\d.]*\d))?",
    re.IGNORECASE | re.ASCII,
)
_MAX_TEXT = 20_000


def confidence(text: str) -> float | None:
    """The number after the last word "confidence", if it is from 1 to 100; one of another scale that is named
    (``8/10``, ``0-10: 8``), or a share between 0 and 1, is taken to that one."""
    found = list(_CONFIDENCE.finditer(visible(text)[-_MAX_TEXT:]))
    if not found:
        return None
    last = found[-1]
    sure = float(last["sure"])
    scale = float(last["of"] or last["top"] or (1 if 0 < sure < 1 else 100))
    share = round(sure * 100 / scale, 6)
    return share if 1 <= share <= 100 else None
