"""What an OpenAI-compatible server answered, read with suspicion: nothing in it is taken on trust but its shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from optima_envs.records import Finish, Usage
from optima_envs.text import utf8

from ..base import BackendError, Completion, EngineDead
from .refusals import printable

# in the words of OpenAI, vLLM, TGI, SGLang, Anthropic, Gemini, Mistral, Cohere and llama.cpp, in capitals or not
STOPPED = {
    "stop",
    "eos",
    "eos_token",
    "stop_sequence",
    "stop_token",
    "end_turn",
    "complete",
    "completed",
    "end",
    "done",
}
CUT = {"length", "max_tokens", "model_length", "max_length", "max_output_tokens", "limit", "incomplete", "truncated"}
TEXT_PARTS = {"text", "output_text"}
THOUGHT_PARTS = {"thinking", "reasoning", "reasoning_text", "thought"}
THOUGHT_FIELDS = ("reasoning_content", "reasoning", "thinking")

Finite = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Number = Annotated[int, Field(strict=True, ge=0)]
IDS = TypeAdapter(tuple[Number, ...])
LOGPROBS = TypeAdapter(tuple[Finite, ...])
Read = TypeVar("Read")


@dataclass(frozen=True, slots=True)
class Served:
    """The model a server offers: its name there, who made the server (as its model list says it: ``vllm``, ``sglang``,
    ``llamacpp`` ...), and the window in tokens if it is told."""

    model: str
    maker: str = ""
    window: int | None = None

    @property
    def vllm(self) -> bool:
        return self.maker == "vllm"


def read_models(data: Any, wanted: str | None, address: str) -> Served:
    """The served model called ``wanted``, or the only one. Raises EngineDead when it is not clear which."""
    listed = data.get("data") if isinstance(data, dict) else None
    rows = [row for row in listed or () if isinstance(row, dict) and isinstance(row.get("id"), str)]
    # vLLM lists LoRA adapters beside their base, which is their parent
    names = [wanted] if wanted else [row["id"] for row in rows if not row.get("parent")]
    if len(names) != 1:
        known = f" (it serves {', '.join(printable(name)[:200] for name in names[:20])})" if names else ""
        raise EngineDead(f"name the model: openai:{address}#MODEL{known}")
    row = next((row for row in rows if row["id"] == names[0]), {})
    window = row.get("max_model_len")
    return Served(names[0], str(row.get("owned_by") or "").lower(), window if isinstance(window, int) else None)


def read_completion(data: Any, limit: int) -> Completion:
    """The completion in the answer of ``/chat/completions`` or ``/completions``. Raises BackendError if there is none.

    ``limit`` is the ``max_tokens`` asked for: a server that gives no reason for its end was cut there, or has stopped.
    Token ids and log-probabilities are there if the server sent them. Without a token count white-space words count.
    Thinking that the server sends apart, as a field or as parts, is apart here too.
    """
    choice = _first_choice(data)
    # a delta is a piece of a stream; some send a whole reply as one
    message = next((choice[name] for name in ("message", "delta") if isinstance(choice.get(name), dict)), None)
    thoughts: list[str] = []
    if message is None:
        text = _text(choice.get("text"), thoughts)
    else:
        thoughts += [found for name in THOUGHT_FIELDS if (found := _flat(message.get(name)))][:1]
        # a server decodes a reply as the rest of its prompt, so the space shows that some tokenizers put before a
        # message's first word; decoding the reply alone, as is done for local models, leaves it out
        text = _text(message.get("content"), thoughts).removeprefix(" ")
    ids = _checked(IDS, choice.get("token_ids"), "token ids")
    prompt_ids = _checked(IDS, data.get("prompt_token_ids", choice.get("prompt_token_ids")), "prompt token ids")
    logprobs = _logprobs(choice.get("logprobs"))
    if ids is not None and logprobs is not None and len(ids) != len(logprobs):
        raise BackendError(f"the server sent {len(logprobs)} log-probabilities for {len(ids)} tokens")
    usage, thinking = _usage(data.get("usage")), "\n".join(thoughts)
    words = len(text.split()) + len(thinking.split())
    tokens = len(ids) if ids is not None else usage.completion_tokens or words
    finish = _finish(choice.get("finish_reason"), tokens, limit)
    if message is not None and not text and isinstance(message.get("refusal"), str):
        text, finish = message["refusal"], "error"
    # JSON may escape a lone surrogate, which the next prompt's tokenizer or request would not take
    return Completion(utf8(text), tokens, prompt_ids, ids, logprobs, finish, usage, utf8(thinking))


def read_prompt_logprobs(data: Any, ids: list[int], first: int) -> list[float]:
    """Log-probabilities of ``ids[first:]`` from vLLM's ``prompt_logprobs``. Raises BackendError if they are missing."""
    rows = _first_choice(data).get("prompt_logprobs")
    if not isinstance(rows, list) or len(rows) != len(ids):
        raise BackendError("the server sent no prompt_logprobs; only vLLM's /v1/completions does")
    try:
        found = [rows[at][str(ids[at])]["logprob"] for at in range(first, len(ids))]
    except (KeyError, TypeError) as err:
        raise BackendError(f"the server's prompt_logprobs cannot be read: {type(err).__name__}: {err}") from None
    return list(_checked(LOGPROBS, found, "prompt_logprobs") or ())


