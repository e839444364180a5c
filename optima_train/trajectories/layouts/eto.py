"""ETO's trajectories: ``{id, conversations: [{from, value}], reward, source}``; the first two turns are instruction and
"OK". A row that is a bare list of messages (their in-context examples) is read as well.
"""

from __future__ import annotations

from typing import Any

from optima_envs.records import Episode

from ..messages import dialect, fields, read_chat, renamed, spoken, text_id
from ..registry import Read, Where, Write, row_id
from ..transcript import episode, finite

KEYS = ("from", "value")


def reader() -> Read:
    def read(row: Any, at: Where) -> Episode:
        bare = isinstance(row, list)
        held = {} if bare else fields(row, "conversations")
        rows = row if bare else held["conversations"]
        chat = read_chat(rows, observing=True)
        reward = held.get("reward")
        score = None if reward is None else finite(reward, "reward")
        info = dialect(rows, KEYS, "human", "gpt") | ({"bare": True} if bare else {})
        name = text_id(held.get("id"), at)
        return episode(
            "eto", name, chat.question, chat.turns, system=chat.system, masked=chat.masked, score=score, info=info
        )

    return read


def writer() -> Write:
    def write(item: Episode) -> Any:
        rows = renamed(spoken(item), KEYS, "human", "gpt", item.info)
        if item.info.get("bare"):
            return rows
        scored = {} if item.info.get("unscored") else {"reward": item.score}
        return {"id": row_id(item), "conversations": rows, **scored}

    return write
