"""Actions out of untrusted model text: what a turn asks for, and by name what is wrong with it.

The rule: thinking is left out; what follows an observation that the agent wrote itself is cut; of several well-formed
actions (see ``grammar``) the last one counts. Names are compared without case and may be wrapped as ``<tool_name>``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from .grammar import FINISH, Place, scan, short
from .world import Call, Tool

NO_ACTION = "no action"
SEVERAL = "several actions"
UNKNOWN_TOOL = "unknown tool"
NOT_OFFERED = "tool not offered"
BAD_ARGUMENTS = "bad arguments"
OWN_OBSERVATION = "own observation"
FAULTS = (NO_ACTION, SEVERAL, UNKNOWN_TOOL, NOT_OFFERED, BAD_ARGUMENTS, OWN_OBSERVATION)

MAX_ARGUMENT = 8_000  # characters of one argument


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a turn asks for: a ``call``, a final ``answer``, or neither. ``faults`` are names of ``FAULTS``, ``reason``
    says in one line what is wrong, and ``shown`` is the text without what follows an own observation."""

    shown: str
    call: Call | None = None
    answer: str | None = None
    faults: tuple[str, ...] = ()
    reason: str = ""


@lru_cache(maxsize=256)  # the same turn is looked at again at every later turn
def parse_action(
    text: str, tools: tuple[Tool, ...] | None, known: tuple[Tool, ...] = (), answer_format: str = "tag"
) -> Parsed:
    """The action in ``text``. ``tools`` are those on offer, ``known`` others that exist; with ``tools=None`` every
    name and any arguments are taken as they are, as in records of foreign worlds. Never raises on text."""
    seen = scan(text, {tool.name.casefold() for tool in (*(tools or ()), *known)} | {FINISH}, answer_format)
    shown, own = (seen.text, (OWN_OBSERVATION,)) if seen.own else (text, ())
    sound = [place for place in seen.places if not place.problem]
    if not sound:
        none = NO_ACTION, "there is no action in the message"
        fault, why = (BAD_ARGUMENTS, seen.places[-1].problem) if seen.places else none
        return Parsed(shown, None, None, (fault, *own), f"{why}; write {_forms(tools)}")
    call, answer, fault, why = _read(sound[-1], tools, known)
    several = (SEVERAL,) if len(sound) > 1 else ()
    if not why and own:
        why = "you wrote an observation yourself; write one action and wait for the environment"
    elif not why and several:
        why = "of several actions in a message only the last one counts"
    return Parsed(shown, call, answer, (*((fault,) if fault else ()), *several, *own), why)


def faults(
    text: str, tools: tuple[Tool, ...] | None = None, known: tuple[Tool, ...] = (), answer_format: str = "tag"
) -> tuple[str, ...]:
    """The names of what is wrong with ``text`` as a turn with an action; see ``parse_action``."""
    return parse_action(text, tools, known, answer_format).faults


def _read(
    place: Place, tools: tuple[Tool, ...] | None, known: tuple[Tool, ...]
) -> tuple[Call | None, str | None, str, str]:
    """(call, answer, fault, why) of a well-formed action."""
    name = place.tool.casefold()
    if name == FINISH:
        answer = _stated(place.given)
        return (None, answer, "", "") if answer else (None, None, BAD_ARGUMENTS, "finish needs an answer")
    if tools is None:
        given = place.given if isinstance(place.given, Mapping) else {"": place.given}
        return Call(place.tool, tuple((key, _text(value) or "") for key, value in given.items())), None, "", ""
    tool = next((tool for tool in tools if tool.name.casefold() == name), None)
    if tool is None:
        exists = any(tool.name.casefold() == name for tool in known)
        why = f"{short(place.tool)} is not offered here" if exists else f"there is no tool {short(place.tool)}"
        return None, None, NOT_OFFERED if exists else UNKNOWN_TOOL, f"{why}; write {_forms(tools)}"
    arguments = _fitted(tool, place.given)
    if arguments is None:
        return None, None, BAD_ARGUMENTS, f"{tool.name} is called as {tool.form}, arguments up to {MAX_ARGUMENT}"
    return Call(tool.name, arguments), None, "", ""


def _fitted(tool: Tool, given: str | Mapping[str, Any]) -> tuple[tuple[str, str], ...] | None:
    """Texts for the tool's parameters; None when they are others, empty or too long."""
    if isinstance(given, str):
        given = {tool.parameters[0]: given} if len(tool.parameters) == 1 else {}
    if set(given) != set(tool.parameters):
        return None
    fitted = tuple((name, _text(given[name]) or "") for name in tool.parameters)
    return fitted if all(text and len(text) <= MAX_ARGUMENT for _, text in fitted) else None


def _text(value: Any) -> str | None:
    """A JSON value as an argument's text; None for an object, a list and null."""
    if isinstance(value, str):
        return value.strip()
    return json.dumps(value) if isinstance(value, (bool, int, float)) else None


def _stated(given: str | Mapping[str, Any]) -> str | None:
    if isinstance(given, str):
        return given
    value = given.get("final_answer", given.get("answer"))
    if value is None and len(given) == 1:
        (value,) = given.values()
    return _text(value)


def _forms(tools: tuple[Tool, ...] | None) -> str:
    return ", ".join([*(tool.form for tool in tools or ()), "or state the final answer"])
