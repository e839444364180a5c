"""What HotpotQA and 2WikiMultiHopQA share: paragraphs with titles, of which the supporting facts name a few.

Three layouts are read: structs of lists (hub), lists of pairs (authors), and either of them as JSON text in a string
column.
"""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from typing import Any

from ..records import Instance
from .dataset import RowError, need, need_text
from .loading import Row, is_list, is_row
from .splitting import Paragraph, deal, held_titles


def instance(row: Row, agents: Sequence[str], seed: int, first_sentence: bool = False) -> Instance:
    """One question with its paragraphs dealt out; ``meta`` keeps who holds which title. Raises RowError."""
    row_id = row_name(row)
    found, notes = paragraphs(row, first_sentence)
    halves = deal(found, agents, row_id, seed=seed)
    return Instance(
        id=row_id,
        question=clean_text(row, "question"),
        answers=(clean_text(row, "answer"),),
        private={agent: "\n\n".join(map(str, held)) for agent, held in halves.items()},
        meta={
            **{key: row[key] for key in ("type", "level") if isinstance(row.get(key), str)},
            **held_titles(halves),
            **({"notes": notes} if notes else {}),
        },
    )


def row_name(row: Row) -> str:
    """The row's id. Raises RowError."""
    return need_text(row, "_id" if "_id" in row else "id")


def clean_text(row: Row, key: str) -> str:
    """``row[key]`` without HTML entities. Raises RowError when it is missing, no text, or empty."""
    return _clean(need_text(row, key))


def paragraphs(row: Row, first_sentence: bool = False) -> tuple[list[Paragraph], list[str]]:
    """A row's paragraphs, the supporting ones first, and notes on what is odd. Raises RowError.

    Copies without ``supporting_facts`` are read too; then nothing is known to be supporting. ``first_sentence`` keeps
    only that of each paragraph, as the reference code does with HotpotQA.
    """
    contexts = _pairs(row, "context", ("title", "sentences"))
    facts = _pairs(row, "supporting_facts", ("title", "sent_id")) if row.get("supporting_facts") else []
    notes: list[str] = []
    texts = _merge(contexts, notes)
    wanted = list(dict.fromkeys(_clean(title) for title, _ in facts))
    for title, number in facts:
        sentences = texts.get(_clean(title))
        if sentences is None:
            notes.append(f"supporting paragraph not in the context: {_clean(title)}")
        elif not isinstance(number, int) or not 0 <= number < len(sentences):
            notes.append(f"supporting sentence out of range: {_clean(title)} {number} of {len(sentences)}")
    if len(contexts) != 10:
        notes.append(f"{len(contexts)} paragraphs, not 10")
    if len(wanted) < 2:
        notes.append(f"{len(wanted)} supporting paragraphs named")
    gold = [Paragraph(title, _text(texts[title], first_sentence), True) for title in wanted if title in texts]
    rest = [Paragraph(title, _text(texts[title], first_sentence)) for title in texts if title not in wanted]
    return gold + rest, list(dict.fromkeys(notes))


def _merge(contexts: list[tuple[str, Any]], notes: list[str]) -> dict[str, list[str]]:
    """Title to sentences. A paragraph given twice is kept once; another text under a known title is added to it."""
    texts: dict[str, list[str]] = {}
    for title, sentences in contexts:
        if not is_list(sentences) or not all(isinstance(sentence, str) for sentence in sentences):
            raise RowError(f"the paragraph {title!r} is not a list of sentences")
        known = texts.setdefault(_clean(title), [])
        if known:
            notes.append(f"paragraph given twice: {_clean(title)}")
        if known != sentences:
            known.extend(sentences)
    if not texts:
        raise RowError("the context is empty")
    return texts


def _text(sentences: list[str], first_only: bool) -> str:
    # HotpotQA's sentences carry their own leading space, 2Wiki's do not, and some are empty
    kept = [sentence.strip() for sentence in sentences if sentence.strip()]
    return html.unescape(" ".join(kept[:1] if first_only else kept))


def _clean(text: str) -> str:
    # titles hold HTML entities in some copies and in some columns only: undo them everywhere, so that they match
    return html.unescape(text).strip()


def _pairs(row: Row, key: str, names: tuple[str, str]) -> list[tuple[str, Any]]:
    value: object = need(row, key, (str, list, Mapping))
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as err:
            raise RowError(f"{key!r} holds text that is not JSON ({err})") from None
    if is_row(value):
        first, second = (value.get(name) for name in names)
        if not is_list(first) or not is_list(second) or len(first) != len(second):
            raise RowError(f"{key!r} does not hold {' and '.join(names)} as lists of one length")
        value = [list(pair) for pair in zip(first, second, strict=True)]
    pairs = value if is_list(value) else [None]
    found = [(pair[0], pair[1]) for pair in pairs if is_list(pair) and len(pair) == 2 and isinstance(pair[0], str)]
    if len(found) < len(pairs):
        raise RowError(f"{key!r} is not a list of pairs [{', '.join(names)}]")
    return found
