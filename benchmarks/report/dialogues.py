"""All dialogues of a suite in the compact form the page reads: an index, and the turns in chunks opened when needed."""

from __future__ import annotations

import base64
import gzip
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .directory import Bench, Played, refuse_mixed

if TYPE_CHECKING:
    from optima_envs.records import Episode

MOST = 20_000
CHUNK = 400_000  # characters of JSON: opened in some milliseconds, small enough to compress well
Turns = list[list[Any]]
Question = tuple[str, str]  # environment, instance id


@dataclass(slots=True)
class Dialogues:
    """``index`` and ``chunks`` are base64 of gzipped JSON. ``total`` counts all episodes, ``shown`` those in here.

    Index: ``cells`` [[label, environment, model, seed, block]], ``instances`` [[id, question, answers, [[agent, its
    private text]]]], ``agents``, ``stops``, ``columns`` (name -> one value per episode) and ``starts`` (the first
    episode of every chunk). A chunk is, for each of its episodes, the turns [agent, text, tokens, finish, prompt
    tokens, cached tokens].
    """

    index: str = ""
    chunks: list[str] = field(default_factory=list)
    total: int = 0
    shown: int = 0


def pack(bench: Bench, *, most: int = MOST) -> Dialogues:
    """Read every log once to check and count it, then once more to pack; memory holds what is packed, not what is
    read. With more than ``most`` episodes whole questions are left out, so that all methods keep the same ones.

    Raises ValueError for an episode that is none, naming file and line, and for mixed versions of an environment.
    """
    counts = survey(bench)
    chosen = choose(counts, most)
    pages = Dialogues(total=sum(counts.values()))
    book = _Book()
    for cell in bench.cells:
        book.cells.append([cell.label, cell.env, cell.model, cell.seed, cell.block])
        for episode in cell.episodes():
            if (cell.env, episode.key.instance) in chosen:
                pages.shown += 1
                if (chunk := book.add(episode, cell)) is not None:
                    pages.chunks.append(chunk)
    if (chunk := book.close()) is not None:
        pages.chunks.append(chunk)
    pages.index = squeeze(book.index())
    return pages


def survey(bench: Bench) -> Counter[Question]:
    """Episodes per question, in the order in which questions were first met."""
    counts: Counter[Question] = Counter()

    def versions() -> Iterator[tuple[str, str, str]]:
        for cell in bench.cells:
            for episode in cell.episodes():
                counts[cell.env, episode.key.instance] += 1
                yield cell.env, episode.env, cell.path

    refuse_mixed(versions())
    return counts


def choose(counts: Mapping[Question, int], most: int) -> set[Question]:
    """Questions with at most ``most`` episodes in all, the same number of each environment as far as they last."""
    rank: Counter[str] = Counter()
    order = []
    for question in counts:
        order.append((rank[question[0]], question))
        rank[question[0]] += 1
    chosen, left = set(), most
    for _, question in sorted(order, key=lambda entry: entry[0]):
        if counts[question] > left:
            break
        chosen.add(question)
        left -= counts[question]
    return chosen


def squeeze(data: Any) -> str:
    """Base64 of gzipped JSON, the same for the same data; a lone surrogate becomes ``?``."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode("utf-8", "replace")
    return base64.b64encode(gzip.compress(text, 6, mtime=0)).decode("ascii")


NAMES = tuple("cell instance sample score correct tokens turns stop answer error reward terms".split())


@dataclass(slots=True)
class _Book:
    """What repeats is stored once and named by number."""

    cells: list[list[Any]] = field(default_factory=list)
    instances: dict[tuple[str, str, str], tuple[int, list[Any]]] = field(default_factory=dict)
    agents: dict[str, int] = field(default_factory=dict)
    stops: dict[str, int] = field(default_factory=dict)
    columns: dict[str, list[Any]] = field(default_factory=lambda: {name: [] for name in NAMES})
    starts: list[int] = field(default_factory=list)
    waiting: list[Turns] = field(default_factory=list)
    size: int = 0

    def index(self) -> dict[str, Any]:
        told = {"cells": self.cells, "instances": [entry for _, entry in self.instances.values()]}
        named = {"agents": list(self.agents), "stops": list(self.stops)}
        return {**told, **named, "columns": self.columns, "starts": self.starts}

    def add(self, episode: Episode, cell: Played) -> str | None:
        """Take an episode; returns a chunk when one is full."""
        values = (
            len(self.cells) - 1,
            self._instance(episode, cell),
            episode.key.sample,
            round(episode.score, 4),
            int(episode.correct),
            episode.tokens,
            len(episode.spoken),
            self.stops.setdefault(episode.outcome.stop, len(self.stops)),
            episode.outcome.answer,
            episode.error and f"{episode.error.kind}: {episode.error.message}",
            round(episode.reward, 4),
            {name: round(value, 4) for name, value in episode.terms.items()} or None,
        )
        for name, value in zip(NAMES, values, strict=True):
            self.columns[name].append(value)
        if not self.waiting:
            self.starts.append(len(self.columns["cell"]) - 1)
        turns: Turns = []
        for turn in episode.turns:
            use = [turn.usage.prompt_tokens, turn.usage.cached_tokens] if turn.usage else []
            agent = self.agents.setdefault(turn.agent, len(self.agents))
            turns.append([agent, turn.text, turn.tokens, turn.finish, *use])
            self.size += len(turn.text) + 24
        self.waiting.append(turns)
        return self.close() if self.size >= CHUNK else None

    def close(self) -> str | None:
        """The chunk of what was taken since the last one; None when that is nothing."""
        turns, self.waiting, self.size = self.waiting, [], 0
        return squeeze(turns) if turns else None

    def _instance(self, episode: Episode, cell: Played) -> int:
        inst = episode.instance
        key = (cell.env, inst.id, inst.question)
        if key not in self.instances:
            entry = [inst.id, inst.question, list(inst.answers), [list(item) for item in inst.private.items()]]
            self.instances[key] = (len(self.instances), entry)
        return self.instances[key][0]
