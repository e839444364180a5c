"""The world ``search``: an instance's own passages behind a search engine (SQLite's FTS5, ranked by ``bm25``).

``meta["passages"]`` is a list of ``[title, text]``. ``search[query]`` shows the best passages, each cut;
``lookup[word]`` the next sentence with that word in the passage that came first in the last search (ReAct, arXiv
2210.03629).
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from contextlib import closing

from ..records import Instance
from ..scoring.metrics import METRICS
from ..text import utf8
from .world import Call, Done, Tool, clip

SHOWN = 3  # passages of one search
PASSAGE = 600  # characters of each
MAX_WORDS = 32  # of a query
TITLE_WEIGHT = 3.0
_WORD = re.compile(r"\w+")
_SENTENCE = re.compile(r"(?<=[.!?])\s+")


def search(passages: Sequence[Sequence[str]], query: str, count: int = SHOWN) -> list[int]:
    """Indices of the best ``count`` passages for any words of ``query``, best first. Raises RuntimeError where Python's
    SQLite was built without FTS5."""
    words = _WORD.findall(query)[:MAX_WORDS]
    if not words:
        return []
    with closing(sqlite3.connect(":memory:")) as database:
        try:
            database.execute("CREATE VIRTUAL TABLE passage USING fts5(title, text, tokenize = 'porter unicode61')")
        except sqlite3.OperationalError as err:
            raise RuntimeError(f"the tool search needs SQLite with FTS5: {err}") from None
        rows = [(at + 1, utf8(title), utf8(text)) for at, (title, text) in enumerate(passages)]
        database.executemany("INSERT INTO passage (rowid, title, text) VALUES (?, ?, ?)", rows)
        # quoted, a word is never an operator of the query language
        found = database.execute(
            "SELECT rowid FROM passage WHERE passage MATCH ? ORDER BY bm25(passage, ?, 1.0), rowid LIMIT ?",
            (utf8(" OR ".join(f'"{word}"' for word in words)), TITLE_WEIGHT, count),
        )
        return [row - 1 for (row,) in found]


class SearchWorld:
    """See ``world.World``."""

    tools = (
        Tool("search", ("query",), f"shows the {SHOWN} passages that fit a query best"),
        Tool("lookup", ("word",), "shows the next sentence with that word in the first passage of the last search"),
    )

    def observe(self, inst: Instance, done: Sequence[Done], call: Call) -> str:
        passages = inst.meta["passages"]
        if call.tool == "search":
            found = search(passages, call.text)
            shown = [f"{n}. {clip(_line(*passages[at]), PASSAGE)}" for n, at in enumerate(found, 1)]
            return clip("\n".join(shown) or "no passage holds any of these words")
        last = next((at for at in reversed(range(len(done))) if done[at].call.tool == "search"), None)
        found = [] if last is None else search(passages, done[last].call.text, 1)
        if last is None or not found:
            return "error: there is no passage to look in; search first"
        word = call.text.casefold()
        before = sum(one.call.tool == "lookup" and one.call.text.casefold() == word for one in done[last:])
        sentences = [text for text in _SENTENCE.split(passages[found[0]][1]) if word in text.casefold()]
        if before >= len(sentences):
            return f"no {'more ' if before else ''}sentence of {passages[found[0]][0]} holds that"
        return clip(f"({before + 1} of {len(sentences)}) {_line('', sentences[before])}")

    def answer(self, inst: Instance, done: Sequence[Done], stated: str | None) -> str | None:
        return stated

    def solved(self, inst: Instance, answer: str | None) -> bool:
        metric = METRICS["em"]
        return metric.correct(metric.score(answer, inst.answers))


def _line(title: str, text: str) -> str:
    # one line for each passage, so that none can pose as another
    return " ".join(f"{title}: {text}".split() if title else text.split())


WORLD = SearchWorld()
