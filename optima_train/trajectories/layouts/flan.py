"""Agent-FLAN: ``{id, conversation: [{role, content, loss}]}``, and the raw answers of ToolBench, half of its source:
``{answer_generation: {query, function, train_messages, final_answer}}``, of which the last and longest chat is read.
"""

from __future__ import annotations

from typing import Any

from optima_envs.records import Episode

from ..messages import fields, parsed, read_chat, spoken, text_id, tools_of
from ..registry import Read, Where, Write, row_id
from ..transcript import BadRow, episode
from .agentinstruct import losses


def reader() -> Read:
    def read(row: Any, at: Where) -> Episode:
        if "answer_generation" in fields(row):
            return _toolbench(row["answer_generation"], at)
        rows = fields(row, "conversation")["conversation"]
        chat = read_chat(rows, observing=True)
        name = text_id(row.get("id"), at)
        info = {} if chat.flagged else {"note": "no loss flags"}
        return episode("flan", name, chat.question, chat.turns, system=chat.system, masked=chat.masked, info=info)

    return read


def _toolbench(made: Any, at: Where) -> Episode:
    chats = fields(made, "train_messages")["train_messages"]
    if not isinstance(chats, list) or not chats:
        raise BadRow("no turns")
    chat = read_chat(chats[-1], observing=True)
    stated = parsed(made.get("final_answer"))
    answer = stated.get("final_answer") if isinstance(stated, dict) else stated
    return episode(
        "toolbench",
        at.id,
        chat.question,
        chat.turns,
        system=chat.system,
        masked=chat.masked,
        tools=tools_of(made.get("function")),
        answer=answer if isinstance(answer, str) else None,
        score=float(bool(made.get("valid_data"))) if "valid_data" in made else None,
    )


def writer() -> Write:
    def write(item: Episode) -> dict[str, Any]:
        rows = spoken(item)
        for row in rows:
            row["role"] = "user" if row["role"] == "tool" else row["role"]
        if "note" not in item.info:
            rows = [{**row, "loss": loss} for row, loss in zip(rows, losses(item, len(rows), False), strict=True)]
        return {"id": row_id(item), "conversation": rows}

    return write
