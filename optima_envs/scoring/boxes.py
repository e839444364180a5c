"""Boxes: what ``\\boxed{...}`` and its kin hold, and which of them are one answer together."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

MAX_GAP = 80  # characters between two boxes of one answer

# a box with a brace, a box without one before a value, an escaped character (never a brace), a brace
_TOKEN = re.compile(
    r"\\(?:boxed|fbox|framebox|bbox)(?![a-zA-Z])\s*(?:\[[^\[\]{}\n]{0,80}\]\s*(?=\{))?"
    r"(?:(?P<braced>\{)|(?P<loose>(?:\\(?!boxed|fbox)[a-zA-Z]+|\\[%$#&,;:! ]|\{(?:[^{}]|\{[^{}]*\})*\}|[^\s$\\{}])+)|)"
    r"|\\.|(?P<brace>[{}])",
    re.DOTALL,
)
_VALUE = re.compile(r"[-+([.\u2212]*(?:\d|\\[a-zA-Z])|[a-zA-Z](?![a-zA-Z])")
_BLANK = r"(?:[\s$,;~&*]|\\[()\[\],;:! \\]|\\q?quad(?![a-zA-Z]))*"
_BETWEEN = re.compile(
    rf"{_BLANK}(?:(?:\\(?:text|textrm|mbox|mathrm)\s*\{{)?\s*\b(?:and|or|as well as)\b\s*\}}?)?{_BLANK}"
    r"(?:[a-zA-Z](?:_\{?\w\}?)?\s*=\s*)?"
)


class Box(NamedTuple):
    """``start`` to ``end``: the box with its command; ``inner`` to ``close``: what it holds."""

    start: int
    inner: int
    close: int
    end: int


def boxes(text: str) -> list[Box]:
    """Each complete box, inner ones before outer ones. One without braces (``\\boxed 7``) holds the value after it."""
    found: list[Box] = []
    stack: list[tuple[int, int] | None] = []  # (start, inner) of an open box, None for a plain brace
    for match in _TOKEN.finditer(text):
        if match["braced"]:
            stack.append((match.start(), match.end()))
        elif match["loose"]:
            if _VALUE.match(match["loose"]):
                inner = match.start("loose")
                close = inner + len(match["loose"].rstrip(".,;:!?*"))
                found.append(Box(match.start(), inner, close, close))
        elif match["brace"] == "{":
            stack.append(None)
        elif match["brace"] == "}" and stack and (opened := stack.pop()):
            found.append(Box(*opened, match.start(), match.end()))
    return found


def run(text: str, found: Sequence[Box], last: Box) -> list[Box]:
    """The boxes that are one answer with ``last``: it, and those before it with nothing but a comma, ``and`` or ``or``
    between (``$\\boxed{1}$ and $\\boxed{2}$``). ``found`` are the boxes of ``text``."""
    chain, start = [last], last.start
    for box in found:  # \\boxed{\\boxed{7}} begins with the outer one
        if box.end > last.end and box.start < start and not text[box.inner : start].strip():
            start = box.start
    by_end = sorted((box for box in found if box.end <= start), key=lambda box: (box.end, -box.start))
    while by_end:
        before = by_end.pop()
        if before.end > start:  # inside the one just taken
            continue
        gap = text[before.end : start]
        if len(gap) > MAX_GAP or not _BETWEEN.fullmatch(gap):
            break
        chain.insert(0, before)
        start = before.start
    return chain
