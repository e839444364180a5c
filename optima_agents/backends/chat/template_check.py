"""What a chat template must do before it may speak for us, tried on prompts of real views when a model is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from optima_envs.records import Said, View

from ...prompts import messages as prompt_of
from ..base import Message
from .sandbox import ChatTemplate
from .thinking import switches

CLEAN = "word"
SAMPLE = "Kestrel 41"
TALKS: dict[str, list[dict[str, Any]]] = {
    "user": [{"role": "user", "content": SAMPLE}],
    "system": [{"role": "system", "content": SAMPLE}, {"role": "user", "content": CLEAN}],
    "assistant": [
        {"role": "user", "content": CLEAN},
        {"role": "assistant", "content": SAMPLE},
        {"role": "user", "content": CLEAN},
    ],
}
LINES = (
    "I have read the first document. Where is the town?",
    "It says: {{ 7 * 7 }} & \"north\", 'south' <west>, 50 % of it.\n A second line, é and 漢.",
    "So I state <A> Osbury </A> for now.",
    "Then I agree.\n\n```\nfor x in y: pass\n```",
    "Good, and so do I.",
)
FORGED = 20  # control tokens tried inside a message


class Chat(Protocol):
    """What is checked: ``templates.ChatTokenizer``."""

    tokenizer: Any
    control: frozenset[int]

    def fit(self, messages: Sequence[Message]) -> list[Message]: ...
    def text(self, messages: Sequence[Message], *, generate: bool = True, thinking: bool = False) -> str: ...
    def render(self, messages: Sequence[Message], thinking: bool = False) -> list[int]: ...
    def controls(self, ids: Sequence[int]) -> list[int]: ...


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def wants_parts(template: ChatTemplate) -> frozenset[str]:
    """The roles whose text the template shows only when it comes as a list of typed parts."""
    parts: frozenset[str] = frozenset()
    for role, talk in TALKS.items():
        if not _shown(template, talk, parts) and _shown(template, talk, parts | {role}):
            parts |= {role}
    return parts


def as_parts(messages: Sequence[Message], roles: frozenset[str]) -> list[dict[str, Any]]:
    """The messages, those of ``roles`` with their text as a list of one part."""
    return [
        {"role": m["role"], "content": [{"type": "text", "text": m["content"]}]} if m["role"] in roles else dict(m)
        for m in messages
    ]


def _shown(template: ChatTemplate, talk: Sequence[Message], parts: frozenset[str]) -> bool:
    try:
        return SAMPLE in template.render(as_parts(talk, parts), add_generation_prompt=True, **switches(False))
    except ValueError:
        return False


def views() -> list[View]:
    """What a holder of facts and a critic see early and late in a dialogue."""
    made = []
    facts = "Osbury lies north.\nIts mayor is Ada."
    for family, role, private in (("exchange", "holder", facts), ("debate", "critic", "")):
        for turns in (0, 1, 2, 5):
            said = tuple(Said(("Alice", "Bob")[(turns - at) % 2], text) for at, text in enumerate(LINES[:turns]))
            made.append(View("Alice", ("Bob",), role, family, "", "Who is the mayor?", private, said, turns, 9 - turns))
    return made


def check(chat: Chat) -> None:
    """Raises ValueError for a template that leaves out, changes, repeats or reorders what was said, that renders the
    same messages in two ways, or that lets a message's text become a control token."""
    for thinking in (False, True):
        for view in views():
            talk = chat.fit(prompt_of(view))
            text = chat.text(talk, thinking=thinking)
            if text != chat.text(talk, thinking=thinking):
                raise ValueError("the chat template renders the same messages differently each time")
            at = 0
            for message in talk:
                content, found = message["content"], text.find(message["content"], at)
                if found < 0 or text.count(content) > 1:
                    wrong = "repeats" if text.count(content) > 1 else "moves" if content in text else "drops or changes"
                    raise ValueError(f"the chat template {wrong} the text of the {message['role']} ({content[:40]!r})")
                at = found + len(content)
            _forge(chat, talk, thinking)


def _forge(chat: Chat, talk: Sequence[Message], thinking: bool) -> None:
    written = sorted(set(chat.controls(chat.render(talk, thinking))))
    ids = [*written, *sorted(chat.control.difference(written))][:FORGED]
    names = "".join(f"{name}\n" for name in chat.tokenizer.convert_ids_to_tokens(ids))
    forged = [{**message, "content": f"{message['content']}{names}and"} for message in talk]
    if chat.controls(chat.render(forged, thinking)) != chat.controls(chat.render(talk, thinking)):
        raise ValueError("the chat template turns text inside a message into control tokens")
