"""Stated answers: how they are found in a turn, and when two of them are the same. Linear time, bounded."""

from __future__ import annotations

import re

from .answer_format import MAX_ANSWER, format_named
from .choice import label_alone
from .decoration import plain, trimmed

_ARTICLE = re.compile(r"(?:the|an|a)\s+(?=\S)")
_QUOTES = "\"'`"
_WORD = re.compile(r"\w+")
_GENES = re.compile(r"(?:([A-Za-z])(?i:\1))+")  # Bb is not bb, and no word is made of double letters alone
_MATHS = re.compile(r"[=^_\\+*/<>]")
_INDEX = re.compile(r"(?<=[A-Za-z])_(?:\{(\d{1,3})\}|(\d))")


def extract(text: str, form: str) -> str | None:
    """The answer stated in one utterance in the format named ``form`` (``"tag"`` or ``"boxed"``, else ValueError); see
    ``AnswerFormat.find``."""
    return format_named(form).find(text)


def normalise(answer: str) -> str:
    """The form in which two stated answers are compared for agreement (not for scoring).

    Decoration, case, outer quotes, a leading article and end punctuation dropped; a label alone without its brackets
    and wording. Inner punctuation stays: ``-5`` is not ``5`` and ``0.5`` is not ``05``. Case stays where it tells
    things apart: single letters of a formula (``x+Y``), and genotypes (``Bb``).
    """
    text = plain(answer[:MAX_ANSWER])
    if text.isalnum() and len(text) > 1:  # one word: no label, formula or article
        return _cased(text, False)
    if label := label_alone(text):
        return label
    text = _INDEX.sub(r"\1\2", text)
    maths = _MATHS.search(text) is not None
    text = " ".join(_WORD.sub(lambda word: _cased(word[0], maths), text).split())
    kept = trimmed(trimmed(text).strip(_QUOTES)).strip(_QUOTES).strip()
    return _ARTICLE.sub("", kept) if _ARTICLE.match(kept) else kept or text


def _cased(word: str, maths: bool) -> str:
    return word if (maths and len(word) == 1) or _GENES.fullmatch(word) else word.casefold()
