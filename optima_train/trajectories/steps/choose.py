"""Steps that choose: keep, dedupe, limit."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from itertools import islice

from optima_envs.records import Episode

from ..transcript import OTHERS, BadRow, Dropped, digest


def keep(
    min_score: float | None = None,
    max_score: float | None = None,
    min_rating: float | None = None,
    finished: bool = False,
    source: str | None = None,
    tag: str | None = None,
) -> Callable[[Episode], Episode]:
    """Episodes whose score, rating, end, source or tag is as asked.

    One without a score (or rating) is dropped where that is bounded, counted apart.
    ``finished``: those that end with a turn of the agent, or say themselves that they ended. ``source``: those whose
    ``info["source"]`` it is; ``tag``: those with a turn so tagged.
    """

    def step(item: Episode) -> Episode:
        if min_score is not None or max_score is not None:
            if item.info.get("unscored"):
                raise BadRow("no score")
            if min_score is not None and item.score < min_score:
                raise BadRow(f"score below {min_score:g}")
            if max_score is not None and item.score > max_score:
                raise BadRow(f"score above {max_score:g}")
        if min_rating is not None:
            rating = item.info.get("rating")
            if not isinstance(rating, (int, float)):
                raise BadRow("unrated")
            if rating < min_rating:
                raise BadRow(f"rating below {min_rating:g}")
        if finished and not ended(item):
            raise BadRow("unfinished")
        if source is not None and item.info.get("source") != source:
            raise BadRow(f"source is not {source}")
        if tag is not None and tag not in dict(item.info.get("tags", {})).values():
            raise BadRow(f"no turn is tagged {tag}")
        return item

    return step


def ended(item: Episode) -> bool:
    """Whether a trajectory came to its end."""
    said = item.info.get("finished")
    return said if isinstance(said, bool) else bool(item.turns) and item.turns[-1].agent not in OTHERS


def dedupe(by: str = "text") -> Callable[[Episode], Episode]:
    """The first of those with the same ``text`` (question and all turns) or the same ``question``.

    16 bytes a trajectory are kept. Raises ValueError for another ``by``.
    """
    if by not in ("text", "question"):
        raise ValueError(f"by must be text or question, not {by!r}")
    seen: set[bytes] = set()

    def step(item: Episode) -> Episode:
        text = digest(item) if by == "text" else item.instance.question
        mark = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        if mark in seen:
            raise BadRow(f"the same {by} as an earlier one")
        seen.add(mark)
        return item

    return step


def limit(
    rows: int | None = None, turns: int | None = None, chars: int | None = None
) -> Callable[[Iterator[Episode]], Iterator[Episode | Dropped]]:
    """At most ``rows`` trajectories, those that follow are not read; none longer than ``turns`` or ``chars``."""

    def fits(items: Iterator[Episode]) -> Iterator[Episode | Dropped]:
        for item in items:
            if turns is not None and len(item.turns) > turns:
                yield Dropped("", 0, item.instance.id, f"more than {turns} turns")
            elif chars is not None and sum(len(turn.text) for turn in item.turns) > chars:
                yield Dropped("", 0, item.instance.id, f"more than {chars} characters")
            else:
                yield item

    def step(items: Iterator[Episode]) -> Iterator[Episode | Dropped]:
        left = rows
        for item in fits(items) if rows != 0 else islice(items, 0):
            yield item
            if left is not None and isinstance(item, Episode):
                left -= 1
                if not left:
                    return

    setattr(step, "whole", True)  # noqa: B010 - it sees the stream, see pipeline.py
    return step
