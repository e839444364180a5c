"""What HotpotQA and 2WikiMultiHopQA share: paragraphs with titles, of which the supporting facts name a few.

Three layouts are read: structs of lists (hub), lists of pairs (authors), and either of them as JSON text in a string
column.
"""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

from ..records import Instance
from .dataset import RowError, SplitDataset, need, need_text
from .loading import Data, Row, is_list, is_row
from .splitting import Paragraph, deal, held_titles

Excerpt = Literal["full", "first-sentence", "supporting"]


class MultiHop(SplitDataset):
    """Questions over several paragraphs; see ``SplitDataset`` for the other arguments.

    ``paragraphs``: what is kept of a question's context: all of it; each paragraph's first sentence, as the reference
    code does with HotpotQA (the supporting sentence is then often missing); or the supporting sentences alone.

    Raises ValueError for another ``paragraphs``; see ``Dataset`` for what else.
    """

    def __init__(
        self,
        split: str | None = None,
        data: Data = None,
        *,
        paragraphs: Excerpt = "full",
        agents: Sequence[str] = ("Alice", "Bob"),
        seed: int = 0,
        skip_bad_rows: bool = False,
    ) -> None:
        if paragraphs not in get_args(Excerpt):
            raise ValueError(f"{self.name}: paragraphs is {_either(get_args(Excerpt))}, not {paragraphs!r}")
        self.excerpt: Excerpt = paragraphs
        super().__init__(split, data, agents=agents, seed=seed, skip_bad_rows=skip_bad_rows)

    def build(self, row: Row, index: int) -> Instance:
        return instance(row, self.agents, self.seed, self.excerpt)


def _either(names: Sequence[str]) -> str:
    quoted = [repr(name) for name in names]
    return f"{', '.join(quoted[:-1])} or {quoted[-1]}"


def instance(row: Row, agents: Sequence[str], seed: int, excerpt: Excerpt = "full") -> Instance:
    """One question with its paragraphs dealt out; ``meta`` keeps who holds which title. Raises RowError."""
    row_id = row_name(row)
    found, notes = paragraphs(row, excerpt)
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


def paragraphs(row: Row, excerpt: Excerpt = "full") -> tuple[list[Paragraph], list[str]]:
    """A row's paragraphs, the supporting ones first, and notes on what is odd. Raises RowError.

    Copies without ``supporting_facts`` are read too; then nothing is known to be supporting, and ``supporting`` is a
    RowError, as it is where none of the facts is to be found.
    """
    contexts = _pairs(row, "context", ("title", "sentences"))
    facts = _pairs(row, "supporting_facts", ("title", "sent_id")) if row.get("supporting_facts") else []
    notes: list[str] = []
    texts = _merge(contexts, notes)
    named: dict[str, list[int]] = {}
    for title, number in facts:
        place = named.setdefault(_clean(title), [])
        sentences = texts.get(_clean(title))
        if sentences is None:
            notes.append(f"supporting paragraph not in the context: {_clean(title)}")
        elif not isinstance(number, int) or not 0 <= number < len(sentences):
            notes.append(f"supporting sentence out of range: {_clean(title)} {number} of {len(sentences)}")
        else:
            place.append(number)
    if len(contexts) != 10 and excerpt != "supporting":
        notes.append(f"{len(contexts)} paragraphs, not 10")
    if len(named) < 2:
        notes.append(f"{len(named)} supporting paragraphs named")
    notes = list(dict.fromkeys(notes))
    if excerpt == "supporting":
        kept = {title: [texts[title][n] for n in sorted(set(numbers))] for title, numbers in named.items() if numbers}
        found = [Paragraph(title, text, True) for title, sentences in kept.items() if (text := _text(sentences))]
        if not found:
            raise RowError("no supporting sentence is in the context, and paragraphs='supporting' keeps nothing else")
        return found, notes
    first = excerpt == "first-sentence"
    gold = [Paragraph(title, _text(texts[title], first), True) for title in named if title in texts]
    return gold + [Paragraph(title, _text(texts[title], first)) for title in texts if title not in named], notes


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


def _text(sentences: list[str], first_only: bool = False) -> str:
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
