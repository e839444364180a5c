"""A trajectory as chat, with the tokens that are trained on marked."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING

from optima_envs.adapters.render import printable
from optima_envs.records import Episode

if TYPE_CHECKING:
    from .rows import Tokeniser

OPEN, CLOSE = "\N{MATHEMATICAL LEFT WHITE SQUARE BRACKET}", "\N{MATHEMATICAL RIGHT WHITE SQUARE BRACKET}"
Piece = tuple[str, bool]
"""Text, and whether it is trained on."""


def pieces(item: Episode, tokeniser: Tokeniser) -> Iterator[Piece]:
    """The trajectory from its head to its last turn. What is marked is decoded from the rows' own masks, so it is what
    a model would learn; a turn left out because it is too long is not marked."""
    learned: dict[int, tuple[str, int]] = {}
    rows = tokeniser.rows(item)
    for row in rows:
        marked = groupby(zip(row.input_ids, row.completion_mask, strict=True), key=lambda pair: pair[1])
        runs = [[token for token, _ in run] for bit, run in marked if bit]
        for number, run in zip(row.turns, runs, strict=True):
            learned[number] = tokeniser.chat.tokenizer.decode(run, skip_special_tokens=False), len(run)
    tokens = sum(count for _, count in learned.values())
    score = "no score" if item.info.get("unscored") else f"score {item.score:g}"
    yield f"{_safe(item.instance.id)} ({item.env}, {score}): ", False
    yield f"{len(learned)} of {len(item.turns)} turns trained, {tokens} tokens in {len(rows)} rows\n", False
    for name in ("data", "rating", "flags", "tags", "negative", "note"):
        if name in item.info:
            yield f"  {name}: {_safe(str(item.info[name]))}\n", False
    if system := item.instance.meta.get("system"):
        yield f"system: {_indented(str(system))}\n", False
    yield f"user: {_indented(item.instance.question)}\n", False
    for agent, private in item.instance.private.items():
        yield f"({_safe(agent)} alone knows: {_indented(private)})\n", False
    for number, turn in enumerate(item.turns):
        yield f"{_safe(turn.agent)}: ", False
        yield _indented(learned[number][0] if number in learned else turn.text), number in learned
        yield "\n", False


def plain(item: Episode, tokeniser: Tokeniser) -> str:
    """The trajectory as text, trained tokens between white brackets."""
    return "".join(f"{OPEN}{text}{CLOSE}" if marked else text for text, marked in pieces(item, tokeniser))


def _safe(text: str) -> str:
    """Nothing in a text can pose as a mark or steer a terminal."""
    return printable(text).replace(OPEN, "[").replace(CLOSE, "]")


def _indented(text: str) -> str:
    """Later lines are indented, so that none can pose as a speaker."""
    return _safe(text).replace("\n", "\n    ")
