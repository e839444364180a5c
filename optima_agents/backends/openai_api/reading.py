"""What an OpenAI-compatible server answered, read with suspicion: nothing in it is taken on trust but its shape."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from optima_envs.records import Finish, Usage
from optima_envs.text import utf8

from ..base import BackendError, Completion, EngineDead

FINISH: dict[Any, Finish] = {"stop": "stop", "length": "length"}


@dataclass(frozen=True, slots=True)
class Served:
    """The model a server offers: its name there, whether the server is vLLM, and the window in tokens if it is told."""

    model: str
    vllm: bool = False
    window: int | None = None


def read_models(data: Any, wanted: str | None, address: str) -> Served:
    """The served model called ``wanted``, or the only one. Raises EngineDead when it is not clear which."""
    listed = data.get("data") if isinstance(data, dict) else None
    rows = [row for row in listed or () if isinstance(row, dict) and isinstance(row.get("id"), str)]
    # vLLM lists LoRA adapters beside their base, which is their parent
    names = [wanted] if wanted else [row["id"] for row in rows if not row.get("parent")]
    if len(names) != 1:
        known = f" (it serves {', '.join(names[:20])})" if names else ""
        raise EngineDead(f"name the model: openai:{address}#MODEL{known}")
    row = next((row for row in rows if row["id"] == names[0]), {})
    window = row.get("max_model_len")
    return Served(names[0], row.get("owned_by") == "vllm", window if isinstance(window, int) else None)


def read_completion(data: Any) -> Completion:
    """The completion in the answer of ``/chat/completions`` or ``/completions``. Raises BackendError if there is none.

    Token ids and log-probabilities are there if the server sent them. Without a token count white-space words count.
    """
    choice = _first_choice(data)
    message = choice.get("message")
    text = message.get("content") if isinstance(message, dict) else choice.get("text")
    if text is None:
        text = ""  # all tokens went into hidden thinking, or none was sampled
    if not isinstance(text, str):
        raise BackendError(f"the server sent a {type(text).__name__} as text")
    if isinstance(message, dict):
        # a server decodes a reply as the rest of its prompt, so the space shows that some tokenizers put before a
        # message's first word; decoding the reply alone, as is done for local models, leaves it out
        text = text.removeprefix(" ")
    text = utf8(text)  # JSON may escape a lone surrogate, which the next prompt's tokenizer or request would not take
    ids = _ids(choice.get("token_ids"))
    prompt_ids = _ids(data.get("prompt_token_ids", choice.get("prompt_token_ids")))
    usage = _usage(data.get("usage"))
    tokens = len(ids) if ids is not None else usage.completion_tokens or len(text.split())
    finish = FINISH.get(choice.get("finish_reason"), "error")
    logprobs = _logprobs(choice.get("logprobs"))
    if ids is not None and logprobs is not None and len(ids) != len(logprobs):
        raise BackendError(f"the server sent {len(logprobs)} log-probabilities for {len(ids)} tokens")
    return Completion(text, tokens, prompt_ids, ids, logprobs, finish, usage)


def read_prompt_logprobs(data: Any, ids: list[int], first: int) -> list[float]:
    """Log-probabilities of ``ids[first:]`` from vLLM's ``prompt_logprobs``. Raises BackendError if they are missing."""
    rows = _first_choice(data).get("prompt_logprobs")
    if not isinstance(rows, list) or len(rows) != len(ids):
        raise BackendError("the server sent no prompt_logprobs; only vLLM's /v1/completions does")
    try:
        return [_finite(rows[at][str(ids[at])]["logprob"]) for at in range(first, len(ids))]
    except (KeyError, TypeError) as err:
        raise BackendError(f"the server's prompt_logprobs cannot be read: {type(err).__name__}: {err}") from None


def _first_choice(data: Any) -> dict[str, Any]:
    if not isinstance(data, dict):
        what = "a page that is no JSON" if isinstance(data, str) else f"a JSON {type(data).__name__}"
        raise BackendError(f"the server sent {what}; is the base URL right (it often ends in /v1)?")
    choices = data.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise BackendError("the server's answer has no choices")
    return choices[0]


def _ids(value: Any) -> tuple[int, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not all(type(i) is int and i >= 0 for i in value):
        raise BackendError("the server's token ids are no list of numbers")
    return tuple(value)


def _logprobs(value: Any) -> tuple[float, ...] | None:
    if not isinstance(value, dict):
        return None
    listed = value.get("token_logprobs")  # of /completions; /chat/completions has one object per token
    if listed is None and isinstance(value.get("content"), list):
        listed = [row.get("logprob") if isinstance(row, dict) else None for row in value["content"]]
    return tuple(map(_finite, listed)) if isinstance(listed, list) else None


def _finite(value: Any) -> float:
    if not isinstance(value, (int, float)) or not math.isfinite(value):
        raise BackendError(f"the server sent {value!r} as a log-probability")
    return float(value)


def _usage(value: Any) -> Usage:
    if not isinstance(value, dict):
        return Usage()
    details = value.get("prompt_tokens_details")
    cached = _count(details, "cached_tokens") if isinstance(details, dict) else 0
    return Usage(_count(value, "prompt_tokens"), _count(value, "completion_tokens"), cached)


def _count(value: Mapping[str, Any], name: str) -> int:
    number = value.get(name)
    return number if type(number) is int and number >= 0 else 0
