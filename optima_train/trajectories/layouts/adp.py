"""Agent Data Protocol: ``{schema_version, id, content: [...], details}``; ``content`` holds actions
(``message_action``, ``api_action``, ``code_action``) and observations (``text_observation``, ``web_observation``).

A description is read as a thought, a call and a block of code in the one grammar of acts.py. Pictures are not read.
Written rows keep under ``details`` what the protocol has no place for.
"""

from __future__ import annotations

import json
from itertools import zip_longest
from typing import Any

from optima_envs.records import Episode, Turn

from ..acts import call_text, read_turn
from ..messages import MOST_TURNS, content_text, fields, parsed, text_id
from ..registry import Read, Where, Write, row_id
from ..transcript import AGENT, ENVIRONMENT, OTHERS, USER, BadRow, episode

VERSION = "1.3.1"
SOURCES = {
    "user": USER,
    "environment": ENVIRONMENT,
    "agent": AGENT,
    "assistant": AGENT,
    "system": "system",
    "os": ENVIRONMENT,
}
THOUGHT = "Thought: "


def reader() -> Read:
    def read(row: Any, at: Where) -> Episode:
        items = fields(row, "content")["content"]
        if not isinstance(items, list) or len(items) > MOST_TURNS:
            raise BadRow("content is no list" if not isinstance(items, list) else f"more than {MOST_TURNS:,} items")
        system, question = "", ""
        turns: list[Turn] = []
        for item in items:
            speaker, text = _said(item)
            if speaker == "system" and not question:
                system = f"{system}\n\n{text}" if system else text
            elif not question and not turns:
                if speaker == AGENT:
                    raise BadRow("the agent speaks first, without a task")
                question = text
            else:
                turns.append(Turn(USER if speaker == "system" else speaker, text))
        apis = row.get("available_apis", row.get("available_custom_tools"))
        tools = [{"name": name} for name in apis] if isinstance(apis, list) else []
        return episode("adp", text_id(row.get("id"), at), question, turns, system=system, tools=tools)

    return read


def _said(item: Any) -> tuple[str, str]:
    kind = fields(item, "class_")["class_"]
    if kind == "text_observation":
        source = item.get("source")
        if source not in SOURCES:
            raise BadRow(f"unknown source {str(source)[:40]!r}")
        return SOURCES[source], content_text(item.get("content"))
    if kind == "web_observation":
        return ENVIRONMENT, content_text(item.get("axtree") or item.get("html") or item.get("url"))
    thought = item.get("description")
    before = f"{THOUGHT}{thought}" if isinstance(thought, str) and thought else ""
    if kind == "message_action":
        said = content_text(item.get("content"))
        return AGENT, f"{before}\n{said}" if before else said
    if kind == "api_action":
        name, given = fields(item, "function")["function"], json.dumps(item.get("kwargs", {}), ensure_ascii=False)
        return AGENT, call_text(before, [(str(name), given)])
    if kind == "code_action":
        language = str(item.get("language", ""))
        code = f"Action: {language}\n```{language}\n{content_text(item.get('content'))}\n```"
        return AGENT, f"{before}\n{code}" if before else code
    raise BadRow(f"unknown item {str(kind)[:40]!r}")


def writer() -> Write:
    def write(item: Episode) -> dict[str, Any]:
        meta = item.instance.meta
        content: list[dict[str, Any]] = []
        if isinstance(meta.get("system"), str) and meta["system"]:
            content.append(_observed(meta["system"], "system"))
        content.append(_observed(item.instance.question, USER))
        calls, linked = 0, ""
        for turn, following in zip_longest(item.turns, item.turns[1:]):
            if turn.agent in OTHERS:
                content.append(_observed(turn.text, turn.agent) | ({"tool_call_id": linked} if linked else {}))
                linked = ""
                continue
            acted = _acted(turn.text)
            if acted["class_"] != "message_action" and following is not None and following.agent == ENVIRONMENT:
                calls += 1
                linked = acted["tool_call_id"] = f"call_{calls:06d}"
            content.append(acted)
        return {"schema_version": VERSION, "id": row_id(item), "content": content, "details": {}}

    return write


setattr(writer, "carries", "details")  # noqa: B010 - a mark of the factory, see registry.py


def _observed(text: str, source: str) -> dict[str, Any]:
    return {"class_": "text_observation", "content": text, "name": None, "source": source}


def _acted(text: str) -> dict[str, Any]:
    found = read_turn(text)
    thought = found.thought or None
    if len(found.acts) == 1 and not found.observed and (not thought or text.startswith(THOUGHT)):
        (act,) = found.acts
        if act.kind == "call" and isinstance(given := parsed(act.argument), dict):
            return {"class_": "api_action", "function": act.name, "kwargs": given, "description": thought}
        if act.kind == "block":
            return {"class_": "code_action", "language": act.name, "content": act.argument, "description": thought}
    if text.startswith(THOUGHT) and "\n" in text:
        thought, _, said = text.removeprefix(THOUGHT).partition("\n")
        return {"class_": "message_action", "content": said, "description": thought}
    return {"class_": "message_action", "content": text, "description": None}