def _first_choice(data: Any) -> dict[str, Any]:
    if isinstance(data, str) and data.lstrip().startswith(("data:", "event:")):
        raise BackendError("the server streams its answer, though it was not asked to; switch streaming off there")
    if not isinstance(data, dict):
        what = "a page that is no JSON" if isinstance(data, str) else f"a JSON {type(data).__name__}"
        raise BackendError(f"the server sent {what}; is the base URL right (it often ends in /v1)?")
    choices = data.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise BackendError("the server's answer has no choices")
    return choices[0]


def _text(content: Any, thoughts: list[str]) -> str:
    """What is said in a message's content, a text or a list of parts; what is thought goes to ``thoughts``."""
    if content is None:
        return ""  # all tokens went into hidden thinking, or none was sampled
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise BackendError(f"the server sent a {type(content).__name__} as text")
    said = ""
    for part in content:
        kind = str(part.get("type", "text")) if isinstance(part, dict) else type(part).__name__
        if isinstance(part, str):
            said += part
        elif kind in TEXT_PARTS and isinstance(part.get("text"), str):
            said += part["text"]
        elif kind in THOUGHT_PARTS:
            thoughts += [found] if (found := _flat(part)) else []
        else:
            raise BackendError(f"the server sent a part of type {kind[:80]} in its text")
    return said


def _flat(value: Any, depth: int = 0) -> str:
    """The texts in a field or part of thinking, whatever it is nested in."""
    if isinstance(value, str):
        return value
    if depth > 5:
        return ""
    if isinstance(value, list):
        return "".join(_flat(item, depth + 1) for item in value)
    if isinstance(value, dict):
        return next((text for name in ("text", *THOUGHT_FIELDS) if (text := _flat(value.get(name), depth + 1))), "")
    return ""


def _finish(reason: Any, tokens: int, limit: int) -> Finish:
    if isinstance(reason, dict):  # older TGI
        reason = reason.get("type") or reason.get("reason")
    if reason in (None, ""):
        return "length" if tokens >= limit else "stop"
    if not isinstance(reason, str):
        raise BackendError(f"the server sent a {type(reason).__name__} as finish_reason")
    word = reason.strip().lower()
    return "stop" if word in STOPPED else "length" if word in CUT else "error"


def _checked(kind: TypeAdapter[Read], value: Any, what: str) -> Read | None:
    if value is None:
        return None
    try:
        return kind.validate_python(value)
    except ValidationError as err:
        first = err.errors(include_url=False, include_context=False)[0]
        told = f"{first['msg']}, not {str(first['input'])[:80]!r}"
        raise BackendError(f"the server's {what} cannot be read: {told}") from None


def _logprobs(value: Any) -> tuple[float, ...] | None:
    if not isinstance(value, dict):
        return None
    listed = value.get("token_logprobs")  # of /completions; /chat/completions has one object per token
    if listed is None and isinstance(value.get("content"), list):
        listed = [row.get("logprob") if isinstance(row, dict) else None for row in value["content"]]
    return _checked(LOGPROBS, listed, "log-probabilities") if isinstance(listed, list) else None


def _usage(value: Any) -> Usage:
    if not isinstance(value, dict):
        return Usage()
    details = next((d for n in ("prompt", "input") if isinstance(d := value.get(f"{n}_tokens_details"), dict)), {})
    cached = _count(details, "cached_tokens") or _count(value, "prompt_cache_hit_tokens")
    return Usage(
        _count(value, "prompt_tokens", "input_tokens"), _count(value, "completion_tokens", "output_tokens"), cached
    )


def _count(value: dict[str, Any], *names: str) -> int:
    return next((n for name in names if type(n := value.get(name)) is int and n > 0), 0)
