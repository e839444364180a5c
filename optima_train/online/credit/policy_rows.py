"""Policy rows of a dialogue: what each agent said, token by token, with the advantage of each of its turns.

A row holds the whole conversation as its agent's model read it; the mask is 1 on the agent's own sampled tokens, so
partners' words, and whatever a world puts between turns, are read and never trained on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ...run.records import PolicyRow
from ...stages.rows import NO_IDS, TOO_LONG, rows_of

if TYPE_CHECKING:
    from optima_envs.games.rules import Rules
    from optima_envs.records import Episode, View

UNKNOWN = "no advantage: nothing to compare with"


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
    for number, advantage in advantages.items():
        if number not in there:
            dropped[TOO_LONG if episode.turns[number].ids else NO_IDS] += 1
        elif advantage is None:
            dropped[UNKNOWN] += 1
    made = []
    for row in rows:
        own = iter([place for place, trained in enumerate(row.completion_mask) if trained])
        places = {number: [next(own) for _ in episode.turns[number].ids or ()] for number in row.turns}
        known = {n: advantage for n in row.turns if (advantage := advantages.get(n)) is not None}
        if not known:
            continue
        trained = {place for number in known for place in places[number]}
        end = max(trained) + 1
        made.append(
            PolicyRow(
                instance=episode.instance.id,
                sample=episode.key.sample,
                agent=row.agent,
                turns=list(known),
                lengths=[len(places[number]) for number in known],
                advantages=list(known.values()),
                input_ids=row.input_ids[:end],
                completion_mask=[int(place in trained) for place in range(end)],
                logprobs=_logprobs(episode, known),
            )
        )
    return made


def _logprobs(episode: Episode, numbers: Iterable[int]) -> list[float] | None:
    """Those of the turns, if they are known and belong to the prompts that are trained on: a hinted turn's do not."""
    found: list[float] = []
    for number in numbers:
        turn = episode.turns[number]
        if episode.info.get("format") or turn.logprobs is None or len(turn.logprobs) != len(turn.ids or ()):
            return None
        found += turn.logprobs
    return found


class RowTally:
    """Counts over the rows made; ``dropped`` turns by reason."""

    def __init__(self) -> None:
        self.dropped: Counter[str] = Counter()
        self._counts: Counter[str] = Counter()
        self._longest = 0
        self._sum = 0.0

    def count(self, rows: Iterable[PolicyRow]) -> None:
        """The rows of one more dialogue."""
        self._counts["dialogues"] += 1
        for row in rows:
            self._counts["rows"] += 1
            self._counts["turns"] += len(row.turns)
            self._counts["tokens"] += len(row.input_ids)
            self._counts["trained_tokens"] += sum(row.lengths)
            self._counts["rows_without_logprobs"] += row.logprobs is None
            self._longest = max(self._longest, len(row.input_ids))
            self._sum += sum(map(abs, row.advantages))

    def numbers(self) -> dict[str, Any]:
        """For the log of the run."""
        names = ("dialogues", "rows", "turns", "tokens", "trained_tokens", "rows_without_logprobs")
        return {
            **{name: self._counts[name] for name in names},
            "longest_row": self._longest,
            "mean_absolute_advantage": self._sum / max(1, self._counts["turns"]),
            "dropped_turns": dict(self.dropped),
        }
