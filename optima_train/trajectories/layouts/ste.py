"""STE, simulated trial and error: one object of tools, each a list of ``{query, API_name_list, api_descriptions,
action, action_input, model_output?, no_call?, err?, api_match?, args_correct?}``; training rows with ``observation``
and ``final_ans``; and general rows ``{dialog_history, response}``. ``grade`` judges a call as the authors did.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from optima_envs.records import Episode, Turn

from ..acts import call_text, read_turn
from ..messages import content_text, fields, parsed, read_chat, spoken
from ..registry import Read, Where, Write
from ..transcript import AGENT, ENVIRONMENT, BadRow, episode

VERDICT = ("no_call", "err", "api_match", "args_correct", "chatgpt_args_jud")
_TOOL = re.compile(r"<tool_(.*?)>", re.DOTALL)


def reader() -> Read:
    def read(row: Any, at: Where) -> Iterable[Episode]:
        if at.key is not None and isinstance(row, list):
            return [_item(item, f"{at.key}-{number}", at.key) for number, item in enumerate(row)]
        if "dialog_history" in fields(row):
            chat = read_chat(row["dialog_history"])
            response = row.get("response")
            if not isinstance(response, str):
                raise BadRow("the response is no text")
            turns = [*chat.turns, Turn(AGENT, response)]
            return [episode("ste", at.id, chat.question, turns, system=chat.system, info={"form": "general"})]
        return [_item(row, at.id, None)]

    return read


setattr(reader, "keyed", True)  # noqa: B010 - a mark of the factory, see registry.py


def _item(row: Any, name: str, tool: str | None) -> Episode:
    query, action = (fields(row, "query", "action")[key] for key in ("query", "action"))
    if not isinstance(query, str) or not isinstance(action, str):
        raise BadRow("query and action must be text")
    given = content_text(row.get("action_input"))
    gold = call_text("", [(action, given)])
    turns = [Turn(AGENT, content_text(row["model_output"]) if "model_output" in row else gold)]
    if "observation" in row:
        turns.append(Turn(ENVIRONMENT, content_text(row["observation"])))
    if isinstance(final := row.get("final_ans"), str):
        turns.append(Turn(AGENT, final))
    verdict = {key: row[key] for key in VERDICT if key in row}
    judged = float(bool(verdict.get("args_correct"))) if "model_output" in row and verdict else None
    offered = row.get("API_name_list")
    return episode(
        "ste",
        name,
        query,
        turns,
        system=content_text(row.get("api_descriptions")),
        tools=[{"name": api} for api in offered] if isinstance(offered, list) else (),
        answers=(gold,),
        score=judged,
        info={"tool": tool or action, **({"verdict": verdict} if verdict else {})},
    )


def writer() -> Write:
    def write(item: Episode) -> dict[str, Any]:
        if item.info.get("form") == "general":
            rows = spoken(item)
            return {"dialog_history": rows[:-1], "response": item.turns[-1].text}
        call = read_turn((*item.instance.answers, item.turns[0].text)[0]).acts
        if not call or call[-1].kind != "call":
            raise BadRow("no call to write")
        made = [] if item.info.get("verdict") is None else [("model_output", item.turns[0].text)]
        names = [
            tool["name"] for tool in item.instance.meta.get("tools", ()) if isinstance(tool, dict) and "name" in tool
        ]
        row = {
            "query": item.instance.question,
            "API_name_list": names,
            "api_descriptions": item.instance.meta.get("system", ""),
            "action": call[-1].name,
            "action_input": call[-1].argument,
        }
        seen = [turn.text for turn in item.turns if turn.agent == ENVIRONMENT]
        final = item.turns[-1].text if len(item.turns) > 1 and item.turns[-1].agent == AGENT else None
        row |= {"observation": seen[0]} if seen else {}
        return {
            **row,
            **({"final_ans": final} if final is not None else {}),
            **dict(made),
            **item.info.get("verdict", {}),
        }

    return write


def grade(item: Episode) -> dict[str, int]:
    """The authors' verdict on a call, by their rules: ``no_call``, ``err`` (a call that cannot be read), ``api_match``,
    and where the tool is the right one ``args_correct``, by equal arguments. Keys are absent where an earlier
    check failed.

    Raises BadRow for an episode without a gold call.
    """
    gold = read_turn(item.instance.answers[0]).acts if item.instance.answers else ()
    if not gold:
        raise BadRow("no gold call to grade by")
    text = item.turns[0].text
    if "Action:" not in text:
        return {"no_call": 1}
    found = next((act for act in read_turn(text).acts if act.kind == "call"), None)
    arguments = parsed(found.argument) if found is not None else None
    if found is None or not isinstance(arguments, dict):
        return {"no_call": 0, "err": 1}
    named = _TOOL.search(found.name)
    name = (named[1] if named else found.name).strip()
    if name != gold[-1].name.strip():
        return {"no_call": 0, "err": 0, "api_match": 0}
    wanted = parsed(gold[-1].argument)
    return {"no_call": 0, "err": 0, "api_match": 1, "args_correct": int(arguments == wanted)}


def report(items: Iterable[Episode]) -> Iterator[tuple[str, int, int]]:
    """(tool, correct by the file's own fields, calls) in the order of the file."""
    counts: dict[str, list[int]] = {}
    for item in items:
        row = counts.setdefault(str(item.info.get("tool")), [0, 0])
        row[0] += item.correct
        row[1] += 1
    yield from ((tool, right, all_of_it) for tool, (right, all_of_it) in counts.items())
