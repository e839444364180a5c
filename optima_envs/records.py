"""The nouns every part shares: frozen records, plain JSON in and out.

A record is readable without the code that wrote it: ``to_json`` gives only dicts, lists, strings, numbers and
null, with ``schema`` naming the layout version.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, NamedTuple

from .codec import read, write

ENVIRONMENT = "environment"  # the speaker of what a world replies; no agent may have that name
SCHEMA = 1
Finish = Literal["stop", "length", "error"]
Stop = Literal["answered", "max_turns", "token_budget", "error"]


@dataclass(frozen=True, slots=True)
class Instance:
    """One question. ``private[agent]`` is text only that agent may see; ``answers`` are the accepted golds.

    ``meta`` is plain JSON kept with every episode (never shown to an agent).
    """

    id: str
    question: str
    answers: tuple[str, ...]
    private: Mapping[str, str] = field(default_factory=dict)
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts of one completion, as the backend reports them."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Turn:
    """One utterance. ``ids`` are the sampled token ids (end-of-turn included) and ``logprobs`` theirs (nats)."""

    agent: str
    text: str
    tokens: int = 0
    prompt_ids: tuple[int, ...] | None = None
    ids: tuple[int, ...] | None = None
    logprobs: tuple[float, ...] | None = None
    finish: Finish = "stop"
    usage: Usage | None = None


class Said(NamedTuple):
    """All that another agent may see of a turn: a (speaker, text) pair, as observations show it."""

    agent: str
    text: str


@dataclass(frozen=True, slots=True)
class View:
    """What one agent may know when it is about to speak."""

    agent: str
    partners: tuple[str, ...]
    role: str
    family: str
    instructions: str
    question: str
    private: str
    dialogue: tuple[Said, ...]
    turn: int
    turns_left: int
    tokens_left: int | None = None
    answer_format: str = "tag"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a dialogue ended, and the final answer (None: no agent gave one)."""

    stop: Stop
    answer: str | None = None


@dataclass(frozen=True, slots=True)
class EpisodeKey:
    """Names one episode of a run: the same key is never rolled out twice."""

    instance: str
    sample: int = 0
    seed: int = 0

    def __str__(self) -> str:
        return f"{self.instance}#{self.sample}@{self.seed}"


@dataclass(frozen=True, slots=True)
class ErrorInfo:
    """Why an episode failed: the boundary it crossed (``backend``, ``policy``, ``env``, ``timeout``) and a message."""

    kind: str
    message: str


@dataclass(frozen=True, slots=True)
class Episode:
    """A finished dialogue. ``score`` is the metric in [0, 1]; ``reward`` stays 0 until a reward ranked it."""

    key: EpisodeKey
    env: str
    instance: Instance
    turns: tuple[Turn, ...]
    outcome: Outcome
    score: float = 0.0
    correct: bool = False
    reward: float = 0.0
    terms: Mapping[str, float] = field(default_factory=dict)
    error: ErrorInfo | None = None
    seconds: float = 0.0
    info: Mapping[str, Any] = field(default_factory=dict)

    @property
    def tokens(self) -> int:
        """Sampled tokens of all turns (the paper's #Tok)."""
        return sum(turn.tokens for turn in self.turns)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON: what a log line holds. Raises as ``to_line`` does."""
        return json.loads(self.to_line())

    def to_line(self) -> bytes:
        """The record as a line of a log, without a newline. Raises ValueError, TypeError or RecursionError for what
        JSON cannot hold, such as a score that is not finite."""
        return b'{"schema":%d,%b' % (SCHEMA, write(self)[1:])

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Episode:
        """Read one record; keys beside those of an episode are left alone. Raises ValueError naming what is wrong."""
        if row.get("schema") != SCHEMA:
            raise ValueError(f"episode schema {str(row.get('schema'))[:80]!r} is not {SCHEMA}")
        return read(cls, {item.name: row[item.name] for item in fields(cls) if item.name in row})
