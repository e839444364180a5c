"""Chat messages of any dialect as the parts of a transcript, and a transcript as chat messages.

Dialects differ in keys (``role``/``content``, ``from``/``value``, mixed in one list even), in role names and in how
they say what carries a loss; tool calls become text in the one grammar of acts.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from optima_envs.records import Episode, Turn

from .acts import call_text, split_calls
from .files import parse
from .transcript import AGENT, ENVIRONMENT, OTHERS, USER, BadRow

SYSTEM = "system"
ROLES = {
    SYSTEM: SYSTEM,
    "developer": SYSTEM,
    USER: USER,
    "human": USER,
    "prompter": USER,
    AGENT: AGENT,
    "gpt": AGENT,
    "model": AGENT,
    "ai": AGENT,
    "bot": AGENT,
    "chatgpt": AGENT,
    "bard": AGENT,
    "bing": AGENT,
    "function_call": AGENT,
    ENVIRONMENT: ENVIRONMENT,
    "tool": ENVIRONMENT,
    "function": ENVIRONMENT,
    "observation": ENVIRONMENT,
    "ipython": ENVIRONMENT,
    "tool_response": ENVIRONMENT,
    "function_response": ENVIRONMENT,
}
MOST_TURNS = 10_000
_HANDSHAKE = re.compile(
    r"\W{0,3}(?:ok|okay|sure|understood|i(?:'ve| have)? underst[oa]{1,2}d)\b[^\n]{0,100}", re.IGNORECASE
)


@dataclass(slots=True)
class Chat:
    """What a list of messages holds; ``masked`` are the agent's turns whose flag says no loss."""

    system: str = ""
    question: str = ""
    turns: list[Turn] = field(default_factory=list)
    masked: list[int] = field(default_factory=list)
    flagged: bool = False
    """Whether any message says if it carries a loss."""


def read_chat(rows: Any, *, question: str | None = None, observing: bool = False) -> Chat:
    """The parts of a conversation. The first message of somebody else opens it, unless ``question`` does.

    ``observing``: what others say after the first turn with a loss is what the world answers, whatever its role.
    Raises BadRow.
    """
    if not isinstance(rows, list):
        raise BadRow(f"the conversation is {type(rows).__name__}, not a list")
    if len(rows) > MOST_TURNS:
        raise BadRow(f"more than {MOST_TURNS:,} messages")
    chat = Chat(question=question or "")
    opened, acting = question is not None, False
    for row in rows:
        speaker, text, learned = _message(row)
        if speaker == SYSTEM and not opened:
            chat.system = f"{chat.system}\n\n{text}" if chat.system else text
            continue
        if not opened:
            if speaker == AGENT:
                raise BadRow("the agent speaks first, without a task")
            chat.question, opened = text, True
            continue
        if speaker == AGENT:
            chat.flagged = chat.flagged or learned is not None
            if learned is False:
                chat.masked.append(len(chat.turns))
            else:
                acting = acting or not handshake(text)
        elif observing and acting:
            speaker = ENVIRONMENT
        chat.turns.append(Turn(USER if speaker == SYSTEM else speaker, text))
    return chat


def handshake(text: str) -> bool:
    """Whether a turn only accepts the instruction ("Ok.")."""
    return len(text) < 120 and _HANDSHAKE.fullmatch(text) is not None


def _message(row: Any) -> tuple[str, str, bool | None]:
    """(speaker, text, whether it carries a loss; None: not said)."""
    if type(row) is not dict:
        raise BadRow(f"a message is {type(row).__name__}, not an object")
    role = row["role"] if "role" in row else row.get("from")
    speaker = ROLES.get(role) if type(role) is str else None
    if speaker is None:
        speaker = ROLES.get(str(role).strip().lower())
        if speaker is None:
            raise BadRow(f"unknown role {str(role)[:40]!r}" if role is not None else "a message without a role")
    text = row["content"] if "content" in row else row.get("value")
    if type(text) is not str:
        text = content_text(text)
    if speaker != AGENT:
        return speaker, text, None
    calls = row.get("tool_calls") or row.get("function_call")
    if calls:
        text = call_text(text, _calls(calls))
    elif role == "function_call":
        text = call_text("", _calls(parsed(text)))
    learned = row.get("loss")
    if learned is None and row.get("weight") is not None:  # OpenAI's flag
        learned = bool(row["weight"])
    return speaker, text, learned if type(learned) is bool else None


