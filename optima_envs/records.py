"""The nouns every part shares: frozen records, plain JSON in and out.

A record is readable without the code that wrote it: ``to_json`` gives only dicts, lists, strings, numbers and
null, with ``schema`` naming the layout version.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, Literal, NamedTuple

from .fast_init import fast_init

SCHEMA = 1
ATOMS = frozenset({str, int, float, bool, type(None)})
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


@fast_init
@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts of one completion, as the backend reports them."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0


@fast_init
@dataclass(frozen=True, slots=True)
class Turn:
    """One utterance. ``ids`` are the sampled token ids (end-of-turn included) and ``logprobs`` theirs (nats).

    ``thinking`` is what the speaker wrote before it spoke: in the record alone (left out there when empty), in nobody's
    view; its tokens count.
    """

    agent: str
    text: str
    tokens: int = 0
    prompt_ids: tuple[int, ...] | None = None
    ids: tuple[int, ...] | None = None
    logprobs: tuple[float, ...] | None = None
    finish: Finish = "stop"
    usage: Usage | None = None
    thinking: str = ""


class Said(NamedTuple):
    """All that another agent may see of a turn: a (speaker, text) pair, as observations show it."""

    agent: str
    text: str


@fast_init
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
        """Plain JSON; non-finite numbers are refused by the writer, not here."""
        return {"schema": SCHEMA, **_plain(self)}

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Episode:
        """Read one record. Raises ValueError naming what is wrong."""
        if row.get("schema") != SCHEMA:
            raise ValueError(f"episode schema {row.get('schema')!r} is not {SCHEMA}")
        try:
            return _read_episode(cls, row)
        except (KeyError, TypeError, AttributeError) as err:
            raise ValueError(f"malformed episode record: {type(err).__name__}: {err}") from None


def _read_episode(cls: type[Episode], row: Mapping[str, Any]) -> Episode:
    inst = dict(row["instance"])
    inst["answers"] = tuple(inst["answers"])
    return cls(
        key=EpisodeKey(**row["key"]),
        env=row["env"],
        instance=Instance(**inst),
        turns=tuple(turn_from_json(turn) for turn in row["turns"]),
        outcome=Outcome(**row["outcome"]),
        score=_finite(row["score"], "score"),
        correct=bool(row["correct"]),
        reward=_finite(row["reward"], "reward"),
        terms={name: _finite(value, name) for name, value in row["terms"].items()},
        error=ErrorInfo(**row["error"]) if row["error"] else None,
        seconds=_finite(row["seconds"], "seconds"),
        info=row.get("info", {}),
    )


def turn_from_json(row: Mapping[str, Any]) -> Turn:
    """The inverse of a turn's plain form; unknown keys raise TypeError."""
    data = dict(row)
    for name in ("prompt_ids", "ids", "logprobs"):
        if data.get(name) is not None:
            data[name] = tuple(data[name])
    if data.get("usage") is not None:
        data["usage"] = Usage(**data["usage"])
    return Turn(**data)


def _finite(value: Any, name: str) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"malformed episode record: {name} is {number}")
    return number


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        row = {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
        if isinstance(value, Turn) and not value.thinking:
            del row["thinking"]
        return row
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        # a prompt's thousands of ids are looked at in one go
        return list(value) if ATOMS.issuperset(map(type, value)) else [_plain(item) for item in value]
    return value
