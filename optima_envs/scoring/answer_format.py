"""AnswerFormat: the form in which an answer is asked for, stated and found. Nothing else spells it.

What is found: in the speaker's own text outside ``<think>`` spans, at most its last ``MAX_SCAN`` characters, the last
complete, non-empty answer of at most ``MAX_ANSWER`` characters. Anything unclosed, empty or longer is no answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from .thinking import visible

MAX_ANSWER = 2_000
MAX_SCAN = 100_000

Spans = list[tuple[int, int]]
_TAG = re.compile(r"<(/?)A>", re.IGNORECASE | re.ASCII)
# an escaped character is one token, so that \{ and \} never count as braces
_BRACE = re.compile(r"(\\boxed\s*\{)|\\.|([{}])", re.DOTALL)


@dataclass(frozen=True)
class AnswerFormat:
    """How an answer is written: ``open``, the answer, ``close``.

    ``gap`` stands on both sides of an answer that models are shown or are meant to copy; ``mark`` is part of every
    answer in this form, so a text without it need not be read; ``spans`` finds (start, end) of each complete answer.
    """

    name: str
    open: str
    close: str
    gap: str
    mark: str
    spans: Callable[[str], Spans] = field(repr=False)

    def ask(self, gap: str | None = None) -> str:
        """The form as a prompt shows it."""
        return self.state("answer", gap)

    def state(self, answer: str, gap: str | None = None) -> str:
        """``answer`` written so that ``find`` reads it back; ``gap`` replaces the format's own."""
        gap = self.gap if gap is None else gap
        return f"{self.open}{gap}{answer}{gap}{self.close}"

    def find(self, text: str) -> str | None:
        """The answer stated in one utterance, stripped; None when there is none. Where pairs nest, the one opened last
        counts."""
        if self.mark not in text:
            return None
        shown = visible(text)[-MAX_SCAN:]
        place = self.place(shown)
        return shown[place[0] : place[1]].strip() if place else None

    def place(self, shown: str) -> tuple[int, int] | None:
        """(start, end) of the answer that counts in a text without thinking; see ``find``."""
        best = None
        for start, end in self.spans(shown):
            if (best is None or start > best[0]) and end - start <= MAX_ANSWER and shown[start:end].strip():
                best = (start, end)
        return best


def tags(text: str) -> Spans:
    """(start, end) of what each complete <A>...</A> holds."""
    spans, start = [], None
    for match in _TAG.finditer(text):
        if match[1] == "":
            start = match.end()
        elif start is not None:
            spans.append((start, match.start()))
            start = None
    return spans


def boxes(text: str) -> Spans:
    """(start, end) of what each complete \\boxed{...} holds, inner boxes before outer ones."""
    spans: Spans = []
    stack: list[int | None] = []  # the start of a box's inside, None for a plain brace
    for match in _BRACE.finditer(text):
        if match[1]:
            stack.append(match.end())
        elif match[2] == "{":
            stack.append(None)
        elif match[2] == "}" and stack:
            start = stack.pop()
            if start is not None:
                spans.append((start, match.start()))
    return spans


# the embedded model was raised on a space inside the tags: a copied name keeps its tokens everywhere
TAG = AnswerFormat("tag", "<A>", "</A>", " ", "<", tags)
BOXED = AnswerFormat("boxed", "\\boxed{", "}", "", "\\boxed", boxes)
FORMATS = {form.name: form for form in (TAG, BOXED)}


def format_named(name: str) -> AnswerFormat:
    """The format of that name. Raises ValueError naming those there are."""
    if name not in FORMATS:
        raise ValueError(f"answer format {name!r} is not one of {', '.join(sorted(FORMATS))}")
    return FORMATS[name]
