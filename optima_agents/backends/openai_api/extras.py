"""Fields beyond OpenAI's own that a server is sent, so that it samples as it is asked and thinks only when it may."""

from __future__ import annotations

from typing import Any

from ..base import Request
from ..chat.thinking import switches

# what these servers take from the model's own generation config, or their own defaults, unless it is said
PLAIN = {
    "vllm": {"top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0},
    "sglang": {"top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0},
    "llamacpp": {"top_k": 0, "min_p": 0.0, "repeat_penalty": 1.0, "typical_p": 1.0},
    "organization_owner": {"top_k": 0, "min_p": 0.0, "repeat_penalty": 1.0},  # LM Studio
}
OLLAMA = "library"
PENALTIES = {"presence_penalty": 0.0, "frequency_penalty": 0.0}


def extras(maker: str, request: Request) -> dict[str, Any]:
    """What a server by ``maker`` is sent with ``request``: the template's switch for thinking where the server renders
    the chat, and neutral values where it is known what it calls them."""
    plain = PLAIN.get(maker)
    more: dict[str, Any] = {} if plain is None else {**plain, **PENALTIES}
    if request.prompt_ids is not None:
        return more
    if maker == OLLAMA:  # it has no other switch, and thinks by itself where this is not said
        return more if request.thinking else {**more, "reasoning_effort": "none"}
    return {**more, "chat_template_kwargs": switches(request.thinking)}
