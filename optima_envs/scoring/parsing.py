"""Answers out of untrusted text: one documented rule, linear time, bounded size.

The rule: take the speaker's own text outside ``<think>`` spans, at most its last ``MAX_SCAN`` characters, and in
it the last complete, non-empty answer of at most ``MAX_ANSWER`` characters: ``<A>...</A>`` (format ``"tag"``) or
brace-balanced ``\\boxed{...}`` (format ``"boxed"``). Anything unclosed, empty or longer is no answer.
"""

from __future__ import annotations

import re
import unicodedata

MAX_ANSWER = 2_000
MAX_SCAN = 100_000

_THINK = re.compile(r"<(/?)think(?:ing)?>", re.IGNORECASE | re.ASCII)
_TAG = re.compile(r"<(/?)A>", re.IGNORECASE | re.ASCII)
# an escaped character is one token, so that \{ and \} never count as braces
_BRACE = re.compile(r"(\\boxed\s*\{)|\\.|([{}])", re.DOTALL)
_ARTICLE = re.compile(r"^(?:the|an|a)\s+(?=\S)")
_QUOTES = "\"'`“”‘’«»"


def extract(text: str, answer_format: str) -> str | None:
    """The answer stated in one utterance, stripped; None when there is none.

    ``answer_format`` is ``"tag"`` or ``"boxed"``; ValueError otherwise. Where pairs nest, the one opened last counts.
    """
    if answer_format not in _SPANS:
        raise ValueError(f"answer format {answer_format!r} is not one of {', '.join(sorted(_SPANS))}")
    shown = visible(text)[-MAX_SCAN:]
    best = None
    for start, end in _SPANS[answer_format](shown):
        if (best is None or start > best[0]) and end - start <= MAX_ANSWER and shown[start:end].strip():
            best = (start, end)
    return shown[best[0] : best[1]].strip() if best else None


def visible(text: str) -> str:
    """``text`` without its thinking: what lies in ``<think>...</think>``, after an unclosed ``<think>``, or before a
    ``</think>`` that nothing opened (chat templates often put the opening tag into the prompt)."""
    if not _THINK.search(text):
        return text
    parts: list[str] = []
    at, thinking = 0, False
    for match in _THINK.finditer(text):
        closing = match[1] == "/"
        if closing and not thinking:
            parts.clear()
        elif not closing and not thinking:
            parts.append(text[at : match.start()])
        thinking = not closing
        at = match.end()
    if not thinking:
        parts.append(text[at:])
    return " ".join(parts) if len(parts) != 1 else parts[0]


def normalise(answer: str) -> str:
    """The form in which two stated answers are compared for agreement (not for scoring).

    Unicode NFKC, case folded, white space collapsed; an answer tag, box or ``$`` around it, quotes, a leading article
    and a trailing full stop dropped. Inner punctuation stays: ``-5`` is not ``5`` and ``0.5`` is not ``05``.
    """
    text = unwrap(answer[:MAX_ANSWER])
    text = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    bare = text.strip(_QUOTES).rstrip(".").strip().strip(_QUOTES).strip()
    return _ARTICLE.sub("", bare) or text


def unwrap(answer: str) -> str:
    """``answer`` without one enclosing ``<A>...</A>``, ``\\boxed{...}``, ``\\(...\\)`` or pair of ``$`` at a time."""
    text = answer.strip()
    for _ in range(4):
        inner = _inside(text)
        if inner is None:
            return text
        text = inner
    return text


def _inside(text: str) -> str | None:
    if not text.startswith(("<", "\\", "$")):  # so does all that can be taken off
        return None
    for spans, opening, closing in ((_tags, "<A>", "</A>"), (boxes, "\\boxed{", "}")):
        whole = [pair for pair in spans(text) if text[: pair[0]].replace(" ", "").upper() == opening.upper()]
        if whole and text[whole[-1][1] :].upper() == closing:
            return text[whole[-1][0] : whole[-1][1]].strip()
    for mark, close in (("$$", "$$"), ("$", "$"), ("\\(", "\\)"), ("\\[", "\\]")):
        inner = text[len(mark) : -len(close)]
        if text.startswith(mark) and text.endswith(close) and len(text) > len(mark) + len(close) and close not in inner:
            return inner.strip()
    return None


def _tags(text: str) -> list[tuple[int, int]]:
    spans, start = [], None
    for match in _TAG.finditer(text):
        if match[1] == "":
            start = match.end()
        elif start is not None:
            spans.append((start, match.start()))
            start = None
    return spans


def boxes(text: str) -> list[tuple[int, int]]:
    """(start, end) of what each complete \\boxed{...} holds, inner boxes before outer ones."""
    spans: list[tuple[int, int]] = []
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


_SPANS = {"tag": _tags, "boxed": boxes}
