"""Dialogues in the compact form a page's browser reads: an index, and the turns in chunks opened when needed."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .one_page import inert

if TYPE_CHECKING:
    from optima_envs.records import Episode

    from ..run.records import RankedRow

MOST = 20_000  # dialogues in one page
CHUNK = 400_000  # characters of JSON: opened in some milliseconds, small enough to compress well
NAMES = tuple("origin instance sample score correct tokens turns stop answer error reward terms kept format".split())
Turns = list[list[Any]]


@dataclass(slots=True)
class Dialogues:
    """``index`` and ``chunks`` are base64 of gzipped JSON. ``total`` counts all episodes, ``shown`` those in here.

    Index: ``origins`` (what dialogues come from, a list of a page's own), ``instances`` [[id, question, answers,
    [[agent, its private text]]]], ``agents``, ``stops``, ``columns`` (name -> one value per episode) and ``starts``
    (the first episode of every chunk). A chunk is, for each of its episodes, the turns [agent, text, tokens, finish,
    prompt tokens, cached tokens].
    """

    index: str = ""
    chunks: list[str] = field(default_factory=list)
    total: int = 0
    shown: int = 0

    def blocks(self) -> str:
        """The chunks for a page. base64 holds nothing that could end a block, and no browser runs one of this type."""
        return "\n".join(
            f'<script type="text/plain" id="chunk-{n}">{text}</script>' for n, text in enumerate(self.chunks)
        )

    def data(self, told: dict[str, Any]) -> str:
        """What the page is told beside the dialogues, as JSON that is safe in it."""
        return inert({**told, "total": self.total, "shown": self.shown})


def squeeze(data: Any) -> str:
    """Base64 of gzipped JSON, the same for the same data; a lone surrogate becomes ``?``."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode("utf-8", "replace")
    return base64.b64encode(gzip.compress(text, 6, mtime=0)).decode("ascii")


class Packer:
    """Packs episodes one after another; what repeats is stored once and named by number."""

    def __init__(self) -> None:
        self._dialogues = Dialogues()
        self._origins: list[list[Any]] = []
        self._instances: dict[tuple[Any, ...], tuple[int, list[Any]]] = {}
        self._agents: dict[str, int] = {}
        self._stops: dict[str, int] = {}
        self._columns: dict[str, list[Any]] = {name: [] for name in NAMES}
        self._starts: list[int] = []
        self._waiting: list[Turns] = []
        self._size = 0

    @property
    def shown(self) -> int:
        return self._dialogues.shown

    def origin(self, *facets: Any) -> None:
        """Where the episodes added from now on come from."""
        self._origins.append(list(facets))

    def add(
        self, episode: Episode, place: Sequence[Any] = (), *, ranked: RankedRow | None = None, kept: int | None = None
    ) -> None:
        """Instances of one id and question are the same within a ``place``, such as an environment.

        ``ranked`` holds the reward given later, where there is one; ``kept`` whether it was selected (0 or 1).
        """
        reward = episode.reward if ranked is None or ranked.reward is None else ranked.reward
        terms = (ranked and ranked.terms) or episode.terms
        values = (
            len(self._origins) - 1,
            self._instance(episode, place),
            episode.key.sample,
            round(episode.score, 4),
            int(episode.correct),
            episode.tokens,
            len(episode.spoken),
            self._stops.setdefault(episode.outcome.stop, len(self._stops)),
            episode.outcome.answer,
            episode.error and f"{episode.error.kind}: {episode.error.message}",
            round(reward, 4),
            {name: round(value, 4) for name, value in terms.items()} or None,
            kept,
            episode.info.get("format"),
        )
        for name, value in zip(NAMES, values, strict=True):
            self._columns[name].append(value)
        if not self._waiting:
            self._starts.append(len(self._columns["origin"]) - 1)
        turns: Turns = []
        for turn in episode.turns:
            use = [turn.usage.prompt_tokens, turn.usage.cached_tokens] if turn.usage else []
            agent = self._agents.setdefault(turn.agent, len(self._agents))
            turns.append([agent, turn.text, turn.tokens, turn.finish, *use])
            self._size += len(turn.text) + 24
        self._waiting.append(turns)
        self._dialogues.shown += 1
        if self._size >= CHUNK:
            self._close_chunk()

    def finish(self, total: int) -> Dialogues:
        """``total``: how many dialogues there are, packed or not."""
        self._close_chunk()
        index = {
            "origins": self._origins,
            "instances": [entry for _, entry in self._instances.values()],
            "agents": list(self._agents),
            "stops": list(self._stops),
            "columns": self._columns,
            "starts": self._starts,
        }
        self._dialogues.index = squeeze(index)
        self._dialogues.total = total
        return self._dialogues

    def _close_chunk(self) -> None:
        if self._waiting:
            self._dialogues.chunks.append(squeeze(self._waiting))
        self._waiting, self._size = [], 0

    def _instance(self, episode: Episode, place: Sequence[Any]) -> int:
        inst = episode.instance
        key = (*place, inst.id, inst.question)
        if key not in self._instances:
            entry = [inst.id, inst.question, list(inst.answers), [list(item) for item in inst.private.items()]]
            self._instances[key] = (len(self._instances), entry)
        return self._instances[key][0]
