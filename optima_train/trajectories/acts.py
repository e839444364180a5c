"""One grammar for what an agent writes when it acts: thoughts, actions, their input, a final answer.

| written as | kind |
|---|---|
| ``Action: name`` and ``Action Input: {...}``, on two lines or one | call |
| ``Action: name[argument]`` | react |
| ``Action: name`` and a fenced block | block |
| ``Action: name(arguments)`` | function |
| ``Action: go to shelf 1`` | command |
| ``Final Answer: ...``, alone or after ``Action: Answer`` | final |

Labels may be numbered (``Action 1:``), in capitals, or called Think and Act. The text is untrusted: linear time, and
nothing is run. What worlds of ours run is read by ``optima_envs.tools.grammar``, which takes fewer forms; here a turn
is taken apart to be written anew, so nothing of it may get lost.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Kind = Literal["call", "react", "block", "function", "command", "final"]

_LABEL = re.compile(
    r"^[ \t]*(thoughts?|think|action[ _]?input|action|act|observation|final[ ]answer)[ \t]*\d{0,3}[ \t]*:"
    r"|(?<=\S)[ \t](action[ ]input)[ \t]*:",
    re.IGNORECASE | re.MULTILINE,
)
_BLOCK = re.compile(r"```[\w+-]{0,20}[ \t]*\n(.*?)(?:```|\Z)", re.DOTALL)
_NAMED = re.compile(r"([^\[\]()\n]{1,200})([\[(])")
CLOSING = {"[": "]", "(": ")"}


@dataclass(frozen=True, slots=True)
class Act:
    """One action: ``argument`` is the text between its brackets, in its block or after its input label."""

    kind: Kind
    name: str
    argument: str


@dataclass(frozen=True, slots=True)
class Acting:
    """A turn read by the grammar. ``observed``: the agent wrote an observation of its own; what follows is not read."""

    thought: str
    acts: tuple[Act, ...]
    observed: bool = False


def final(act: Act) -> bool:
    """Whether an action ends the episode with an answer."""
    name = act.name.lower()
    return act.kind == "final" or name == "finish" or (name == "answer" and act.kind != "call")


def answer_of(act: Act) -> str:
    """The answer a final action gives; of JSON its ``final_answer`` or ``answer``."""
    if act.kind != "call":
        return act.argument
    try:
        given = json.loads(act.argument)
    except (ValueError, RecursionError):
        return act.argument
    value = given.get("final_answer", given.get("answer")) if isinstance(given, dict) else given
    return value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False)


def read_turn(text: str) -> Acting:
    """A turn's parts; a turn without labels is all thought."""
    parts: list[tuple[str, str]] = []
    label, start = "", 0
    for match in _LABEL.finditer(text):
        parts.append((label, text[start : match.start()]))
        label, start = (match[1] or match[2]).lower(), match.end()
    parts.append((label, text[start:]))
    thoughts: list[str] = []
    acts: list[Act] = []
    place = 0
    while place < len(parts):
        label, body = parts[place]
        place += 1
        if label == "observation":
            return Acting(_joined(thoughts), tuple(acts), observed=True)
        if label in ("action", "act"):
            following = parts[place] if place < len(parts) else ("", "")
            if following[0].startswith("action") and following[0] not in ("action", "act"):
                acts.append(Act("call", body.strip(), following[1].strip()))
                place += 1
            elif following[0].startswith("final"):
                acts.append(Act("final", body.strip(), following[1].strip()))
                place += 1
            elif body.strip():
                acts.append(_act(body.strip()))
        elif label.startswith("final"):
            acts.append(Act("final", "finish", body.strip()))
        else:  # a thought, or an input that no action asked for
            thoughts.append(body.strip())
    return Acting(_joined(thoughts), tuple(acts))


def _joined(thoughts: list[str]) -> str:
    return "\n".join(text for text in thoughts if text)


def _act(body: str) -> Act:
    fence = _BLOCK.search(body)
    if fence is not None and "\n" not in body[: fence.start()].strip():
        return Act("block", body[: fence.start()].strip(), fence[1].strip())
    named = _NAMED.match(body)
    if named is not None and body.endswith(CLOSING[named[2]]):
        kind: Kind = "react" if named[2] == "[" else "function"
        return Act(kind, named[1].strip(), body[named.end() : -1])
    return Act("command", body, "")


def call_text(thought: str, calls: Iterable[tuple[str, str]]) -> str:
    """Native tool calls as text: ``Action:`` and ``Action Input:`` for each, after the thought."""
    lines = "\n".join(f"Action: {name}\nAction Input: {arguments}" for name, arguments in calls)
    return thought + ("\n" if thought and lines and not thought.endswith("\n") else "") + lines


_FIRST_CALL = re.compile(r"^Action: ", re.MULTILINE)


def split_calls(text: str) -> tuple[str, list[tuple[str, str]]]:
    """The inverse of ``call_text``: what comes before the calls, and the calls; none where it is not of that form."""
    first = _FIRST_CALL.search(text)
    if first is None:
        return text, []
    found = read_turn(text[first.start() :])
    if found.thought or found.observed or any(act.kind != "call" for act in found.acts):
        return text, []
    return text[: first.start()], [(act.name, act.argument) for act in found.acts]
