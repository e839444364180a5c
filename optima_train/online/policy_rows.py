"""Policy rows: what one agent said in one dialogue, token by token, with the advantage of each of its turns.

A row holds the whole conversation as its agent's model read it; the mask is 1 on the agent's own sampled tokens, so
partners' words, and whatever a world puts between turns, are read and never trained on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..run.files import read_lines
from ..stages.rows import NO_IDS, TOO_LONG, rows_of

if TYPE_CHECKING:
    from optima_envs.games.rules import Rules
    from optima_envs.records import Episode, View

UNKNOWN = "no advantage: nothing to compare with"


@dataclass(slots=True)
class PolicyRow:
    """``completion_mask`` is 1 on the sampled tokens of ``turns`` (numbers in the dialogue), which have ``lengths``.

    ``advantages`` has one number per turn. ``logprobs`` (nats) has one per masked token, as the engine stored them, or
    is None where it gave none for this very prompt.
    """

    instance: str
    sample: int
    agent: str
    turns: list[int]
    lengths: list[int]
    advantages: list[float]
    input_ids: list[int]
    completion_mask: list[int]
    logprobs: list[float] | None

    @property
    def start(self) -> int:
        """Where the first trained token stands; at least one token is before it."""
        return self.completion_mask.index(1)

    def token_advantages(self) -> list[float]:
        """The advantage of each masked token: its turn's."""
        return [a for a, length in zip(self.advantages, self.lengths, strict=True) for _ in range(length)]


def policy_rows(
    episode: Episode,
    rules: Rules,
    render: Callable[[View], list[int]],
    limit: int | None,
    advantages: Mapping[int, float | None],
    dropped: Counter[str],
) -> list[PolicyRow]:
    """The rows of a dialogue, given the ``advantages`` of its turns by number.

    Other turns are context only. A turn whose advantage is None, or that cannot be trained on, is counted in
    ``dropped`` by reason.
    """
    rows = rows_of(episode, rules, render, limit, Counter())
    there = {number for row in rows for number in row.turns}
    for number, gain in advantages.items():
        if number not in there:
            dropped[TOO_LONG if episode.turns[number].ids else NO_IDS] += 1
        elif gain is None:
            dropped[UNKNOWN] += 1
    made = []
    for row in rows:
        own = iter([place for place, trained in enumerate(row.completion_mask) if trained])
        places = {number: [next(own) for _ in episode.turns[number].ids or ()] for number in row.turns}
        gains = {number: gain for number in row.turns if (gain := advantages.get(number)) is not None}
        if not gains:
            continue
        trained = {place for number in gains for place in places[number]}
        end = max(trained) + 1
        made.append(
            PolicyRow(
                episode.instance.id,
                episode.key.sample,
                row.agent,
                list(gains),
                [len(places[number]) for number in gains],
                list(gains.values()),
                list(row.input_ids[:end]),
                [int(place in trained) for place in range(end)],
                _logprobs(episode, gains),
            )
        )
    return made


def _logprobs(episode: Episode, numbers: Iterable[int]) -> list[float] | None:
    """Those of the turns, if they are known and belong to the prompts that are trained on: a hinted turn's do not."""
    known: list[float] = []
    for number in numbers:
        turn = episode.turns[number]
        if episode.info.get("format") or turn.logprobs is None or len(turn.logprobs) != len(turn.ids or ()):
            return None
        known += turn.logprobs
    return known


def read_policy_rows(path: Path) -> list[PolicyRow]:
    """The rows of an ``advantages/rows.jsonl``. Raises ValueError naming file and line of one that is none."""
    names = [field.name for field in fields(PolicyRow)]
    return [_checked(PolicyRow(**row), path, number) for number, row in enumerate(_whole(path, names), 1)]


def _whole(path: Path, names: list[str]) -> list[dict[str, Any]]:
    rows = list(read_lines(path))
    for number, row in enumerate(rows, 1):
        if sorted(row) != sorted(names):
            raise ValueError(f"{path}:{number}: no policy row: it has {', '.join(sorted(row))}")
    return rows


def _checked(row: PolicyRow, path: Path, number: int) -> PolicyRow:
    trained = sum(row.completion_mask)
    sizes = {"completion_mask": len(row.completion_mask) == len(row.input_ids), "lengths": sum(row.lengths) == trained}
    sizes["advantages"] = len(row.advantages) == len(row.lengths) == len(row.turns)
    sizes["logprobs"] = row.logprobs is None or len(row.logprobs) == trained
    sizes["completion_mask"] &= trained > 0 and row.completion_mask[0] == 0
    wrong = [name for name, right in sizes.items() if not right]
    if wrong:
        raise ValueError(f"{path}:{number}: {', '.join(wrong)} does not fit the row's tokens")
    return row
