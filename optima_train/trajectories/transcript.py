"""Transcript: somebody else's trajectory as an Episode, and the rules that replay it.

| part of a trajectory | its place |
|---|---|
| system text, offered tools | ``instance.meta["system"]``, ``instance.meta["tools"]`` (a list of JSON schemas) |
| the message that opens it | ``instance.question`` |
| the agent's messages | turns of ``assistant``; ``info["masked"]`` numbers those that carry no loss |
| what people said later, what the world answered | turns of ``user`` and of ``environment``; never a loss |
| accepted and given answer | ``instance.answers``, ``outcome.answer`` |
| success | ``score`` in [0, 1]; ``info["unscored"]`` where the source says nothing of it |
| a judge's rating | ``info["rating"]`` |
| the rest | ``info["native"]``, so that writing it back loses nothing |

No field is new, so logs, rows, masks and reports are the ones there are.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from optima_envs.games.rules import Turns, said
from optima_envs.records import ENVIRONMENT, Episode, EpisodeKey, Instance, Outcome, Turn, View
from optima_envs.text import utf8

AGENT, USER = "assistant", "user"
OTHERS = (USER, ENVIRONMENT)
IMPORTED = "import/"
"""What the ``env`` of a trajectory begins with that no environment of ours has played."""

Message = dict[str, str]


class BadRow(ValueError):
    """A row that cannot be read or written; the message is the reason it is dropped with."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """A row left out: its file, its number (from 0), its id if it has one, and why."""

    file: str
    row: int
    id: str
    reason: str

    def to_json(self) -> dict[str, Any]:
        return {"file": self.file, "row": self.row, "id": self.id, "reason": self.reason}


def episode(
    layout: str,
    id: str,  # noqa: A002 - the field's name for it
    question: str,
    turns: Sequence[Turn],
    *,
    system: str = "",
    tools: Sequence[Any] = (),
    masked: Sequence[int] = (),
    answers: Sequence[str] = (),
    answer: str | None = None,
    score: float | None = None,
    meta: Mapping[str, Any] | None = None,
    info: Mapping[str, Any] | None = None,
    turnless: bool = False,
) -> Episode:
    """The record of a trajectory. ``score`` None: the source does not say. ``turnless``: a question alone is enough.

    Raises BadRow when there is nothing to replay or to learn from.
    """
    question, system = clean(question, "the question"), clean(system, "the system text")
    if not question.strip():
        raise BadRow("no question")
    told = tuple(map(_clean_turn, turns))
    if not told and not turnless:
        raise BadRow("no turns")
    kept = {"system": system} if system else {}
    kept |= {"tools": list(tools)} if tools else {}
    record = dict(info or {})
    record |= {"masked": sorted(masked)} if masked else {}
    record |= {"unscored": True} if score is None else {}
    hidden = set(masked)
    if told and not any(turn.agent not in OTHERS and k not in hidden for k, turn in enumerate(told)):
        raise BadRow("no turn of the agent carries a loss")
    worth = 0.0 if score is None else finite(score, "score")
    inst = Instance(id, question, tuple(answers), {}, {**kept, **(meta or {})})
    ended = Outcome("answered" if answer is not None else "max_turns", answer)
    return Episode(
        EpisodeKey(id), IMPORTED + layout, inst, told, ended, max(0.0, min(1.0, worth)), worth >= 1.0, info=record
    )


def clean(text: str, what: str) -> str:
    """``text`` as tokenizers and files take it. Raises BadRow for a NUL character, which is binary data."""
    if "\0" in text:
        raise BadRow(f"{what} holds a NUL character")
    return text if text.isascii() else utf8(text)


def _clean_turn(turn: Turn) -> Turn:
    text = turn.text
    if text.isascii() and "\0" not in text:
        return turn
    text = clean(text, "a turn")
    return turn if text == turn.text else replace(turn, text=text)


def finite(value: Any, what: str) -> float:
    """A number; a text that is one counts. Raises BadRow."""
    if isinstance(value, (bool, int, float, str)):
        try:
            number = float(value)
        except (ValueError, OverflowError):
            number = math.nan
        if math.isfinite(number):
            return number
    raise BadRow(f"{what} is {str(value)[:40]!r}, not a number")


def imported(item: Episode) -> bool:
    """Whether a record is replayed by ``Transcript``; all others by the rules of their environment."""
    return item.env.startswith(IMPORTED)


def trained(item: Episode) -> list[int]:
    """Numbers of the turns that carry a loss. Raises BadRow as ``masked``."""
    hidden = masked(item)
    return [k for k, turn in enumerate(item.turns) if turn.agent not in OTHERS and k not in hidden]


def masked(item: Episode) -> set[int]:
    """Numbers of the turns of a record that carry no loss. Raises BadRow for anything but numbers of its turns."""
    numbers = item.info.get("masked", ())
    if not isinstance(numbers, list | tuple) or not all(type(k) is int and 0 <= k < len(item.turns) for k in numbers):
        raise BadRow("masked is no list of numbers of its turns")
    return set(numbers)


def retold(item: Episode, turns: Iterable[Turn], masked: Iterable[int] = (), **info: Any) -> Episode:
    """The episode with other turns; ``masked`` are the new numbers of those without loss."""
    kept = {key: value for key, value in item.info.items() if key != "masked"}
    hidden = sorted(masked)
    return replace(item, turns=tuple(turns), info={**kept, **({"masked": hidden} if hidden else {}), **info})


def digest(item: Episode) -> str:
    """Names what was said: a record whose digest is another one now was changed by a step."""
    said = "\x1f".join([item.instance.question, *[part for turn in item.turns for part in (turn.agent, turn.text)]])
    return hashlib.blake2b(said.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


@dataclass(frozen=True, slots=True)
class Transcript:
    """Rules (see ``optima_envs.games.rules``) of one recorded trajectory: who spoke then speaks now, whoever it was."""

    record: Episode

    @property
    def agents(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(turn.agent for turn in self.record.turns if turn.agent not in OTHERS)) or (AGENT,)

    @property
    def max_turns(self) -> int:
        return len(self.record.turns)

    def speakers(self, inst: Instance, turns: Turns) -> tuple[str, ...]:
        return (self.record.turns[len(turns)].agent,) if len(turns) < self.max_turns else ()

    def view(self, inst: Instance, turns: Turns, agent: str) -> View:
        partners = tuple(name for name in self.agents if name != agent)
        system = str(inst.meta.get("system", ""))
        heard, left = said(turns), max(0, self.max_turns - len(turns))
        return View(agent, partners, "transcript", "transcript", system, inst.question, "", heard, len(turns), left)

    def outcome(self, inst: Instance, turns: Turns) -> Outcome | None:
        return self.record.outcome if len(turns) >= self.max_turns else None


def messages(view: View, hint: str | None = None) -> tuple[Message, ...]:
    """The chat prompt of a transcript's view: the texts as they were, without names or instructions of ours. What the
    world answered has the role ``user``, as in the data these agents were trained on; ``hint`` follows the question."""
    out = [{"role": "system", "content": view.instructions}] if view.instructions else []
    out.append({"role": "user", "content": f"{view.question}\n{hint}" if hint else view.question})
    for item in view.dialogue:
        out.append({"role": "assistant" if item.agent == view.agent else "user", "content": item.text})
    return tuple(out)
