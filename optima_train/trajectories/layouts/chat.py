"""Chat in general: OpenAI's ``{messages: [{role, content, tool_calls?}], tools?}`` and ShareGPT's
``{conversations: [{from, value}], system?, tools?}``; a row may be the bare list. Roles and keys may
be mixed; tool calls become text.

Written rows keep under ``info`` what chat has no place for, so any record of ours comes back whole.
"""

from __future__ import annotations

import json
from typing import Any

from optima_envs.records import Episode

from ..messages import dialect, fields, read_chat, renamed, spoken, text_id, tools_of
from ..registry import Read, Where, Write, row_id
from ..transcript import BadRow, episode, finite, masked

SHAREGPT = ("from", "value")


def reader() -> Read:
    def read(row: Any, at: Where) -> Episode:
        held = {"messages": row} if isinstance(row, list) else fields(row)
        sharing = "conversations" in held
        if not sharing and "messages" not in held:
            raise BadRow("neither messages nor conversations")
        rows = held["conversations" if sharing else "messages"]
        chat = read_chat(rows)
        info: dict[str, Any] = {"form": "sharegpt" if sharing else "bare"} if sharing or isinstance(row, list) else {}
        info |= dialect(rows, SHAREGPT, "human", "gpt") if sharing else {}
        system = held.get("system")
        score = held.get("score", held.get("reward"))
        return episode(
            "chat",
            text_id(held.get("id"), at),
            chat.question,
            chat.turns,
            system=system if isinstance(system, str) and system else chat.system,
            tools=tools_of(held.get("tools")),
            masked=chat.masked,
            score=None if score is None else finite(score, "score"),
            info=info,
        )

    return read


def writer(form: str = "openai") -> Write:
    """Chat in general, OpenAI's or ShareGPT's.

    ``form``: ``openai`` or ``sharegpt``, for what was not read as the other one. Raises ValueError for another.
    """
    if form not in ("openai", "sharegpt"):
        raise ValueError(f"form must be openai or sharegpt, not {form!r}")

    def write(item: Episode) -> Any:
        kind = item.info.get("form", form)
        tools = item.instance.meta.get("tools")
        if kind == "sharegpt":
            rows = renamed(spoken(item, several=True), SHAREGPT, "human", "gpt", item.info)
            system = [row["value"] for row in rows[:1] if row.get("from") == "system"]
            out: dict[str, Any] = {"id": row_id(item), "conversations": rows[len(system) :]}
            return out | ({"system": system[0]} if system else {}) | ({"tools": json.dumps(tools)} if tools else {})
        rows = spoken(item, calls=True, several=True)
        before = len(rows) - len(item.turns)
        for number in masked(item):
            rows[before + number]["weight"] = 0
        if kind == "bare":
            return rows
        scored = {} if item.info.get("unscored") else {"score": item.score}
        return {"id": row_id(item), "messages": rows, **({"tools": tools} if tools else {}), **scored}

    return write


setattr(writer, "carries", "info")  # noqa: B010 - a mark of the factory, see registry.py
