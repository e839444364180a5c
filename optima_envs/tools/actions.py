"""Actions out of untrusted model text: one grammar, linear time, bounded size.

| form | written as |
|---|---|
| react | ``search[words]`` at the beginning of a line, or after ``Action:`` |
| call | ``Action: search`` and ``Action Input: {"query": "words"}``, on one line or two |
| fence | a closed block that begins with three backticks and ``sql`` |
| answer | ``finish[...]``, ``Final Answer: ...``, or the environment's own form (``<A>...</A>`` or ``\\boxed{...}``) |

The rule: thinking is left out; what follows an observation that the agent wrote itself is cut; of several well-formed
actions the last one counts. Names are compared without case and may be wrapped as ``<tool_name>``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ..scoring.parsing import MAX_SCAN, extract, visible
from .world import Call, Tool

NO_ACTION = "no action"
SEVERAL = "several actions"
UNKNOWN_TOOL = "unknown tool"
NOT_OFFERED = "tool not offered"
BAD_ARGUMENTS = "bad arguments"
OWN_OBSERVATION = "own observation"
FAULTS = (NO_ACTION, SEVERAL, UNKNOWN_TOOL, NOT_OFFERED, BAD_ARGUMENTS, OWN_OBSERVATION)

MAX_ARGUMENT = 8_000  # characters of one argument
MAX_JSON = 2 * MAX_ARGUMENT
FINISH = "finish"  # the name that states the final answer instead of calling a tool

# every repeat is over a class that nothing behind it can match again, so that no text is read twice
_LEAD, _COLON = r"^[ \t*_>#-]*", r"(?:[ \t]*\d{1,4})?[*_ \t]*[:\uff1a]"
_OWN = re.compile(rf"(?:{_LEAD}|(?<=[\]}})>`])[ \t]*)(?:observation|environment){_COLON}", re.IGNORECASE | re.MULTILINE)
_ACTION = re.compile(rf"{_LEAD}action{_COLON}[*_ \t]*", re.IGNORECASE | re.MULTILINE)
_INPUT = re.compile(rf"action input{_COLON}\s*", re.IGNORECASE)
_FINAL = re.compile(rf"{_LEAD}final answer[*_ \t]*[:\uff1a]\s*", re.IGNORECASE | re.MULTILINE)
_BARE = re.compile(r"^[ \t*_>`-]*(?=[^\W_][\w.%/-]{0,63}\[)", re.MULTILINE)
_REACT = re.compile(r"[<`]?([^\W_][\w.%/-]{0,63})>?[ \t]*\[")
_WRAPPED = re.compile(r"<(?:tool_)?(.*)>", re.DOTALL)
_BRACKET = re.compile(r"[\[\]]")
_FENCE = re.compile(r"```(?:(sql|sqlite3?|mysql|postgresql)\b)?", re.IGNORECASE)
_DECODER = json.JSONDecoder(parse_constant=lambda name: _no_number(name))


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a turn asks for: a ``call``, a final ``answer``, or neither. ``faults`` are names of ``FAULTS``, ``reason``
    says in one line what is wrong, and ``shown`` is the text without what follows an own observation."""

    shown: str
    call: Call | None = None
    answer: str | None = None
    faults: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _Found:
    """A place in the text that looks like an action; ``problem`` says why it is not well-formed."""

    start: int
    end: int
    tool: str
    given: str | Mapping[str, Any] = ""
    problem: str = ""


@lru_cache(maxsize=256)  # the same turn is looked at again at every later turn
def parse_action(
    text: str, tools: tuple[Tool, ...] | None, known: tuple[Tool, ...] = (), answer_format: str = "tag"
) -> Parsed:
    """The action in ``text``. ``tools`` are those on offer, ``known`` others that exist; with ``tools=None`` every
    name and any arguments are taken as they are, as in records of foreign worlds. Never raises on text."""
    seen = visible(text)[-MAX_SCAN:]
    blocks = list(_blocks(seen))
    cut = _own_observation(seen, blocks)
    if cut is not None:
        seen = seen[:cut]
        blocks = [block for block in blocks if block.end <= cut]
    shown = text if cut is None else seen
    own = () if cut is None else (OWN_OBSERVATION,)
    names = {tool.name.casefold() for tool in (*(tools or ()), *known)} | {FINISH}
    places = _apart([*blocks, *_answers(seen, answer_format), *_headed(seen, names), *_bare(seen, names)])
    sound = [place for place in places if not place.problem]
    if not sound:
        fault, why = (BAD_ARGUMENTS, places[-1].problem) if places else (NO_ACTION, "there is no action in the message")
        return Parsed(shown, None, None, (fault, *own), f"{why}; write {_forms(tools)}")
    several = (SEVERAL,) if len(sound) > 1 else ()
    call, answer, fault, why = _read(sound[-1], tools, known)
    faults = (*((fault,) if fault else ()), *several, *own)
    if not why and own:
        why = "you wrote an observation yourself; write one action and wait for the environment"
    return Parsed(shown, call, answer, faults, why or ("only the last action counts" if several else ""))


def faults(
    text: str, tools: tuple[Tool, ...] | None = None, known: tuple[Tool, ...] = (), answer_format: str = "tag"
) -> tuple[str, ...]:
    """The names of what is wrong with ``text`` as a turn with an action; see ``parse_action``."""
    return parse_action(text, tools, known, answer_format).faults


