"""Thinking: what a reasoning model writes before it speaks, told apart from what it says."""

from __future__ import annotations

import re
from collections.abc import Mapping

# as the models of today write it: Qwen, DeepSeek, GLM and many others; Seed; Magistral; Cohere; Kimi; Gemma and Gemini
PAIRS: Mapping[str, str] = {
    "<think>": "</think>",
    "<thinking>": "</thinking>",
    "<thought>": "</thought>",
    "<reasoning>": "</reasoning>",
    "<seed:think>": "</seed:think>",
    "[THINK]": "[/THINK]",
    "<|START_THINKING|>": "<|END_THINKING|>",
    "◁think▷": "◁/think▷",
    "<|channel>": "<channel|>",
}
TAGS = frozenset(PAIRS) | frozenset(PAIRS.values())
TAG = re.compile("|".join(map(re.escape, TAGS)))
# a template may know one of these; the others are variables nobody reads
SWITCHES = ("enable_thinking", "thinking")


def switches(thinking: bool) -> dict[str, bool]:
    """The chat-template arguments that turn a model's thinking on or off."""
    return dict.fromkeys(SWITCHES, thinking)


def opened(prompt: str) -> bool:
    """Whether the end of a prompt has begun a thought for the model."""
    tags = TAG.findall(prompt)
    return bool(tags) and tags[-1] in PAIRS


def apart(text: str, begun: bool = False) -> tuple[str, str]:
    """(thinking, what is said). ``begun``: the prompt ended inside a thought.

    A thought without an end is thinking to its end, and an end without a beginning ends one that began with the text:
    whatever may be thinking never reaches a partner.
    """
    if not begun and TAG.search(text) is None:
        return "", text
    thought: list[str] = []
    said: list[str] = []
    depth, at = int(begun), 0
    for tag in TAG.finditer(text):
        (thought if depth else said).append(text[at : tag.start()])
        at = tag.end()
        if tag.group() in PAIRS:
            depth += 1
        elif depth:
            depth -= 1
        else:
            thought += said
            said.clear()
    (thought if depth else said).append(text[at:])
    return "".join(thought).strip(), "".join(said).lstrip()
