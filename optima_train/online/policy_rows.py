"""Policy rows: what one agent said in one dialogue, token by token, with the advantage of each of its turns.

A row holds the whole conversation as its agent's model read it; the mask is 1 on the agent's own sampled tokens, so
partners' words, and whatever a world puts between turns, are read and never trained on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..run.files import read_lines
from ..stages.rows import rows_of

if TYPE_CHECKING:
    from optima_envs.games.rules import Rules
    from optima_envs.records import Episode, View

UNKNOWN, NO_LOGPROBS = "no advantage: nothing to compare with", "no log-probabilities under this prompt"


@dataclass(slots=True)
class PolicyRow:
    """``completion_mask`` is 1 on the sampled tokens of ``turns`` (numbers in the dialogue), in order ``lengths`` tokens
    each; ``advantages`` has one number per turn, ``logprobs`` (nats) one per masked token, as the engine stored them,
    or is None where it gave none for this very prompt."""

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
    """The rows of a dialogue, given the ``advantages`` of its turns by number. A turn without one is context only; the
    rest that cannot be trained on is counted in ``dropped``, by reason."""
    made = []
    for row in rows_of(episode, rules, render, limit, dropped):
        mask = [0] * len(row.input_ids)
        kept, lengths, gains = [], [], []
        logprobs: list[float] | None = [] if not episode.info.get("format") else None
        own = iter([place for place, trained in enumerate(row.completion_mask) if trained])
        for number in row.turns:
            turn, gain = episode.turns[number], advantages.get(number)
            places = [next(own) for _ in turn.ids or ()]
            if gain is None:
                dropped[UNKNOWN] += 1
                continue
            for place in places:
                mask[place] = 1
            kept.append(number)
            lengths.append(len(places))
            gains.append(gain)
            if logprobs is not None:
                known = turn.logprobs is not None and len(turn.logprobs) == len(places)
                logprobs = [*logprobs, *turn.logprobs] if known and turn.logprobs is not None else None
        if kept:
            end = len(mask) - mask[::-1].index(1)
            made.append(
                PolicyRow(
                    episode.instance.id,
                    episode.key.sample,
                    row.agent,
                    kept,
                    lengths,
                    gains,
                    list(row.input_ids[:end]),
                    mask[:end],
                    logprobs,
                )
            )
    return made


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
