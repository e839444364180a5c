"""The nouns every part shares: frozen records, plain JSON in and out.

A record is readable without the code that wrote it: ``to_json`` gives only dicts, lists, strings, numbers and
null, with ``schema`` naming the layout version.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, NamedTuple, cast

from .codec import read, write

ENVIRONMENT = "environment"
"""The speaker of what a world replies; no agent may have that name."""
SCHEMA = 1
MAX_UTTERANCE = 65_536
"""Characters of one turn; what is longer is cut (finish ``"length"``), in environments and rollouts."""
Finish = Literal["stop", "length", "error"]
Stop = Literal["answered", "max_turns", "token_budget", "error"]


@dataclass(frozen=True, slots=True)
class Instance:
    """One question. ``private[agent]`` is text only that agent may see; ``answers`` are the accepted golds.

    ``id`` is its own within a task and stays the same from run to run. ``meta`` is plain JSON kept with every episode
    (never shown to an agent). Raises TypeError naming a part that is of another type.
    """

    id: str
    question: str
    answers: tuple[str, ...]
    private: Mapping[str, str] = field(default_factory=dict[str, str])
    meta: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def __post_init__(self) -> None:
        # what authors get wrong would else be found out by a score of 0, or by episodes in each other's place
        for name in ("id", "question"):
            _text(getattr(self, name), f"Instance: {name}")
        who = f"Instance {self.id[:80]!r}"
        if not isinstance(cast("object", self.answers), (tuple, list)):
            raise TypeError(f"{who}: answers must be a tuple of texts, not {self.answers!r:.80}")
        for answer in self.answers:
            _text(answer, f"{who}: an answer")
        object.__setattr__(self, "answers", tuple(self.answers))
        for name in ("private", "meta"):
            if not isinstance(getattr(self, name), Mapping):
                raise TypeError(f"{who}: {name} must be a mapping, not {getattr(self, name)!r:.80}")
        for agent, text in self.private.items():
            _text(agent, f"{who}: an agent in private")
            _text(text, f"{who}: what is private to {agent[:80]!r}")


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts of one completion, as the backend reports them."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Turn:
    """One utterance. ``ids`` are the sampled token ids (end-of-turn included) and ``logprobs`` theirs (nats).

    ``thinking`` is what the speaker wrote before it spoke: in the record alone (left out there when empty), in nobody's
    view; its tokens count.
    """

    agent: str
    text: str
    tokens: int = 0
    # thousands of numbers: in the record, but not in what a notebook or an error message shows of it
    prompt_ids: tuple[int, ...] | None = field(default=None, repr=False)
    ids: tuple[int, ...] | None = field(default=None, repr=False)
    logprobs: tuple[float, ...] | None = field(default=None, repr=False)
    finish: Finish = "stop"
    usage: Usage | None = None
    thinking: str = field(default="", metadata={"left_out_when_empty": True})

    def __init__(
        self,
        agent: str,
        text: str,
        tokens: int = 0,
        prompt_ids: tuple[int, ...] | None = None,
        ids: tuple[int, ...] | None = None,
        logprobs: tuple[float, ...] | None = None,
        finish: Finish = "stop",
        usage: Usage | None = None,
        thinking: str = "",
    ) -> None:
        # straight into the slots: what dataclasses write for a frozen class takes twice as long, at every step there is
        put_agent, put_text, put_tokens, put_prompt_ids, put_ids, put_logprobs, put_finish, put_usage, put_thinking = (
            _TURN
        )
        put_agent(self, agent)
        put_text(self, text)
        put_tokens(self, tokens)
        put_prompt_ids(self, prompt_ids)
        put_ids(self, ids)
        put_logprobs(self, logprobs)
        put_finish(self, finish)
        put_usage(self, usage)
        put_thinking(self, thinking)


_TURN: list[Callable[[Turn, Any], None]] = [Turn.__dict__[item.name].__set__ for item in fields(Turn)]


def of_agents(turns: Iterable[Turn]) -> tuple[Turn, ...]:
    """The turns of agents: those of ``turns`` that the world did not reply with."""
    return tuple([turn for turn in turns if turn.agent != ENVIRONMENT])


class Said(NamedTuple):
    """All that another agent may see of a turn: a (speaker, text) pair, as observations show it."""

    agent: str
    text: str


@dataclass(frozen=True, slots=True)
class View:
    """What one agent may know when it is about to speak.

    ``episode`` names the dialogue (``EpisodeKey`` as text), so that one policy object in many dialogues can keep apart
    what it remembers; it is no part of any prompt. Rules leave it empty: who plays the dialogue fills it in.
    """

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
    episode: str = ""


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


@dataclass(frozen=True, slots=True, repr=False)
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
    terms: Mapping[str, float] = field(default_factory=dict[str, float])
    error: ErrorInfo | None = None
    seconds: float = 0.0
    info: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def __repr__(self) -> str:
        end = f"error={self.error.kind!r}" if self.error else f"stop={self.outcome.stop!r}, score={self.score:g}"
        return f"<Episode {self.key} of {self.env}: {len(self.spoken)} turns, {self.tokens} tokens, {end}>"

    @property
    def tokens(self) -> int:
        """Sampled tokens of all turns (the paper's #Tok)."""
        return sum(turn.tokens for turn in self.turns)

    @property
    def spoken(self) -> tuple[Turn, ...]:
        """The agents' turns, without the world's replies: what is counted, rewarded and trained on."""
        return of_agents(self.turns)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON: what a log line holds. Raises as ``to_line`` does."""
        return json.loads(self.to_line())

    def to_line(self) -> bytes:
        """The record as a line of a log, without a newline. Raises ValueError, TypeError or RecursionError for what
        JSON cannot hold, such as a score that is not finite."""
        silent = {at: {"thinking"} for at, turn in enumerate(self.turns) if not turn.thinking}
        return b'{"schema":%d,%b' % (SCHEMA, write(self, {"turns": silent})[1:])

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Episode:
        """Read one record; keys beside those of an episode are left alone. Raises ValueError naming what is wrong."""
        if row.get("schema") != SCHEMA:
            raise ValueError(f"episode schema {str(row.get('schema'))[:80]!r} is not {SCHEMA}")
        return read(cls, {item.name: row[item.name] for item in fields(cls) if item.name in row})


def _text(value: object, what: str) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{what} must be text, not {type(value).__name__} {value!r:.80}")
