"""AgentOhana's unified trajectory and its successors at xLAM.

* steps: ``{id, user_query, model_name, score, steps: [{input, output, "next observation"}], other_information}``
* ActionStudio: ``{tools, messages}`` with tool calls whose arguments are objects
* APIGen: ``{id, query, answers, tools}``, the last two JSON inside text

``input`` is what the agent had read, so it is made when written and never kept. Written as steps, every record of ours
comes back whole; a step is one agent's turn.
"""

from __future__ import annotations

import json
from typing import Any

from optima_envs.records import Episode, Turn

from ..acts import call_text, read_turn
from ..messages import content_text, fields, parsed, read_chat, spoken, text_id, tools_of
from ..registry import Read, Where, Write, row_id
from ..transcript import AGENT, ENVIRONMENT, OTHERS, USER, BadRow, episode, finite

QUERY = ("user_query", "user query", "query")
MODEL = ("model_name", "model name", "model")
NEXT = ("next observation", "next_observation")


def reader() -> Read:
    def read(row: Any, at: Where) -> Episode:
        row = fields(row)
        if "steps" in row:
            return _steps(row, at)
        if "messages" in row:
            chat = read_chat(row["messages"])
            tools, name = tools_of(row.get("tools")), text_id(row.get("id"), at)
            return episode(
                "ohana",
                name,
                chat.question,
                chat.turns,
                system=chat.system,
                tools=tools,
                masked=chat.masked,
                info={"form": "messages"},
            )
        return _apigen(row, at)

    return read


def _steps(row: dict[str, Any], at: Where) -> Episode:
    question = next((row[key] for key in QUERY if isinstance(row.get(key), str)), None)
    if question is None:
        raise BadRow("no question")
    if not isinstance(row["steps"], list):
        raise BadRow("steps are no list")
    turns: list[Turn] = []
    for step in row["steps"]:
        turns.append(Turn(AGENT, content_text(fields(step, "output")["output"])))
        for key in NEXT:
            if content_text(step.get(key)):
                turns.append(Turn(USER if step.get("source") == USER else ENVIRONMENT, content_text(step[key])))
    score = row.get("score")
    model = next((row[key] for key in MODEL if isinstance(row.get(key), str) and row[key]), None)
    info = {"form": "steps"} | ({"model": model} if model else {})
    name = text_id(row.get("id"), at)
    return episode("ohana", name, question, turns, score=None if score is None else finite(score, "score"), info=info)


def _apigen(row: dict[str, Any], at: Where) -> Episode:
    query, answers = (fields(row, "query", "answers")[key] for key in ("query", "answers"))
    calls = parsed(answers)
    if not isinstance(query, str) or not isinstance(calls, list):
        raise BadRow("answers are not JSON" if isinstance(query, str) else "the query is no text")
    named = [
        (fields(call, "name")["name"], json.dumps(call.get("arguments", {}), ensure_ascii=False)) for call in calls
    ]
    turns = [Turn(AGENT, call_text("", named))] if named else []
    tools, name = tools_of(row.get("tools")), text_id(row.get("id"), at)
    return episode("ohana", name, query, turns, tools=tools, info={"form": "apigen"})


def writer() -> Write:
    def write(item: Episode) -> dict[str, Any]:
        form, tools = item.info.get("form"), item.instance.meta.get("tools", [])
        if form == "messages":
            rows = spoken(item, calls=True)
            for row in rows:
                for call in row.get("tool_calls", ()):
                    call["function"]["arguments"] = parsed(call["function"]["arguments"])
            return {"tools": tools, "messages": rows}
        if form == "apigen":
            calls = [
                {"name": act.name, "arguments": parsed(act.argument)} for act in read_turn(item.turns[0].text).acts
            ]
            query, texts = item.instance.question, (json.dumps(calls), json.dumps(tools))
            return {"id": row_id(item), "query": query, "answers": texts[0], "tools": texts[1]}
        row = {"id": row_id(item), "user_query": item.instance.question, "model_name": str(item.info.get("model", ""))}
        return {**row, "score": None if item.info.get("unscored") else item.score, "steps": _written(item)}

    return write


setattr(writer, "carries", "other_information")  # noqa: B010 - a mark of the factory, see registry.py


def _written(item: Episode) -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = []
    read = item.instance.question
    for turn in item.turns:
        if turn.agent in OTHERS:
            if not steps or steps[-1][NEXT[0]]:  # somebody spoke twice: a step in which the agent said nothing
                steps.append({"input": read, "output": "", NEXT[0]: ""})
            steps[-1][NEXT[0]] = turn.text
            if turn.agent == USER:
                steps[-1]["source"] = USER
        else:
            steps.append({"input": read, "output": turn.text, NEXT[0]: ""})
        read += f"\n{turn.agent}: {turn.text}"
    return steps
