"""The role of what a world replies: ``environment``, which few chat templates and hardly any server know.

Where it is not known the reply goes in as a tool's output, and where that is not known either as the user's words,
with the speaker's name in front. It is never left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from optima_envs.records import ENVIRONMENT

from ..base import Message

KNOWN = (ENVIRONMENT, "tool")  # tried in this order; the user's role is there in any template
PROBE = "Kestrel 42"


def reply_role(text: Callable[[Sequence[Message]], str]) -> str:
    """The role in which the template behind ``text`` shows a reply of the world as it is, apart from the model's own
    turns."""
    for role in KNOWN:
        if (shown := _shown(text, role)) is not None and shown != _shown(text, "assistant"):
            return role
    return "user"


def _shown(text: Callable[[Sequence[Message]], str], role: str) -> str | None:
    try:
        talk = text([*exchange(), {"role": role, "content": PROBE}])
    except ValueError:
        return None
    return talk if talk.count(PROBE) == 1 else None


def exchange() -> list[Message]:
    """What is said before the world replies for the first time."""
    return [{"role": "user", "content": "word"}, {"role": "assistant", "content": "word"}]


def as_role(message: Message, role: str) -> Message:
    """A message of the world's in another role; the user's words name their speaker."""
    content = message["content"]
    return {"role": role, "content": f"{ENVIRONMENT}: {content}" if role == "user" else content}


def for_server(messages: Sequence[Message]) -> list[dict[str, str]]:
    """The messages in the roles every server takes: replies of the world are the user's, neighbours merged."""
    out: list[dict[str, str]] = []
    for message in messages:
        if message["role"] != ENVIRONMENT:
            out.append(dict(message))
            continue
        reply = as_role(message, "user")
        if out and out[-1]["role"] == "user":
            out[-1]["content"] += f"\n{reply['content']}"
        else:
            out.append(dict(reply))
    return out
