"""Answers out of untrusted text: how they are found, unwrapped and compared with each other. Linear time, bounded."""

from __future__ import annotations

import re
import unicodedata

from .answer_format import BOXED, MAX_ANSWER, TAG, format_named

_ARTICLE = re.compile(r"^(?:the|an|a)\s+(?=\S)")
_QUOTES = "\"'`“”‘’«»"


def extract(text: str, form: str) -> str | None:
    """The answer stated in one utterance in the format named ``form`` (``"tag"`` or ``"boxed"``, else ValueError); see
    ``AnswerFormat.find``."""
    return format_named(form).find(text)


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
    for form in (TAG, BOXED):
        opening = form.open.upper()
        whole = [pair for pair in form.spans(text) if text[: pair[0]].replace(" ", "").upper() == opening]
        if whole and text[whole[-1][1] :].upper() == form.close:
            return text[whole[-1][0] : whole[-1][1]].strip()
    for mark, close in (("$$", "$$"), ("$", "$"), ("\\(", "\\)"), ("\\[", "\\]")):
        inner = text[len(mark) : -len(close)]
        if text.startswith(mark) and text.endswith(close) and len(text) > len(mark) + len(close) and close not in inner:
            return inner.strip()
    return None
