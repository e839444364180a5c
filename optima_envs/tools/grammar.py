"""The grammar of actions: where in an agent's text something stands that looks like one. Linear time.

| form | written as |
|---|---|
| react | ``search[words]`` at the beginning of a line, or after ``Action:`` |
| call | ``Action: search`` and ``Action Input: {"query": "words"}``, on one line or two |
| block | a closed block that begins with three backticks and ``sql`` |
| answer | ``finish[...]``, ``Final Answer: ...``, or the environment's own form (``<A>...</A>`` or ``\\boxed{...}``) |
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from ..scoring.answer_format import FORMATS, MAX_SCAN
from ..scoring.thinking import visible

MAX_JSON = 16_000  # characters of an action input or a list of answers
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
class Place:
    """A place in the text that looks like an action; ``problem`` says why it is not well-formed."""

    start: int
    end: int
    tool: str
    given: str | Mapping[str, Any] = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Scan:
    """``text`` without thinking, and without what follows an observation of the agent's own (then ``own`` is true);
    ``places`` in the order of the text, none inside another."""

    text: str
    own: bool
    places: tuple[Place, ...]


def scan(text: str, names: set[str], answer_format: str) -> Scan:
    """Everything in ``text`` that looks like an action; ``names`` (lower case) are those of the tools there are."""
    seen, cut, blocks = _cut(text)
    places = [*blocks, *_answers(seen, answer_format), *_headed(seen, names), *_bare(seen, names)]
    return Scan(seen, cut, tuple(_apart(places)))


def without_observation(text: str) -> str:
    """``text`` as others may see it: cut where its speaker begins to speak for the environment."""
    seen, cut, _ = _cut(text) if _OWN.search(text) else (text, False, [])
    return seen if cut else text


def _cut(text: str) -> tuple[str, bool, list[Place]]:
    """What of ``text`` counts, whether an own observation was cut off, and the SQL blocks in it."""
    seen = visible(text)[-MAX_SCAN:]
    blocks = list(_blocks(seen))
    at = _own_observation(seen, blocks)
    if at is None:
        return seen, False, blocks
    return seen[:at], True, [block for block in blocks if block.end <= at]


def _own_observation(text: str, blocks: list[Place]) -> int | None:
    """Where the agent begins to speak for the environment; inside a block it is part of an argument."""
    ends = iter(blocks)
    block = next(ends, None)
    for match in _OWN.finditer(text):
        while block is not None and block.end <= match.start():
            block = next(ends, None)
        if block is None or match.start() < block.start:
            return match.start()
    return None


def _blocks(text: str) -> Iterator[Place]:
    """Closed SQL blocks."""
    opened: re.Match[str] | None = None
    for mark in _FENCE.finditer(text):
        if mark[1]:
            opened = mark
        elif opened is not None:
            inside = text[opened.end() : mark.start()].strip()
            yield Place(opened.start(), mark.end(), "sql", inside, "" if inside else "the SQL block is empty")
            opened = None


def _answers(text: str, answer_format: str) -> Iterator[Place]:
    """The answer stated last in the environment's own form, where it stands."""
    if (stated := FORMATS[answer_format].place(text)) is not None:
        yield Place(stated.start, stated.end, FINISH, stated.answer)
    for head in _FINAL.finditer(text):
        end = _line_end(text, head.end())
        if text[head.end() : head.end() + 1] in ("[", "{") and (decoded := _decode(text, head.end())) is not None:
            end = decoded[1]
        said = text[head.end() : end].strip()
        yield Place(head.start(), end, FINISH, said, "" if said else "the final answer is empty")


def _headed(text: str, names: set[str]) -> Iterator[Place]:
    """What stands behind ``Action:``. A line of prose there is no action, nor a malformed one."""
    for head in _ACTION.finditer(text):
        end = _line_end(text, head.end())
        if (react := _react(text, head.start(), head.end(), end)) is not None:
            yield react
            continue
        given = _INPUT.search(text, head.end(), end)
        name = _name(text[head.end() : end if given is None else given.start()])
        if given is None:
            given = _INPUT.match(text, _skip(text, end))
        if given is not None and name:
            decoded = _decode(text, given.end())
            if decoded is None or not isinstance(decoded[0], dict):
                yield Place(head.start(), given.end(), name, "", "the action input is not a JSON object")
            else:
                yield Place(head.start(), decoded[1], name, cast("dict[str, Any]", decoded[0]))
        elif name.casefold() in names:
            yield Place(head.start(), end, name, "", f"{short(name)} is called without arguments")


def _bare(text: str, names: set[str]) -> Iterator[Place]:
    """``name[argument]`` at the beginning of a line, for names that exist: other brackets are prose."""
    for head in _BARE.finditer(text):
        found = _react(text, head.start(), head.end(), _line_end(text, head.end()))
        if found is not None and found.tool.casefold() in names:
            yield found


def _react(text: str, start: int, at: int, end: int) -> Place | None:
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
        return Place(start, end, name, "", f"the bracket behind {short(name)} is not closed on its line")
    argument = text[match.end() : close].strip()
    return Place(start, close + 1, name, argument, "" if argument else f"{short(name)} is called without arguments")


def _apart(places: list[Place]) -> list[Place]:
    """In the order of the text, without those inside another."""
    kept: list[Place] = []
    for place in sorted(places, key=lambda place: (place.start, -place.end)):
        if not kept or place.start >= kept[-1].end:
            kept.append(place)
    return kept


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


def short(name: str) -> str:
    """A name out of model text, for a message of one line."""
    return " ".join(name.split())[:60]


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n*_>":
        at += 1
    return at
