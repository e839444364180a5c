"""Lumos: ``{dataset, id, messages: [{role, content}]}``, one file a module (plan, ground) and formulation (onetime,
iterative), told by the file's name. Its hand-made annotations ``{source, task, subgoal_plan}`` are read as one answer.
"""

from __future__ import annotations

from typing import Any

from optima_envs.records import Episode, Turn

from ..messages import fields, read_chat, spoken, text_id
from ..registry import Read, Where, Write, row_id
from ..transcript import AGENT, BadRow, episode

MODULES = ("plan", "ground")
FORMULATIONS = ("onetime", "iterative")


def reader() -> Read:
    def read(row: Any, at: Where) -> Episode:
        info = {"source": row["dataset"]} if isinstance(fields(row).get("dataset"), str) else {}
        for kind, names in (("module", MODULES), ("formulation", FORMULATIONS)):
            info.update((kind, name) for name in names if f"_{name}" in at.file)
        if "subgoal_plan" in row:
            task, plan = row.get("task"), row["subgoal_plan"]
            if not isinstance(task, str) or not isinstance(plan, str):
                raise BadRow("task and subgoal_plan must be text")
            return episode("lumos", at.id, task, [Turn(AGENT, plan)], info=info | {"form": "annotation"})
        chat = read_chat(fields(row, "messages")["messages"])
        name = text_id(row.get("id"), at)
        return episode("lumos", name, chat.question, chat.turns, system=chat.system, masked=chat.masked, info=info)

    return read


def writer() -> Write:
    def write(item: Episode) -> dict[str, Any]:
        if item.info.get("form") == "annotation":
            return {"task": item.instance.question, "subgoal_plan": item.turns[0].text}
        source = {"dataset": item.info["source"]} if "source" in item.info else {}
        return {**source, "id": row_id(item), "messages": spoken(item)}

    return write
