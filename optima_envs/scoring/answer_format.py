"""AnswerFormat: the form in which an answer is asked for, stated and found. Nothing else spells it.

What is found: in the speaker's own text outside of thinking, at most its last ``MAX_SCAN`` characters, the last
complete, non-empty answer of at most ``MAX_ANSWER`` characters. Anything unclosed, empty or longer is no answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from .thinking import visible

MAX_ANSWER = 2_000
MAX_SCAN = 100_000

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

# < A >, </A>, <\A>, \<A>, &lt;A&gt;
_TAG = re.compile(r"\\?(?:<|&lt;)\s?([/\\]?)\s?A\s?(?:>|&gt;)", re.IGNORECASE | re.ASCII)


class Stated(NamedTuple):
    """An answer, and where in its text it begins and ends, its marks included."""

    start: int
    end: int
    answer: str


@dataclass(frozen=True, eq=False)
class AnswerFormat:
    """How an answer is written: ``open``, the answer, ``close``.

    ``gap`` stands on both sides of an answer that models are shown or are meant to copy; one of ``marks`` is part of
    every answer in this form, so a text without them need not be read; ``last`` finds the last answer in a text.
    """

    name: str
    open: str
    close: str
    gap: str
    marks: tuple[str, ...]
    last: Callable[[str], Stated | None] = field(repr=False)

    def ask(self, gap: str | None = None) -> str:
        """The form as a prompt shows it."""
        return self.state("answer", gap)

    def state(self, answer: str, gap: str | None = None) -> str:
        """``answer`` written so that ``find`` reads it back; ``gap`` replaces the format's own."""
        gap = self.gap if gap is None else gap
        return f"{self.open}{gap}{answer}{gap}{self.close}"

    def find(self, text: str, opened: bool = False) -> str | None:
        """The answer stated in one utterance, stripped; None when there is none. Where pairs nest, the one opened last
        counts. ``opened``: the text begins inside the thinking that its prompt opened."""
        if not any(mark in text for mark in self.marks):
            return None
        stated = self.place(visible(text, opened)[-MAX_SCAN:])
        return stated.answer if stated else None

    def place(self, shown: str) -> Stated | None:
        """The answer that counts in a text without thinking, and where it stands; see ``find``."""
        return self.last(shown)


def last_tag(text: str) -> Stated | None:
    """The last complete, non-empty ``<A>...</A>``; blanks, backslashes and entities in its marks are let pass."""
    stated, opened = None, None
    for match in _TAG.finditer(text):
        if not match[1]:
            opened = match
        elif opened is not None:
            held = text[opened.end() : match.start()] if match.start() - opened.end() <= MAX_ANSWER else ""
            if held.strip():
                stated = Stated(opened.start(), match.end(), held.strip())
            opened = None
    return stated


def last_box(text: str) -> Stated | None:
    """The last complete, non-empty box; boxes joined to it are one answer with it, parted by commas."""
    found = [
        box for box in boxes(text) if 0 < box.close - box.inner <= MAX_ANSWER and text[box.inner : box.close].strip()
    ]
    if not found:
        return None
    chain = run(text, found, max(found, key=lambda box: box.inner))
    answer = ", ".join(dict.fromkeys(text[box.inner : box.close].strip() for box in chain))
    if len(answer) > MAX_ANSWER:
        chain = chain[-1:]
        answer = text[chain[0].inner : chain[0].close].strip()
    return Stated(chain[0].start, chain[-1].end, answer)


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


# the embedded model was raised on a space inside the tags: a copied name keeps its tokens everywhere
TAG = AnswerFormat("tag", "<A>", "</A>", " ", ("<", "&lt;"), last_tag)
BOXED = AnswerFormat("boxed", "\\boxed{", "}", "", ("box",), last_box)
FORMATS = {form.name: form for form in (TAG, BOXED)}


def format_named(name: str) -> AnswerFormat:
    """The format of that name. Raises ValueError naming those there are."""
    if name not in FORMATS:
        raise ValueError(f"answer format {name!r} is not one of {', '.join(sorted(FORMATS))}")
    return FORMATS[name]