def content_text(value: Any) -> str:
    """Content that is no text: null is empty, parts of text are joined, anything else becomes its JSON."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value:
        parts = [part.get("text") for part in value if isinstance(part, dict) and set(part) == {"type", "text"}]
        if len(parts) == len(value) and all(isinstance(part, str) for part in parts):
            return "".join(map(str, parts))
    return json.dumps(value, ensure_ascii=False)


def parsed(text: Any) -> Any:
    """JSON inside a text, or the text itself where it is none."""
    try:
        return parse(text) if isinstance(text, str) else text
    except ValueError:
        return text


def _calls(calls: Any) -> Iterator[tuple[str, str]]:
    """(name, arguments as text) of tool calls in any of the usual forms. Raises BadRow."""
    for call in calls if isinstance(calls, list) else [calls]:
        inner = call.get("function", call) if isinstance(call, dict) else call
        if not isinstance(inner, dict) or not isinstance(inner.get("name"), str):
            raise BadRow("a tool call without a name")
        given = inner.get("arguments", inner.get("parameters", {}))
        yield inner["name"], given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)


def tools_of(value: Any) -> list[Any]:
    """Offered tools as a list; JSON inside text is read, twice if need be. Raises BadRow."""
    for _ in range(2):
        if isinstance(value, str):
            try:
                value = parse(value) if value.strip() else []
            except ValueError:
                raise BadRow("tools are not JSON") from None
    if value is None:
        return []
    if isinstance(value, dict):
        return [value]
    if not isinstance(value, list):
        raise BadRow("tools are not JSON")
    return value


def spoken(item: Episode, *, calls: bool = False, several: bool = False) -> list[dict[str, Any]]:
    """The transcript as messages with ``role`` and ``content``; the world's answers have the role ``tool``. With
    ``calls``, calls at the end of an agent's turn become ``tool_calls``; with ``several``, agents have names.

    Raises BadRow for several agents otherwise.
    """
    agents = {turn.agent for turn in item.turns} - set(OTHERS)
    if len(agents) > 1 and not several:
        raise BadRow(f"a chat has one assistant, here speak {', '.join(sorted(agents))}")
    system = item.instance.meta.get("system")
    rows: list[dict[str, Any]] = [{"role": SYSTEM, "content": system}] if isinstance(system, str) and system else []
    rows.append({"role": USER, "content": item.instance.question})
    for turn in item.turns:
        if turn.agent in OTHERS:
            rows.append({"role": "tool" if turn.agent == ENVIRONMENT else USER, "content": turn.text})
            continue
        text, found = split_calls(turn.text) if calls else (turn.text, [])
        row: dict[str, Any] = {"role": AGENT, "content": text}
        if len(agents) > 1:
            row["name"] = turn.agent
        if found:
            row["tool_calls"] = [{"type": "function", "function": {"name": n, "arguments": a}} for n, a in found]
        rows.append(row)
    return rows


def dialect(rows: Any, keys: tuple[str, str], user: str, agent: str) -> dict[str, Any]:
    """How a list of messages differs from its layout's usual keys and role names, to be kept in ``info["dialect"]``."""
    found: dict[str, Any] = {}
    for row in rows[:4] if isinstance(rows, list) else ():
        used = ("from" if "from" in row else "role", "value" if "value" in row else "content")
        if used != keys:
            found.setdefault("keys", list(used))
        role = row.get(used[0])
        kind = ROLES.get(role) if type(role) is str else None
        if kind in (USER, AGENT) and role != (user if kind == USER else agent):
            found.setdefault(kind, role)
    return {"dialect": found} if found else {}


def renamed(
    rows: Iterable[Mapping[str, Any]], keys: tuple[str, str], user: str, agent: str, info: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Messages in a layout's dialect, or the one ``info`` says; the world speaks as the user."""
    known = info.get("dialect")
    known = known if isinstance(known, Mapping) else {}
    role, content = known.get("keys", keys)
    names = {USER: known.get(USER, user), AGENT: known.get(AGENT, agent)}
    names["tool"] = names[USER]
    return [{role: names.get(row["role"], row["role"]), content: row["content"]} for row in rows]


def last_text(turns: Sequence[Turn]) -> str | None:
    """What the agent said last, when it had the last word."""
    return turns[-1].text if turns and turns[-1].agent not in OTHERS else None


class Named(Protocol):
    @property
    def id(self) -> str: ...


def text_id(value: Any, at: Named) -> str:
    """An id as text; a row without one is named by its place. Raises BadRow for one that is an object."""
    if type(value) is str and value:
        return value
    if value is None or value == "":
        return at.id
    if isinstance(value, (str, int, float)) and not isinstance(value, bool):
        return str(value)
    raise BadRow("the id is no text")


def fields(row: Any, *names: str) -> dict[str, Any]:
    """``row`` as an object that has the named fields. Raises BadRow."""
    if not isinstance(row, dict):
        raise BadRow(f"a row is {type(row).__name__}, not an object")
    missing = [name for name in names if name not in row]
    if missing:
        raise BadRow(f"no field {', '.join(missing)}")
    return row
