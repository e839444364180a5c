"""AnswerFormat: the form in which an answer is asked for, stated and found. Nothing else spells it.

What is found: in the speaker's own text outside of thinking, at most its last ``MAX_SCAN`` characters, the last
complete, non-empty answer of at most ``MAX_ANSWER`` characters. Anything unclosed, empty or longer is no answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from .boxes import boxes, run
from .thinking import visible

MAX_ANSWER = 2_000
MAX_SCAN = 100_000

# < A >, </A>, <\A>, \<A>, &lt;A&gt;
_TAG = re.compile(r"\\?(?:<|&lt;)\s?([/\\]?)\s?A\s?(?:>|&gt;)", re.IGNORECASE | re.ASCII)


class Stated(NamedTuple):
    """An answer, and where in its text it begins and ends."""

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
    stated, start = None, None
    for match in _TAG.finditer(text):
        if not match[1]:
            start = match.end()
        elif start is not None:
            held = text[start : match.start()] if match.start() - start <= MAX_ANSWER else ""
            if held.strip():
                stated = Stated(start, match.start(), held.strip())
            start = None
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
    return Stated(chain[0].inner, chain[-1].close, answer)


# the embedded model was raised on a space inside the tags: a copied name keeps its tokens everywhere
TAG = AnswerFormat("tag", "<A>", "</A>", " ", ("<", "&lt;"), last_tag)
BOXED = AnswerFormat("boxed", "\\boxed{", "}", "", ("box",), last_box)
FORMATS = {form.name: form for form in (TAG, BOXED)}


def format_named(name: str) -> AnswerFormat:
    """The format of that name. Raises ValueError naming those there are."""
    if name not in FORMATS:
        raise ValueError(f"answer format {name!r} is not one of {', '.join(sorted(FORMATS))}")
    return FORMATS[name]
