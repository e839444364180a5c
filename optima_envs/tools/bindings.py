"""Programs of bound calls, as Lumos grounds subgoals: ``R1 = Calculator(2 - 0.5); R2 = Calculator(R1 / 0.25)``.

Calls stand at the beginning of a line or after a semicolon; ``Action 1-2:`` may stand before them. Several names take
as many values (``R5, R6 = Calculator(1 + 1, 2 + 2)``). A value that the agent printed behind its own call is left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ..scoring.answer_format import MAX_SCAN
from ..scoring.thinking import visible
from .actions import BAD_ARGUMENTS, NO_ACTION, OWN_OBSERVATION, UNKNOWN_TOOL
from .calculator import CalculatorError, Value, calculate, show
from .grammar import short, without_observation
from .world import clip

MAX_CALLS = 20  # of one program
TOOLS = {"calculator": "Calculator(expression, ...)", "count": "Count(item, ...)"}
_NAME = r"[A-Za-z]\w{0,63}"
_CALL = re.compile(
    rf"(?:^|;)[ \t*_>#-]*(?:action[ \t]*[\d.-]{{0,9}}[ \t]*[:\uff1a][ \t]*)?"
    rf"({_NAME}(?:[ \t]*,[ \t]*{_NAME}){{0,9}})[ \t]*=[ \t]*({_NAME})[ \t]*\(",
    re.IGNORECASE | re.MULTILINE | re.ASCII,
)
_ROUND = re.compile(r"[()\n]")
_PRINTED = re.compile(r"[ \t]*=[ \t]*[^;\n]*")


@dataclass(frozen=True, slots=True)
class Executed:
    """What a program gave: the names it ``bound``, the last call's values as text, and what was wrong with it, in one
    line (then it bound nothing)."""

    bound: Mapping[str, Value]
    shown: str = ""
    faults: tuple[str, ...] = ()
    error: str = ""


def execute(text: str, variables: Mapping[str, Value]) -> Executed:
    """Run the program in ``text``, all of it or nothing. Never raises on text; linear time."""
    seen = visible(without_observation(text))[-MAX_SCAN:]
    own = (OWN_OBSERVATION,) if seen != visible(text)[-MAX_SCAN:] else ()
    bound: dict[str, Value] = {}
    shown, calls = "", 0
    try:
        for match in _CALL.finditer(seen):
            calls += 1
            if calls > MAX_CALLS:
                raise _BadCall(BAD_ARGUMENTS, f"more than {MAX_CALLS} calls in one message")
            end = _closing(seen, match.end())
            if end is None:
                raise _BadCall(BAD_ARGUMENTS, f"the bracket behind {short(match[2])} is not closed on its line")
            if _PRINTED.match(seen, end + 1):
                own = (OWN_OBSERVATION,)
            names = [name.strip() for name in match[1].split(",")]
            values = _values(match[2], seen[match.end() : end], {**variables, **bound})
            if len(names) != len(values):
                raise _BadCall(BAD_ARGUMENTS, f"{len(names)} names for {len(values)} values")
            bound.update(zip(names, values, strict=True))
            shown = ", ".join(map(show, values))
        if not calls:
            raise _BadCall(
                NO_ACTION,
                f"there is no call in the message; write R1 = Calculator(1 + 2); tools: {', '.join(TOOLS.values())}",
            )
    except _BadCall as err:
        return Executed({}, "", (err.fault, *own), clip(f"error: {err}", 300))
    return Executed(bound, clip(shown, 300), own)


class _BadCall(Exception):
    def __init__(self, fault: str, message: str) -> None:
        super().__init__(message)
        self.fault = fault


def _values(tool: str, argument: str, names: Mapping[str, Value]) -> tuple[Value, ...]:
    known = tool.casefold()
    if known not in TOOLS:
        raise _BadCall(UNKNOWN_TOOL, f"there is no tool {short(tool)}; known: {', '.join(TOOLS.values())}")
    try:
        values = calculate(argument, names)
    except CalculatorError as err:
        raise _BadCall(BAD_ARGUMENTS, f"{tool}({short(argument)}): {err}") from None
    return (calculate(str(len(values)))[0],) if known == "count" else values


def _closing(text: str, at: int) -> int | None:
    """Where the bracket opened before ``at`` closes, on the same line."""
    depth = 1
    for mark in _ROUND.finditer(text, at):
        if mark[0] == "\n":
            return None
        depth += 1 if mark[0] == "(" else -1
        if depth == 0:
            return mark.start()
    return None