def without_observation(text: str) -> str:
    """``text`` as others may see it: cut where its speaker begins to speak for the environment."""
    if not _OWN.search(text):
        return text
    seen = visible(text)[-MAX_SCAN:]
    cut = _own_observation(seen, list(_blocks(seen)))
    return text if cut is None else seen[:cut]


def _own_observation(text: str, blocks: list[_Found]) -> int | None:
    """Where the agent begins to speak for the environment; inside a block it is part of an argument."""
    ends = iter(blocks)
    block = next(ends, None)
    for match in _OWN.finditer(text):
        while block is not None and block.end <= match.start():
            block = next(ends, None)
        if block is None or match.start() < block.start:
            return match.start()
    return None


def _blocks(text: str) -> Iterator[_Found]:
    """Closed SQL blocks."""
    opened: re.Match[str] | None = None
    other = False  # inside a block of another language
    for mark in _FENCE.finditer(text):
        if mark[1]:
            opened, other = mark, False
        elif opened is not None:
            inside = text[opened.end() : mark.start()].strip()
            yield _Found(opened.start(), mark.end(), "sql", inside, "" if inside else "the SQL block is empty")
            opened = None
        else:
            other = not other


def _answers(text: str, answer_format: str) -> Iterator[_Found]:
    """The answer stated last in the environment's own form, where it stands."""
    answer = extract(text, answer_format)
    if answer is not None:
        opening = r"<A>\s*" if answer_format == "tag" else r"\\boxed\s*\{\s*"
        place = list(re.finditer(opening + re.escape(answer), text, re.IGNORECASE))[-1]
        yield _Found(place.start(), place.end(), FINISH, answer)
    for head in _FINAL.finditer(text):
        end = _line_end(text, head.end())
        if text[head.end() : head.end() + 1] in ("[", "{") and (decoded := _decode(text, head.end())) is not None:
            end = decoded[1]
        said = text[head.end() : end].strip()
        yield _Found(head.start(), end, FINISH, said, "" if said else "the final answer is empty")


def _headed(text: str, names: set[str]) -> Iterator[_Found]:
    """What stands behind ``Action:``. A line of prose there is no action, nor a malformed one."""
    for head in _ACTION.finditer(text):
        end = _line_end(text, head.end())
        given = _INPUT.search(text, head.end(), end)
        name_end = end if given is None else given.start()
        if given is None and (react := _react(text, head.start(), head.end(), end)) is not None:
            yield react
            continue
        if given is None:
            given = _INPUT.match(text, _skip(text, end))
        name = _name(text[head.end() : name_end])
        if given is not None and name:
            decoded = _decode(text, given.end())
            if decoded is None or not isinstance(decoded[0], dict):
                yield _Found(head.start(), given.end(), name, "", "the action input is not a JSON object")
            else:
                yield _Found(head.start(), decoded[1], name, decoded[0])
        elif name.casefold() in names:
            yield _Found(head.start(), end, name, "", f"{_short(name)} is called without arguments")


def _bare(text: str, names: set[str]) -> Iterator[_Found]:
    """``name[argument]`` at the beginning of a line, for names that exist: other brackets are prose."""
    for head in _BARE.finditer(text):
        found = _react(text, head.start(), head.end(), _line_end(text, head.end()))
        if found is not None and found.tool.casefold() in names:
            yield found


def _react(text: str, start: int, at: int, end: int) -> _Found | None:
    match = _REACT.match(text, at, end)
    if match is None:
        return None
    depth, close = 1, -1
    for bracket in _BRACKET.finditer(text, match.end(), end):
        depth += 1 if bracket[0] == "[" else -1
        if depth == 0:
            close = bracket.start()
            break
    if close < 0:  # brackets that do not match: up to the last one of the line
        close = text.rfind("]", match.end(), end)
    name = _name(match[1])
    if close < 0:
        return _Found(start, end, name, "", f"the bracket behind {_short(name)} is not closed on its line")
    argument = text[match.end() : close].strip()
    return _Found(start, close + 1, name, argument, "" if argument else f"{_short(name)} is called without arguments")


def _apart(places: list[_Found]) -> list[_Found]:
    """In the order of the text, without those inside another."""
    kept: list[_Found] = []
    for place in sorted(places, key=lambda place: (place.start, -place.end)):
        if not kept or place.start >= kept[-1].end:
            kept.append(place)
    return kept


def _read(
    place: _Found, tools: tuple[Tool, ...] | None, known: tuple[Tool, ...]
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
        why = f"{_short(place.tool)} is not offered here" if exists else f"there is no tool {_short(place.tool)}"
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


def _decode(text: str, at: int) -> tuple[Any, int] | None:
    """(value, where it ends) of the JSON at ``at``; None when there is none."""
    try:  # of a piece, because a JSON error counts all lines before it
        value, length = _DECODER.raw_decode(text[at : at + MAX_JSON])
    except (ValueError, RecursionError):
        return None
    return value, at + length


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _name(text: str) -> str:
    bare = text.strip(" \t\r*_`\"'")
    wrapped = _WRAPPED.fullmatch(bare)
    return (wrapped[1] if wrapped else bare).strip()


def _forms(tools: tuple[Tool, ...] | None) -> str:
    return ", ".join([*(tool.form for tool in tools or ()), "or state the final answer"])


def _short(name: str) -> str:
    return " ".join(name.split())[:60]


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n*_>":
        at += 1
    return at
